package contract_test

import (
	"net/http"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

func authRegistration() []proof {
	return []proof{
		{says: `POST /auth/register {"email", "password", "full_name"} → 201 {"id", "email", "full_name", "created_at"}; mails a verification link.`, prove: func(s *stage) {
			got := s.members(s.api.Post("/auth/register", registration("newcomer@example.com")).Status(http.StatusCreated))
			require.Equal(s.T, []string{"created_at", "email", "full_name", "id"}, names(got))
			require.Equal(s.T, []any{"newcomer@example.com", "Ada Lovelace"}, []any{got["email"], got["full_name"]})
			s.api.Post("/auth/verify-email", mailedToken(s.mailed("newcomer@example.com", "/verify-email"))).Status(http.StatusNoContent)
			s.api.Post("/auth/register", `{"email":"x@example.com","password":"Difference-Engine-1842","full_name":"X","role":"admin"}`).Invalid("#/role unknown_field")
		}},
		{says: `E-mail: local part an ASCII dot-atom up to 64, domain IDNA2008 with two labels or more and no address literal, 254 in all; surrounding space is trimmed, the rest stored as given; unique on the canonical form (A-label domain, lower-cased local part).`, prove: func(s *stage) {
			s.addressesAreChecked()
			for given, spellings := range map[string][]string{
				"Grace.Hopper@Example.COM": {"grace.hopper@example.com", "GRACE.HOPPER@EXAMPLE.COM"}, "Ada@bücher.example": {"ada@xn--bcher-kva.example", "ADA@BÜCHER.EXAMPLE"},
			} {
				got := s.members(s.api.Post("/auth/register", registration(" \t\n"+given+"\u00a0\r\n ")).Status(http.StatusCreated))
				require.Equal(s.T, given, got["email"])
				for _, spelling := range append(spellings, given) {
					s.api.Post("/auth/register", registration(spelling)).Status(http.StatusConflict)
				}
			}
		}, elsewhere: []string{"core/account TestParseEmailRefuses"}},
		{says: `Password: 8 to 128 characters, at least one upper-case letter, one lower-case letter and one digit; any Unicode, prepared by PRECIS OpaqueString (RFC 8265), then measured; raw input at most 4 KiB; not in the shipped list of common passwords (compared case-insensitively), and does not contain, case-insensitively, the e-mail, its local part (from four characters on) or gatehouse.`, prove: func(s *stage) {
			for _, address := range []string{"lovelace@example.com", "ada@example.org"} {
				s.api.User(func(u *testkit.User) { u.Email = address })
			}
			for password, faults := range passwordRules {
				s.newPasswordOf("lovelace@example.com", password, faults)
			}
			s.newPasswordOf("ada@example.org", "Countess-Ada-1815", nil)
			s.newPasswordOf("ada@example.org", "ADA@example.org-1815", []string{"contains_context"})

			prepared := registration("prepared@example.com")
			prepared["password"] = "Kqzv wx1y A\u030a"
			s.api.Post("/auth/register", prepared).Status(http.StatusCreated)
			prepared = map[string]string{"email": "prepared@example.com", "password": "Kqzv\u00a0wx1y\u3000Å"}
			s.api.Post("/auth/login", prepared).Status(http.StatusOK)
		}, elsewhere: []string{"modules/auth TestPasswordsKeepEveryCodePoint"}},
		{says: `full_name: 1 to 100 characters after trimming, no control characters.`, prove: func(s *stage) {
			for name, faults := range map[string][]string{
				"": {"too_short"}, " \t ": {"too_short"}, strings.Repeat("ä", 101): {"too_long"}, "Ada\u0007": {"invalid_format"}, "Ada\nKing": {"invalid_format"}, "A\u0000": {"invalid_format"},
				"A": nil, strings.Repeat("ä", 100): nil, "  " + strings.Repeat("x", 100) + "  ": nil,
			} {
				in := registration(s.user.Email)
				in["full_name"] = name
				s.judged(s.api.Post("/auth/register", in), "#/full_name", faults)
			}
			in := registration("trimmed@example.com")
			in["full_name"] = "  Ada  Lovelace\t"
			require.Equal(s.T, "Ada  Lovelace", s.members(s.api.Post("/auth/register", in).Status(http.StatusCreated))["full_name"])
		}},
		{says: `400, 409 (reason: email_already_exists), 429.`, prove: func(s *stage) {
			api := s.limited()
			api.Post("/auth/register", "{}").Problem(http.StatusBadRequest, "VALIDATION_ERROR")
			require.Equal(s.T, "email_already_exists", api.Post("/auth/register", registration(s.user.Email)).Problem(http.StatusConflict, "CONFLICT").Reason)
			for range 3 {
				api.Post("/auth/register", registration(s.user.Email)).Problem(http.StatusConflict, "CONFLICT")
			}
			s.refused(api.Post("/auth/register", registration(s.user.Email)))
		}, elsewhere: []string{"modules/auth TestProbingForKnownAddressesEnds", "modules/auth TestFortyRegistrationsOfOneAddressMakeOneAccount"}},
		{says: `Closed registration: 403 reason: registration_closed; a domain not listed: 400 #/email not_allowed.`, prove: func(s *stage) {
			closed := s.with("auth.registration.enabled=false")
			for _, body := range []any{registration("closed@example.com"), registration(s.user.Email), "{}"} {
				require.Equal(s.T, "registration_closed", closed.Post("/auth/register", body).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR").Reason)
			}
			some := s.with("auth.registration.allowed_domains=example.org,bücher.example")
			for _, address := range []string{"x@example.com", "x@sub.example.org"} {
				some.Post("/auth/register", registration(address)).Invalid("#/email not_allowed")
			}
			some.Post("/auth/register", registration("listed@EXAMPLE.org")).Status(http.StatusCreated)
			some.Post("/auth/register", registration("listed@xn--bcher-kva.example")).Status(http.StatusCreated)
		}},
		{says: `With existing_email = opaque register always answers 202 without body.`, prove: func(s *stage) {
			api := s.with("auth.registration.existing_email=opaque")
			for _, address := range []string{s.user.Email, "opaque@example.com", "OPAQUE@example.com"} {
				s.emptyBody(api.Post("/auth/register", registration(address)).Status(http.StatusAccepted))
			}
			s.api.Post("/auth/login", map[string]string{"email": "opaque@example.com", "password": testkit.Password}).Status(http.StatusOK)
		}, elsewhere: []string{"modules/auth TestOpaqueRegistrationTellsNothing"}},
	}
}

// addressesAreChecked holds addresses against the rules where no account is made of them.
func (s *stage) addressesAreChecked() {
	longest := strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 61)
	require.Len(s.T, longest, 254)
	for address, faults := range map[string][]string{
		"a!#$%&'*+-/=?^_`{|}~.b@example.com": nil, longest: nil, "ada@bücher.example": nil, "ada@xn--bcher-kva.example": nil, " \tada@example.com  ": nil,
		longest + "e": {"too_long"}, strings.Repeat("a", 65) + "@example.com": {"too_long"}, strings.Repeat("a", 2000) + "@example.com": {"invalid_format"},
		"ada": {"invalid_format"}, "ada@": {"invalid_format"}, "@example.com": {"invalid_format"}, "ada@localhost": {"invalid_format"}, "ada@[192.0.2.1]": {"invalid_format"},
		"ada@192.0.2.1": {"invalid_format"}, "a..b@example.com": {"invalid_format"}, ".a@example.com": {"invalid_format"}, "a.@example.com": {"invalid_format"},
		`"a b"@example.com`: {"invalid_format"}, "ä@example.com": {"invalid_format"}, "a b@example.com": {"invalid_format"}, "ada@exa_mple.com": {"invalid_format"},
		"ada@-x.example": {"invalid_format"}, "ada@example..com": {"invalid_format"}, "ada@example.com.": {"invalid_format"}, "ada@xn--zzzzzz.example": {"invalid_format"},
		"Ada <ada@example.com>": {"invalid_format"}, "ada@example.com (Ada)": {"invalid_format"}, "a@b@example.com": {"invalid_format"}, "ada@\u2603.example": {"invalid_format"},
	} {
		r := s.api.Post("/auth/forgot-password", email(address))
		if faults == nil {
			require.Equal(s.T, http.StatusAccepted, r.StatusCode, "%s: %s", address, r.Body)
			continue
		}
		r.Invalid("#/email " + faults[0])
	}
}

// passwordRules are for lovelace@example.com.
var passwordRules = map[string][]string{
	"Kqzvwx1": {"too_short"}, "Kqzvwx1y": nil, "Kqz" + strings.Repeat("9", 125): nil, "Kqz" + strings.Repeat("9", 126): {"too_long"}, "": {"invalid_format", "too_short", "missing_upper", "missing_lower", "missing_digit"},
	"kqzvwx1y": {"missing_upper"}, "KQZVWX1Y": {"missing_lower"}, "Kqzvwxyz": {"missing_digit"},
	"Пароль-Ёлка-7": nil, "Ünï¢ødé 🦀 ٣": nil, "Kq1" + strings.Repeat("A\u030a", 125): nil, "Kq1" + strings.Repeat("A\u030a", 126): {"too_long"}, "Kqzvwx1\u0007": {"invalid_format"},
	"Kq1" + strings.Repeat("\u20e3", 2000): {"too_long"}, "Kq1\ufeff" + strings.Repeat("z", 8): {"invalid_format"},
	"Password1": {"common_password"}, "pASSWORD123": {"common_password"},
	"My-LoveLace-1815": {"contains_context"}, "LOVELACE@example.com-1815x": {"contains_context"}, "At-GateHouse-1": {"contains_context"}, "Gate-house-1815": nil,
}

// newPasswordOf has a password judged by registering an address that is known, so that nothing is made of it.
func (s *stage) newPasswordOf(address, password string, faults []string) {
	s.judged(s.api.Post("/auth/register", map[string]string{"email": address, "password": password, "full_name": "Ada"}), "#/password", faults)
}

// judged wants these faults at a place, or the conflict that comes behind what is valid.
func (s *stage) judged(r *testkit.Response, place string, faults []string) {
	if faults == nil {
		r.Problem(http.StatusConflict, "CONFLICT")
		return
	}
	var all []string
	for _, f := range faults {
		all = append(all, place+" "+f)
	}
	r.Invalid(all...)
}
