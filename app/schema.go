package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse/gatehouse/core/database"
)

// ErrSchemaBehind means that database.migrate is off and migrations wait to be applied.
var ErrSchemaBehind = errors.New("the schema is not up to date, and database.migrate is off: run `gatehouse migrate up`")

// bringUp brings the schema up, or makes sure that somebody did.
func (a *App) bringUp(ctx context.Context) error {
	if a.settings.database.Migrate == database.MigrateAuto {
		if _, err := a.Migrate(ctx); err != nil {
			return fmt.Errorf("bring up the schema: %w", err)
		}
		return nil
	}
	list, err := a.Stores.DB.MigrationStatus(ctx, a.Migrations())
	if err != nil {
		return err
	}
	for _, m := range list {
		switch m.State {
		case database.StatePending:
			return ErrSchemaBehind
		case database.StateChanged:
			return fmt.Errorf("%w: %04d_%s of module %s", database.ErrMigrationChanged, m.Number, m.Name, m.Module)
		default:
		}
	}
	return nil
}

// ErrNotSetUp is a database that is not there, or has nothing in it yet.
var ErrNotSetUp = errors.New("nothing was set up there yet: `gatehouse serve` does it")

// OpenExisting is Open for what is of no use where nothing is kept yet. It makes no database, and returns ErrNotSetUp where
// there is none.
func (a *App) OpenExisting(ctx context.Context) error {
	list, err := a.MigrationStatus(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(m database.MigrationStatus) bool { return m.State != database.StatePending }) {
		return fmt.Errorf("%s: %w", a.Target().Place, ErrNotSetUp)
	}
	return a.Open(ctx)
}

// MigrationStatus lists what has become of every migration. It needs no open database and makes none.
func (a *App) MigrationStatus(ctx context.Context) ([]database.MigrationStatus, error) {
	db, err := a.openExisting(ctx)
	if errors.Is(err, database.ErrNoDatabase) {
		return database.Unapplied(database.SQLite, a.Migrations())
	}
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return db.MigrationStatus(ctx, a.Migrations())
}

func (a *App) openExisting(ctx context.Context) (*database.DB, error) {
	return database.OpenExisting(ctx, a.settings.database, database.Options{DataDir: a.settings.root.DataDir, Clock: a.options.Clock})
}

// Target says where the database is, without anything secret. The settings must be loaded.
func (a *App) Target() database.Target {
	t, err := a.settings.database.Target(a.settings.root.DataDir)
	if err != nil {
		return database.Target{Place: "nowhere"} // Load has refused such a URL
	}
	return t
}
