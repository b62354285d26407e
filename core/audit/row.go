package audit

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
)

// row is an act as it lies in the table.
type row struct {
	id        uuid.UUID
	number    int64 // 0 before it is sealed
	at        time.Time
	action    string
	outcome   Outcome
	reason    string
	actorKind ActorKind
	actor     account.ID
	target    account.ID
	count     int64  // of acts; more than 1 where refusals were gathered
	details   string // JSON, kept as it was written

	ip, userAgent string // of the actor's client
	clientSalt    []byte // nil where there is no client, or it was erased
	clientDigest  []byte // nil where there is no client

	email       string // of the target
	emailSalt   []byte // nil where there is no address, or it was erased
	emailDigest []byte // nil where there is no address

	mac []byte // over all but the number and what can be erased
}

// saltSize makes a digest tell nothing about an address once the salt is gone.
const saltSize = 16

// finish gives a row its salts, digests and MAC.
func (k keys) finish(r row) row {
	if r.ip != "" || r.userAgent != "" {
		r.clientSalt = salt()
		r.clientDigest = clientDigest(r)
	}
	if r.email != "" {
		r.emailSalt = salt()
		r.emailDigest = emailDigest(r)
	}
	r.mac = k.rowMAC(r)
	return r
}

func salt() []byte {
	b := make([]byte, saltSize)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program where there is no randomness
	return b
}

func clientDigest(r row) []byte {
	return record{sha256.New()}.text("gatehouse audit client v1").bytes(r.clientSalt).text(r.ip).text(r.userAgent).sum()
}

func emailDigest(r row) []byte {
	return record{sha256.New()}.text("gatehouse audit email v1").bytes(r.emailSalt).text(r.email).sum()
}

// rowMAC is over all that a row says for good.
func (k keys) rowMAC(r row) []byte {
	return record{hmac.New(sha256.New, k.row)}.text("gatehouse audit row v1").
		bytes(r.id[:]).number(r.at.UnixMicro()).text(r.action).text(string(r.outcome)).text(r.reason).
		text(string(r.actorKind)).bytes(r.actor[:]).bytes(r.target[:]).number(r.count).text(r.details).
		bytes(r.clientDigest).bytes(r.emailDigest).sum()
}

// entry stands for a row in its seal.
func entry(r row) []byte {
	return record{sha256.New()}.text("gatehouse audit entry v1").number(r.number).bytes(r.id[:]).bytes(r.mac).sum()
}

// record hashes fields so that no two lists of them read alike: each has its length before it.
type record struct{ h hash.Hash }

func (r record) bytes(b []byte) record {
	r.number(int64(len(b)))
	_, _ = r.h.Write(b) // a hash takes everything
	return r
}

func (r record) text(s string) record { return r.bytes([]byte(s)) }

func (r record) number(n int64) record {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	_, _ = r.h.Write(b[:]) // a hash takes everything
	return r
}

func (r record) sum() []byte { return r.h.Sum(nil) }

// ids makes UUIDs of version 7 (RFC 9562) that follow the clock it is given, to the quarter of a microsecond, and each other.
type ids struct {
	mu   sync.Mutex
	last time.Time
	n    uint16 // that were made at that time
}

func (g *ids) next(at time.Time) uuid.UUID {
	g.mu.Lock()
	if at.After(g.last) {
		g.last, g.n = at, 0
	} else if g.n < 1<<14-1 {
		g.n++ // the clock stands still, or went back a little
	}
	n := g.n
	g.mu.Unlock()
	id := firstID(at)
	_, _ = rand.Read(id[10:]) // never fails: crypto/rand ends the program where there is no randomness
	id[8] |= byte(n >> 8)
	id[9] = byte(n)
	return id
}

// firstID is the lowest id of a time.
func firstID(at time.Time) (id uuid.UUID) {
	micros := max(at.UnixMicro(), 0)
	millis, fraction := uint64(micros/1000), uint64(micros%1000)*4096/1000
	binary.BigEndian.PutUint64(id[:8], millis<<16|fraction)
	id[6] |= 0x70
	id[8] = 0x80
	return id
}
