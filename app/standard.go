package app

import (
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/modules/auth"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/modules/users"
	"github.com/gatehouse/gatehouse/modules/webhooks"
)

// description opens the OpenAPI document.
const description = "Accounts, sessions and what stands around them: people register, sign in and manage their profile, and administrators manage people. " +
	"Every error is a problem document (RFC 9457)."

// Standard is Gatehouse's own modules. A program of its own wraps it and appends.
func Standard(s *Stores) ([]module.Module, error) {
	sessionService, sessionModule := sessions.New(sessions.Deps{DB: s.DB, RefreshTokens: s.RefreshTokens, Push: s.Push, Events: s.Events, Audit: s.Audit, Clock: s.Clock})
	userService, userModule := users.New(users.Deps{
		DB: s.DB, Sessions: sessionService, Holdings: s.Holdings, Jobs: s.Jobs, Mails: s.Mails, Mail: s.Mail,
		Blobs: s.Blobs, Pictures: s.Pictures, Push: s.Push, Events: s.Events, Audit: s.Audit, Cursors: s.Cursors, Clock: s.Clock,
	})
	authService, authModule := auth.New(auth.Deps{
		DB: s.DB, Accounts: userService, Sessions: sessionService, Passwords: s.Passwords, Tokens: s.Tokens, PublicKeys: s.PublicKeys,
		RefreshTokens: s.RefreshTokens, MailedTokens: s.MailedTokens, Root: s.Root, Limits: s.Limits, Limiter: s.Limiter,
		Jobs: s.Jobs, Events: s.Events, Audit: s.Audit, Mails: s.Mails, Mail: s.Mail, LinkTo: s.LinkTo, Clock: s.Clock, Logger: s.Logger,
	})
	_, webhookModule := webhooks.New(webhooks.Deps{
		DB: s.DB, Users: userService, Root: s.Root, Egress: s.Egress, Events: s.Events, Audit: s.Audit, Jobs: s.Jobs, Mails: s.Mails, Mail: s.Mail,
		Cursors: s.Cursors, Limits: s.Limits, Issuer: s.Issuer, Clock: s.Clock, Logger: s.Logger,
	})
	s.Authenticator, s.Accounts, s.Directory = authService, authService, userService
	return []module.Module{sessionModule, userModule, authModule, webhookModule}, nil
}
