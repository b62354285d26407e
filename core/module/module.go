// Package module is the contract between the app and what it is made of: a module is a value that says what it brings.
// Nothing here runs; the command line can print modules without starting anything.
package module

import (
	"context"
	"io/fs"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/job"
)

// Module is what a domain package gives the app. A nil field means "none".
type Module struct {
	Name        string                // "users": prefixes its tables, permissions, jobs and settings
	Needs       []string              // modules whose tables this one refers to
	Settings    any                   // pointer to its settings struct, filled before the stores open; read only when serving
	Migrations  fs.FS                 // 0001_name.sql, or .sqlite.sql and .postgres.sql where they must differ
	Permissions []authz.Permission    // rights that its operations ask for
	Routes      func(*httpapi.Router) // an operation without an access rule does not mount
	Jobs        []job.Handler         // what its jobs do; a kind begins with the module's name
	Schedules   []job.Periodic        // jobs that are enqueued once in every period
	Subscribes  []event.Subscription  // what it does when something has happened; a name begins with the module's
	// Destinations lists where events go outside the program on its account, such as what administrators have made; a name
	// begins with the module's. It is asked every few seconds by each worker.
	Destinations func(context.Context) ([]event.Destination, error)
	Receives     []event.Receiver // what it does with messages from outside, where a setting says from where; a name begins with the module's
	// Export gives what the module holds about an account, as JSON shows it to the owner: everything that is about them, and
	// no secret or digest of one. nil says that there is nothing.
	Export func(context.Context, account.ID) (any, error)
	// Erase deletes what the module holds about an account, in the transaction that deletes the account and has locked its
	// row: what is not in the database goes by a job that the transaction enqueues. Modules that need others are asked before
	// those, so that what they refer to is still there. What is not there is no error.
	Erase func(context.Context, *database.Tx, account.ID) error
}
