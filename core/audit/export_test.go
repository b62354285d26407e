package audit

import (
	"context"

	"github.com/gatehouse/gatehouse/core/database"
)

// AppendFrom is Append of acts that came from a client, as the request says elsewhere.
func (t *Trail) AppendFrom(ctx context.Context, tx *database.Tx, ip, userAgent string, acts ...Act) error {
	for _, a := range acts {
		r, err := t.rowOf(ctx, a)
		if err != nil {
			return err
		}
		r.ip, r.userAgent = ip, userAgent
		if err := (repository{tx}).insert(ctx, []row{t.keys.finish(r)}); err != nil {
			return err
		}
	}
	return nil
}

// RefuseFrom is Refuse of an act that came from a client.
func (t *Trail) RefuseFrom(ctx context.Context, ip, userAgent string, a Act) error {
	r, err := t.rowOf(ctx, a)
	if err == nil {
		r.ip, r.userAgent = ip, userAgent
		t.refusals.add(sourceOfText(ip), r)
	}
	return err
}

// Sources says how many sources of refusals are remembered, and Waiting how many rows.
func (t *Trail) Sources() int { return len(t.refusals.sources) }

// Waiting says how many rows wait for the database.
func (t *Trail) Waiting() int { return len(t.refusals.waiting) }

// The bounds of both.
const (
	MostSources = mostSources
	MostWaiting = mostWaiting
)
