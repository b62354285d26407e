package testkit

import "github.com/gatehouse/gatehouse/core/mail/mailtest"

// Mail is a mail that was sent, taken apart.
type Mail = mailtest.Mail

// Mail gives everything that the app has sent so far, the oldest first.
func (a *API) Mail() []Mail {
	a.t.Helper()
	return a.mailbox.All(a.t)
}

// MailTo waits until count mails went to the address, and gives them, the oldest first.
func (a *API) MailTo(address string, count int) []Mail {
	a.t.Helper()
	return a.mailbox.To(a.t, address, count)
}

// LastMailTo waits until a mail went to the address, and gives the newest.
func (a *API) LastMailTo(address string) Mail {
	a.t.Helper()
	all := a.MailTo(address, 1)
	return all[len(all)-1]
}
