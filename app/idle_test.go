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
// those of River's are counted where we use it. It takes ten seconds or more, so that slow looks are among what it counts, and
// as many again while the schedules' first jobs run.
func TestAnIdleWorkerOfAllModulesAsksLittle(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		var statements atomic.Int64
		testkit.Serve(t, db, testkit.WithWorker(), testkit.WithObserver(func(context.Context, database.Statement) { statements.Add(1) }))
		const (
			watch = 10 * time.Second
			most  = 0.8 // a second; with River's 4.2 at most that is 5
		)
		rate := most
		for turns := 0; turns < 6 && rate >= most; turns++ {
			before, end := statements.Load(), time.NewTimer(watch)
			<-end.C
			rate = float64(statements.Load()-before) / watch.Seconds()
			t.Logf("%.2f statements a second", rate)
		}
		require.Less(t, rate, most)
	})
}
