package users

import (
	"encoding/hex"
	"strconv"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

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

// avatarUpload is a picture as it comes in.
type avatarUpload struct{ File httpapi.File }

// ETag names the user as well as the version, since everyone's own user is at one path.
func (r Response) ETag() string {
	return `"` + hex.EncodeToString(r.ID[8:]) + "-" + strconv.FormatInt(r.version, 36) + `"`
}

func toResponse(u User) Response {
	r := Response{
		ID: u.ID, Email: u.Email, FullName: u.FullName, Role: u.Role, IsActive: u.IsActive, EmailVerified: u.EmailVerified,
		AvatarURL: avatarURL(u.Avatar), Locale: u.Locale, Timezone: u.Timezone,
		CreatedAt: httpapi.Time(u.CreatedAt), UpdatedAt: httpapi.Time(u.UpdatedAt), version: u.Version,
	}
	if u.LastLoginAt != nil {
		r.LastLoginAt = (*httpapi.Time)(u.LastLoginAt)
	}
	return r
}

func avatarURL(name *string) *string {
	if name == nil {
		return nil
	}
	url := "/avatars/" + *name
	return &url
}
