package audit

import (
	"context"
	"net/http"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/page"
)

const mayRead = "audit.read"

// Permissions are what the package's operation asks for.
var Permissions = []authz.Permission{{Name: mayRead, Doc: "see who did what, the addresses that it came from included"}}

// Routes mounts the list. There is no operation that changes or deletes a row.
func (t *Trail) Routes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/audit", ID: "listAudit", Tag: "Audit", Access: authz.Can(mayRead),
		Summary: "List who did what",
		Description: "Gives one page of the audit trail, the newest first, and the cursor of the next one: logins, refusals, and what people, administrators and operators did to accounts. " +
			"Filters go together as you like. Refusals come a moment after they happened and, beyond ten a minute from one address, as one row with a `count`. " +
			"No operation changes or deletes a row.",
	}, t.listAudit, t.checkList)
}

type listInput struct {
	Limit   int                            `query:"limit" minimum:"1" maximum:"100" default:"20" doc:"rows on a page; it may change between pages"`
	Cursor  string                         `query:"cursor" minLength:"1" doc:"next_cursor of the page before, with the same filters"`
	Actor   httpapi.Optional[account.ID]   `query:"actor_id" format:"uuid" doc:"only what the user did"`
	Target  httpapi.Optional[account.ID]   `query:"target_id" format:"uuid" doc:"only what was done to the user"`
	Action  string                         `query:"action" minLength:"1" maxLength:"64" doc:"only that action, such as login or user.role"`
	Outcome string                         `query:"outcome" enum:"done,failed,refused" doc:"only what ended so"`
	IP      string                         `query:"ip" minLength:"1" maxLength:"45" doc:"only what came from the address"`
	From    httpapi.Optional[httpapi.Time] `query:"from" doc:"only what happened at this moment or later"`
	To      httpapi.Optional[httpapi.Time] `query:"to" doc:"only what happened before this moment"`
}

func (in *listInput) query() Query {
	return Query{
		Limit: in.Limit, Cursor: in.Cursor, Actor: in.Actor.Value, Target: in.Target.Value, Action: in.Action, Outcome: Outcome(in.Outcome), IP: in.IP,
		From: (*time.Time)(in.From.Pointer()), To: (*time.Time)(in.To.Pointer()),
	}
}

func (t *Trail) checkList(in *listInput, report func(errs.Field)) {
	_, faults := t.filterOf(in.query())
	for _, f := range faults {
		report(f)
	}
}

func (t *Trail) listAudit(ctx context.Context, in listInput) (page.Page[Entry], error) {
	return t.List(ctx, in.query())
}
