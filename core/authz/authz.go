// Package authz says who may call an operation. It decides over a principal that the stores have confirmed; it never
// reads a token.
package authz

import (
	"github.com/gatehouse/gatehouse/core/account"
)

// Permission is a right that a module defines and a role may hold, named "<module>.<verb>".
type Permission struct {
	Name string
	Doc  string
}

// Rule is an operation's access rule. The zero Rule is no rule, and an operation without one does not mount.
type Rule struct {
	kind       kind
	permission string
}

type kind int

const (
	none kind = iota
	public
	signedIn
	can
)

var (
	// Public lets anyone call.
	Public = Rule{kind: public}
	// SignedIn lets every live session call.
	SignedIn = Rule{kind: signedIn}
)

// Can lets those call whose role holds the permission.
func Can(permission string) Rule { return Rule{kind: can, permission: permission} }

// IsZero says whether the rule was never set.
func (r Rule) IsZero() bool { return r.kind == none }

// IsPublic says whether the rule asks for no principal.
func (r Rule) IsPublic() bool { return r.kind == public }

// Permission names the permission that the rule asks for, or is empty.
func (r Rule) Permission() string { return r.permission }

// Allows says whether the principal may call. What it does not know, it refuses.
func (r Rule) Allows(p account.Principal) bool {
	switch r.kind {
	case public, signedIn:
		return true
	case can:
		return holds(p.Role, r.permission)
	default:
		return false
	}
}

// String names the rule for documents: "public", "signed in" or the permission.
func (r Rule) String() string {
	switch r.kind {
	case public:
		return "public"
	case signedIn:
		return "signed in"
	case can:
		return r.permission
	default:
		return "none"
	}
}

// holds knows the two built-in roles: an administrator holds every permission, everyone else none.
func holds(role account.Role, permission string) bool {
	return permission != "" && role == account.RoleAdmin
}
