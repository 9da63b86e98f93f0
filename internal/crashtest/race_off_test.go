//go:build !race

package crashtest

// raceEnabled makes the program under test be built like the test.
const raceEnabled = false
