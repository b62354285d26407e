package users

import (
	"context"
	"strconv"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/page"
)

// ListQuery says which users are listed, in which order, and how many of them at once.
type ListQuery struct {
	Limit  int
	Cursor string // of the page before; empty for the first
	Sort   string // empty is defaultSort, or the order of a search
	Search string // beginning of an address or a name; empty finds everyone
	Role   account.Role
	Active *bool
	// Both ends are excluded, so that the time of the last user that was seen finds those that came since.
	CreatedAfter, CreatedBefore *time.Time
}

const (
	sortCreated, sortEmail, sortName, sortLogin = "created_at", "email", "full_name", "last_login_at"

	defaultSort = "-" + sortCreated
)

var sorts = page.NewSorts("id",
	page.Column{Name: sortCreated}, page.Column{Name: sortEmail, SQL: "email_folded"}, page.Column{Name: sortName, SQL: "full_name_folded"},
	page.Column{Name: sortLogin, Nullable: true},
)

// List gives one page. It returns a validation error, with every fault, for what does not go together or is no cursor of
// this list.
func (s *Service) List(ctx context.Context, q ListQuery) (page.Page[User], error) {
	w, faults := s.startWalk(q)
	if len(faults) > 0 {
		return page.Page[User]{}, errs.Invalid(faults)
	}
	return s.walkOn(ctx, w)
}

// walk is a ListQuery that was found to be good.
type walk struct {
	query  ListQuery
	keyset page.Keyset // of a search: in whose column the next match is looked for
	scope  string
	after  *page.Position // nil at the beginning
}

// listed is a user, and where in the list.
type listed struct {
	User
	column string // that this part of the list is sorted by
	folded string // its value as the row has it, where it is a folded text
}

func (l listed) user() User { return l.User }

// startWalk holds a query against the rules, and opens its cursor.
func (s *Service) startWalk(q ListQuery) (walk, []errs.Field) {
	faults := q.clashes()
	sort := q.Sort
	switch {
	case q.Search != "":
		sort = sortEmail
	case sort == "":
		sort = defaultSort
	}
	keyset, err := sorts.Parse(sort)
	if err != nil {
		return walk{}, append(faults, page.ErrSort.Fields()...)
	}
	w := walk{query: q, keyset: keyset, scope: q.scope(sort)}
	if q.Limit < page.MinLimit || q.Limit > page.MaxLimit {
		faults = append(faults, page.ErrLimit.Fields()...)
	}
	if q.Cursor != "" && !s.open(&w) {
		faults = append(faults, page.ErrCursor.Fields()...)
	}
	return w, faults
}

// clashes are parameters that do not go with each other: an index serves the filters by time alone, and a search has an
// order of its own.
func (q ListQuery) clashes() (faults []errs.Field) {
	if q.Search != "" {
		if q.Sort != "" {
			faults = append(faults, errs.Field{Parameter: "sort", Code: errs.NotAllowed, Message: "does not go with q, which has an order of its own"})
		}
		return faults
	}
	if q.Sort == "" || q.Sort == sortCreated || q.Sort == "-"+sortCreated {
		return nil
	}
	for _, f := range []struct {
		name  string
		given bool
	}{{"role", q.Role != ""}, {"is_active", q.Active != nil}, {"created_after", q.CreatedAfter != nil}, {"created_before", q.CreatedBefore != nil}} {
		if f.given {
			faults = append(faults, errs.Field{Parameter: f.name, Code: errs.NotAllowed, Message: "goes with the created_at sorts or with q alone"})
		}
	}
	return faults
}

// scope is all that shapes the list. What finds the same has the same scope, however it is spelled.
func (q ListQuery) scope(sort string) string {
	active := ""
	if q.Active != nil {
		active = strconv.FormatBool(*q.Active)
	}
	return page.Scope("users", sort, account.Fold(q.Search), string(q.Role), active, instant(q.CreatedAfter), instant(q.CreatedBefore))
}

func instant(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// open reads the walk's cursor. Its first value is the column, which for a search differs from page to page.
func (s *Service) open(w *walk) bool {
	var (
		column string
		id     account.ID
		text   string
		at     time.Time
		login  *time.Time
	)
	into := map[string]any{sortCreated: &at, sortEmail: &text, sortName: &text, sortLogin: &login}[w.keyset.Name()]
	if s.deps.Cursors.Decode(w.scope, w.query.Cursor, &column, into, &id) != nil {
		return false
	}
	w.after = &page.Position{ID: id}
	switch w.keyset.Name() {
	case sortCreated:
		w.after.Value = at
	case sortLogin:
		w.after.Value = login
	default:
		w.after.Value = text
	}
	if w.query.Search == "" {
		return column == w.keyset.Name()
	}
	w.keyset = searchIn(column)
	return column == sortEmail || column == sortName
}

// cursor is of the page behind a position.
func (s *Service) cursor(w walk, column string, at page.Position) (string, error) {
	return s.deps.Cursors.Encode(w.scope, column, at.Value, at.ID)
}

// walkOn reads a page.
func (s *Service) walkOn(ctx context.Context, w walk) (page.Page[User], error) {
	if w.query.Search != "" {
		return s.search(ctx, w)
	}
	keyset := w.keyset
	if keyset.Name() == sortCreated {
		keyset = keyset.Between(page.Bounds{After: bound(w.query.CreatedAfter), Before: bound(w.query.CreatedBefore)})
	}
	rows, err := page.Collect(keyset.Segments(w.after), w.query.Limit+1, func(segment page.Segment, n int) ([]listed, error) {
		return repository{s.deps.DB}.list(ctx, keyset, segment, w.query.filters(), n)
	})
	if err != nil {
		return page.Page[User]{}, err
	}
	return s.cut(w, rows)
}

// bound is nil, and no pointer that is, where there is none.
func bound(t *time.Time) any {
	if t == nil {
		return nil
	}
	return *t
}

// cut makes a page of one row more than it holds, if there are so many.
func (s *Service) cut(w walk, rows []listed) (page.Page[User], error) {
	p, err := page.Cut(rows, w.query.Limit, func(last listed) (string, error) { return s.cursor(w, last.column, last.position()) })
	return page.Map(p, listed.user), err
}

func (l listed) position() page.Position {
	switch l.column {
	case sortCreated:
		return page.Position{Value: l.CreatedAt, ID: l.ID}
	case sortLogin:
		return page.Position{Value: l.LastLoginAt, ID: l.ID}
	default:
		return page.Position{Value: l.folded, ID: l.ID}
	}
}
