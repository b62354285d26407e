package users

import "github.com/gatehouse/gatehouse/core/authz"

// What the module's operations on other people's accounts ask for.
const (
	mayRead         = "users.read"
	mayWrite        = "users.write"
	mayDelete       = "users.delete"
	mayReadSessions = "users.read_sessions"
	mayEndSessions  = "users.end_sessions"
)

var permissions = []authz.Permission{
	{Name: mayRead, Doc: "see every account"},
	{Name: mayWrite, Doc: "change every account, its role and whether it is active included"},
	{Name: mayDelete, Doc: "delete every account"},
	{Name: mayReadSessions, Doc: "see every account's sessions, the addresses and programs that used them included"},
	{Name: mayEndSessions, Doc: "end every account's sessions"},
}
