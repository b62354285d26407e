package mail

import (
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// Languages are those that every template is written in. The first is used where no other is asked for.
var Languages = []string{"en", "de"}

// The most of a candidate that is looked at: browsers send less than half of either.
const (
	maxCandidate = 256 // bytes
	maxWishes    = 16  // languages, the most wanted first
)

// matcher takes two milliseconds to make, which a command that sends no mail need not wait for.
var matcher = sync.OnceValue(func() language.Matcher { return language.NewMatcher([]language.Tag{language.English, language.German}) })

// Language chooses one of Languages: the first candidate that asks for one of them decides. A candidate is a BCP 47 locale
// such as de-AT or the value of an Accept-Language header; one that is neither, or asks for other languages alone, is
// passed over.
func Language(candidates ...string) string {
	for _, c := range candidates {
		if len(c) > maxCandidate {
			c = c[:strings.LastIndexByte(c[:maxCandidate], ',')+1] // whole entries alone
		}
		tags, _, err := language.ParseAcceptLanguage(strings.ReplaceAll(c, "_", "-"))
		if err != nil || len(tags) == 0 {
			continue
		}
		if _, i, confidence := matcher().Match(tags[:min(len(tags), maxWishes)]...); confidence >= language.High {
			return Languages[i]
		}
	}
	return Languages[0]
}
