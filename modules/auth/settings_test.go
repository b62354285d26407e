package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
)

func TestSettingsThatMakeNoSenseAreReported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change     func(*Settings)
		field      string
		production bool // alone refuses it
	}{
		"nothing wrong":         {change: func(*Settings) {}},
		"a reset of a second":   {change: func(s *Settings) { s.Reset.TTL = time.Second }, field: "reset.ttl"},
		"a reset of a week":     {change: func(s *Settings) { s.Reset.TTL = 7 * 24 * time.Hour }, field: "reset.ttl"},
		"a verify of a second":  {change: func(s *Settings) { s.Verify.TTL = time.Second }, field: "verify.ttl"},
		"a verify of a year":    {change: func(s *Settings) { s.Verify.TTL = 365 * 24 * time.Hour }, field: "verify.ttl"},
		"an invitation of 30 s": {change: func(s *Settings) { s.Invite.TTL = 30 * time.Second }, field: "invite.ttl"},
		"an invitation forever": {change: func(s *Settings) { s.Invite.TTL = 365 * 24 * time.Hour }, field: "invite.ttl"},
		"a page":                {change: func(s *Settings) { s.Pages.ResetURL = "https://app.example.com/new?from=mail" }},
		"a page without a host": {change: func(s *Settings) { s.Pages.ResetURL = "/new" }, field: "pages.reset_url"},
		"a page of no scheme":   {change: func(s *Settings) { s.Pages.VerifyURL = "javascript:alert(1)" }, field: "pages.verify_url"},
		"a page with a user":    {change: func(s *Settings) { s.Pages.VerifyURL = "https://ada@example.com/" }, field: "pages.verify_url"},
		"a page with a piece":   {change: func(s *Settings) { s.Pages.VerifyURL = "https://example.com/#verify" }, field: "pages.verify_url"},
		"another page":          {change: func(s *Settings) { s.Pages.ConfirmURL = "ftp://example.com/" }, field: "pages.confirm_url"},
		"a page in the open":    {change: func(s *Settings) { s.Pages.VerifyURL = "http://example.com/" }, field: "pages.verify_url", production: true},
	} {
		s := &Settings{}
		s.Reset.TTL, s.Verify.TTL, s.Invite.TTL = 10*time.Minute, 24*time.Hour, 7*24*time.Hour
		c.change(s)
		var always, inProduction []string
		s.Check(func(field, _ string) { always = append(always, field) })
		s.CheckProduction(func(field, _ string) { inProduction = append(inProduction, field) })
		if c.production {
			require.Empty(t, always, name)
			require.Equal(t, []string{c.field}, inProduction, name)
			continue
		}
		if c.field == "" {
			require.Empty(t, append(always, inProduction...), name)
			continue
		}
		require.Equal(t, []string{c.field}, always, name)
	}
}

func TestAllowedDomainsAreComparedInTheirCanonicalForm(t *testing.T) {
	t.Parallel()
	s := &Settings{}
	anyone, err := account.ParseEmail("ada@elsewhere.example")
	require.NoError(t, err)
	require.True(t, s.allows(anyone), "no list allows all")
	for _, text := range []string{"Example.COM", "bücher.example"} {
		var d domain
		require.NoError(t, d.UnmarshalText([]byte(text)))
		s.Registration.AllowedDomains = append(s.Registration.AllowedDomains, d)
	}
	for address, want := range map[string]bool{
		"ada@example.com": true, "ADA@EXAMPLE.COM": true, "ada@BÜCHER.example": true, "ada@xn--bcher-kva.example": true,
		"ada@sub.example.com": false, "ada@notexample.com": false, "ada@example.com.evil.example": false,
	} {
		email, err := account.ParseEmail(address)
		require.NoError(t, err)
		require.Equal(t, want, s.allows(email), address)
	}
	for _, text := range []string{"", "localhost", "@example.com", "exam ple.com", "[127.0.0.1]"} {
		require.Error(t, new(domain).UnmarshalText([]byte(text)), text)
	}
}

func TestALinkKeepsWhatItsPageHasAlready(t *testing.T) {
	t.Parallel()
	for page, want := range map[string]string{
		"https://example.com/reset":        "https://example.com/reset?token=gtm_x",
		"https://example.com/?page=reset":  "https://example.com/?page=reset&token=gtm_x",
		"http://127.0.0.1:8080/api/reset?": "http://127.0.0.1:8080/api/reset?token=gtm_x",
	} {
		require.Equal(t, want, link{page: page}.with("gtm_x"))
	}
}

func TestTheLifeOfALinkIsSaidInWords(t *testing.T) {
	t.Parallel()
	for life, want := range map[time.Duration][2]string{
		time.Minute: {"1 minute", "1 Minute"}, 10 * time.Minute: {"10 minutes", "10 Minuten"}, 90 * time.Minute: {"90 minutes", "90 Minuten"},
		time.Hour: {"1 hour", "1 Stunde"}, 24 * time.Hour: {"24 hours", "24 Stunden"}, 7 * 24 * time.Hour: {"7 days", "7 Tage"},
	} {
		require.Equal(t, want, [2]string{letter{ttl: life}.Life("en"), letter{ttl: life}.Life("de")})
	}
}
