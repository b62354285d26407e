package users

import (
	"context"
	"net/http"

	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/picture"
)

const tag = "Users"

// routes mounts the module's operations.
func (s *Service) routes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/users/me", ID: "getMe", Tag: tag, Access: authz.SignedIn,
		Summary:     "Get oneself",
		Description: "Gives the user whose access token is sent. The `ETag` is the version of the representation; send it as `If-None-Match` to get 304 where nothing changed.",
	}, s.getMe)
	s.avatarRoutes(r)
}

func (s *Service) getMe(ctx context.Context, _ struct{}) (Response, error) {
	u, err := s.ByID(ctx, httpapi.Principal(ctx).Account)
	return toResponse(u), err
}

// avatarRoutes mounts what concerns one's own picture.
func (s *Service) avatarRoutes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPut, Path: "/users/me/avatar", ID: "setMyAvatar", Tag: tag, Access: authz.SignedIn,
		Summary: "Set one's picture",
		Description: "Takes a PNG, JPEG, GIF or WebP picture of at most 25 megapixels and, unless `users.avatar.max_size` says otherwise, 5 MiB: as the body itself, or as the field `file` of a form. " +
			"Of the picture the pixels alone are kept: the first frame, upright, its largest square in the middle, at 512 and 128 pixels. " +
			"`avatar_url` leads to the larger one; the smaller one has `-128` before the dot.",
		Upload: &httpapi.Upload{
			Field: "file", Kind: "image", Formats: []string{"image/png", "image/jpeg", "image/gif", "image/webp"},
			Limit: func() int64 { return int64(s.settings.Avatar.MaxSize) }, Look: picture.Look,
		},
		Errors: []*errs.Error{picture.ErrFormat, picture.ErrTooLarge, picture.ErrUnreadable},
	}, s.setMyAvatar)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodDelete, Path: "/users/me/avatar", ID: "removeMyAvatar", Tag: tag, Access: authz.SignedIn,
		Summary:     "Remove one's picture",
		Description: "Leaves the user without a picture; where there was none, nothing changes.",
	}, s.removeMyAvatar)
	httpapi.HandleContent(r, "/avatars", s.openAvatar)
}

func (s *Service) setMyAvatar(ctx context.Context, in avatarUpload) (Response, error) {
	u, err := s.SetAvatar(ctx, httpapi.Principal(ctx).Account, in.File)
	return toResponse(u), err
}

func (s *Service) removeMyAvatar(ctx context.Context, _ struct{}) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.RemoveAvatar(ctx, httpapi.Principal(ctx).Account)
}
