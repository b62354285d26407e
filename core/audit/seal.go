package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
)

const (
	sealEvery = time.Minute
	// sealStep is how many rows a seal is over at most: 32 KB of entries.
	sealStep = 1000
)

// digest is what a seal signs, and the next one holds.
func (s seal) digest() []byte {
	return record{sha256.New()}.text("gatehouse audit seal v1").number(s.number).number(s.first).number(s.last).
		number(s.newest.UnixMicro()).number(s.sealedAt.UnixMicro()).bytes(s.previous).bytes(s.entriesDigest).sum()
}

// dropDigest is what is signed when the rows go.
func (s seal) dropDigest() []byte {
	return record{sha256.New()}.text("gatehouse audit drop v1").bytes(s.digest()).number(s.droppedAt.UnixMicro()).sum()
}

func (h head) signed() []byte {
	return record{sha256.New()}.text("gatehouse audit head v1").number(h.last).number(h.seals).number(h.dropped).bytes(h.digest).sum()
}

func (k keys) signedHead(h head) head {
	h.signature = k.sign(h.signed())
	return h
}

// genuine says whether the head is as a worker of this installation left it.
func (k keys) genuine(h head) bool {
	if h.seals == 0 && h.last == 0 && h.dropped == 0 && h.digest == nil && h.signature == nil {
		return true // nothing was sealed yet
	}
	return k.verifies(h.signed(), h.signature)
}

// Seal seals what has been committed, batch by batch. Any number of processes may do it at once: they take turns at the head
// of the chain.
//
// A row gets its number here, when it can be seen, and so is committed. What commits later gets a later number, and nothing
// is ever added to a batch that was sealed.
func (t *Trail) Seal(ctx context.Context) error {
	for {
		n, err := t.sealBatch(ctx)
		if err != nil || n < sealStep {
			return err
		}
	}
}

func (t *Trail) sealBatch(ctx context.Context) (n int64, err error) {
	var made seal
	var forged int
	var touched bool
	err = t.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		repo := repository{tx}
		h, err := repo.lockHead(ctx)
		if err != nil {
			return err
		}
		if n, err = repo.number(ctx, h.last, sealStep); err != nil || n == 0 {
			return err
		}
		rows, err := repo.between(ctx, h.last+1, h.last+n)
		if err != nil {
			return err
		}
		made, forged = t.sealOver(h, rows), t.forged(rows)
		if err := repo.insertSeal(ctx, made); err != nil {
			return err
		}
		touched = !t.keys.genuine(h)
		return repo.setHead(ctx, t.keys.signedHead(head{last: made.last, seals: made.number, dropped: h.dropped, digest: made.digest()}))
	})
	if err != nil || n == 0 {
		return 0, err
	}
	t.options.Logger.InfoContext(ctx, "audit rows are sealed", "seal", made.number, "last_row", made.last, "digest", hex.EncodeToString(made.digest()))
	if touched {
		t.options.Logger.ErrorContext(ctx, "the end of the chain of audit seals was changed: gatehouse audit verify says what is missing", "seal", made.number)
	}
	if forged > 0 {
		t.options.Logger.ErrorContext(ctx, "audit rows are not as they were written: gatehouse audit verify names them", "seal", made.number, "rows", forged)
	}
	return n, nil
}

// sealOver makes the seal of numbered rows.
func (t *Trail) sealOver(h head, rows []row) seal {
	s := seal{number: h.seals + 1, first: rows[0].number, last: rows[len(rows)-1].number, sealedAt: t.options.Clock.Now(), previous: h.digest}
	for _, r := range rows {
		s.entries = append(s.entries, entry(r)...)
		if r.at.After(s.newest) {
			s.newest = r.at
		}
	}
	digest := sha256.Sum256(s.entries)
	s.entriesDigest = digest[:]
	s.signature = t.keys.sign(s.digest())
	return s
}

// forged counts rows whose MAC is not theirs.
func (t *Trail) forged(rows []row) (n int) {
	for _, r := range rows {
		if !t.keys.wrote(r) {
			n++
		}
	}
	return n
}
