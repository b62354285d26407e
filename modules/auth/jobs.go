package auth

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/core/token"
	"github.com/gatehouse/gatehouse/modules/users"
)

// mailArgs ask for one mail. They are stored in plain, and so hold nothing secret: the token of a link is made by the job.
type mailArgs struct {
	ID          token.MailedID `json:"id"`                    // of the mail, and of the token in its link
	Mail        string         `json:"mail"`                  // name of its template
	Address     string         `json:"address"`               // of the account
	Account     account.ID     `json:"account,omitzero"`      // if set, nobody else who has the address by now is written to
	NewAddress  string         `json:"new_address,omitempty"` // if set, the mail goes there
	RequestedAt time.Time      `json:"requested_at"`
	Language    string         `json:"language"` // that the request asked for; the account's own goes before it
}

// Kind implements job.Args.
func (mailArgs) Kind() string { return "auth.mail" }

// mailWork says how mails are worked: in a queue of their own, so that a mail server which answers each step as late as it
// may keeps nothing else waiting.
var mailWork = job.Options{
	Queue: "mail", Timeout: 3 * time.Minute,
	Shows: []string{"mail", "address", "account", "new_address", "requested_at", "language"}, // the id leads to a token
}

// newMail is a mail to whoever has the address, as somebody asks for it now.
func (s *Service) newMail(ctx context.Context, name string, email account.Email) mailArgs {
	return mailArgs{
		ID: token.NewMailedID(), Mail: name, Address: email.String(), RequestedAt: s.deps.Clock.Now(),
		Language: mail.Language(httpapi.AcceptLanguage(ctx)),
	}
}

// about makes it a mail to nobody but that account.
func (a mailArgs) about(id account.ID) mailArgs {
	a.Account = id
	return a
}

// askForMail leaves everything else to the job.
func (s *Service) askForMail(ctx context.Context, name string, email account.Email) error {
	args := s.newMail(ctx, name, email)
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error { return s.deps.Jobs.Enqueue(ctx, tx, args) })
}

var errPassed = errors.New("nobody would want the mail any more: its link has expired, was used, or gave way to a newer one")

// sendMail writes to the account that has the address by now, if there is one that wants the mail. It may run again after a
// crash: the same mail has the same Message-ID, and the same link.
func (s *Service) sendMail(ctx context.Context, j job.Job[mailArgs]) error {
	email, err := account.ParseEmail(j.Args.Address)
	if err != nil {
		return job.Pointless(err)
	}
	u, err := s.deps.Accounts.ByEmail(ctx, email)
	if errors.Is(err, users.ErrNotFound) || err == nil && !j.Args.isFor(u) {
		return nil // as good an end as any: requests do not look who is there
	}
	if err != nil {
		return err
	}
	l := letter{Address: u.Email, At: j.Args.RequestedAt}
	if j.Args.NewAddress != "" {
		l.Address = j.Args.NewAddress
		if free, err := s.isFree(ctx, l.Address, u.ID); err != nil || !free {
			return err
		}
	}
	if to, ok := s.linkOf(j.Args.Mail); ok {
		if err := s.prepareToken(ctx, j.Args.token(u.ID, l.Address, to)); err != nil {
			return err
		}
		l.Link, l.ttl = to.with(s.deps.MailedTokens.Token(to.purpose, j.Args.ID).Reveal()), to.ttl
	}
	return s.send(ctx, j.Args, u, l)
}

// isFree says whether the account may have the address. Nobody is told of one that another account has: who asked does not
// learn that it is known.
func (s *Service) isFree(ctx context.Context, address string, id account.ID) (bool, error) {
	email, err := account.ParseEmail(address)
	if err != nil {
		return false, job.Pointless(err)
	}
	has, err := s.deps.Accounts.ByEmail(ctx, email)
	if errors.Is(err, users.ErrNotFound) {
		return true, nil
	}
	return has.ID == id, err
}

// isFor says whether there is a point in writing to the account.
func (a mailArgs) isFor(u users.User) bool {
	return u.IsActive && (a.Account.IsZero() || a.Account == u.ID) && (a.Mail != mailVerify || !u.EmailVerified)
}

func (s *Service) send(ctx context.Context, a mailArgs, u users.User, l letter) error {
	locale := ""
	if u.Locale != nil {
		locale = *u.Locale
	}
	m := mail.Message{ID: a.ID.String(), To: l.Address, Language: mail.Language(locale, a.Language)}
	var err error
	if m.Subject, m.Text, m.HTML, err = s.deps.Mails.Render(a.Mail, m.Language, l); err != nil {
		return err
	}
	err = s.deps.Mail.Send(ctx, m)
	if errors.Is(err, mail.ErrRefused) {
		return job.Pointless(err)
	}
	return err
}

// token is the row of the token in the mail's link.
func (a mailArgs) token(id account.ID, address string, to link) mailedToken {
	t := mailedToken{id: a.ID, account: id, purpose: to.purpose, address: address, createdAt: a.RequestedAt, expiresAt: a.RequestedAt.Add(to.ttl)}
	if to.purpose == token.MailedChange {
		t.from = &a.Address
	}
	return t
}

// prepareToken makes sure that the link leads somewhere: that its token is the newest of its account and purpose.
func (s *Service) prepareToken(ctx context.Context, t mailedToken) error {
	repo := repository{s.deps.DB}
	now := s.deps.Clock.Now()
	if !t.good(now) {
		return job.Pointless(errPassed)
	}
	if err := repo.putToken(ctx, t); err != nil {
		if _, gone := database.ForeignKeyViolation(err); gone {
			return job.Pointless(users.ErrNotFound) // deleted since we looked
		}
		return err
	}
	newest, err := repo.newestToken(ctx, t.account, t.purpose)
	if err != nil {
		return err
	}
	if newest.id != t.id || !newest.good(now) {
		return job.Pointless(errPassed)
	}
	return nil
}

// link is where a mail's link leads, and for how long.
type link struct {
	purpose token.MailedPurpose
	ttl     time.Duration
	page    string // URL
}

// The pages that mailed links lead to where the product has none of its own.
const (
	resetPage   = "/reset-password"
	verifyPage  = "/verify-email"
	confirmPage = "/confirm-email"
)

// linkOf gives the link of a mail, or false for one without.
func (s *Service) linkOf(name string) (link, bool) {
	var own, path string
	var l link
	switch name {
	case mailReset, mailStarted:
		own, path, l = s.settings.Pages.ResetURL, resetPage, link{purpose: token.MailedReset, ttl: s.settings.Reset.TTL}
	case mailInvite:
		own, path, l = s.settings.Pages.ResetURL, resetPage, link{purpose: token.MailedInvite, ttl: s.settings.Invite.TTL}
	case mailVerify:
		own, path, l = s.settings.Pages.VerifyURL, verifyPage, link{purpose: token.MailedVerify, ttl: s.settings.Verify.TTL}
	case mailConfirm:
		own, path, l = s.settings.Pages.ConfirmURL, confirmPage, link{purpose: token.MailedChange, ttl: s.settings.Verify.TTL}
	default:
		return link{}, false
	}
	if l.page = own; own == "" {
		l.page = s.deps.LinkTo(path)
	}
	return l, true
}

// with gives the URL with a token, behind what its query holds already.
func (l link) with(token string) string {
	u, err := url.Parse(l.page)
	if err != nil {
		return l.page // the settings were checked
	}
	if u.RawQuery != "" {
		u.RawQuery += "&"
	}
	u.RawQuery += "token=" + token
	return u.String()
}
