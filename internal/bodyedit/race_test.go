//go:build race

package bodyedit

const raceEnabled = true
