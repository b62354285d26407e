package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
)

// Fault is something that is not as the program left it.
type Fault struct {
	Seal   int64     `json:"seal"`   // number of the seal that tells; 0 for none
	Number int64     `json:"number"` // of the row; 0 where it has none, or it is about a seal
	ID     uuid.UUID `json:"id"`     // of the row; zero where it is gone, or it is about a seal
	What   string    `json:"what"`
}

// String names the row or the seal.
func (f Fault) String() string {
	switch {
	case f.Number != 0 && f.ID != uuid.Nil:
		return fmt.Sprintf("row %d (%s): %s", f.Number, f.ID, f.What)
	case f.Number != 0:
		return fmt.Sprintf("row %d: %s", f.Number, f.What)
	case f.ID != uuid.Nil:
		return fmt.Sprintf("row %s, not sealed: %s", f.ID, f.What)
	case f.Seal != 0:
		return fmt.Sprintf("seal %d: %s", f.Seal, f.What)
	default:
		return "the end of the chain of seals: " + f.What
	}
}

// Verified is what Verify has looked at.
type Verified struct {
	Rows     int64  `json:"rows"`       // that are sealed
	Unsealed int64  `json:"unsealed"`   // that are not sealed yet: of these alone one that is gone is not missed
	Seals    int64  `json:"seals"`      // in all
	Dropped  int64  `json:"dropped"`    // seals whose rows are past their retention
	Erased   int64  `json:"erased"`     // rows of which something personal was erased
	LastRow  int64  `json:"last_row"`   // number of the last row that is sealed
	PublicID string `json:"public_key"` // Ed25519, in hex: whom the seals are of
	// Anchor names the last seal. Kept elsewhere, it shows later that no seal since was taken away: see VerifyOptions.
	Anchor string `json:"anchor"`
}

// VerifyOptions say what is known from elsewhere.
type VerifyOptions struct {
	// Anchors are what Verified.Anchor or the log said before: each has to be in the chain.
	Anchors []Anchor
}

// Anchor is a seal as somebody has noted it.
type Anchor struct {
	Seal   int64
	Digest []byte
}

func (a Anchor) String() string { return fmt.Sprintf("%d:%s", a.Seal, hex.EncodeToString(a.Digest)) }

// verification is one walk along the chain.
type verification struct {
	*Trail

	repo    repository
	report  func(Fault)
	out     Verified
	anchors map[int64][]byte
	erased  map[account.ID]bool // what is known of erasures
	before  seal                // the seal that was looked at last
	trusted bool                // that one, to say what follows it
}

const (
	// sealsAtOnce is how many seals are read at once: some 3 MB of entries.
	sealsAtOnce = 100
	// rowsAtOnce is how many rows outside of seals are.
	rowsAtOnce = 1000
)

// Verify walks along all seals and rows, and reports every row that was changed, removed, added or moved since it was
// written, and every seal. It is bounded in memory, and may run beside everything else. Its error says that it could not
// look.
//
// What it cannot see: a row that was removed before it was sealed, within a minute or so; and a database that as a whole was
// put back to an earlier state, unless an anchor tells.
func (t *Trail) Verify(ctx context.Context, o VerifyOptions, report func(Fault)) (Verified, error) {
	v := &verification{Trail: t, repo: repository{t.options.DB}, report: report, anchors: map[int64][]byte{}, erased: map[account.ID]bool{}, trusted: true}
	v.out.PublicID = hex.EncodeToString(t.keys.public())
	for _, a := range o.Anchors {
		v.anchors[a.Seal] = a.Digest
	}
	h, found, err := v.repo.head(ctx)
	switch {
	case err != nil:
		return v.out, err
	case !found:
		report(Fault{What: "it is missing"})
	case !t.keys.genuine(h):
		report(Fault{What: "it was changed"})
	}
	for _, step := range []func(context.Context) error{v.strayBelow, v.chain} {
		if err := step(ctx); err != nil {
			return v.out, err
		}
	}
	v.compareHead(h, found)
	for _, step := range []func(context.Context) error{v.strayAbove, v.tail} {
		if err := step(ctx); err != nil {
			return v.out, err
		}
	}
	for number := range v.anchors {
		report(Fault{Seal: number, What: "it is not there, and was when it was noted"})
	}
	return v.out, nil
}

// chain looks at every seal and its rows.
func (v *verification) chain(ctx context.Context) error {
	for {
		seals, err := v.repo.seals(ctx, v.before.number, sealsAtOnce)
		if err != nil {
			return err
		}
		for _, s := range seals {
			if err := v.one(ctx, s); err != nil {
				return err
			}
		}
		if len(seals) < sealsAtOnce {
			return nil
		}
	}
}

// one looks at a seal, at its place behind the one before, and at its rows.
func (v *verification) one(ctx context.Context, s seal) error {
	v.out.Seals++
	digest := s.digest()
	genuine := v.keys.verifies(digest, s.signature)
	say := func(what string) { v.report(Fault{Seal: s.number, What: what}) }
	if !genuine {
		say("it was changed")
	}
	if genuine {
		v.missing(v.before.number+1, s.number-1)
	}
	if s.number == v.before.number+1 && genuine && v.trusted {
		if previous := v.chainedTo(); !bytes.Equal(s.previous, previous) {
			say("it does not follow the one before, which was changed or put in its place")
		}
		if s.first != v.before.last+1 {
			say(fmt.Sprintf("it begins with row %d, and the one before ends with %d", s.first, v.before.last))
		}
	}
	if noted, ok := v.anchors[s.number]; ok {
		delete(v.anchors, s.number)
		if !bytes.Equal(noted, digest) {
			say("it is another than the one that was noted")
		}
	}
	v.before, v.trusted = s, genuine
	if !genuine {
		return nil // it does not say which rows are its own
	}
	v.out.Anchor, v.out.LastRow = Anchor{s.number, digest}.String(), s.last
	return v.rowsOf(ctx, s)
}

// mostNamed bounds how many seals that are missing are named one by one.
const mostNamed = 100

// missing names seals that are not there.
func (v *verification) missing(first, last int64) {
	if last-first >= mostNamed {
		v.report(Fault{Seal: first, What: fmt.Sprintf("it and the others up to %d are missing", last)})
		return
	}
	for ; first <= last; first++ {
		v.report(Fault{Seal: first, What: "it is missing"})
	}
}

// chainedTo is what the next seal holds of the one before.
func (v *verification) chainedTo() []byte {
	if v.before.number == 0 {
		return nil
	}
	return v.before.digest()
}

// rowsOf looks at a seal's rows. Where they are not as they should be, it looks at the seal again: their retention may have
// ended meanwhile.
func (v *verification) rowsOf(ctx context.Context, s seal) error {
	rows, err := v.repo.between(ctx, s.first, s.last)
	if err != nil {
		return err
	}
	if s.droppedAt == nil && int64(len(rows)) != s.last-s.first+1 {
		again, err := v.repo.seals(ctx, s.number-1, 1)
		if err != nil {
			return err
		}
		if len(again) == 1 && again[0].number == s.number && again[0].droppedAt != nil {
			s = again[0]
			if rows, err = v.repo.between(ctx, s.first, s.last); err != nil {
				return err
			}
		}
	}
	switch {
	case s.droppedAt != nil && v.keys.verifies(s.dropDigest(), s.dropSignature):
		return v.dropped(ctx, s, rows)
	case s.droppedAt != nil, s.dropSignature != nil:
		v.report(Fault{Seal: s.number, What: "it says that its rows are past their retention, and no worker has dropped them"})
	}
	digest := sha256.Sum256(s.entries)
	listed := bytes.Equal(digest[:], s.entriesDigest) && int64(len(s.entries)) == (s.last-s.first+1)*sha256.Size
	if !listed {
		v.report(Fault{Seal: s.number, What: "its list of rows was changed"})
	}
	return v.compare(ctx, s, rows, listed)
}

// dropped looks at a seal whose rows are past their retention.
func (v *verification) dropped(ctx context.Context, s seal, rows []row) error {
	v.out.Dropped++
	for _, r := range rows {
		v.report(Fault{Seal: s.number, Number: r.number, ID: r.id, What: "it was added to a batch that is past its retention"})
	}
	return ctx.Err()
}

// compare holds rows against the entries of their seal.
func (v *verification) compare(ctx context.Context, s seal, rows []row, listed bool) error {
	next := s.first
	for _, r := range rows {
		for ; next < r.number; next++ {
			v.report(Fault{Seal: s.number, Number: next, What: "it is missing"})
		}
		next = r.number + 1
		v.out.Rows++
		what, err := v.content(ctx, r)
		if err != nil {
			return err
		}
		if at := (r.number - s.first) * sha256.Size; what == "" && listed && !bytes.Equal(s.entries[at:at+sha256.Size], entry(r)) {
			what = "it is another than the one that was sealed here: moved, or put in its place"
		}
		if what != "" {
			v.report(Fault{Seal: s.number, Number: r.number, ID: r.id, What: what})
		}
	}
	for ; next <= s.last; next++ {
		v.report(Fault{Seal: s.number, Number: next, What: "it is missing"})
	}
	return nil
}

// strayBelow finds rows with numbers that nobody gives.
func (v *verification) strayBelow(ctx context.Context) error {
	return v.stray(ctx, minNumber, 1)
}

// strayAbove finds rows with numbers beyond the last seal. A worker may have sealed some since the seals were read: then
// there is a seal that they belong to.
func (v *verification) strayAbove(ctx context.Context) error {
	for {
		last := v.out.LastRow
		rows, err := v.repo.numbered(ctx, last, maxNumber, 1)
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := v.chain(ctx); err != nil {
			return err
		}
		if v.out.LastRow == last {
			return v.stray(ctx, last, maxNumber)
		}
	}
}

const minNumber, maxNumber = -1 << 63, 1<<63 - 1

func (v *verification) stray(ctx context.Context, above, below int64) error {
	for {
		rows, err := v.repo.numbered(ctx, above, below, rowsAtOnce)
		if err != nil {
			return err
		}
		for _, r := range rows {
			above = r.number
			v.report(Fault{Number: r.number, ID: r.id, What: "it has a number that no seal is over"})
		}
		if len(rows) < rowsAtOnce {
			return nil
		}
	}
}

// compareHead wants the last seal to be the one that the end of the chain names.
func (v *verification) compareHead(h head, found bool) {
	if !found || !v.keys.genuine(h) {
		return // it says nothing
	}
	v.missing(v.before.number+1, h.seals)
	if v.before.number == h.seals && h.seals > 0 && !bytes.Equal(h.digest, v.before.digest()) {
		v.report(Fault{Seal: h.seals, What: "it is another than the one that the chain ends with"})
	}
}

// tail looks at rows that are not sealed yet.
func (v *verification) tail(ctx context.Context) error {
	var behind row
	for {
		rows, err := v.repo.unsealed(ctx, behind, rowsAtOnce)
		if err != nil {
			return err
		}
		for _, r := range rows {
			behind = r
			v.out.Unsealed++
			what, err := v.content(ctx, r)
			if err != nil {
				return err
			}
			if what != "" {
				v.report(Fault{ID: r.id, What: what})
			}
		}
		if len(rows) < rowsAtOnce {
			return nil
		}
	}
}
