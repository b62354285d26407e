package users

import (
	"context"
	"net/http"

	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/core/picture"
	"github.com/gatehouse/gatehouse/modules/sessions"
)

const tag = "Users"

// routes mounts the module's operations.
func (s *Service) routes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/users/me", ID: "getMe", Tag: tag, Access: authz.SignedIn,
		Summary:     "Get oneself",
		Description: "Gives the user whose access token is sent. The `ETag` is the version of the representation; send it as `If-None-Match` to get 304 where nothing changed.",
	}, s.getMe)
	s.changeRoutes(r)
	s.eraseRoutes(r)
	s.sessionRoutes(r)
	s.avatarRoutes(r)
	s.listRoutes(r)
}

// changeRoutes mounts what reads one account and changes it.
func (s *Service) changeRoutes(r *httpapi.Router) {
	const merge = "The body is a JSON merge patch (RFC 7396): a member that is absent leaves what there is, and a body without members is refused. Send the `ETag` of the version that you have seen as `If-Match` to get 412 instead of overwriting another's change."
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPatch, Path: "/users/me", ID: "patchMe", Tag: tag, Access: authz.SignedIn,
		Summary:     "Change one's own profile",
		Description: "Changes name, language and time zone. `null` clears the latter two. " + merge,
	}, s.patchMe, checkProfileChange)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/users/{id}", ID: "getUser", Tag: tag, Access: authz.Can(mayRead), Reaches: authz.Everyones, Errors: []*errs.Error{ErrNotFound},
		Summary:     "Get a user",
		Description: "Gives any user. The `ETag` is the version of the representation, which grows with logins too, since they show in it.",
	}, s.getUser)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPatch, Path: "/users/{id}", ID: "patchUser", Tag: tag, Access: authz.Can(mayWrite), Reaches: authz.Everyones,
		Errors:      []*errs.Error{ErrNotFound, ErrEmailTaken, ErrLastAdmin},
		Summary:     "Change a user",
		Description: "Changes name, e-mail address, role, whether the user may sign in, and whether the address is verified. Another address is not verified unless the change says so; the old and the new one are told by mail, and links that were mailed to the old one die. A role holds from the next request. A user who is made inactive is signed out everywhere at once, and stays so when made active again. Nobody takes the last active administrator away. " + merge,
	}, s.patchUser, checkUserChange)
}

// eraseRoutes mounts what gives everything about an account, and what takes it away.
func (s *Service) eraseRoutes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/users/me/export", ID: "exportMe", Tag: tag, Access: authz.SignedIn,
		Summary:     "Export all that is held about oneself",
		Description: "Gives everything that is held about the user, by the module that holds it: the account, its sessions, what was mailed to it, what it did. Passwords, tokens and their digests are not part of it. Each list has at most 10,000 entries, of sessions the newest.",
	}, s.exportMe)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodDelete, Path: "/users/{id}", ID: "deleteUser", Tag: tag, Access: authz.Can(mayDelete), Reaches: authz.Everyones,
		Errors:      []*errs.Error{ErrNotFound, ErrLastAdmin},
		Summary:     "Delete a user",
		Description: "Deletes the account and all that is held about it, for good. Its sessions are refused at once, and its address is free. The last active administrator stays.",
	}, s.deleteUser)
}

// sessionRoutes mounts what administrators do to the sessions of others.
func (s *Service) sessionRoutes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/users/{id}/sessions", ID: "listUserSessions", Tag: tag, Access: authz.Can(mayReadSessions), Reaches: authz.Everyones,
		Errors:      []*errs.Error{ErrNotFound},
		Summary:     "List a user's sessions",
		Description: "Gives what the user is shown at `/users/me/sessions`: the live sessions, or with `?ended=true` those that ended in the last 30 days.",
	}, s.listSessions)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodDelete, Path: "/users/{id}/sessions", ID: "endUserSessions", Tag: tag, Access: authz.Can(mayEndSessions), Reaches: authz.Everyones,
		Errors:      []*errs.Error{ErrNotFound},
		Summary:     "End all of a user's sessions",
		Description: "Ends every live session of the user, whose owner is shown `administrator` as the reason. Signing in anew stays possible. Where none lives it does nothing.",
	}, s.endSessions)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodDelete, Path: "/users/{id}/sessions/{sid}", ID: "endUserSession", Tag: tag, Access: authz.Can(mayEndSessions), Reaches: authz.Everyones,
		Errors:      []*errs.Error{sessions.ErrNotFound},
		Summary:     "End one of a user's sessions",
		Description: "Ends a live session of the user, whose owner is shown `administrator` as the reason.",
	}, s.endSession)
}

func (s *Service) getMe(ctx context.Context, _ struct{}) (Response, error) {
	u, err := s.ByID(ctx, httpapi.Principal(ctx).Account)
	return toResponse(ctx, u), err
}

func (s *Service) patchMe(ctx context.Context, in profileChangeInput) (Response, error) {
	u, err := s.Change(ctx, httpapi.Principal(ctx).Account, in.Body.change, expecting(ctx, in.Precondition))
	return toResponse(ctx, u), err
}

func (s *Service) getUser(ctx context.Context, in byID) (Response, error) {
	u, err := s.ByID(ctx, in.ID)
	return toResponse(ctx, u), err
}

func (s *Service) patchUser(ctx context.Context, in userChangeInput) (Response, error) {
	u, err := s.Change(ctx, in.ID, in.Body.change, expecting(ctx, in.Precondition))
	return toResponse(ctx, u), err
}

// expecting holds a precondition against the representation whose version it names.
func expecting(ctx context.Context, p httpapi.Precondition) func(User) error {
	return func(u User) error { return p.Check(toResponse(ctx, u)) }
}

func (s *Service) exportMe(ctx context.Context, _ struct{}) (exportResponse, error) {
	e, err := s.Export(ctx, httpapi.Principal(ctx).Account)
	return exportResponse{ExportedAt: httpapi.Time(e.At), Modules: e.Modules}, err
}

func (s *Service) deleteUser(ctx context.Context, in byID) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.Delete(ctx, in.ID)
}

func (s *Service) listSessions(ctx context.Context, in sessionsOf) (sessions.ListResponse, error) {
	all, err := s.SessionsOf(ctx, in.ID, in.Ended)
	return sessions.ToResponse(all, httpapi.Principal(ctx).Session), err
}

func (s *Service) endSessions(ctx context.Context, in byID) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.EndSessions(ctx, in.ID)
}

func (s *Service) endSession(ctx context.Context, in sessionOf) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.deps.Sessions.End(ctx, in.ID, in.Session, sessions.ReasonAdministrator)
}

// avatarRoutes mounts what concerns one's own picture.
func (s *Service) avatarRoutes(r *httpapi.Router) {
	const avatarMatch = "Send the user's `ETag` as `If-Match` to get 412 where the user is another by now."
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPut, Path: "/users/me/avatar", ID: "setMyAvatar", Tag: tag, Access: authz.SignedIn,
		Summary: "Set one's picture",
		Description: "Takes a PNG, JPEG, GIF or WebP picture of at most 25 megapixels and, unless `users.avatar.max_size` says otherwise, 5 MiB: as the body itself, or as the field `file` of a form. " +
			"Of the picture the pixels alone are kept: the first frame, upright, its largest square in the middle, at 512 and 128 pixels. " +
			"`avatar_url` leads to the larger one; the smaller one has `-128` before the dot. " + avatarMatch,
		Upload: &httpapi.Upload{
			Field: "file", Kind: "image", Formats: []string{"image/png", "image/jpeg", "image/gif", "image/webp"},
			Limit: func() int64 { return int64(s.settings.Avatar.MaxSize) }, Look: picture.Look,
		},
		Errors: []*errs.Error{picture.ErrFormat, picture.ErrTooLarge, picture.ErrUnreadable},
	}, s.setMyAvatar)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodDelete, Path: "/users/me/avatar", ID: "removeMyAvatar", Tag: tag, Access: authz.SignedIn,
		Summary:     "Remove one's picture",
		Description: "Leaves the user without a picture; where there was none, nothing changes. " + avatarMatch,
	}, s.removeMyAvatar)
	httpapi.HandleContent(r, "/avatars", s.openAvatar)
}

func (s *Service) setMyAvatar(ctx context.Context, in avatarUpload) (Response, error) {
	u, err := s.SetAvatar(ctx, httpapi.Principal(ctx).Account, in.File, expecting(ctx, in.Precondition))
	return toResponse(ctx, u), err
}

func (s *Service) removeMyAvatar(ctx context.Context, in httpapi.Precondition) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.RemoveAvatar(ctx, httpapi.Principal(ctx).Account, expecting(ctx, in))
}

// listRoutes mounts the list of all users.
func (s *Service) listRoutes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/users", ID: "listUsers", Tag: tag, Access: authz.Can(mayRead),
		Summary: "List users",
		Description: "Gives one page, and the cursor of the next one. Walking the cursors meets everyone who existed throughout exactly once, " +
			"except those whose sort value changes meanwhile. The filters go with the `created_at` sorts and with `q`.\n\n" +
			"A page of a search may hold less than its limit, or nobody, and still have a `next_cursor`: it looks at no more than 10,000 matches for those that the filters let pass.",
	}, s.listUsers, s.checkList)
}

func (s *Service) listUsers(ctx context.Context, in listInput) (page.Page[Response], error) {
	p, err := s.walkOn(ctx, in.walk)
	return page.Map(p, func(u User) Response { return toResponse(ctx, u) }), err
}
