package auth

import (
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/password"
	"github.com/gatehouse/gatehouse/core/secret"
)

type registerRequest struct {
	Email    string        `json:"email" format:"idn-email" doc:"address that nobody registered yet" example:"ada@example.com"`
	Password secret.String `json:"password" format:"password" writeOnly:"true" doc:"8 to 128 characters with at least one upper-case letter, one lower-case letter and one digit (15 to 128 where the service follows NIST); none of the common ones, and without the e-mail address in it" example:"Difference-Engine-1842"`
	FullName string        `json:"full_name" doc:"1 to 100 characters" example:"Ada Lovelace"`

	email    account.Email
	fullName string
}

// checkRegistration reports all that is wrong with an e-mail address, a name and a new password.
func (s *Service) checkRegistration(in *httpapi.Body[registerRequest], report func(errs.Field)) {
	r := &in.Body
	r.email = readEmail(r.Email, "#/email", report)
	if !r.email.IsZero() && !s.settings.allows(r.email) {
		report(errs.Field{Pointer: "#/email", Code: errs.NotAllowed, Message: "addresses of this domain may not register"})
	}
	name, err := account.ParseFullName(r.FullName)
	reportInvalid(err, "#/full_name", report)
	r.fullName = name
	for _, f := range s.checkPassword("#/password", r.Password, r.email) {
		report(f)
	}
}

type registerResponse struct {
	ID        account.ID   `json:"id" format:"uuid" doc:"UUID version 7" example:"0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"`
	Email     string       `json:"email" format:"idn-email" example:"ada@example.com"`
	FullName  string       `json:"full_name" example:"Ada Lovelace"`
	CreatedAt httpapi.Time `json:"created_at"`
}

// Accepted implements httpapi.Accepting: an answer that must tell nothing has no body.
func (r registerResponse) Accepted() bool { return r.ID.IsZero() }

type loginRequest struct {
	Email    string        `json:"email" format:"idn-email" example:"ada@example.com"`
	Password secret.String `json:"password" format:"password" writeOnly:"true" doc:"at most 4 KiB" example:"Difference-Engine-1842"`

	email account.Email
}

// checkLogin looks at the password only for presence and size: what a new one must be is no rule for an old one.
func checkLogin(in *httpapi.Body[loginRequest], report func(errs.Field)) {
	r := &in.Body
	r.email = readEmail(r.Email, "#/email", report)
	reportUnfit(r.Password, "#/password", report)
}

// reportUnfit looks at a password that is to be compared with the one that was set.
func reportUnfit(p secret.String, pointer string, report func(errs.Field)) {
	switch size := len(p.Reveal()); {
	case size == 0:
		report(errs.Field{Pointer: pointer, Code: errs.Required, Message: "is required"})
	case size > password.MaxRawBytes:
		report(errs.Field{Pointer: pointer, Code: errs.TooLong, Message: fmt.Sprintf("must be at most %d bytes", password.MaxRawBytes)})
	}
}

// emailRequest says whom to mail, if there is such an account.
type emailRequest struct {
	Email string `json:"email" format:"idn-email" example:"ada@example.com"`

	email account.Email
}

func checkEmail(in *httpapi.Body[emailRequest], report func(errs.Field)) {
	in.Body.email = readEmail(in.Body.Email, "#/email", report)
}

// resetRequest has the token from a mailed link. What is no token of ours, an empty text among it, is an unknown one, never a
// format error.
type resetRequest struct {
	Token       secret.String `json:"token" format:"password" writeOnly:"true" doc:"the token in the mailed link" example:"gtm_AZDTxF5veoucDR4vOktcbQ"`
	NewPassword secret.String `json:"new_password" format:"password" writeOnly:"true" doc:"as at registration" example:"Analytical-Engine-1843"`
}

// checkReset knows no account yet, and so no address that the password must not contain.
func (s *Service) checkReset(in *httpapi.Body[resetRequest], report func(errs.Field)) {
	for _, f := range s.checkPassword("#/new_password", in.Body.NewPassword, account.Email{}) {
		report(f)
	}
}

type changePasswordRequest struct {
	CurrentPassword secret.String `json:"current_password" format:"password" writeOnly:"true" doc:"at most 4 KiB" example:"Difference-Engine-1842"`
	NewPassword     secret.String `json:"new_password" format:"password" writeOnly:"true" doc:"as at registration" example:"Analytical-Engine-1843"`
}

// checkPasswordChange does not know whose password it is, and so no address that it must not contain.
func (s *Service) checkPasswordChange(in *httpapi.Body[changePasswordRequest], report func(errs.Field)) {
	reportUnfit(in.Body.CurrentPassword, "#/current_password", report)
	for _, f := range s.checkPassword("#/new_password", in.Body.NewPassword, account.Email{}) {
		report(f)
	}
}

type deleteRequest struct {
	CurrentPassword secret.String `json:"current_password" format:"password" writeOnly:"true" doc:"at most 4 KiB" example:"Difference-Engine-1842"`
}

func checkDeletion(in *httpapi.Body[deleteRequest], report func(errs.Field)) {
	reportUnfit(in.Body.CurrentPassword, "#/current_password", report)
}

type inviteRequest struct {
	Email    string       `json:"email" format:"idn-email" doc:"address that nobody has an account with yet" example:"ada@example.com"`
	FullName string       `json:"full_name" doc:"1 to 100 characters" example:"Ada Lovelace"`
	Role     account.Role `json:"role" enum:"user,admin" example:"user"`

	email    account.Email
	fullName string
}

func checkInvitation(in *httpapi.Body[inviteRequest], report func(errs.Field)) {
	r := &in.Body
	r.email = readEmail(r.Email, "#/email", report)
	name, err := account.ParseFullName(r.FullName)
	reportInvalid(err, "#/full_name", report)
	r.fullName = name
}

type byID struct {
	ID account.ID `path:"id" format:"uuid" doc:"the user's id"`
}

type changeEmailRequest struct {
	NewEmail        string        `json:"new_email" format:"idn-email" doc:"address that no other account has" example:"ada.king@example.com"`
	CurrentPassword secret.String `json:"current_password" format:"password" writeOnly:"true" doc:"at most 4 KiB" example:"Difference-Engine-1842"`

	newEmail account.Email
}

func checkEmailChange(in *httpapi.Body[changeEmailRequest], report func(errs.Field)) {
	r := &in.Body
	r.newEmail = readEmail(r.NewEmail, "#/new_email", report)
	reportUnfit(r.CurrentPassword, "#/current_password", report)
}

// tokenRequest has the token from a mailed link, as resetRequest has it.
type tokenRequest struct {
	Token secret.String `json:"token" format:"password" writeOnly:"true" doc:"the token in the mailed link" example:"gtm_AZDTxF5veoucDR4vOktcbQ"`
}

// refreshInput counts by its token: see httpapi.Credentialed.
type refreshInput struct {
	Body refreshRequest
}

// Credential implements httpapi.Credentialed.
func (in refreshInput) Credential() string { return in.Body.RefreshToken.Reveal() }

type refreshRequest struct {
	RefreshToken secret.String `json:"refresh_token" format:"password" writeOnly:"true" doc:"the refresh token that was given last; a text that is none of ours is an unknown token" example:"gtr_AZDTxF5veoucDR4vOktcbQ"`
}

type logoutRequest struct {
	All bool `json:"all,omitempty" doc:"whether all sessions of the user end" example:"true"`
}

type tokenResponse struct {
	AccessToken  string `json:"access_token" doc:"JWT (RFC 9068) to send as Authorization: Bearer" example:"eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.e30.c2lnbmF0dXJl"`
	RefreshToken string `json:"refresh_token" doc:"opaque token that works once, to get the next pair with" example:"gtr_AZDTxF5veoucDR4vOktcbQ"`
	TokenType    string `json:"token_type" enum:"bearer" example:"bearer"`
	ExpiresIn    int    `json:"expires_in" doc:"life of the access token in seconds" example:"900"`
}

func (s *Service) toResponse(t Tokens) tokenResponse {
	return tokenResponse{AccessToken: t.Access, RefreshToken: t.Refresh.Reveal(), TokenType: "bearer", ExpiresIn: int(s.deps.Tokens.TTL() / time.Second)}
}

// keySet is a JWK Set (RFC 7517 section 5) as core/token has written it; the fields are for the document.
type keySet struct {
	Keys []jwk `json:"keys" nullable:"false"`

	raw []byte
	tag string
}

type jwk struct {
	KeyType   string `json:"kty" doc:"EC, or OKP for EdDSA" example:"EC"`
	Curve     string `json:"crv" example:"P-256"`
	X         string `json:"x" example:"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"`
	Y         string `json:"y,omitempty" example:"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`
	Use       string `json:"use" example:"sig"`
	Algorithm string `json:"alg" example:"ES256"`
	KeyID     string `json:"kid" doc:"thumbprint of the key (RFC 7638)" example:"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"`
}

// MarshalJSON implements json.Marshaler.
func (k keySet) MarshalJSON() ([]byte, error) { return k.raw, nil }

// ETag implements httpapi.ETagged.
func (k keySet) ETag() string { return k.tag }

func readEmail(raw, pointer string, report func(errs.Field)) account.Email {
	email, err := account.ParseEmail(raw)
	reportInvalid(err, pointer, report)
	return email
}

func reportInvalid(err error, pointer string, report func(errs.Field)) {
	if invalid := (*account.InvalidError)(nil); errors.As(err, &invalid) {
		report(invalid.Field(pointer))
	}
}
