//go:build race

package waserver

const raceEnabled = true
