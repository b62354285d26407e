package auth

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/password"
)

// Settings are the settings under "auth".
type Settings struct {
	Password struct {
		Policy password.Policy `conf:"policy" default:"blueprint" doc:"rules for new passwords: blueprint (8 to 128 characters with upper, lower, digit) or nist (15 to 128 characters)"`
	} `conf:"password"`
	Registration struct {
		Enabled        bool     `conf:"enabled" default:"true" doc:"whether people may register; where not, administrators invite and the command line makes accounts"`
		AllowedDomains []domain `conf:"allowed_domains" default:"" doc:"domains of e-mail addresses that may register, and that people may change theirs to, such as example.com, subdomains not included; empty means all"`
		ExistingEmail  string   `conf:"existing_email" default:"conflict" enum:"conflict,opaque" doc:"answer to registering a known address: conflict is 409; opaque is 202 without a body for known and unknown addresses alike, and the owner of a known one is mailed"`
	} `conf:"registration"`
	Login struct {
		RequireVerifiedEmail bool `conf:"require_verified_email" default:"false" doc:"whether a login with the right password is refused until the e-mail address is verified"`
	} `conf:"login"`
	Reset struct {
		TTL time.Duration `conf:"ttl" default:"10m" doc:"life of a mailed link that sets a new password, 1m to 24h"`
	} `conf:"reset"`
	Verify struct {
		TTL time.Duration `conf:"ttl" default:"24h" doc:"life of a mailed link that verifies an e-mail address or changes it, 1m to 30d"`
	} `conf:"verify"`
	Invite struct {
		TTL time.Duration `conf:"ttl" default:"7d" doc:"life of a mailed invitation, 1m to 30d"`
	} `conf:"invite"`
	Pages struct {
		ResetURL   string `conf:"reset_url" default:"" doc:"page of your product that invitations and mailed links for a new password lead to, with ?token=…; empty means /reset-password of this service; production needs https"`
		ConfirmURL string `conf:"confirm_url" default:"" doc:"page of your product that mailed links for changing an address lead to, with ?token=…; empty means /confirm-email of this service; production needs https"`
		VerifyURL  string `conf:"verify_url" default:"" doc:"page of your product that mailed links for verifying an address lead to, with ?token=…; empty means /verify-email of this service; production needs https"`
	} `conf:"pages"`
}

const (
	opaque = "opaque"

	shortestLink       = time.Minute
	longestResetLink   = 24 * time.Hour
	longestVerifyLink  = 30 * 24 * time.Hour
	longestInviteLink  = 30 * 24 * time.Hour
	faultPage          = "must be an absolute http:// or https:// URL without user and fragment"
	faultPageInTheOpen = "must be https://: it takes tokens that open accounts"
)

// Check reports what does not make sense.
func (s *Settings) Check(report func(field, fault string)) {
	if s.Reset.TTL < shortestLink || s.Reset.TTL > longestResetLink {
		report("reset.ttl", "must be 1m to 24h")
	}
	if s.Verify.TTL < shortestLink || s.Verify.TTL > longestVerifyLink {
		report("verify.ttl", "must be 1m to 30d")
	}
	if s.Invite.TTL < shortestLink || s.Invite.TTL > longestInviteLink {
		report("invite.ttl", "must be 1m to 30d")
	}
	for field, page := range s.pages() {
		if page != "" && !isPage(page) {
			report(field, faultPage)
		}
	}
}

// CheckProduction reports pages of the product's own that would be reached in plain text.
func (s *Settings) CheckProduction(report func(field, fault string)) {
	for field, page := range s.pages() {
		if page != "" && !strings.HasPrefix(strings.ToLower(page), "https://") {
			report(field, faultPageInTheOpen)
		}
	}
}

func (s *Settings) pages() map[string]string {
	return map[string]string{"pages.reset_url": s.Pages.ResetURL, "pages.confirm_url": s.Pages.ConfirmURL, "pages.verify_url": s.Pages.VerifyURL}
}

// isPage says whether a token can be added to the URL's query.
func isPage(page string) bool {
	u, err := url.Parse(page)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || strings.Contains(page, "#") {
		return false
	}
	_, err = url.ParseQuery(u.RawQuery)
	return err == nil
}

// allows says whether an address may register.
func (s *Settings) allows(email account.Email) bool {
	domains := s.Registration.AllowedDomains
	return len(domains) == 0 || slices.Contains(domains, domain(email.Domain()))
}

// domain is that of an e-mail address, in its canonical form, so that every spelling of it is one.
type domain string

var errDomain = errors.New("expected the domain of an e-mail address, such as example.com")

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *domain) UnmarshalText(text []byte) error {
	email, err := account.ParseEmail("someone@" + string(text))
	if err != nil {
		return errDomain
	}
	*d = domain(email.Domain())
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (d domain) MarshalText() ([]byte, error) { return []byte(d), nil }
