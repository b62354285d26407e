package token

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/secret"
)

func TestSettingsReportEveryFault(t *testing.T) {
	t.Parallel()
	good := Settings{TTL: 15 * time.Minute, Algorithm: ES256, RotateEvery: 90 * 24 * time.Hour, PublishBefore: 24 * time.Hour}
	for name, c := range map[string]struct {
		change func(*Settings)
		want   []string
	}{
		"defaults":         {func(*Settings) {}, nil},
		"names":            {func(s *Settings) { s.Issuer, s.Audience = "https://a.example/b", "api" }, nil},
		"urn":              {func(s *Settings) { s.Issuer = "urn:example:a" }, nil},
		"issuer no URI":    {func(s *Settings) { s.Issuer = "gatehouse" }, []string{"issuer"}},
		"issuer fragment":  {func(s *Settings) { s.Issuer = "https://a.example/#x" }, []string{"issuer"}},
		"issuer space":     {func(s *Settings) { s.Issuer = "https://a. example" }, []string{"issuer"}},
		"issuer long":      {func(s *Settings) { s.Issuer = "urn:" + strings.Repeat("x", 300) }, []string{"issuer"}},
		"issuer broken":    {func(s *Settings) { s.Issuer = "https://[::1" }, []string{"issuer"}},
		"audience control": {func(s *Settings) { s.Audience = "a\nb" }, []string{"audience"}},
		"all of them": {func(s *Settings) { *s = Settings{Issuer: "x", Audience: `"`, Algorithm: "none"} },
			[]string{"issuer", "audience", "ttl", "algorithm", "publish_before", "rotate_every"}},
		"the tightest schedule": {func(s *Settings) { s.PublishBefore, s.RotateEvery = minPublishBefore, minPublishBefore+overlap }, nil},
		"published too late":    {func(s *Settings) { s.PublishBefore = minPublishBefore - 1 }, []string{"publish_before"}},
		"rotated too often":     {func(s *Settings) { s.RotateEvery = s.PublishBefore + overlap - 1 }, []string{"rotate_every"}},
		"published long before": {func(s *Settings) { s.PublishBefore = math.MaxInt64 }, []string{"rotate_every"}},
	} {
		s := good
		c.change(&s)
		var fields []string
		s.Check(func(field, fault string) {
			require.NotEmpty(t, fault)
			fields = append(fields, field)
		})
		require.Equal(t, c.want, fields, name)
	}
}

func TestIssuerAndAudienceFallBackToPublicURLThenInstallation(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ issuer, audience, public, wantIssuer, wantAudience string }{
		{"", "", "", "urn:gatehouse:1", "urn:gatehouse:1"},
		{"", "", "https://p.example", "https://p.example", "https://p.example"},
		{"https://i.example", "", "https://p.example", "https://i.example", "https://p.example"},
		{"", "api", "", "urn:gatehouse:1", "api"},
	} {
		issuer, audience := (&Settings{Issuer: c.issuer, Audience: c.audience}).Names(c.public, "1")
		require.Equal(t, c.wantIssuer, issuer)
		require.Equal(t, c.wantAudience, audience)
	}
}

func TestAlgorithmReadsItsTwoNamesAlone(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ES256", "EdDSA"} {
		var a Algorithm
		require.NoError(t, a.UnmarshalText([]byte(name)))
		text, err := a.MarshalText()
		require.NoError(t, err)
		require.Equal(t, name, string(text))
	}
	for _, name := range []string{"", "none", "HS256", "es256", "RS256"} {
		var a Algorithm
		require.Error(t, a.UnmarshalText([]byte(name)), name)
	}
}

func TestMasterKeysAreCheckedWithoutBeingShown(t *testing.T) {
	t.Parallel()
	good := newMasterKey()
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"one":               {good, true},
		"new and old":       {good + "," + newMasterKey(), true},
		"spaced":            {" " + good + ", " + newMasterKey() + "\n", true},
		"none":              {"", false},
		"three":             {good + "," + good + "," + good, false},
		"an empty one":      {good + ",", false},
		"short":             {good[4:], false},
		"no base64":         {"?" + good[1:], false},
		"base64url":         {strings.Repeat("-_", 21) + "8=", false},
		"unpadded":          {strings.TrimSuffix(good, "="), false},
		"stray bits":        {strings.Repeat("A", 42) + "B=", false},
		"a plain pass word": {"correct horse battery staple", false},
	} {
		err := CheckMasterKeys(secret.New(c.text))
		if c.ok {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, ErrMasterKey, name)
		if c.text != "" {
			require.NotContains(t, err.Error(), c.text, name)
		}
	}
}

func TestTheDevelopmentKeyIsRecognised(t *testing.T) {
	t.Parallel()
	require.NoError(t, CheckMasterKeys(DevelopmentMasterKey))
	require.True(t, UsesDevelopmentKey(DevelopmentMasterKey))
	require.True(t, UsesDevelopmentKey(secret.New(DevelopmentMasterKey.Reveal()+","+newMasterKey())))
	require.False(t, UsesDevelopmentKey(secret.New(newMasterKey()+","+DevelopmentMasterKey.Reveal())))
	require.False(t, UsesDevelopmentKey(secret.New("")))
}
