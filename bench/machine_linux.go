package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cores are those of the two sides. PostgreSQL and Redis take what they find.
type cores struct {
	server, loader unix.CPUSet
}

// findCores takes the first two cores that this process may use. Where there is only one, both sides share it.
func findCores() (c cores, err error) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return c, fmt.Errorf("which cores there are: %w", err)
	}
	sides := []*unix.CPUSet{&c.server, &c.loader}
	for core := 0; len(sides) > 0 && core < 8*int(unsafe.Sizeof(all)); core++ {
		if all.IsSet(core) {
			sides[0].Set(core)
			sides = sides[1:]
		}
	}
	if len(sides) > 0 {
		c.loader = c.server
	}
	return c, nil
}

// pinSelf keeps this process, and what it starts from now on, on the loader's core.
func pinSelf(c cores) error {
	runtime.GOMAXPROCS(1)
	for range 3 { // a thread that is made meanwhile has its maker's cores
		tasks, err := filepath.Glob("/proc/self/task/*")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			id, err := strconv.Atoi(filepath.Base(t))
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(id, &c.loader); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("stay on one core: %w", err)
			}
		}
	}
	return nil
}

// startPinned starts a command on the server's core: a child has the cores of the thread that made it. That thread is not
// used again.
func startPinned(cmd *exec.Cmd, c cores) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked, so that the thread ends with the goroutine
		err := unix.SchedSetaffinity(0, &c.server)
		if err == nil {
			err = cmd.Start()
		}
		done <- err
	}()
	return <-done
}

// tick is the unit of /proc/<pid>/stat on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// processStat is the part of /proc/<pid>/stat that counts here.
type processStat struct {
	parent    int
	own, reap time.Duration // CPU of the process, and of its children that have ended
}

func readStat(pid int) (processStat, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return processStat{}, err
	}
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:])) // the name in brackets may hold anything
	if len(f) < 15 {
		return processStat{}, fmt.Errorf("stat of %d is too short", pid)
	}
	n := func(i int) int64 {
		v, _ := strconv.ParseInt(f[i], 10, 64) // the kernel writes numbers
		return v
	}
	return processStat{parent: int(n(1)), own: time.Duration(n(11)+n(12)) * tick, reap: time.Duration(n(13)+n(14)) * tick}, nil
}

// cpuTime is what a process and all below it have used so far, those that have ended included.
func cpuTime(pid int) time.Duration {
	if pid == 0 {
		return 0
	}
	top, err := readStat(pid)
	if err != nil {
		return 0
	}
	total := top.own + top.reap
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return total
	}
	for _, dir := range all {
		id, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if s, err := readStat(id); err == nil && s.parent == pid {
			total += s.own + s.reap
		}
	}
	return total
}

// residentMiB gives the resident memory of a process, now and at most so far.
func residentMiB(pid int) (now, peak float64) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch {
		case err != nil:
		case name == "VmRSS":
			now = kib / 1024
		case name == "VmHWM":
			peak = kib / 1024
		}
	}
	return now, peak
}

// loadAverage is that of the last minute: a reading above one beside our own load says that the machine was not quiet.
func loadAverage() string {
	raw, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(raw), " ")
	return first
}
