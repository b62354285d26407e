package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/gatehouse/gatehouse/core/password"
	"github.com/gatehouse/gatehouse/core/secret"
)

// hashCost is what verifying one password takes of this core, in this run.
type hashCost struct {
	CPU  float64 `json:"cpu_ms"`
	Wall float64 `json:"wall_ms"`
}

const hashTime = 4 * time.Second

// burnHashes verifies passwords as the server does, sixteen callers behind one permit, and prints what one took.
func burnHashes(ctx context.Context) error {
	settings := password.DefaultSettings()
	settings.QueueDeadline = time.Minute
	h := password.NewHasher(settings)
	phc, err := h.Hash(ctx, secret.New(usersPassword))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, hashTime)
	defer cancel()
	var callers sync.WaitGroup
	begun, cpu, before := time.Now(), ownCPU(), h.Stats().Done
	for range 16 {
		callers.Go(func() {
			for ctx.Err() == nil {
				_, _, _ = h.Verify(context.WithoutCancel(ctx), phc, secret.New(usersPassword)) // only the time counts
			}
		})
	}
	callers.Wait()
	n := float64(h.Stats().Done - before)
	return json.NewEncoder(os.Stdout).Encode(hashCost{CPU: (ownCPU() - cpu).Seconds() * 1000 / n, Wall: time.Since(begun).Seconds() * 1000 / n})
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measureHash runs burnHashes on the server's core.
func (s *stage) measureHash(ctx context.Context) (hashCost, error) {
	var c hashCost
	cmd := exec.CommandContext(ctx, s.self, "hash")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return c, err
	}
	if err := startPinned(cmd, s.cores); err != nil {
		return c, err
	}
	decoded := json.NewDecoder(out).Decode(&c)
	if err := errors.Join(cmd.Wait(), decoded); err != nil {
		return c, fmt.Errorf("measure the hash: %w", err)
	}
	return c, nil
}
