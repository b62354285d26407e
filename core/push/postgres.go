package push

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
)

// channelName is what is listened on. A database holds one installation.
const channelName = "gatehouse_push"

var (
	errSilent = errors.New("push: no heartbeat proves the connection while something waits to be told")
	errNoEcho = errors.New("push: what the pool notifies does not reach the listening connection; do database.url and database.direct_url lead to one database?")
)

// postgres carries messages with LISTEN and NOTIFY.
type postgres struct {
	db    *database.DB
	clock *clock.Synced // or nil
}

func (p *postgres) publish(ctx context.Context, payload string) error {
	return p.db.Notify(ctx, channelName, payload)
}

// follow implements channel. Messages go through the pool, and so does the first heartbeat of a connection. The others use
// the listening connection, so that a pool that is at work to its limit does not look like a channel that is lost.
func (p *postgres) follow(ctx context.Context, l *link) error {
	conn, err := p.db.Listen(ctx, channelName, l.told)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:contextcheck // ctx may have ended, and a farewell has its own deadline
	l.up()
	if err := p.first(ctx, conn, l); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := p.beat(ctx, conn, l); err != nil {
			return err
		}
	}
	return nil
}

// first sends a heartbeat through the pool and waits for it.
func (p *postgres) first(ctx context.Context, conn *database.Listener, l *link) error {
	payload, ok := l.beat()
	if !ok {
		return errSilent
	}
	if err := p.publish(ctx, payload); err != nil {
		return err
	}
	deadline, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	for !l.isProven() {
		if deadline.Err() != nil {
			return errNoEcho
		}
		if err := conn.Wait(deadline); err != nil {
			return err
		}
	}
	return nil
}

// beat sends a heartbeat and receives until the next is due.
func (p *postgres) beat(ctx context.Context, conn *database.Listener, l *link) error {
	next, cancel := context.WithTimeout(ctx, beatEvery)
	defer cancel()
	if payload, ok := l.beat(); ok {
		if err := p.send(ctx, conn, payload); err != nil {
			return err
		}
	}
	for next.Err() == nil {
		if err := conn.Wait(next); err != nil {
			return err
		}
	}
	return nil
}

// send sends a heartbeat over the listening connection. The server's answer comes with its time, which the clock follows.
func (p *postgres) send(ctx context.Context, conn *database.Listener, payload string) error {
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	notify := func() (time.Time, error) { return conn.Notify(ctx, payload) }
	if p.clock != nil {
		return p.clock.Measure(notify)
	}
	_, err := notify()
	return err
}
