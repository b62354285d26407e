package event

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
)

// Message is what came from outside: from a queue or a subscription of a broker.
type Message struct {
	ID          string // the sender's, the same each time it comes
	Label       string // what the sender says that it is; Azure calls it the subject
	Session     string // of which messages come in order; empty for none
	ContentType string
	Properties  map[string]any
	Body        []byte
	EnqueuedAt  time.Time // when the broker took it
	Delivery    int       // 1 the first time
}

// Receiver handles messages of one queue or subscription. Receive makes it.
type Receiver struct {
	name   string
	handle func(ctx context.Context, tx *database.Tx, m Message) error
}

// Receive makes a receiver. Its name begins with the module's name and a dot; which queue or subscription that is, a setting
// says. handle runs in a transaction that commits together with the note that the message was handled: its effect in the
// database happens once, however often the message comes within events.retention. It has HandlerDeadline, and does what InTx
// asks of its function; what is slow, or leaves the database, is a job that it enqueues. Where it returns an error, the
// message comes again; where that is Permanent, or was the last of its deliveries, it is dead-lettered with the error's text.
func Receive(name string, handle func(ctx context.Context, tx *database.Tx, m Message) error) Receiver {
	return Receiver{name: name, handle: handle}
}

// Name is the receiver's name.
func (r Receiver) Name() string { return r.name }

// CheckReceivers says what is wrong with a module's receivers: a mistake in the program.
func CheckReceivers(module string, receivers ...Receiver) error {
	seen := map[string]bool{}
	for _, r := range receivers {
		switch {
		case !strings.HasPrefix(r.name, module+"."):
			return fmt.Errorf("module %s receives as %q, which does not begin with its name and a dot", module, r.name)
		case !validDestination.MatchString(r.name):
			return fmt.Errorf("event: %q is no name for a receiver", r.name)
		case seen[r.name]:
			return fmt.Errorf("event: there are two receivers %s", r.name)
		case r.handle == nil:
			return fmt.Errorf("event: receiver %s has no handler", r.name)
		}
		seen[r.name] = true
	}
	return nil
}

// mostMessageID is Azure's bound.
const mostMessageID = 128

// What a message cannot be handled for.
var (
	errNoMessageID = Permanent(errors.New("the message has no id, so that one that comes again would not be known"))
	errMessageID   = Permanent(fmt.Errorf("the message's id is longer than %d characters", mostMessageID))
)

// Handle handles a message with a receiver, unless that was done before: duplicate says so. An error says that nothing has
// come of it; IsPermanent says whether it is any use to try again. A handler that panics has failed.
func (o *Outbox) Handle(ctx context.Context, r Receiver, m Message) (duplicate bool, err error) {
	switch {
	case m.ID == "":
		return false, errNoMessageID
	case len(m.ID) > mostMessageID*4 || strings.ContainsRune(m.ID, 0):
		return false, errMessageID
	}
	ctx, cancel := context.WithTimeout(ctx, HandlerDeadline)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			logPanic(ctx, o.options.Logger.With("receiver", r.name), v)
			err = errPanicked
		}
	}()
	err = o.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		fresh, err := repository{tx}.received(ctx, r.name, strings.ToValidUTF8(m.ID, "�"), o.options.Clock.Now())
		if duplicate = err == nil && !fresh; err != nil || duplicate {
			return err
		}
		return r.handle(ctx, tx, m)
	})
	return duplicate && err == nil, err
}

// IsPermanent says whether an error of a handler is Permanent.
func IsPermanent(err error) bool {
	r, ok := errors.AsType[refusal](err)
	return ok && r.permanent
}
