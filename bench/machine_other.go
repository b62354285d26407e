//go:build !linux

package main

import (
	"os/exec"
	"time"
)

// Elsewhere nothing is pinned and no CPU time is known: rates and latencies remain.

type cores struct{}

func findCores() (cores, error) { return cores{}, nil }

func pinSelf(cores) error { return nil }

func startPinned(cmd *exec.Cmd, _ cores) error { return cmd.Start() }

func cpuTime(int) time.Duration { return 0 }

func residentMiB(int) (now, peak float64) { return 0, 0 }

func loadAverage() string { return "unknown" }
