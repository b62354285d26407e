package audit_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/database/postgrestest"
)

// BenchmarkAppend is a transaction of one row, without an act and with one. SQLite does not wait for the disk here.
func BenchmarkAppend(b *testing.B) {
	ada := account.NewID()
	act := audit.Act{Action: write, Actor: ada, Target: ada, Email: "ada@example.com", Details: map[string]any{"role": "user"}}
	run := func(b *testing.B, on databasetest.Database) {
		b.Helper()
		p := open(b, on, newClock())
		p.exec("CREATE TABLE causes (id bigint PRIMARY KEY)")
		n := 0
		for _, acts := range [][]audit.Act{nil, {act}} {
			b.Run(fmt.Sprintf("%dActs", len(acts)), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					n++
					p.inTx(func(ctx context.Context, tx *database.Tx) error {
						if _, err := tx.Exec(ctx, "INSERT INTO causes (id) VALUES (?)", n); err != nil {
							return err
						}
						return p.AppendFrom(ctx, tx, ip, agent, acts...)
					})
				}
			})
		}
	}
	b.Run("SQLite", func(b *testing.B) { run(b, databasetest.SQLite(b)) })
	if postgrestest.Exists() {
		b.Run("PostgreSQL", func(b *testing.B) { run(b, databasetest.Postgres(b)) })
	}
}
