// Package guard keeps callers from taking more than their share: of guesses at
// credentials ([Failures]) and of calls at once ([InFlight]). Both decide in memory,
// for this node alone; neither owns a goroutine.
package guard
