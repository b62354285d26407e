package job

import (
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"testing/fstest"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

// MigrationsName is the reserved name that Migrations go under.
const MigrationsName = "river"

// schemaPlace is where River's own migrator would put the name of a schema; ours are found along the search path.
const schemaPlace = "/* TEMPLATE: schema */"

// Migrations are River's own, as the libraries carry them, one file for each of their versions and each engine: a later
// release of River brings later numbers, and nothing else is to be done. Those applied already are held against their
// digests like all others.
var Migrations = sync.OnceValue(func() fs.FS {
	files := fstest.MapFS{}
	addVersions(files, riverpgxv5.New(nil), "postgres")
	addVersions(files, riversqlite.New(nil), "sqlite")
	return files
})

func addVersions[T any](files fstest.MapFS, driver riverdriver.Driver[T], engine string) {
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		panic(fmt.Sprintf("job: River's migrations cannot be read: %v", err)) // they are embedded in the library
	}
	for _, v := range migrator.AllVersions() {
		name := strings.ReplaceAll(strings.ToLower(v.Name), " ", "_")
		files[fmt.Sprintf("%04d_%s.%s.sql", v.Version, name, engine)] = &fstest.MapFile{Data: []byte(strings.ReplaceAll(v.SQLUp, schemaPlace, ""))}
	}
}
