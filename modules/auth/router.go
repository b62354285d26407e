package auth

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/token"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/modules/users"
)

const (
	tag      = "Authentication"
	usersTag = "Users" // of what the module does to accounts

	mayWriteUsers = "users.write" // a permission of the users module
)

// routes mounts the module's operations.
func (s *Service) routes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/register", ID: "register", Tag: tag, Access: authz.Public, Status: http.StatusCreated,
		Limit: s.limits.register, Closed: s.registrationClosed, Errors: []*errs.Error{users.ErrEmailTaken, ErrRegistrationClosed},
		Summary:     "Register",
		Description: "Creates an account and mails a link that verifies its address. The e-mail address is unique however it is spelled: letter case and the spelling of international domains make no difference. Where the service is set to tell nothing about known addresses (`auth.registration.existing_email=opaque`), the answer is always 202 without a body.",
	}, s.register, s.checkRegistration)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/login", ID: "login", Tag: tag, Access: authz.Public,
		Limit: s.limits.login, Errors: []*errs.Error{ErrInvalidCredentials, ErrEmailNotVerified}, HoldsToken: true,
		Summary:     "Log in",
		Description: "Starts a session and gives its tokens. Every wrong pair of e-mail address and password gets the same answer in the same time. An account that fails too often is slowed down with 429, except at addresses from which it signed in during the last 30 days, which have a budget of their own.",
	}, s.logIn, checkLogin)
	s.recoveryRoutes(r)
	s.ownRoutes(r)
	s.adminRoutes(r)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/refresh", ID: "refresh", Tag: tag, Access: authz.Public,
		Limit: s.limits.refresh, LimitKey: s.sessionOfRefresh, Errors: []*errs.Error{sessions.ErrRefreshToken}, HoldsToken: true,
		Summary:     "Refresh the tokens",
		Description: "Gives both tokens anew and extends the idle life of the session. A refresh token works once. Each further use within 10 seconds of the first (a setting) gets the same successor again, as long as that is unused itself, so that a lost answer or two requests at once log nobody out. Any other use of a used token ends the session.",
	}, s.refresh)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/logout", ID: "logout", Tag: tag, Access: authz.SignedIn,
		Limit: s.limits.logout, LimitKey: s.sessionOfAccess,
		Summary:     "Log out",
		Description: "Ends the session of the access token: its refresh token dies, and its access tokens are refused. No body is needed; `{\"all\": true}` ends all sessions of the user.",
	}, s.logOut)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/.well-known/jwks.json", ID: "getKeys", Tag: tag, Access: authz.Public,
		CacheControl: fmt.Sprintf("public, max-age=%d", int(token.JWKSMaxAge.Seconds())), StoreFree: true,
		Summary:     "Get the signing keys",
		Description: "Gives the public keys that access tokens are verified with, as a JWK Set (RFC 7517).",
	}, s.getKeys)
}

// recoveryRoutes mounts the ways back in, and the pages that mailed links lead to.
func (s *Service) recoveryRoutes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/forgot-password", ID: "forgotPassword", Tag: tag, Access: authz.Public, Status: http.StatusAccepted,
		Limit:       s.limits.forgot,
		Summary:     "Ask for a new password",
		Description: "Mails a link with which a new password can be set, once and within 10 minutes (`auth.reset.ttl`), if there is an active account with this address. A new link voids the old. The answer is the same, in the same time, whether or not there is one. One account can be asked for 3 times a minute, whether it exists or not.",
	}, s.forgotPassword, checkEmail)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/reset-password", ID: "resetPassword", Tag: tag, Access: authz.Public,
		Limit: s.limits.reset, Errors: []*errs.Error{ErrInvalidToken},
		Summary:     "Set a new password",
		Description: "Sets a new password with a mailed token, which works once; the first one with the token of an invitation, which verifies the address as well. All sessions of the account end, its failed logins are forgotten, and its owner is told by mail.",
	}, s.resetPassword, s.checkReset)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/verify-email", ID: "verifyEmail", Tag: tag, Access: authz.Public,
		Limit: s.limits.verify, Errors: []*errs.Error{ErrInvalidToken},
		Summary:     "Verify an e-mail address",
		Description: "Notes that the address a token was mailed to is its owner's. The token works once and dies when the address changes.",
	}, s.verifyEmail)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/confirm-email", ID: "confirmEmail", Tag: tag, Access: authz.Public,
		Limit: s.limits.confirm, Errors: []*errs.Error{ErrInvalidToken, users.ErrEmailTaken},
		Summary:     "Confirm another e-mail address",
		Description: "Gives an account the address that a token was mailed to, which is verified thereby. The token works once, and dies when the account's address or password changes. Both addresses are told.",
	}, s.confirmEmail)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/verify-email/resend", ID: "resendVerification", Tag: tag, Access: authz.Public, Status: http.StatusAccepted,
		Limit:       s.limits.resend,
		Summary:     "Ask for another verification mail",
		Description: "Mails another link that verifies the address, if there is an active account with it that still has to be verified. A new link voids the old. The answer is the same, in the same time, whether or not there is one.",
	}, s.resendVerification, checkEmail)
	s.forms(r)
}

// ownRoutes mounts what people do to their own account with their current password.
func (s *Service) ownRoutes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPut, Path: "/users/me/password", ID: "changeMyPassword", Tag: usersTag, Access: authz.SignedIn, Status: http.StatusNoContent,
		AccountLimit: s.limits.currentPassword, Errors: []*errs.Error{errCurrentPassword},
		Summary:     "Change one's own password",
		Description: "Sets a new password for someone who knows the current one. All other sessions of the user end, this one stays; mailed links that would set a password die; and the user is told by mail.",
	}, s.changePassword, s.checkPasswordChange)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/users/me/email", ID: "changeMyEmail", Tag: usersTag, Access: authz.SignedIn, Status: http.StatusAccepted,
		AccountLimit: s.limits.currentPassword, Errors: []*errs.Error{errCurrentPassword, users.ErrEmailTaken},
		Summary:     "Ask for another e-mail address",
		Description: "Mails a link to the new address, which becomes the account's when the link is used, once and within 24 hours (`auth.verify.ttl`); a new link voids the old, and so does a new password. The present address is told at once, and both when the address changes. Where the service is set to tell nothing about known addresses (`auth.registration.existing_email=opaque`), the answer is 202 for them, too, and nothing is mailed to them.",
	}, s.changeEmail, checkEmailChange)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodDelete, Path: "/users/me", ID: "deleteMe", Tag: usersTag, Access: authz.SignedIn,
		AccountLimit: s.limits.currentPassword, Errors: []*errs.Error{errCurrentPassword, users.ErrLastAdmin},
		Summary:     "Delete oneself",
		Description: "Deletes the account and all that is held about it, for good, for someone who knows the current password. All sessions are refused at once, and the address is free. The last active administrator stays.",
	}, s.deleteMe, checkDeletion)
}

// adminRoutes mounts the ways in that administrators open for others.
func (s *Service) adminRoutes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/users", ID: "inviteUser", Tag: usersTag, Access: authz.Can(mayWriteUsers), Status: http.StatusCreated,
		Errors:      []*errs.Error{users.ErrEmailTaken},
		Summary:     "Invite a user",
		Description: "Creates an account without a password, at the `Location` of the answer, and mails a link that works once and for 7 days (`auth.invite.ttl`), with which its owner sets one; that verifies the address as well. Nobody chooses a password for somebody else. Who lets the invitation expire asks for a new password like everybody.",
	}, s.invite, checkInvitation)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/users/{id}/password-reset", ID: "startPasswordReset", Tag: usersTag, Access: authz.Can(mayWriteUsers), Reaches: authz.Everyones,
		Status:      http.StatusAccepted,
		Errors:      []*errs.Error{users.ErrNotFound, ErrInactive},
		Summary:     "Have a user set a new password",
		Description: "Mails the user a link with which a new password can be set, once and within 10 minutes (`auth.reset.ttl`); a new link voids the old. Until then the password and the sessions stay as they are.",
	}, s.startReset)
}

func (s *Service) invite(ctx context.Context, in httpapi.Body[inviteRequest]) (users.Response, error) {
	u, err := s.Invite(ctx, Invitation{Email: in.Body.email, FullName: in.Body.fullName, Role: in.Body.Role})
	return users.View(ctx, u), err
}

func (s *Service) startReset(ctx context.Context, in byID) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.StartReset(ctx, in.ID)
}

func (s *Service) changePassword(ctx context.Context, in httpapi.Body[changePasswordRequest]) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.ChangePassword(ctx, httpapi.Principal(ctx), PasswordChange{Current: in.Body.CurrentPassword, New: in.Body.NewPassword})
}

func (s *Service) register(ctx context.Context, in httpapi.Body[registerRequest]) (registerResponse, error) {
	u, err := s.Register(ctx, Registration{Email: in.Body.email, FullName: in.Body.fullName, Password: in.Body.Password, Role: account.RoleUser})
	return registerResponse{ID: u.ID, Email: u.Email, FullName: u.FullName, CreatedAt: httpapi.Time(u.CreatedAt)}, err
}

func (s *Service) registrationClosed() error {
	if !s.settings.Registration.Enabled {
		return ErrRegistrationClosed
	}
	return nil
}

func (s *Service) logIn(ctx context.Context, in httpapi.Body[loginRequest]) (tokenResponse, error) {
	t, err := s.LogIn(ctx, Login{Email: in.Body.email, Password: in.Body.Password, Client: client(ctx)})
	return s.toResponse(t), err
}

func (s *Service) forgotPassword(ctx context.Context, in httpapi.Body[emailRequest]) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.ForgotPassword(ctx, in.Body.email)
}

func (s *Service) resetPassword(ctx context.Context, in httpapi.Body[resetRequest]) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.ResetPassword(ctx, Reset{Token: in.Body.Token, NewPassword: in.Body.NewPassword, Client: client(ctx)})
}

func (s *Service) verifyEmail(ctx context.Context, in httpapi.Body[tokenRequest]) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.VerifyEmail(ctx, in.Body.Token)
}

func (s *Service) confirmEmail(ctx context.Context, in httpapi.Body[tokenRequest]) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.ConfirmAddress(ctx, in.Body.Token)
}

func (s *Service) changeEmail(ctx context.Context, in httpapi.Body[changeEmailRequest]) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.ChangeAddress(ctx, httpapi.Principal(ctx), AddressChange{New: in.Body.newEmail, CurrentPassword: in.Body.CurrentPassword})
}

func (s *Service) deleteMe(ctx context.Context, in httpapi.Body[deleteRequest]) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.DeleteAccount(ctx, httpapi.Principal(ctx), in.Body.CurrentPassword)
}

func (s *Service) resendVerification(ctx context.Context, in httpapi.Body[emailRequest]) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.ResendVerification(ctx, in.Body.email)
}

func (s *Service) refresh(ctx context.Context, in refreshInput) (tokenResponse, error) {
	t, err := s.Refresh(ctx, in.Body.RefreshToken, client(ctx))
	return s.toResponse(t), err
}

func (s *Service) logOut(ctx context.Context, in httpapi.Body[*logoutRequest]) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.LogOut(ctx, httpapi.Principal(ctx), in.Body != nil && in.Body.All)
}

func (s *Service) getKeys(context.Context, struct{}) (keySet, error) {
	body, tag := s.deps.PublicKeys()
	return keySet{raw: body, tag: tag}, nil
}

func client(ctx context.Context) sessions.Client {
	return sessions.Client{UserAgent: httpapi.UserAgent(ctx), Addr: httpapi.ClientAddr(ctx)}
}
