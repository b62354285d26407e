package pages

import (
	"fmt"
	"net/http"
	"time"
)

// text is what forms say in one language whatever they are for.
type text struct {
	fault                                               string // before the title of a page with an alert
	mend, unreadable, unavailable, internal             string
	waitSecond, waitSeconds, waitMinutes, tooManyFormat string
}

func texts(language string) text {
	if language == german {
		return text{
			fault:       "Fehler: ",
			mend:        "Bitte ändern Sie Ihre Eingabe.",
			unreadable:  "Das Formular ist nicht vollständig angekommen. Bitte öffnen Sie den Link in der E-Mail noch einmal.",
			unavailable: "Das geht im Moment nicht. Bitte versuchen Sie es gleich noch einmal.",
			internal:    "Auf unserer Seite ist etwas schiefgegangen. Bitte versuchen Sie es später noch einmal.",
			waitSecond:  "eine Sekunde", waitSeconds: "%d Sekunden", waitMinutes: "%d Minuten",
			tooManyFormat: "Das waren zu viele Versuche. Bitte warten Sie %s und öffnen Sie dann den Link in der E-Mail noch einmal.",
		}
	}
	return text{
		fault:       "Error: ",
		mend:        "Please change what you entered.",
		unreadable:  "The form did not arrive whole. Please open the link in the mail again.",
		unavailable: "This is not possible just now. Please try again in a moment.",
		internal:    "Something went wrong on our side. Please try again later.",
		waitSecond:  "a second", waitSeconds: "%d seconds", waitMinutes: "%d minutes",
		tooManyFormat: "That was one try too many. Please wait %s, then open the link in the mail again.",
	}
}

// Alert says in a language what an answer of the status means for somebody who sent a form that has, or has not, inputs to
// mend.
func Alert(language string, status int, retryAfter time.Duration, mend bool) string {
	t := texts(language)
	switch {
	case mend:
		return t.mend
	case status == http.StatusTooManyRequests:
		return fmt.Sprintf(t.tooManyFormat, t.wait(retryAfter))
	case status == http.StatusServiceUnavailable:
		return t.unavailable
	case status >= http.StatusInternalServerError:
		return t.internal
	default:
		return t.unreadable
	}
}

// wait rounds up, so that nobody comes too early.
func (t text) wait(d time.Duration) string {
	seconds := int64((d + time.Second - 1) / time.Second)
	switch {
	case seconds <= 1:
		return t.waitSecond
	case seconds <= 90:
		return fmt.Sprintf(t.waitSeconds, seconds)
	default:
		return fmt.Sprintf(t.waitMinutes, (seconds+59)/60)
	}
}
