package audit

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/gatehouse/gatehouse/core/account"
)

// Outcome is how an act ended.
type Outcome string

// The outcomes.
const (
	Done    Outcome = "done"
	Failed  Outcome = "failed"  // what was given was wrong, such as a password
	Refused Outcome = "refused" // it is not allowed, not as things stand, or came too often
)

// ActorKind is what somebody acts as.
type ActorKind string

// The kinds of actors.
const (
	User      ActorKind = "user"      // an account
	Operator  ActorKind = "operator"  // whoever runs commands
	Anonymous ActorKind = "anonymous" // a request that is nobody's
)

// Act is what somebody did, or tried to. From where, and as whom they are signed in, the context says.
type Act struct {
	Action  string  // that was declared
	Outcome Outcome // Done unless set
	Reason  string  // why it was not done: a word such as "rate_limited"
	// Actor is who did it where no access token says so: somebody who signs in, or comes with a mailed link.
	Actor   account.ID
	Target  account.ID     // whom it was done to; zero is nobody, or nobody known
	Email   string         // address that it is about; goes with the target's account
	Details map[string]any // what else there is to say, never about a person; JSON of at most 4 KiB
}

// Action is a kind of act, as a module has declared it.
type Action struct {
	Name string // such as "user.delete"
	Doc  string // when it is written
}

// Denied is the action of what the border of the API refuses, unless the operation has one of its own.
const Denied = "access.denied"

var validAction = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*(\.[a-z][a-z0-9]*(_[a-z0-9]+)*)*$`)

// mostAction bounds a name, which the list is filtered by.
const mostAction = 64

// Declare adds a kind of act, while modules are built; doc says when it is written. It panics where the name is malformed or
// taken: that is a mistake in the program, found by building it once.
func (t *Trail) Declare(name, doc string) {
	switch _, taken := t.actions[name]; {
	case !validAction.MatchString(name) || len(name) > mostAction:
		panic(fmt.Sprintf("audit: %q is no action: write lower-case words with dots, such as user.delete", name))
	case taken:
		panic(fmt.Sprintf("audit: %s is declared twice", name))
	case doc == "":
		panic(fmt.Sprintf("audit: %s has no doc", name))
	}
	t.actions[name] = doc
}

// Knows says whether an action was declared.
func (t *Trail) Knows(name string) bool {
	_, ok := t.actions[name]
	return ok
}

// Actions lists every action that was declared, by name.
func (t *Trail) Actions() []Action {
	all := make([]Action, 0, len(t.actions))
	for _, name := range slices.Sorted(maps.Keys(t.actions)) {
		all = append(all, Action{Name: name, Doc: t.actions[name]})
	}
	return all
}
