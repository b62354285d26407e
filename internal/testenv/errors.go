package testenv

import "errors"

// ErrUnavailable says that something a test needs is neither installed here nor to be had from Docker.
var ErrUnavailable = errors.New("testenv: not available on this machine")

// ErrEarlyExit says that a server ended before it answered.
var ErrEarlyExit = errors.New("testenv: the server ended while starting")
