package users

import (
	"context"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/page"
)

// behindPrefix follows a prefix in the text that all others with the prefix come before: a noncharacter, which neither an
// address nor a name holds.
const behindPrefix = "\U0010FFFF"

// mostExamined bounds what a page of a search reads. Neither the filters nor what the other column says is part of the index
// that it reads: whoever looks for what is rare among a million matches gets pages with few or none, each with a cursor.
const mostExamined = 10_000

// searchIn gives the order in which a search goes through a column.
func searchIn(column string) page.Keyset {
	keyset, _ := sorts.Parse(column) // columns are constants, or come out of a sealed cursor
	return keyset
}

// search reads a page of those whose address begins so, and then of those whose name alone does.
func (s *Service) search(ctx context.Context, w walk) (page.Page[User], error) {
	var rows []listed
	for {
		more, end, err := s.match(ctx, w, w.query.Limit+1-len(rows))
		if err != nil {
			return page.Page[User]{}, err
		}
		rows = append(rows, more...)
		switch {
		case len(rows) > w.query.Limit || end == nil && w.keyset.Name() == sortName:
			return s.cut(w, rows)
		case end != nil:
			next, err := s.cursor(w, w.keyset.Name(), *end)
			return page.Map(page.New(rows, &next), listed.user), err
		}
		w.keyset, w.after = searchIn(sortName), nil
	}
}

// match reads up to n rows of one column, and where it stopped if that is before the last match.
func (s *Service) match(ctx context.Context, w walk, n int) (rows []listed, end *page.Position, err error) {
	repo, prefix := repository{s.deps.DB}, account.Fold(w.query.Search)
	bounds := page.Bounds{From: prefix, Before: prefix + behindPrefix}
	also := w.query.searchFilters()
	if w.keyset.Name() == sortName {
		also = also.butNotByEmail(bounds)
	}
	if !also.isEmpty() {
		if end, err = repo.nth(ctx, w.keyset, w.keyset.Between(bounds).Segments(w.after)[0], mostExamined); err != nil {
			return nil, nil, err
		}
		bounds.Through = end
	}
	rows, err = repo.list(ctx, w.keyset, w.keyset.Between(bounds).Segments(w.after)[0], also, n)
	return rows, end, err
}
