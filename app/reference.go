package app

import (
	"fmt"
	"io"
	"slices"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/schema"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/job"
)

// WriteAccess writes a Markdown reference of who may call every operation, and about whose objects. It opens nothing.
func (a *App) WriteAccess(w io.Writer) error {
	return httpapi.WriteAccess(w, a.Router.Operations(), a.permissions())
}

// Tables gives the tables that an engine has once core's migrations and the modules' have run. The job queue's are its
// library's, which changes them as it likes, and are left out. It opens nothing.
func (a *App) Tables(kind database.Engine) ([]schema.Table, error) {
	sets := slices.DeleteFunc(a.Migrations(), func(m database.Migrations) bool { return m.Module == job.MigrationsName })
	return schema.Read(kind, sets)
}

const schemaHead = `# Tables

What migrations make of an empty database, read out of their text: every table of ours, its columns on both engines, its
indexes, and why each is there. Below stands which statement finds its rows by what, over 100,000 rows of each table, and
which operations, jobs and commands run it; a statement is shortened to what its plan depends on.

The tables of the job queue (` + "`river_…`" + `) come with the library and are left out.
`

// WriteSchema writes a Markdown reference of every table. uses are the statements that tests have explained on each engine,
// or empty. It opens nothing.
func (a *App) WriteSchema(w io.Writer, uses schema.Engines[[]schema.Use]) error {
	var tables schema.Engines[[]schema.Table]
	for _, kind := range []database.Engine{database.SQLite, database.PostgreSQL} {
		read, err := a.Tables(kind)
		if err != nil {
			return fmt.Errorf("read the schema of %s: %w", kind, err)
		}
		*tables.Of(kind) = read
	}
	if _, err := io.WriteString(w, schemaHead); err != nil {
		return err
	}
	return schema.WriteReference(w, tables, uses)
}
