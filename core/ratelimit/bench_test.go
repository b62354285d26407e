package ratelimit

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/core/cache/redistest"
	"github.com/gatehouse/gatehouse/core/clock"
)

func BenchmarkMemoryHotKey(b *testing.B) {
	m := NewMemory(clock.System{}, 0)
	checks := []Check{{Limit: limit("login", MaxCount, time.Second), Key: "192.0.2.1"}}
	out := make([]Decision, 1)
	b.ReportAllocs()
	for b.Loop() {
		m.decide(checks, out, 0, true)
	}
}

func BenchmarkMemoryManyKeys(b *testing.B) {
	m := NewMemory(clock.System{}, 0)
	login := limit("login", 10, time.Minute)
	keys := make([]string, 1<<18) // four times what fits
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		out, checks := make([]Decision, 1), []Check{{Limit: login}}
		for pb.Next() {
			checks[0].Key = keys[next.Add(1)&(1<<18-1)]
			m.decide(checks, out, 0, true)
		}
	})
}

func BenchmarkRedis(b *testing.B) {
	if redistest.URL().IsZero() {
		return
	}
	f := NewFailover(NewRedis(connect(b, redistest.URL(), time.Second)), NewMemory(clock.System{}, 0), silent)
	login := limit("login", MaxCount, time.Second)
	b.ReportAllocs()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, _ = f.Allow(context.Background(), Check{Limit: login, Key: "192.0.2.1"})
		}
	})
}

func BenchmarkHeaders(b *testing.B) {
	checks := []Check{{Limit: limit("login", 10, time.Minute)}}
	decisions := []Decision{{Allowed: true, Remaining: 7, Reset: 42 * time.Second}}
	b.ReportAllocs()
	for b.Loop() {
		_ = PolicyHeader(checks...)
		_ = StateHeader(checks, decisions)
	}
}
