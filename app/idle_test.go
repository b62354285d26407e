package app_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/testkit"
)

// TestAnIdleWorkerOfAllModulesAsksLittle counts our own statements while a worker of the standard modules has nothing to do;
// those of River's are counted where we use it. It takes 15 seconds or more: the schedules' jobs run at the start, and slow looks are
// to be among what it counts.
func TestAnIdleWorkerOfAllModulesAsksLittle(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		var statements atomic.Int64
		testkit.Serve(t, db, testkit.WithWorker(), testkit.WithObserver(func(context.Context, database.Statement) { statements.Add(1) }))
		quiet := func() bool {
			before, second := statements.Load(), time.NewTimer(time.Second)
			<-second.C
			return statements.Load()-before < 2
		}
		for range 60 {
			if quiet() && quiet() {
				break
			}
		}
		before := statements.Load()
		const watch = 10 * time.Second
		end := time.NewTimer(watch)
		<-end.C
		rate := float64(statements.Load()-before) / watch.Seconds()
		t.Logf("%.2f statements a second", rate)
		require.Less(t, rate, 1.0, "with River's 4 at most that is below 5")
	})
}
