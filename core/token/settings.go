package token

import (
	"fmt"
	"net/url"
	"time"
)

// Bounds of settings.
const (
	minTTL = time.Second
	maxTTL = 24 * time.Hour
	// minPublishBefore leaves clients the time to ask for the JWK Set anew, twice.
	minPublishBefore = 2 * JWKSMaxAge

	maxNameLen = 255 // of issuer and audience, so that a token stays far below MaxAccessLength
)

// Settings is the settings part "token".
type Settings struct {
	Issuer        string        `conf:"issuer" default:"" doc:"iss of access tokens, an absolute URI; empty means http.public_url, else urn:gatehouse:<installation id>"`
	Audience      string        `conf:"audience" default:"" doc:"aud of access tokens; empty means the same as an empty issuer"`
	TTL           time.Duration `conf:"ttl" default:"15m" doc:"life of an access token, whole seconds from 1s to 24h; it is taken for up to 60 s longer, since clocks may differ"`
	Algorithm     Algorithm     `conf:"algorithm" default:"ES256" doc:"signature algorithm of new signing keys: ES256 or EdDSA"`
	RotateEvery   time.Duration `conf:"rotate_every" default:"90d" doc:"how long a signing key signs until the next one does; at least publish_before and a day and 11 minutes more"`
	PublishBefore time.Duration `conf:"publish_before" default:"24h" doc:"how long the next signing key is published before it signs, so that those who verify tokens know it by then; at least 10m"`
}

// Check reports settings that cannot work.
func (s *Settings) Check(report func(field, fault string)) {
	if s.Issuer != "" {
		if err := checkIssuer(s.Issuer); err != nil {
			report("issuer", err.Error())
		}
	}
	if s.Audience != "" {
		if err := checkName(s.Audience); err != nil {
			report("audience", err.Error())
		}
	}
	if err := checkTTL(s.TTL); err != nil {
		report("ttl", err.Error())
	}
	if !s.Algorithm.valid() {
		report("algorithm", "must be ES256 or EdDSA")
	}
	if s.PublishBefore < minPublishBefore {
		report("publish_before", fmt.Sprintf("must be at least %v: clients may remember the published keys for %v", minPublishBefore, JWKSMaxAge))
	}
	// The sum may not overflow, so the difference is compared. A key that has retired is gone before the next one retires.
	if s.RotateEvery < overlap || s.RotateEvery-overlap < s.PublishBefore {
		report("rotate_every", fmt.Sprintf("must be at least token.publish_before and %v more, for which a retired key is kept", overlap))
	}
}

// Policy gives what new signing keys are and when they come.
func (s *Settings) Policy() Policy {
	return Policy{Algorithm: s.Algorithm, RotateEvery: s.RotateEvery, PublishBefore: s.PublishBefore}
}

// Names gives the issuer and the audience in force. What is not set falls back to the public URL, and without one to a URN
// of the installation: never to the address that the server listens on, which says nothing about who issued a token.
func (s *Settings) Names(publicURL, installationID string) (issuer, audience string) {
	fallback := publicURL
	if fallback == "" {
		fallback = "urn:gatehouse:" + installationID
	}
	issuer, audience = s.Issuer, s.Audience
	if issuer == "" {
		issuer = fallback
	}
	if audience == "" {
		audience = fallback
	}
	return issuer, audience
}

func checkTTL(ttl time.Duration) error {
	if ttl < minTTL || ttl > maxTTL || ttl%time.Second != 0 {
		return fmt.Errorf("must be whole seconds from %v to %v", minTTL, maxTTL)
	}
	return nil
}

// checkIssuer asks for what RFC 8414 section 2 asks of an issuer, with URNs allowed as well.
func checkIssuer(issuer string) error {
	if err := checkName(issuer); err != nil {
		return err
	}
	u, err := url.Parse(issuer)
	if err != nil || u.Scheme == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("must be an absolute URI without query and fragment")
	}
	return nil
}

func checkName(name string) error {
	if name == "" || len(name) > maxNameLen {
		return fmt.Errorf("must be 1 to %d characters", maxNameLen)
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return fmt.Errorf("must be visible ASCII without quotes and backslashes")
		}
	}
	return nil
}
