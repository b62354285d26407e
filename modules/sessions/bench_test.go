package sessions_test

import (
	"os"
	"runtime"
	"testing"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/testkit"
)

// BenchmarkRefresh rotates one session per goroutine, and BenchmarkRefreshAgain asks for the same successor: what a client
// that lost its answer costs. SQLite does not wait for the disk here.
func BenchmarkRefresh(b *testing.B) { eachStore(b, rotate) }

func BenchmarkRefreshAgain(b *testing.B) { eachStore(b, replay) }

// BenchmarkRefreshForged is what garbage costs.
func BenchmarkRefreshForged(b *testing.B) {
	i := open(b, testkit.SQLite(b), newClock())
	text := i.start(b, account.NewID()).RefreshToken.Reveal()
	forged := secret.New(text[:len(text)-1] + string(text[len(text)-1]^1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := i.Refresh(b.Context(), forged, client); err == nil {
			b.Fatal("accepted")
		}
	}
}

func eachStore(b *testing.B, run func(b *testing.B, i *instance)) {
	b.Helper()
	b.Run("SQLite", func(b *testing.B) { run(b, open(b, testkit.SQLite(b), newClock())) })
	if os.Getenv(testkit.PostgresVariable) != "" {
		b.Run("PostgreSQL", func(b *testing.B) { run(b, open(b, testkit.Postgres(b), newClock())) })
	}
}

func rotate(b *testing.B, i *instance) {
	b.Helper()
	b.ReportAllocs()
	each := chains(b, i)
	b.RunParallel(func(pb *testing.PB) {
		text := <-each
		for pb.Next() {
			text = use(b, i, text).RefreshToken
		}
	})
}

func replay(b *testing.B, i *instance) {
	b.Helper()
	b.ReportAllocs()
	each := chains(b, i)
	b.RunParallel(func(pb *testing.PB) {
		text := <-each
		for pb.Next() {
			use(b, i, text)
		}
	})
}

// chains gives each goroutine of a benchmark a session of its own, past its first use.
func chains(b *testing.B, i *instance) <-chan secret.String {
	b.Helper()
	each := make(chan secret.String, runtime.GOMAXPROCS(0))
	for range cap(each) {
		each <- use(b, i, i.start(b, account.NewID()).RefreshToken).RefreshToken
	}
	b.ResetTimer()
	return each
}

func use(b *testing.B, i *instance, text secret.String) sessions.Refreshed {
	b.Helper()
	r, err := i.Refresh(b.Context(), text, client)
	if err != nil {
		b.Fatal(err)
	}
	return r
}
