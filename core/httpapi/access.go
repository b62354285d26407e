package httpapi

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/core/authz"
)

// Objects lists what the operation's path can name, authz.Nothing alone where it names none.
func (m Mounted) Objects() []authz.Object {
	if m.reach.IsZero() {
		return []authz.Object{authz.Nothing}
	}
	return authz.Objects
}

// Permissions names what the operation asks for, of everybody or for other people's objects.
func (m Mounted) Permissions() []string {
	var all []string
	for _, p := range []string{m.rule.Permission(), m.reach.Permission()} {
		if p != "" {
			all = append(all, p)
		}
	}
	return all
}

// Expected gives the status that a caller gets about an object: of success where input is right and the state of things
// allows it, otherwise 401, 403 or 404. It is 0 for a call that cannot be, since nobody has anything of their own. The
// reference of access and the test of every operation both take it from here.
func (m Mounted) Expected(c authz.Caller, o authz.Object) int {
	switch authz.Expect(m.rule, m.reach, c, o) {
	case authz.Allowed:
		return m.Success
	case authz.Unauthenticated:
		return http.StatusUnauthorized
	case authz.Missing:
		return http.StatusNotFound
	case authz.Unasked:
		return 0
	default:
		return http.StatusForbidden
	}
}

// WriteAccess writes a Markdown reference of who gets what from every operation, and about whose objects.
func WriteAccess(w io.Writer, operations []Mounted, permissions []authz.Permission) error {
	var b strings.Builder
	b.WriteString(accessHead)
	b.WriteString("## Permissions\n\nThe role `admin` holds them all, the role `user` none.\n\n| permission | lets one | operations |\n| --- | --- | --- |\n")
	for _, p := range permissions {
		var of []string
		for _, op := range operations {
			for _, asked := range op.Permissions() {
				if asked == p.Name {
					of = append(of, "`"+op.ID+"`")
				}
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Name, p.Doc, strings.Join(of, ", "))
	}
	b.WriteString(accessOfNothing)
	for _, op := range operations {
		if op.reach.IsZero() {
			fmt.Fprintf(&b, "| `%s %s` | `%s` | %s |", op.Method, op.Path, op.ID, op.Access)
			for _, c := range authz.Callers {
				b.WriteString(" " + op.cell(c, authz.Nothing) + " |")
			}
			b.WriteString("\n")
		}
	}
	b.WriteString(accessOfObjects)
	for _, op := range operations {
		if !op.reach.IsZero() {
			op.writeObjects(&b)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeObjects writes a row for each caller; what they share stands in the first.
func (m Mounted) writeObjects(b *strings.Builder) {
	head := fmt.Sprintf("| `%s %s` | `%s` | %s | %s |", m.Method, m.Path, m.ID, m.Access, m.reach)
	for _, c := range authz.Callers {
		fmt.Fprintf(b, "%s %s |", head, c)
		for _, o := range authz.Objects {
			b.WriteString(" " + m.cell(c, o) + " |")
		}
		b.WriteString("\n")
		head = "| | | | |"
	}
}

func (m Mounted) cell(c authz.Caller, o authz.Object) string {
	if status := m.Expected(c, o); status != 0 {
		return strconv.Itoa(status)
	}
	return "–"
}

const (
	accessHead = `# Who may do what, to whose

Each operation declares who may call it and, where its path names an object, whose objects it reaches; the tables follow
from that. A cell is the status of the answer to a request whose input is right. A test sends a request for each cell.

- **nobody** sends no token, or one that is worth nothing: malformed, expired, of a session that has ended, or of an
  account that was deactivated or deleted. **user** and **administrator** are roles, as the database has them at the time
  of the request and not as the token says.
- **own** is the caller's, **another's** a user's who is not the caller, **an administrator's** an administrator's who is
  not the caller. **deleted** was there and is gone, of whomever; **random** is an id that was never given.
- Success may still be refused for what the state of things does not allow, with 409 and a ` + "`reason`" + `, whoever asks: the
  last active administrator is neither demoted nor deactivated nor deleted.
- Operations that take a mailed token or a refresh token are public, and do what the token is for, whoever sends it.

`
	accessOfNothing = `
## Operations whose path names nobody

Those for all who are signed in are about the caller; those that take a permission, about everyone.

| operation | id | access | nobody | user | administrator |
| --- | --- | --- | --- | --- | --- |
`
	accessOfObjects = `
## Operations whose path names somebody's object

404 is the answer for what is not there and for what is out of reach alike.

| operation | id | access | reaches | caller | own | another's | an administrator's | deleted | random |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
`
)
