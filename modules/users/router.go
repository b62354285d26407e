package users

import (
	"context"
	"net/http"

	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

const tag = "Users"

// routes mounts the module's operations.
func (s *Service) routes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/users/me", ID: "getMe", Tag: tag, Access: authz.SignedIn,
		Summary:     "Get oneself",
		Description: "Gives the user whose access token is sent. The `ETag` is the version of the representation; send it as `If-None-Match` to get 304 where nothing changed.",
	}, s.getMe)
}

func (s *Service) getMe(ctx context.Context, _ struct{}) (Response, error) {
	u, err := s.ByID(ctx, httpapi.Principal(ctx).Account)
	return toResponse(u), err
}
