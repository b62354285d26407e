//go:build !linux && !darwin

package app

import "github.com/gatehouse/gatehouse/core/config"

// freeSpace is not known here.
func freeSpace(string) (config.Size, bool) { return 0, false }

// writable is not known here; opening the database will tell.
func writable(string) bool { return true }
