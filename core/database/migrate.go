package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Migrations are one module's, in files 0001_name.sql, or 0001_name.sqlite.sql and 0001_name.postgres.sql where the
// engines must differ. A file may hold several statements and must not begin or end a transaction. The files lie at
// the root of FS or in its folder "migrations". Core's own come under the module name "core".
type Migrations struct {
	Module string
	FS     fs.FS
}

// Applied is a migration that Migrate has just applied.
type Applied struct {
	Module string
	Number int
	Name   string
	Took   time.Duration
}

// State is what has become of a migration.
type State string

// The states. Changed means that a file differs from what was applied; Unknown, that a newer version of the program, or a
// module that is no longer built in, has applied it.
const (
	StateApplied State = "applied"
	StatePending State = "pending"
	StateChanged State = "changed"
	StateUnknown State = "unknown"
)

// MigrationStatus is one line of the command "migrate status".
type MigrationStatus struct {
	Module    string
	Number    int
	Name      string
	State     State
	AppliedAt *time.Time // nil while pending
}

// ErrMigrationChanged means that a file differs from what was applied to this database under its name. It is never mended
// by the program: bring the file back as it was, and put the change into a new one.
var ErrMigrationChanged = errors.New("an applied migration was changed")

// applied is a row of gatehouse_migrations.
type applied struct {
	module string
	number int
	name   string
	digest string
	at     time.Time
}

// migrator is one engine's way to change the schema, on a connection of its own.
type migrator interface {
	// lock waits until no other process migrates. It fails when the context ends.
	lock(ctx context.Context, waiting func()) error
	// applied reads the table of migrations; create makes it first where it is missing.
	applied(ctx context.Context, create bool) ([]applied, error)
	// apply runs one migration and records it, in one transaction. Once the last is applied, a loss of power takes none away.
	apply(ctx context.Context, m migration, at time.Time, last bool) error
	close()
}

// Migrate brings the schema up: the sets in their order, each by number. Each migration and its record are one
// transaction, so that a process killed half-way leaves whole migrations, and the next one goes on. One process migrates
// at a time, the others wait, as long as ctx lets them. It gives what this call applied, also beside an error.
//
// A database that a newer version has migrated further is accepted: schemas work for the version before.
func (db *DB) Migrate(ctx context.Context, sets []Migrations) ([]Applied, error) {
	wanted, err := readMigrations(db.kind, sets)
	if err != nil {
		return nil, err
	}
	if db.inside(ctx) {
		return nil, errPoolInTx
	}
	m, err := db.engine.migrator(ctx, db.options)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	defer m.close()
	if rows, err := m.applied(ctx, false); err == nil { // most starts find nothing to do, and need no lock for that
		if todo, err := plan(wanted, rows); err != nil || len(todo) == 0 {
			return nil, err
		}
	}
	if err := m.lock(ctx, func() { db.options.Logger.InfoContext(ctx, "another process migrates the database; waiting for it") }); err != nil {
		return nil, fmt.Errorf("migrate: wait for another process that migrates: %w", err)
	}
	rows, err := m.applied(ctx, true)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	todo, err := plan(wanted, rows)
	if err != nil {
		return nil, err
	}
	return db.applyAll(ctx, m, todo)
}

func (db *DB) applyAll(ctx context.Context, m migrator, todo []migration) ([]Applied, error) {
	var done []Applied
	for i, step := range todo {
		started := time.Now()
		if err := m.apply(ctx, step, db.options.Clock.Now(), i == len(todo)-1); err != nil {
			return done, fmt.Errorf("migration %s of module %s failed and left nothing; the ones before it stay: %w", step.file, step.module, err)
		}
		took := time.Since(started)
		db.options.Logger.InfoContext(ctx, "migration applied", "module", step.module, "file", step.file, "ms", float64(took.Microseconds())/1000)
		done = append(done, Applied{Module: step.module, Number: step.number, Name: step.name, Took: took})
	}
	return done, nil
}

// plan gives what is still to be applied, and refuses a history that does not fit the files.
func plan(wanted []migration, rows []applied) ([]migration, error) {
	type key struct {
		module string
		number int
	}
	done := make(map[key]applied, len(rows))
	last := map[string]int{}
	for _, r := range rows {
		done[key{r.module, r.number}] = r
		last[r.module] = max(last[r.module], r.number)
	}
	var todo []migration
	for _, m := range wanted {
		r, ok := done[key{m.module, m.number}]
		switch {
		case ok && r.digest != m.digest:
			return nil, fmt.Errorf("%w: %s of module %s is not what was applied on %s; bring it back as it was and put the change into a new file",
				ErrMigrationChanged, m.file, m.module, r.at.Format(time.DateOnly))
		case !ok && m.number < last[m.module]:
			return nil, fmt.Errorf("migration %s of module %s was never applied, but number %d was; restore the table gatehouse_migrations or the database from a back-up",
				m.file, m.module, last[m.module])
		case !ok:
			todo = append(todo, m)
		}
	}
	return todo, nil
}

// MigrationStatus lists the migrations of the sets in their order, then those that only the database knows. It changes
// nothing.
func (db *DB) MigrationStatus(ctx context.Context, sets []Migrations) ([]MigrationStatus, error) {
	wanted, err := readMigrations(db.kind, sets)
	if err != nil {
		return nil, err
	}
	if db.inside(ctx) {
		return nil, errPoolInTx
	}
	m, err := db.engine.migrator(ctx, db.options)
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", err)
	}
	defer m.close()
	rows, err := m.applied(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("migration status: %w", err)
	}
	return status(wanted, rows), nil
}

func status(wanted []migration, rows []applied) []MigrationStatus {
	list := make([]MigrationStatus, 0, len(wanted))
	known := map[applied]bool{}
	for _, m := range wanted {
		s := MigrationStatus{Module: m.module, Number: m.number, Name: m.name, State: StatePending}
		for _, r := range rows {
			if r.module != m.module || r.number != m.number {
				continue
			}
			known[r] = true
			s.AppliedAt, s.State = &r.at, StateApplied
			if r.digest != m.digest {
				s.State = StateChanged
			}
		}
		list = append(list, s)
	}
	for _, r := range rows {
		if !known[r] {
			list = append(list, MigrationStatus{Module: r.module, Number: r.number, Name: r.name, State: StateUnknown, AppliedAt: &r.at})
		}
	}
	return list
}
