package users

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/mail"
)

// mailArgs ask for one notice. They hold all that it says, since the account may have changed again, or be gone, before it
// is sent.
type mailArgs struct {
	ID       uuid.UUID `json:"id"`   // of the mail
	Mail     string    `json:"mail"` // name of its template
	Address  string    `json:"address"`
	At       time.Time `json:"at"` // when what it tells of was done
	Language string    `json:"language"`
}

// Kind implements job.Args.
func (mailArgs) Kind() string { return "users.mail" }

// mailWork shares a queue with all mail, which a slow mail server may hold up, and nothing else.
var mailWork = job.Options{Queue: "mail", Timeout: 3 * time.Minute, Shows: []string{"id", "mail", "address", "at", "language"}}

// tellOfAddressTx has the old and the new address of an account told.
func (s *Service) tellOfAddressTx(ctx context.Context, tx *database.Tx, u User, old string) error {
	for _, to := range [...]struct{ mail, address string }{{mailAddressLeft, old}, {mailAddressTaken, u.Email}} {
		args := mailArgs{ID: uuid.Must(uuid.NewV7()), Mail: to.mail, Address: to.address, At: u.UpdatedAt, Language: languageOf(ctx, u)}
		if err := s.deps.Jobs.Enqueue(ctx, tx, args); err != nil {
			return err
		}
	}
	return nil
}

// languageOf is the account's own language, or that of the request, unless it is an administrator who makes it.
func languageOf(ctx context.Context, u User) string {
	locale, asked := "", ""
	if u.Locale != nil {
		locale = *u.Locale
	}
	if by := httpapi.Principal(ctx).Account; by == u.ID || by == (account.ID{}) {
		asked = httpapi.AcceptLanguage(ctx)
	}
	return mail.Language(locale, asked)
}

// sendMail may run again after a crash: the same mail has the same Message-ID.
func (s *Service) sendMail(ctx context.Context, j job.Job[mailArgs]) error {
	a := j.Args
	m := mail.Message{ID: a.ID.String(), To: a.Address, Language: a.Language}
	var err error
	if m.Subject, m.Text, m.HTML, err = s.deps.Mails.Render(a.Mail, a.Language, notice{Address: a.Address, At: a.At}); err != nil {
		return err
	}
	err = s.deps.Mail.Send(ctx, m)
	if errors.Is(err, mail.ErrRefused) {
		return job.Pointless(err)
	}
	return err
}
