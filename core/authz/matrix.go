package authz

import (
	"slices"

	"github.com/gatehouse/gatehouse/core/account"
)

// Reach says whose objects an operation reaches, where its path names one. The zero Reach is of paths that name none.
type Reach struct {
	kind       reach
	permission string
}

type reach int

const (
	nothing reach = iota
	ownAlone
	ownOr
	everyones
)

var (
	// OwnAlone reaches the caller's own objects: anybody else's are answered as those that never were, whoever asks.
	OwnAlone = Reach{kind: ownAlone}
	// Everyones reaches all objects, whosever they are.
	Everyones = Reach{kind: everyones}
)

// OwnOr reaches the caller's own objects and, for those whose role holds the permission, everyone's.
func OwnOr(permission string) Reach { return Reach{kind: ownOr, permission: permission} }

// IsZero says whether the reach was never set.
func (r Reach) IsZero() bool { return r.kind == nothing }

// Permission names the permission with which the reach is everyone's, or is empty.
func (r Reach) Permission() string { return r.permission }

// String names the reach for documents.
func (r Reach) String() string {
	switch r.kind {
	case ownAlone:
		return "one's own"
	case ownOr:
		return "one's own, everyone's with " + r.permission
	case everyones:
		return "everyone's"
	default:
		return "nothing"
	}
}

// Caller is who calls an operation.
type Caller string

// The callers. Nobody has no token, or one that is worth nothing.
const (
	Nobody        Caller = "nobody"
	User          Caller = "user"
	Administrator Caller = "administrator"
)

// Callers lists every Caller.
var Callers = []Caller{Nobody, User, Administrator}

func (c Caller) role() account.Role {
	if c == Administrator {
		return account.RoleAdmin
	}
	return account.RoleUser
}

// Object is what the path of an operation names, by whose it is.
type Object string

// The objects. Anothers is a user's who is not the caller, Administrators an administrator's who is not; Deleted was there,
// Random never was. Nothing is what a path names that names none.
const (
	Nothing        Object = ""
	Own            Object = "own"
	Anothers       Object = "another's"
	Administrators Object = "an administrator's"
	Deleted        Object = "deleted"
	Random         Object = "random"
)

// Objects lists what a path can name.
var Objects = []Object{Own, Anothers, Administrators, Deleted, Random}

// Outcome is what becomes of a call whose input is right.
type Outcome int

// The outcomes. Unasked is a call that cannot be: nobody has nothing of their own.
const (
	Refused         Outcome = iota // what this package does not know
	Allowed                        // unless the state of things stands against it, such as the last administrator's
	Unauthenticated                // 401
	Forbidden                      // 403
	Missing                        // 404
	Unasked
)

// Expect gives the outcome of a call to an operation with this rule and reach. It is what documents promise and what tests
// hold the running operations against; it decides nothing itself.
func Expect(rule Rule, reach Reach, c Caller, o Object) Outcome {
	switch {
	case rule.IsZero() || !slices.Contains(Callers, c) || reach.IsZero() != (o == Nothing):
		return Refused
	case c == Nobody && o == Own:
		return Unasked
	case c == Nobody && !rule.IsPublic():
		return Unauthenticated
	case !rule.Allows(account.Principal{Role: c.role()}):
		return Forbidden
	case reach.has(c, o):
		return Allowed
	default:
		return Missing
	}
}

// has says whether the object is one that the caller reaches.
func (r Reach) has(c Caller, o Object) bool {
	switch o {
	case Nothing, Own:
		return true
	case Anothers, Administrators:
		return r.kind == everyones || r.kind == ownOr && holds(c.role(), r.permission)
	default:
		return false
	}
}
