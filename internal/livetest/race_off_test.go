//go:build !race

package livetest

// raceEnabled says that everything is slow.
const raceEnabled = false
