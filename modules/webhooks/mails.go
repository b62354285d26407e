package webhooks

import (
	"embed"
	"io/fs"
	"time"

	"github.com/gatehouse/gatehouse/core/mail"
)

// mailDisabled tells an administrator that a webhook is disabled.
const mailDisabled = "webhook_disabled"

//go:embed mails
var mailFiles embed.FS

// notice is what the template sees.
type notice struct {
	Webhook     string // its id
	Host        string
	Description string     // may be empty
	At          time.Time  // when it was disabled; UTC
	Since       *time.Time // when it began to fail; nil where it answered that it wants no more
}

func (a mailArgs) notice() notice {
	return notice{Webhook: a.Webhook, Host: a.Host, Description: a.Description, At: a.At, Since: a.Since}
}

// declareMails adds the template to the catalogue, with what previews show.
func declareMails(c *mail.Catalogue) {
	files, _ := fs.Sub(mailFiles, "mails") // the folder is there: it is embedded
	since := time.Date(2026, 1, 26, 9, 30, 0, 0, time.UTC)
	c.Declare(mail.Template{Name: mailDisabled, Files: files, Sample: notice{
		Webhook: "0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d", Host: "hooks.example.com", Description: "billing", At: since.Add(5 * day), Since: &since,
	}})
}
