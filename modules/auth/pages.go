package auth

import (
	"fmt"

	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/core/password"
	"github.com/gatehouse/gatehouse/core/token"
)

// forms mounts the pages that mailed links lead to. They speak the languages of the mails.
func (s *Service) forms(r *httpapi.Router) {
	httpapi.HandleForm(r, httpapi.Form{
		Path: resetPage, Operation: "resetPassword", Genuine: s.genuine(token.MailedReset, token.MailedInvite), Text: s.resetText,
		Inputs: []httpapi.FormInput{{Name: newPassword, Type: "password", Autocomplete: "new-password"}},
	})
	httpapi.HandleForm(r, httpapi.Form{Path: verifyPage, Operation: "verifyEmail", Genuine: s.genuine(token.MailedVerify), Text: verifyText})
	httpapi.HandleForm(r, httpapi.Form{Path: confirmPage, Operation: "confirmEmail", Genuine: s.genuine(token.MailedChange), Text: confirmText})
}

// newPassword is the one thing that people fill in.
const newPassword = "new_password"

func (s *Service) genuine(purposes ...token.MailedPurpose) func(string) bool {
	return func(text string) bool {
		_, _, ok := s.parseToken(text, purposes)
		return ok
	}
}

func (s *Service) resetText(acceptLanguage string) httpapi.FormText {
	policy := s.settings.Password.Policy
	if mail.Language(acceptLanguage) == "de" {
		return resetTextGerman(policy)
	}
	return resetTextEnglish(policy)
}

func resetTextEnglish(policy password.Policy) httpapi.FormText { //nolint:dupl // the same in another language
	hint := fmt.Sprintf("At least %d characters.", policy.MinLength())
	if policy != password.NIST {
		hint = fmt.Sprintf("At least %d characters, with an upper-case letter, a lower-case letter and a digit.", policy.MinLength())
	}
	return httpapi.FormText{
		Language: "en", Title: "Choose a new password", Button: "Set the new password",
		Lead:   "Afterwards you are signed out everywhere, and sign in with the new password.",
		Labels: map[string]string{newPassword: "New password"}, Hints: map[string]string{newPassword: hint},
		Faults: map[errs.Fault]string{
			errs.Required:        "Enter a password.",
			errs.TooShort:        fmt.Sprintf("The password must have at least %d characters.", policy.MinLength()),
			errs.TooLong:         fmt.Sprintf("The password must have at most %d characters.", policy.MaxLength()),
			errs.MissingUpper:    "The password needs an upper-case letter.",
			errs.MissingLower:    "The password needs a lower-case letter.",
			errs.MissingDigit:    "The password needs a digit.",
			errs.CommonPassword:  "This password is on the list of common ones, which are tried first.",
			errs.ContainsContext: "The password must not contain your e-mail address or the name of this service.",
			errs.InvalidFormat:   "The password holds a character that cannot be used, such as a control character.",
		},
		Done:    httpapi.FormMessage{Title: "Your password is changed", Text: "You can sign in with it now."},
		Refused: httpapi.FormMessage{Title: "This link does not work any more", Text: "It was used already, is too old, gave way to a newer one, or did not arrive whole. Ask for a new password again, and open the newest mail."},
	}
}

func resetTextGerman(policy password.Policy) httpapi.FormText { //nolint:dupl // the same in another language
	hint := fmt.Sprintf("Mindestens %d Zeichen.", policy.MinLength())
	if policy != password.NIST {
		hint = fmt.Sprintf("Mindestens %d Zeichen, darunter ein Großbuchstabe, ein Kleinbuchstabe und eine Ziffer.", policy.MinLength())
	}
	return httpapi.FormText{
		Language: "de", Title: "Neues Passwort wählen", Button: "Neues Passwort setzen",
		Lead:   "Danach sind Sie überall abgemeldet und melden sich mit dem neuen Passwort an.",
		Labels: map[string]string{newPassword: "Neues Passwort"}, //nolint:gosec // G101 takes words about passwords for one
		Hints:  map[string]string{newPassword: hint},
		Faults: map[errs.Fault]string{
			errs.Required:        "Bitte geben Sie ein Passwort ein.",
			errs.TooShort:        fmt.Sprintf("Das Passwort muss mindestens %d Zeichen haben.", policy.MinLength()),
			errs.TooLong:         fmt.Sprintf("Das Passwort darf höchstens %d Zeichen haben.", policy.MaxLength()),
			errs.MissingUpper:    "Dem Passwort fehlt ein Großbuchstabe.",
			errs.MissingLower:    "Dem Passwort fehlt ein Kleinbuchstabe.",
			errs.MissingDigit:    "Dem Passwort fehlt eine Ziffer.",
			errs.CommonPassword:  "Dieses Passwort steht auf der Liste der häufigen, die zuerst ausprobiert werden.",
			errs.ContainsContext: "Das Passwort darf weder Ihre E-Mail-Adresse noch den Namen dieses Dienstes enthalten.",
			errs.InvalidFormat:   "Das Passwort enthält ein Zeichen, das sich nicht verwenden lässt, etwa ein Steuerzeichen.",
		},
		Done:    httpapi.FormMessage{Title: "Ihr Passwort ist geändert", Text: "Sie können sich jetzt damit anmelden."},
		Refused: httpapi.FormMessage{Title: "Dieser Link gilt nicht mehr", Text: "Er wurde schon verwendet, ist zu alt, wurde durch einen neueren ersetzt oder ist nicht vollständig angekommen. Fordern Sie noch einmal ein neues Passwort an und öffnen Sie die neueste E-Mail."},
	}
}

func verifyText(acceptLanguage string) httpapi.FormText {
	if mail.Language(acceptLanguage) == "de" {
		return httpapi.FormText{
			Language: "de", Title: "E-Mail-Adresse bestätigen", Lead: "Bestätigen Sie, dass die Adresse, an die dieser Link ging, Ihnen gehört.", Button: "Adresse bestätigen",
			Done:    httpapi.FormMessage{Title: "Ihre Adresse ist bestätigt", Text: "Sie können diese Seite schließen."},
			Refused: httpapi.FormMessage{Title: "Dieser Link gilt nicht mehr", Text: "Er wurde schon verwendet, ist zu alt, wurde durch einen neueren ersetzt oder ist nicht vollständig angekommen. Ist die Adresse noch nicht bestätigt, fordern Sie eine neue E-Mail an und öffnen Sie die neueste."},
		}
	}
	return httpapi.FormText{
		Language: "en", Title: "Confirm your e-mail address", Lead: "Confirm that the address which this link was mailed to is yours.", Button: "Confirm the address",
		Done:    httpapi.FormMessage{Title: "Your address is confirmed", Text: "You can close this page."},
		Refused: httpapi.FormMessage{Title: "This link does not work any more", Text: "It was used already, is too old, gave way to a newer one, or did not arrive whole. If the address is not confirmed yet, ask for another mail, and open the newest."},
	}
}

func confirmText(acceptLanguage string) httpapi.FormText {
	if mail.Language(acceptLanguage) == "de" {
		return httpapi.FormText{
			Language: "de", Title: "Neue E-Mail-Adresse bestätigen", Lead: "Bestätigen Sie, dass die Adresse, an die dieser Link ging, Ihnen gehört. Von da an melden Sie sich mit ihr an.", Button: "Diese Adresse verwenden",
			Done:    httpapi.FormMessage{Title: "Ihre E-Mail-Adresse ist geändert", Text: "Melden Sie sich von jetzt an mit der neuen an. Ihr Passwort bleibt, wie es ist."},
			Refused: httpapi.FormMessage{Title: "Dieser Link gilt nicht mehr", Text: "Er wurde schon verwendet, ist zu alt, wurde durch einen neueren oder ein neues Passwort ungültig oder ist nicht vollständig angekommen, oder die Adresse gehört inzwischen zu einem anderen Konto. Hat sich Ihre Adresse noch nicht geändert, fordern Sie die Änderung noch einmal an."},
		}
	}
	return httpapi.FormText{
		Language: "en", Title: "Confirm your new e-mail address", Lead: "Confirm that the address which this link was mailed to is yours. From then on you sign in with it.", Button: "Use this address",
		Done:    httpapi.FormMessage{Title: "Your e-mail address is changed", Text: "Sign in with the new one from now on. Your password stays as it is."},
		Refused: httpapi.FormMessage{Title: "This link does not work any more", Text: "It was used already, is too old, gave way to a newer one or to a new password, or did not arrive whole, or the address belongs to another account by now. If your address has not changed yet, ask for the change again."},
	}
}
