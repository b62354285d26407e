package app

import (
	"fmt"
	"strings"
)

// egress says where webhooks may go, and asks nobody.
func (e *examination) egress() {
	s := e.settings.egress
	if s.PlainHTTP {
		e.strict("egress.plain_http", "webhooks may go out in plain text, readable on their way", "remove it once every receiver has https")
	}
	if len(s.Allow) == 0 {
		e.ok("egress", "webhooks go to public addresses alone")
		return
	}
	e.ok("egress.allow", "webhooks may go beyond public addresses to "+strings.Trim(fmt.Sprint(s.Allow), "[]"))
}
