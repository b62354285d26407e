package users_test

import (
	"fmt"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/testkit"
)

// BenchmarkList is GET /users?limit=50 over a connection that is kept, the client included.
func BenchmarkList(b *testing.B) {
	dbs := map[string]func(testing.TB) testkit.Database{"sqlite": testkit.SQLite}
	if os.Getenv(testkit.PostgresVariable) != "" {
		dbs["postgres"] = testkit.Postgres
	}
	for name, open := range dbs {
		b.Run(name, func(b *testing.B) {
			api := testkit.Serve(b, open(b), testkit.WithSetting("log.level", "error"))
			admin := api.Admin()
			people := make([]row, 1000)
			for i := range people {
				people[i] = row{email: fmt.Sprintf("user-%07d@example.com", i), name: "Ada Lovelace", role: account.RoleUser, created: time.Now()}
			}
			add(b, api.App.Stores.DB, people)
			as := api.As(admin)
			b.ReportAllocs()
			for b.Loop() {
				as.Get("/users?limit=50").Status(http.StatusOK)
			}
		})
	}
}
