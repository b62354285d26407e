package event

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
)

// register makes a destination of which the next event is the first, or says that it is still there.
func (r repository) register(ctx context.Context, name string, now time.Time) error {
	_, err := r.q.Exec(ctx, `
		INSERT INTO gatehouse_event_destinations (name, read_to, failures, seen_at)
		SELECT ?, o.last, 0, ? FROM gatehouse_event_order o WHERE o.singleton = 1
		ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at`, name, now)
	return err
}

// touch says that a destination is still there, if it is.
func (r repository) touch(ctx context.Context, name string, now time.Time) error {
	_, err := r.q.Exec(ctx, `UPDATE gatehouse_event_destinations SET seen_at = ? WHERE name = ?`, now, name)
	return err
}

// unregister deletes a destination with what waits for it.
func (r repository) unregister(ctx context.Context, name string) error {
	_, err := r.q.Exec(ctx, `DELETE FROM gatehouse_event_destinations WHERE name = ?`, name)
	return err
}

// forget deletes destinations that no program has had since then, with what waits for them.
func (r repository) forget(ctx context.Context, before time.Time) (int64, error) {
	return r.q.Exec(ctx, `DELETE FROM gatehouse_event_destinations WHERE seen_at < ?`, before)
}

// take gives the lease of a destination that nobody holds, or whose lease has ended, or is the owner's already. It gives
// false for one that another relay holds.
func (r repository) take(ctx context.Context, l *lease, owner string, now time.Time) (bool, error) {
	until := now.Add(leaseTTL)
	err := r.q.ExecRow(ctx, `
		UPDATE gatehouse_event_destinations SET lease_owner = ?, lease_until = ?
		WHERE name = ? AND (lease_owner IS NULL OR lease_owner = ? OR lease_until <= ?)
		RETURNING read_to, failures, retry_at`, owner, until, l.name, owner, now).Scan(&l.readTo, &l.failures, &l.retryAt)
	l.until = until
	return exists(err)
}

// lend gives an owner's lease to another. It gives false, and changes nothing, where the owner holds it no more.
func (r repository) lend(ctx context.Context, name, owner, to string, until time.Time) (bool, error) {
	n, err := r.q.Exec(ctx, `UPDATE gatehouse_event_destinations SET lease_owner = ?, lease_until = ? WHERE name = ? AND lease_owner = ?`, to, until, name, owner)
	return n == 1, err
}

// giveUp ends every lease of an owner.
func (r repository) giveUp(ctx context.Context, owner string) error {
	_, err := r.q.Exec(ctx, `UPDATE gatehouse_event_destinations SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = ?`, owner)
	return err
}

// keep writes what a lease has come to. It gives false, and changes nothing, where the owner holds the lease no more or the
// destination is not where the owner has left it.
func (r repository) keep(ctx context.Context, owner string, was, next lease) (bool, error) {
	n, err := r.q.Exec(ctx, `
		UPDATE gatehouse_event_destinations SET read_to = ?, lease_until = ?, failures = ?, retry_at = ?
		WHERE name = ? AND lease_owner = ? AND read_to = ?`,
		next.readTo, next.until, next.failures, next.retryAt, was.name, owner, was.readTo)
	return n == 1, err
}

// advance is keep for an event that no earlier one of its subject holds up.
func (r repository) advance(ctx context.Context, owner string, was, next lease, subject account.ID) (bool, error) {
	n, err := r.q.Exec(ctx, `
		UPDATE gatehouse_event_destinations SET read_to = ?, lease_until = ?, failures = ?, retry_at = ?
		WHERE name = ? AND lease_owner = ? AND read_to = ? AND NOT EXISTS (
			SELECT 1 FROM gatehouse_event_deliveries x WHERE x.destination = ? AND x.subject = ? AND x.dead_at IS NULL)`,
		next.readTo, next.until, next.failures, next.retryAt, was.name, owner, was.readTo, was.name, subject)
	return n == 1, err
}

// delivery is what becomes of an event that was read and not delivered.
type delivery struct {
	stored
	destination string
	attempts    int
	dueAt       *time.Time
	deadAt      *time.Time
	fault       *string
}

func (r repository) putDelivery(ctx context.Context, d delivery) error {
	return r.q.Queue(ctx, `
		INSERT INTO gatehouse_event_deliveries (number, destination, subject, attempts, due_at, dead_at, error) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (destination, number) DO UPDATE SET attempts = excluded.attempts, due_at = excluded.due_at, dead_at = excluded.dead_at, error = excluded.error`,
		*d.number, d.destination, d.Subject, d.attempts, d.dueAt, d.deadAt, d.fault)
}

// changeDue gives false where the delivery is no longer due.
func (r repository) changeDue(ctx context.Context, d delivery) (bool, error) {
	n, err := r.q.Exec(ctx, `
		UPDATE gatehouse_event_deliveries SET attempts = ?, due_at = ?, dead_at = ?, error = ? WHERE number = ? AND destination = ? AND due_at IS NOT NULL`,
		d.attempts, d.dueAt, d.deadAt, d.fault, *d.number, d.destination)
	return n == 1, err
}

// removeDue gives false where the delivery is no longer due, such as where somebody has asked for another.
func (r repository) removeDue(ctx context.Context, d delivery) (bool, error) {
	n, err := r.q.Exec(ctx, `DELETE FROM gatehouse_event_deliveries WHERE number = ? AND destination = ? AND due_at IS NOT NULL`, *d.number, d.destination)
	return n == 1, err
}

// due gives the deliveries that are due, those first that have been for longest.
func (r repository) due(ctx context.Context, name string, now time.Time, limit int) ([]delivery, error) {
	rows, err := r.q.Query(ctx, `
		SELECT x.attempts, `+eventColumns+` FROM gatehouse_event_deliveries x JOIN gatehouse_events e ON e.number = x.number
		WHERE x.destination = ? AND x.due_at IS NOT NULL AND x.due_at <= ? ORDER BY x.due_at, x.number LIMIT ?`, name, now, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []delivery
	for rows.Next() {
		d := delivery{destination: name}
		if err := d.scan(rows, &d.attempts); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, rows.Err()
}

// removeOpen deletes a delivery that waits, due or not.
func (r repository) removeOpen(ctx context.Context, d delivery) error {
	return r.q.Queue(ctx, `DELETE FROM gatehouse_event_deliveries WHERE destination = ? AND number = ? AND dead_at IS NULL`, d.destination, *d.number)
}

// heldUp gives the numbers of the events between two, the second included, that wait for an earlier one of their subject.
func (r repository) heldUp(ctx context.Context, name string, from, to int64) (map[int64]bool, error) {
	rows, err := r.q.Query(ctx, `
		SELECT e.number FROM gatehouse_events e WHERE e.number > ? AND e.number <= ? AND EXISTS (
			SELECT 1 FROM gatehouse_event_deliveries x WHERE x.destination = ? AND x.subject = e.subject AND x.dead_at IS NULL)`, from, to, name)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	held := map[int64]bool{}
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		held[n] = true
	}
	return held, rows.Err()
}

// behind gives the deliveries that wait for one of their subject, in order.
func (r repository) behind(ctx context.Context, d delivery, limit int) ([]delivery, error) {
	return r.queryDeliveries(ctx, `
		WHERE x.destination = ? AND x.subject = ? AND x.number > ? AND x.dead_at IS NULL AND x.due_at IS NULL ORDER BY x.number LIMIT ?`,
		d.destination, d.Subject, *d.number, limit)
}

// releaseNext makes the first delivery that waits for a subject due, where none of it is.
func (r repository) releaseNext(ctx context.Context, name string, subject account.ID, now time.Time) error {
	return r.q.Queue(ctx, `
		UPDATE gatehouse_event_deliveries SET due_at = ? WHERE destination = ? AND due_at IS NULL AND dead_at IS NULL AND number = (
			SELECT x.number FROM gatehouse_event_deliveries x WHERE x.destination = ? AND x.subject = ? AND x.dead_at IS NULL ORDER BY x.number LIMIT 1)`,
		now, name, name, subject)
}

// floor gives the number up to which every destination has read.
func (r repository) floor(ctx context.Context) (floor int64, err error) {
	err = r.q.QueryRow(ctx, `
		SELECT COALESCE((SELECT min(read_to) FROM gatehouse_event_destinations), o.last) FROM gatehouse_event_order o WHERE o.singleton = 1`).Scan(&floor)
	return floor, err
}

// oldest gives up to limit events, by number, behind one and up to another: their number and when they happened.
func (r repository) oldest(ctx context.Context, behind, upTo int64, limit int) (numbers []int64, times []time.Time, err error) {
	rows, err := r.q.Query(ctx, `SELECT number, occurred_at FROM gatehouse_events WHERE number > ? AND number <= ? ORDER BY number LIMIT ?`, behind, upTo, limit)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var at time.Time
		if err := rows.Scan(&n, &at); err != nil {
			return nil, nil, err
		}
		numbers, times = append(numbers, n), append(times, at)
	}
	return numbers, times, rows.Err()
}

// remove deletes events between two numbers, but for those that a destination is still to get.
func (r repository) remove(ctx context.Context, from, to int64) error {
	_, err := r.q.Exec(ctx, `
		DELETE FROM gatehouse_events WHERE number >= ? AND number <= ? AND NOT EXISTS (
			SELECT 1 FROM gatehouse_event_deliveries x WHERE x.number = gatehouse_events.number AND x.dead_at IS NULL)`, from, to)
	return err
}

// deliveries gives what is kept of an event's deliveries.
func (r repository) deliveries(ctx context.Context, id uuid.UUID) ([]delivery, error) {
	return r.queryDeliveries(ctx, `WHERE e.id = ? ORDER BY x.destination`, id)
}

// dead gives the first deliveries that were set aside: at one destination unless the name is empty, of the events with the
// ids unless there are none.
func (r repository) dead(ctx context.Context, name string, ids []uuid.UUID, limit int) ([]delivery, error) {
	where, args := `x.dead_at IS NOT NULL`, []any{}
	if name != "" {
		where, args = where+` AND x.destination = ?`, append(args, name)
	}
	if len(ids) > 0 {
		where += ` AND e.id IN (?` + strings.Repeat(`, ?`, len(ids)-1) + `)`
		for _, id := range ids {
			args = append(args, id)
		}
	}
	return r.queryDeliveries(ctx, `WHERE `+where+` ORDER BY x.destination, x.number LIMIT ?`, append(args, limit)...)
}

func (r repository) queryDeliveries(ctx context.Context, tail string, args ...any) ([]delivery, error) {
	rows, err := r.q.Query(ctx, `
		SELECT x.destination, x.attempts, x.due_at, x.dead_at, x.error, `+eventColumns+`
		FROM gatehouse_event_deliveries x JOIN gatehouse_events e ON e.number = x.number `+tail, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []delivery
	for rows.Next() {
		var d delivery
		if err := d.scan(rows, &d.destination, &d.attempts, &d.dueAt, &d.deadAt, &d.fault); err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, rows.Err()
}

// readTo gives how far each destination has read.
func (r repository) readTo(ctx context.Context) (map[string]int64, error) {
	s, err := r.look(ctx)
	all := make(map[string]int64, len(s.destinations))
	for name, d := range s.destinations {
		all[name] = d.readTo
	}
	return all, err
}

// received notes that a message was handled. It gives false where that was noted before.
func (r repository) received(ctx context.Context, receiver, id string, now time.Time) (bool, error) {
	n, err := r.q.Exec(ctx, `INSERT INTO gatehouse_event_received (receiver, message_id, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, receiver, id, now)
	return n == 1, err
}

// forgetReceived deletes notes of messages that were handled before then: about so many of the oldest. It says whether more
// are left.
func (r repository) forgetReceived(ctx context.Context, before time.Time, about int) (more bool, err error) {
	upTo := before
	err = r.q.QueryRow(ctx, `SELECT at FROM gatehouse_event_received WHERE at < ? ORDER BY at LIMIT 1 OFFSET ?`, before, about).Scan(&upTo)
	if more, err = exists(err); err != nil {
		return false, err
	}
	_, err = r.q.Exec(ctx, `DELETE FROM gatehouse_event_received WHERE at <= ?`, upTo)
	return more, err
}
