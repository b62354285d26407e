package auth

import (
	"context"
	"net/http"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/modules/users"
)

const tag = "Authentication"

// routes mounts the module's operations.
func (s *Service) routes(r *httpapi.Router) {
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/register", ID: "register", Tag: tag, Access: authz.Public, Status: http.StatusCreated,
		Limit: s.limits.register, Errors: []*errs.Error{users.ErrEmailTaken},
		Summary:     "Register",
		Description: "Creates an account. The e-mail address is unique however it is spelled: letter case and the spelling of international domains make no difference.",
	}, s.register, s.checkRegistration)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/login", ID: "login", Tag: tag, Access: authz.Public,
		Limit: s.limits.login, Errors: []*errs.Error{ErrInvalidCredentials}, HoldsToken: true,
		Summary:     "Log in",
		Description: "Starts a session and gives its tokens. Every wrong pair of e-mail address and password gets the same answer in the same time. An account that fails too often is slowed down with 429, except at addresses from which it signed in during the last 30 days, which have a budget of their own.",
	}, s.logIn, checkLogin)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/refresh", ID: "refresh", Tag: tag, Access: authz.Public,
		Limit: s.limits.refresh, LimitKey: s.sessionOfRefresh, Errors: []*errs.Error{sessions.ErrRefreshToken}, HoldsToken: true,
		Summary:     "Refresh the tokens",
		Description: "Gives both tokens anew and extends the idle life of the session. A refresh token works once. Each further use within 10 seconds of the first (a setting) gets the same successor again, as long as that is unused itself, so that a lost answer or two requests at once log nobody out. Any other use of a used token ends the session.",
	}, s.refresh)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodPost, Path: "/auth/logout", ID: "logout", Tag: tag, Access: authz.SignedIn,
		Limit: s.limits.logout, LimitKey: s.sessionOfAccess,
		Summary:     "Log out",
		Description: "Ends the session of the access token: its refresh token dies, and its access tokens are refused. No body is needed; `{\"all\": true}` ends all sessions of the user.",
	}, s.logOut)
	httpapi.Handle(r, httpapi.Op{
		Method: http.MethodGet, Path: "/.well-known/jwks.json", ID: "getKeys", Tag: tag, Access: authz.Public,
		CacheControl: "public, max-age=300", StoreFree: true,
		Summary:     "Get the signing keys",
		Description: "Gives the public keys that access tokens are verified with, as a JWK Set (RFC 7517).",
	}, s.getKeys)
}

func (s *Service) register(ctx context.Context, in httpapi.Body[registerRequest]) (registerResponse, error) {
	u, err := s.Register(ctx, Registration{Email: in.Body.email, FullName: in.Body.fullName, Password: in.Body.Password, Role: account.RoleUser})
	return registerResponse{ID: u.ID, Email: u.Email, FullName: u.FullName, CreatedAt: httpapi.Time(u.CreatedAt)}, err
}

func (s *Service) logIn(ctx context.Context, in httpapi.Body[loginRequest]) (tokenResponse, error) {
	t, err := s.LogIn(ctx, Login{Email: in.Body.email, Password: in.Body.Password, Client: client(ctx)})
	return s.toResponse(t), err
}

func (s *Service) refresh(ctx context.Context, in refreshInput) (tokenResponse, error) {
	t, err := s.Refresh(ctx, in.Body.RefreshToken, client(ctx))
	return s.toResponse(t), err
}

func (s *Service) logOut(ctx context.Context, in httpapi.Body[*logoutRequest]) (httpapi.NoContent, error) {
	return httpapi.NoContent{}, s.LogOut(ctx, httpapi.Principal(ctx), in.Body != nil && in.Body.All)
}

func (s *Service) getKeys(context.Context, struct{}) (keySet, error) {
	body, tag := s.deps.PublicKeys()
	return keySet{raw: body, tag: tag}, nil
}

func client(ctx context.Context) sessions.Client {
	return sessions.Client{UserAgent: httpapi.UserAgent(ctx), Addr: httpapi.ClientAddr(ctx)}
}
