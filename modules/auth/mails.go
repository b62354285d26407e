package auth

import (
	"embed"
	"io/fs"
	"strconv"
	"time"

	"github.com/gatehouse/gatehouse/core/mail"
)

// The mails of the module, by the name of their templates.
const (
	mailReset          = "reset_password"
	mailStarted        = "password_reset_started" // by an administrator
	mailInvite         = "invitation"
	mailVerify         = "verify_email"
	mailChanged        = "password_changed" // by a mailed link
	mailChangedByOwner = "password_changed_by_owner"
	mailConfirm        = "confirm_email"          // to the address that the account shall have
	mailChangeAsked    = "email_change_requested" // to the one that it has
	mailAttempt        = "registration_attempt"
)

//go:embed mails
var mailFiles embed.FS

// letter is what the templates see. It has no name in it: whoever registers with somebody else's address chooses the name,
// and would choose words for us to mail.
type letter struct {
	Address string    // of the account, or that it shall have: the one that the mail goes to
	Link    string    // empty in a notice
	At      time.Time // when that was asked for, or done, which the mail is about; UTC

	ttl time.Duration
}

// declareMails adds the templates to the catalogue, with what previews show.
func declareMails(c *mail.Catalogue) {
	files, _ := fs.Sub(mailFiles, "mails") // the folder is there: it is embedded
	declare := func(name, link string, ttl time.Duration) {
		at := time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)
		c.Declare(mail.Template{Name: name, Files: files, Sample: letter{Address: "ada@example.com", Link: link, At: at, ttl: ttl}})
	}
	declare(mailVerify, "https://auth.example.com"+verifyPage+"?token=gtm_sample", 24*time.Hour)
	declare(mailReset, "https://auth.example.com"+resetPage+"?token=gtm_sample", 10*time.Minute)
	declare(mailStarted, "https://auth.example.com"+resetPage+"?token=gtm_sample", 10*time.Minute)
	declare(mailInvite, "https://auth.example.com"+resetPage+"?token=gtm_sample", 7*24*time.Hour)
	declare(mailChanged, "", 0)
	declare(mailChangedByOwner, "", 0)
	declare(mailConfirm, "https://auth.example.com"+confirmPage+"?token=gtm_sample", 24*time.Hour)
	declare(mailChangeAsked, "", 0)
	declare(mailAttempt, "", 0)
}

// Life says in a language how long the link works: "10 minutes", "24 Stunden".
func (l letter) Life(language string) string {
	const day = 24 * time.Hour
	units := [...][2]string{{"minute", "minutes"}, {"hour", "hours"}, {"day", "days"}}
	if language == "de" {
		units = [...][2]string{{"Minute", "Minuten"}, {"Stunde", "Stunden"}, {"Tag", "Tage"}}
	}
	n, unit := int(l.ttl/time.Minute), units[0]
	switch {
	case l.ttl > day && l.ttl%day == 0:
		n, unit = int(l.ttl/day), units[2]
	case l.ttl >= time.Hour && l.ttl%time.Hour == 0:
		n, unit = int(l.ttl/time.Hour), units[1]
	}
	if n == 1 {
		return "1 " + unit[0]
	}
	return strconv.Itoa(n) + " " + unit[1]
}
