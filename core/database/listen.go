package database

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// errNoNotify comes from SQLite, which can tell nobody anything.
var errNoNotify = errors.New("database: only PostgreSQL notifies")

// closeDeadline bounds saying goodbye to a server that may be gone.
const closeDeadline = 100 * time.Millisecond

// Listener is a connection of its own, past any pooler, that is told what is notified on a channel. It belongs to one
// goroutine. Any error but that of a context means that the connection is lost: Close it then, and Listen anew.
type Listener struct {
	conn    *pgx.Conn
	channel string
}

// Listen connects over database.direct_url and listens. What is notified from then on is handed to told, in the order of
// the commits, on the goroutine that uses the Listener. On SQLite it fails.
func (db *DB) Listen(ctx context.Context, channel string, told func(payload string)) (*Listener, error) {
	p, ok := db.engine.(*postgres)
	if !ok {
		return nil, errNoNotify
	}
	config := p.direct.Copy()
	config.RuntimeParams["application_name"] = "gatehouse listen"
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) {
		if n.Channel == channel {
			told(n.Payload)
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		r := classifyPostgres(ctx, err, true)
		r.kind = unavailable
		return nil, r.answer()
	}
	l := &Listener{conn: conn, channel: channel}
	if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
		l.Close() //nolint:contextcheck // ctx may have ended, and a farewell has its own deadline
		return nil, l.fault(ctx, err)
	}
	return l, nil
}

// Wait returns once something was told, or ctx has ended, which is no error.
func (l *Listener) Wait(ctx context.Context) error {
	err := l.conn.PgConn().WaitForNotification(ctx)
	if err != nil && (ctx.Err() == nil || l.conn.IsClosed()) {
		return l.fault(ctx, err)
	}
	return nil
}

// Notify notifies the Listener's own channel over its own connection, which is told as well before Notify returns, and
// gives the server's time. Where ctx ends first, the connection is lost.
func (l *Listener) Notify(ctx context.Context, payload string) (time.Time, error) {
	var at time.Time
	if err := l.conn.QueryRow(ctx, notifySQL+", clock_timestamp()", l.channel, payload).Scan(nil, &at); err != nil {
		return time.Time{}, l.fault(ctx, err)
	}
	return at.UTC(), nil
}

// Close ends the connection.
func (l *Listener) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeDeadline)
	defer cancel()
	_ = l.conn.Close(ctx)
}

func (l *Listener) fault(ctx context.Context, err error) error {
	return classifyPostgres(ctx, err, l.conn.IsClosed()).answer()
}

const notifySQL = "SELECT pg_notify($1, $2)"

// Notify sends a payload of less than 8,000 bytes to whoever listens on the channel. Options.Observe is not told, since no
// operation asked for it: one notification speaks for many of them. On SQLite it fails.
func (db *DB) Notify(ctx context.Context, channel, payload string) error {
	if db.kind != PostgreSQL {
		return errNoNotify
	}
	if db.inside(ctx) {
		return errPoolInTx
	}
	_, err := db.engine.exec(ctx, notifySQL, []any{channel, payload})
	return err
}
