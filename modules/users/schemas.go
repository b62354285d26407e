package users

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/modules/sessions"
)

type listInput struct {
	Limit         int                            `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"users on a page; it may change between pages"`
	Cursor        string                         `query:"cursor" minLength:"1" doc:"next_cursor of the page before, with the same sort and filters"`
	Sort          string                         `query:"sort" enum:"created_at,-created_at,email,-email,full_name,-full_name,last_login_at,-last_login_at" doc:"what to sort by, descending with -, letter case aside; -created_at unless given. Whoever never signed in did so before everyone else. Not with q"`
	Role          account.Role                   `query:"role" enum:"user,admin" doc:"only those of the role"`
	Active        httpapi.Optional[bool]         `query:"is_active" doc:"only those who may sign in, or who may not"`
	CreatedAfter  httpapi.Optional[httpapi.Time] `query:"created_after" doc:"only those who came after this moment"`
	CreatedBefore httpapi.Optional[httpapi.Time] `query:"created_before" doc:"only those who came before this moment"`
	Search        string                         `query:"q" minLength:"1" maxLength:"254" doc:"only those whose address, and then those whose name, begins with this text, letter case aside"`

	walk walk
}

func (in *listInput) query() ListQuery {
	return ListQuery{
		Limit: in.Limit, Cursor: in.Cursor, Sort: in.Sort, Search: in.Search, Role: in.Role, Active: in.Active.Pointer(),
		CreatedAfter: (*time.Time)(in.CreatedAfter.Pointer()), CreatedBefore: (*time.Time)(in.CreatedBefore.Pointer()),
	}
}

func (s *Service) checkList(in *listInput, report func(errs.Field)) {
	w, faults := s.startWalk(in.query())
	for _, f := range faults {
		report(f)
	}
	in.walk = w
}

// Response is a user as the API shows it.
type Response struct {
	ID            account.ID    `json:"id" format:"uuid" doc:"UUID version 7" example:"0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"`
	Email         string        `json:"email" format:"email" doc:"address, as its owner wrote it" example:"ada@example.com"`
	FullName      string        `json:"full_name" example:"Ada Lovelace"`
	Role          account.Role  `json:"role" enum:"user,admin" example:"user"`
	IsActive      bool          `json:"is_active" doc:"whether the user may sign in" example:"true"`
	EmailVerified bool          `json:"email_verified" doc:"whether the user has shown that the address is theirs" example:"false"`
	AvatarURL     *string       `json:"avatar_url" doc:"path of the picture at 512 pixels, or null; at 128 with -128 before the dot" example:"null"`
	Locale        *string       `json:"locale" doc:"language tag (BCP 47), or null" example:"en-GB"`
	Timezone      *string       `json:"timezone" doc:"IANA time zone, or null" example:"Europe/Berlin"`
	CreatedAt     httpapi.Time  `json:"created_at"`
	UpdatedAt     httpapi.Time  `json:"updated_at" doc:"when the profile last changed"`
	LastLoginAt   *httpapi.Time `json:"last_login_at" nullable:"true" doc:"when the user last signed in, or null"`

	version int64
}

// SchemaName is the type's name in the document.
func (Response) SchemaName() string { return "User" }

// avatarUpload is a picture as it comes in.
type avatarUpload struct {
	httpapi.Precondition

	File httpapi.File
}

// ETag names the user as well as the version, since everyone's own user is at one path.
func (r Response) ETag() string {
	return `"` + hex.EncodeToString(r.ID[8:]) + "-" + strconv.FormatInt(r.version, 36) + `"`
}

// Location is where the user is found.
func (r Response) Location() string { return "/users/" + r.ID.String() }

// byID names the user that an operation is about.
type byID struct {
	ID account.ID `path:"id" format:"uuid" doc:"the user's id"`
}

type profileChangeInput struct {
	httpapi.Precondition

	Body profileChange
}

// profileChange is what people may change about themselves.
type profileChange struct {
	FullName httpapi.Member[string]  `json:"full_name,omitzero" doc:"1 to 100 characters" example:"Ada King"`
	Locale   httpapi.Member[*string] `json:"locale,omitzero" maxLength:"35" doc:"language tag (BCP 47), kept in its canonical form; null clears" example:"en-GB"`
	Timezone httpapi.Member[*string] `json:"timezone,omitzero" maxLength:"64" doc:"IANA time zone; null clears" example:"Europe/London"`

	change Change
}

func checkProfileChange(in *profileChangeInput, report func(errs.Field)) {
	b := &in.Body
	b.change = Change{
		FullName: parsed(b.FullName, account.ParseFullName, "#/full_name", report),
		Locale:   parsedOrCleared(b.Locale, account.ParseLocale, "#/locale", report),
		Timezone: parsedOrCleared(b.Timezone, account.ParseTimezone, "#/timezone", report),
	}
}

type userChangeInput struct {
	byID
	httpapi.Precondition

	Body userChange
}

// userChange is what administrators may change about everyone.
type userChange struct {
	FullName      httpapi.Member[string]       `json:"full_name,omitzero" doc:"1 to 100 characters" example:"Ada King"`
	Email         httpapi.Member[string]       `json:"email,omitzero" format:"idn-email" doc:"address that no other account has" example:"ada@example.com"`
	Role          httpapi.Member[account.Role] `json:"role,omitzero" enum:"user,admin" example:"user"`
	IsActive      httpapi.Member[bool]         `json:"is_active,omitzero" doc:"whether the user may sign in" example:"true"`
	EmailVerified httpapi.Member[bool]         `json:"email_verified,omitzero" doc:"whether you vouch for the address" example:"true"`

	change Change
}

func checkUserChange(in *userChangeInput, report func(errs.Field)) {
	b := &in.Body
	b.change = Change{
		FullName: parsed(b.FullName, account.ParseFullName, "#/full_name", report),
		Email:    parsed(b.Email, account.ParseEmail, "#/email", report),
		Role:     b.Role.Pointer(), IsActive: b.IsActive.Pointer(), EmailVerified: b.EmailVerified.Pointer(),
	}
}

// parsed gives what a member means, or nil where it is absent or its fault was reported.
func parsed[T any](m httpapi.Member[string], parse func(string) (T, error), pointer string, report func(errs.Field)) *T {
	if !m.Given {
		return nil
	}
	v, err := parse(m.Value)
	if invalid := (*account.InvalidError)(nil); errors.As(err, &invalid) {
		report(invalid.Field(pointer))
		return nil
	}
	return &v
}

// parsedOrCleared is parsed for a member that null clears, as Change means it.
func parsedOrCleared(m httpapi.Member[*string], parse func(string) (string, error), pointer string, report func(errs.Field)) *string {
	if m.Value == nil {
		if m.Given {
			return new(string)
		}
		return nil
	}
	return parsed(httpapi.Member[string]{Given: true, Value: *m.Value}, parse, pointer, report)
}

// View gives a user as the API shows it, to modules whose operations answer with one.
func View(ctx context.Context, u User) Response { return toResponse(ctx, u) }

func toResponse(ctx context.Context, u User) Response { return ViewBelow(httpapi.PathTo(ctx, ""), u) }

// ViewBelow is View outside a request: base is the http.base_path.
func ViewBelow(base string, u User) Response {
	r := Response{
		ID: u.ID, Email: u.Email, FullName: u.FullName, Role: u.Role, IsActive: u.IsActive, EmailVerified: u.EmailVerified,
		AvatarURL: avatarURL(base, u.Avatar), Locale: u.Locale, Timezone: u.Timezone,
		CreatedAt: httpapi.Time(u.CreatedAt), UpdatedAt: httpapi.Time(u.UpdatedAt), version: u.Version,
	}
	if u.LastLoginAt != nil {
		r.LastLoginAt = (*httpapi.Time)(u.LastLoginAt)
	}
	return r
}

func avatarURL(base string, name *string) *string {
	if name == nil {
		return nil
	}
	return new(base + "/avatars/" + *name)
}

type sessionsOf struct {
	byID
	sessions.ListInput
}

type sessionOf struct {
	byID
	Session account.SessionID `path:"sid" format:"uuid" doc:"the session's id: the sid claim of its access tokens"`
}

// exportResponse is all that is held about a user.
type exportResponse struct {
	ExportedAt httpapi.Time   `json:"exported_at"`
	Modules    map[string]any `json:"modules" doc:"what is held, by the module that holds it: the account under users, sessions under sessions, mailed links and failed logins under auth, what was told of the user under events, what the user did and what was done to them under audit; modules of a program of its own add theirs"`
}

// SchemaName is the type's name in the document.
func (exportResponse) SchemaName() string { return "Export" }
