package mail

import (
	"context"
	"errors"
	"fmt"
	netmail "net/mail"

	"github.com/gatehouse/gatehouse/core/clock"
)

// ErrRefused says that a message will not be taken however often it is sent: its recipient or the message itself is
// refused. After any other error of Send it is worth trying again.
var ErrRefused = errors.New("the mail is refused")

// Sender sends messages. Its zero value sends nothing; Open gives one that does. It is safe for concurrent use.
type Sender struct {
	from      netmail.Address // its domain in A-labels
	clock     clock.Clock
	transport transport
}

// transport is where letters go: a folder or a server.
type transport interface {
	deliver(ctx context.Context, m Message, l letter, stamp string) error
	probe(ctx context.Context) error
}

// Options are what a Sender needs beside its settings.
type Options struct {
	DataDir string // holds the folder where no other place is set
	Clock   clock.Clock
	// Insecure lets a password go to another machine in plain text, where mail.url spells that.
	Insecure bool
}

// Open gives a Sender. It connects to nothing and makes no folder: the first message does.
func Open(s Settings, o Options) (*Sender, error) {
	at, err := parseURL(s.URL, o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("mail.url %w", err)
	}
	from, err := parseFrom(s.From)
	if err != nil {
		return nil, fmt.Errorf("mail.from %w", err)
	}
	sender := &Sender{from: from, clock: o.Clock}
	if at.folder != "" {
		sender.transport = folder{path: at.folder}
	} else {
		sender.transport = newServer(at, from.Address, o.Insecure)
	}
	return sender, nil
}

// errClosed is what the zero Sender says.
var errClosed = errors.New("mail: the sender is not open")

// stampFormat sorts by time.
const stampFormat = "20060102T150405.000Z"

// Send hands a message over. Where it returns nil, the server has taken responsibility for it, or the file is on the disk.
// It ends with ctx, and within two minutes at any rate. No error holds an address or a word of the message.
func (s *Sender) Send(ctx context.Context, m Message) error {
	if s.transport == nil {
		return errClosed
	}
	now := s.clock.Now()
	l, err := s.compose(m, now)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return s.transport.deliver(ctx, m, l, now.Format(stampFormat))
}

// Letter gives a message as it goes out, and sends nothing.
func (s *Sender) Letter(m Message) ([]byte, error) {
	l, err := s.compose(m, s.clock.Now())
	return l.raw, err
}

// Probe connects and signs in as if to send, and sends nothing. It makes no folder.
func (s *Sender) Probe(ctx context.Context) error {
	if s.transport == nil {
		return errClosed
	}
	return s.transport.probe(ctx)
}
