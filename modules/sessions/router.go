package sessions

import (
	"context"
	"net/http"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

const tag = "Sessions"

// routes mounts the module's operations.
func (s *Service) routes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/users/me/sessions", ID: "listMySessions", Tag: tag, Access: authz.SignedIn,
		Summary:     "List one's own sessions",
		Description: "Gives the live sessions, the newest first, each with the client that used it last. `?ended=true` gives those that ended in the last 30 days instead, the last to end first, each with the reason. At most 1,000 are listed.",
	}, s.listMine)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodDelete, Path: "/users/me/sessions/{id}", ID: "endMySession", Tag: tag, Access: authz.SignedIn, Reaches: authz.OwnAlone,
		Errors:      []*errs.Error{ErrNotFound},
		Summary:     "End one of one's own sessions",
		Description: "Ends a live session: its refresh token dies, and its access tokens are refused. The session of the request itself may be ended too.",
	}, s.endMine)
}

func (s *Service) listMine(ctx context.Context, in ListInput) (ListResponse, error) {
	me := httpapi.Principal(ctx)
	list := s.List
	if in.Ended {
		list = s.ListEnded
	}
	all, err := list(ctx, me.Account)
	return ToResponse(all, me.Session), err
}

func (s *Service) endMine(ctx context.Context, in byID) (httpapi.NoContent, error) {
	me, why := httpapi.Principal(ctx), ReasonOtherDevice
	if in.ID == me.Session {
		why = ReasonLogout
	}
	return httpapi.NoContent{}, s.End(ctx, me.Account, in.ID, why)
}

type byID struct {
	ID account.SessionID `path:"id" format:"uuid" doc:"the session's id: the sid claim of its access tokens"`
}
