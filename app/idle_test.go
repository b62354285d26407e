package app_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/testkit"
)

// TestAnIdleWorkerOfAllModulesAsksLittle counts our own statements while a worker of the standard modules has nothing to do;
// those of River's are counted where we use it. It takes twenty seconds, so that slow looks are among what it counts, once each
// schedule has had its first job.
func TestAnIdleWorkerOfAllModulesAsksLittle(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		var statements atomic.Int64
		api := testkit.Serve(t, db, testkit.WithWorker(), testkit.WithObserver(func(context.Context, database.Statement) { statements.Add(1) }))
		schedules := scheduled(api)
		require.Eventually(t, func() bool {
			done, err := api.App.Stores.Jobs.List(t.Context(), job.RecordQuery{States: []job.State{job.StateCompleted}, Limit: page.MaxLimit})
			return err == nil && len(done.Items) >= schedules
		}, time.Minute, 100*time.Millisecond)
		before := statements.Load()
		const watch = 20 * time.Second
		end := time.NewTimer(watch)
		<-end.C
		rate := float64(statements.Load()-before) / watch.Seconds()
		t.Logf("%.2f statements a second", rate)
		require.Less(t, rate, 0.8, "with River's 4.2 at most that is 5")
	})
}

// scheduled is how many jobs come by themselves.
func scheduled(api *testkit.API) int {
	_, events := api.App.Stores.Events.Jobs()
	_, audited := api.App.Stores.Audit.Jobs()
	n := len(events) + len(audited)
	for _, m := range api.App.Modules {
		n += len(m.Schedules)
	}
	return n
}
