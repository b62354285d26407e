package webhooks

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/modules/users"
)

const (
	pruneEvery = time.Hour
	pruneStep  = 100 // for more, PostgreSQL reads the whole table
	// mostLogged is how many attempts are kept of one webhook.
	mostLogged = 10_000
)

// pruneArgs are of the job that deletes attempts that nobody is shown any more.
type pruneArgs struct{}

// Kind implements job.Args.
func (pruneArgs) Kind() string { return "webhooks.prune" }

// prune deletes step by step. Where its time runs out, the next attempt goes on.
func (s *Service) prune(ctx context.Context, _ job.Job[pruneArgs]) error {
	repo, before := repository{s.deps.DB}, s.deps.Clock.Now().Add(-s.settings.LogRetention)
	if err := stepByStep(func() (int64, error) { return repo.removeBefore(ctx, before, pruneStep) }); err != nil {
		return err
	}
	hooks, err := repo.active(ctx, mostActive) // others get no more
	if err != nil {
		return err
	}
	for _, h := range hooks {
		if err := stepByStep(func() (int64, error) { return repo.removeBeyond(ctx, h.ID, mostLogged, pruneStep) }); err != nil {
			return err
		}
	}
	return nil
}

// stepByStep goes on until a step is not a whole one.
func stepByStep(step func() (int64, error)) error {
	for {
		if n, err := step(); err != nil || n < pruneStep {
			return err
		}
	}
}

// mailArgs ask for one notice. They hold all that it says.
type mailArgs struct {
	ID          uuid.UUID  `json:"id"`   // of the mail
	Mail        string     `json:"mail"` // name of its template
	Address     string     `json:"address"`
	Language    string     `json:"language"`
	At          time.Time  `json:"at"`
	Webhook     string     `json:"webhook"`
	Host        string     `json:"host"`
	Description string     `json:"description"`
	Since       *time.Time `json:"since"` // it failed; nil where it wanted no more
}

// Kind implements job.Args.
func (mailArgs) Kind() string { return "webhooks.mail" }

// mailWork shares a queue with all mail, which a slow mail server may hold up, and nothing else.
var mailWork = job.Options{Queue: "mail", Timeout: 3 * time.Minute, Shows: []string{"id", "mail", "address", "language", "at", "webhook"}}

// newMail tells an administrator that a webhook is disabled. Of its URL the host alone goes out: the rest may be secret.
func newMail(h Hook, why Reason, now time.Time, to users.User) mailArgs {
	a := mailArgs{ID: uuid.Must(uuid.NewV7()), Mail: mailDisabled, Address: to.Email, At: now, Webhook: h.ID.String(), Host: h.host(), Description: h.Description}
	if to.Locale != nil {
		a.Language = *to.Locale
	}
	a.Language = mail.Language(a.Language, "")
	if why == ReasonFailing {
		a.Since = h.FailingSince
	}
	return a
}

// sendMail may run again after a crash: the same mail has the same Message-ID.
func (s *Service) sendMail(ctx context.Context, j job.Job[mailArgs]) error {
	a := j.Args
	m := mail.Message{ID: a.ID.String(), To: a.Address, Language: a.Language}
	var err error
	if m.Subject, m.Text, m.HTML, err = s.deps.Mails.Render(a.Mail, a.Language, a.notice()); err != nil {
		return err
	}
	err = s.deps.Mail.Send(ctx, m)
	if errors.Is(err, mail.ErrRefused) {
		return job.Pointless(err)
	}
	return err
}
