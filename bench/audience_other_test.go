//go:build !linux

package bench

import "errors"

// audience needs epoll: a goroutine for each of ten thousand readers would take
// the CPU that the server is measured on.
type audience struct{}

func newAudience() (*audience, error) {
	return nil, errors.New("bench: there is no audience on this system")
}

func (*audience) obey(*audienceOrder) (audienceState, error) { return audienceState{}, nil }
