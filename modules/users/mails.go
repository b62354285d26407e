package users

import (
	"embed"
	"io/fs"
	"time"

	"github.com/gatehouse/gatehouse/core/mail"
)

// The mails of the module, by the name of their templates.
const (
	mailAddressLeft  = "address_left"  // to the old address of an account
	mailAddressTaken = "address_taken" // to the new one
)

//go:embed mails
var mailFiles embed.FS

// notice is what the templates see. It names the address that it goes to alone: whoever reads the mail of one need not be
// who reads that of the other.
type notice struct {
	Address string
	At      time.Time // when that was done, which the mail is about; UTC
}

// declareMails adds the templates to the catalogue, with what previews show.
func declareMails(c *mail.Catalogue) {
	files, _ := fs.Sub(mailFiles, "mails") // the folder is there: it is embedded
	for _, name := range []string{mailAddressLeft, mailAddressTaken} {
		c.Declare(mail.Template{Name: name, Files: files, Sample: notice{Address: "ada@example.com", At: time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC)}})
	}
}
