//go:build race

package jsonmode

const raceEnabled = true
