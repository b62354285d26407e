package contract_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/testkit"
)

// TestStatement16EveryCellOfTheMatrixIsWhatTheReferenceSays asks every operation as everyone and about everyone's objects,
// and holds the answers against the declaration that docs/reference/access.md is written from. What is refused changes no
// row of any table. An operation that is not asked right fails: one that takes a body has a line in askings.
func TestStatement16EveryCellOfTheMatrixIsWhatTheReferenceSays(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, toNobody())
		m := newMatrix(t, api)
		known := map[string]bool{}
		for _, op := range api.App.Router.Operations() {
			known[op.ID] = true
			before := rowsOf(t, api.App.Stores.DB)
			m.eachCell(op, func(c authz.Caller, o authz.Object, want int) {
				if want >= http.StatusBadRequest {
					m.refuses(op, c, o, want)
				}
			})
			require.Equal(t, before, rowsOf(t, api.App.Stores.DB), "%s has changed something for those whom it refuses", op.ID)
			m.eachCell(op, func(c authz.Caller, o authz.Object, want int) {
				if want != 0 && want < http.StatusBadRequest {
					m.allows(op, c, o, want)
				}
			})
		}
		for id := range askings {
			require.True(t, known[id], "there is no operation %s", id)
		}
	})
}

// asking is how an operation is asked right. The zero asking sends no body, and an account's id where the path has {id}.
type asking struct {
	body    func(m *matrix, caller testkit.User) any
	media   string // of the body, unless it is JSON
	session bool   // {id} is a session's
	webhook bool   // {id} is a webhook's, which is nobody's own
}

func fixed(body any) func(*matrix, testkit.User) any {
	return func(*matrix, testkit.User) any { return body }
}

func mailedTo(page string, with map[string]string) func(*matrix, testkit.User) any {
	return func(m *matrix, _ testkit.User) any {
		body := map[string]string{"token": mailedTokens(m.t, m.api, m.api.User())[page]}
		maps.Copy(body, with)
		return body
	}
}

var askings = map[string]asking{
	"register": {body: func(m *matrix, _ testkit.User) any { return registration(m.address()) }},
	"login": {body: func(m *matrix, _ testkit.User) any {
		return map[string]string{"email": m.someone.Email, "password": m.someone.Password}
	}},
	"refresh": {body: func(m *matrix, _ testkit.User) any {
		return map[string]string{"refresh_token": m.api.User().RefreshToken}
	}},
	"forgotPassword":     {body: func(m *matrix, _ testkit.User) any { return email(m.someone.Email) }},
	"resendVerification": {body: func(m *matrix, _ testkit.User) any { return email(m.someone.Email) }},
	"resetPassword":      {body: mailedTo("/reset-password", map[string]string{"new_password": "Analytical-Engine-1843"})},
	"verifyEmail":        {body: mailedTo("/verify-email", nil)},
	"confirmEmail":       {body: mailedTo("/confirm-email", nil)},
	"changeMyPassword":   {body: func(_ *matrix, caller testkit.User) any { return newPassword(caller.Password) }},
	"changeMyEmail":      {body: func(m *matrix, caller testkit.User) any { return newEmail(m.address(), caller.Password) }},
	"deleteMe":           {body: func(_ *matrix, caller testkit.User) any { return leavingWith(caller.Password) }},
	"inviteUser":         {body: func(m *matrix, _ testkit.User) any { return invitation(m.address()) }},
	"patchMe":            {body: fixed(`{"locale":"de"}`)},
	"patchUser":          {body: fixed(`{"full_name":"Ada King"}`)},
	"setMyAvatar":        {body: func(m *matrix, _ testkit.User) any { return dot(m.t) }, media: "image/png"},
	"endMySession":       {session: true},
	"createWebhook":      {body: fixed(`{"url":"https://example.com/"}`)},
	"getWebhook":         {webhook: true},
	"patchWebhook":       {webhook: true, body: fixed(`{"description":"ours"}`)},
	"deleteWebhook":      {webhook: true},

	"rotateWebhookSecret":   {webhook: true},
	"testWebhook":           {webhook: true},
	"listWebhookDeliveries": {webhook: true},
	"redeliverToWebhook":    {webhook: true},
}

// matrix are those who call and whom calls are about. Who is refused, or only reads, may call again and again; each other
// call that succeeds has a caller, or somebody whom it is about, of its own.
type matrix struct {
	t                   *testing.T
	api                 *testkit.API
	user, admin         testkit.User // who is refused
	someone, boss, gone testkit.User // another, an administrator, a deleted one
	worthless           []*testkit.API
	endedOf             map[account.ID]string // a session that has ended, by whose it was
	goneSession         string
	hook, goneHook      thing
	addresses           int
}

func newMatrix(t *testing.T, api *testkit.API) *matrix {
	t.Helper()
	m := &matrix{t: t, api: api, endedOf: map[account.ID]string{}}
	m.someone, m.boss, m.gone = api.User(), api.Admin(), api.User()
	m.user, m.admin = m.caller(authz.User), m.caller(authz.Administrator)
	m.goneSession = sessionOf(t, api.As(m.gone))
	m.hook, m.goneHook = deliveredTo(t, api, m.boss), deliveredTo(t, api, m.boss)
	api.As(m.boss).Delete("/webhooks/"+m.goneHook.webhook, nil).Status(http.StatusNoContent)
	api.As(m.boss).Delete("/users/"+m.gone.ID.String(), nil).Status(http.StatusNoContent)
	disabled, loggedOut := api.Admin(), api.Admin()
	api.As(m.boss).Patch("/users/"+disabled.ID.String(), `{"is_active":false}`).Status(http.StatusOK)
	api.As(loggedOut).Post("/auth/logout", nil).Status(http.StatusNoContent)
	m.worthless = []*testkit.API{api, api.WithToken("garbage"), api.As(disabled), api.As(m.gone), api.As(loggedOut)}
	return m
}

var roleOf = map[authz.Caller]account.Role{authz.User: account.RoleUser, authz.Administrator: account.RoleAdmin}

// caller makes somebody, one of whose sessions has ended.
func (m *matrix) caller(c authz.Caller) testkit.User {
	m.t.Helper()
	u := m.api.User(func(u *testkit.User) { u.Role = roleOf[c] })
	ended := u
	m.api.LogIn(&ended)
	m.endedOf[u.ID] = sessionOf(m.t, m.api.As(ended))
	m.api.As(ended).Post("/auth/logout", nil).Status(http.StatusNoContent)
	return u
}

// address gives one that nobody has.
func (m *matrix) address() string {
	m.addresses++
	return fmt.Sprintf("fresh-%d@example.com", m.addresses)
}

func (m *matrix) eachCell(op httpapi.Mounted, visit func(c authz.Caller, o authz.Object, want int)) {
	for _, c := range authz.Callers {
		for _, o := range op.Objects() {
			visit(c, o, op.Expected(c, o))
		}
	}
}

var codeOf = map[int]string{
	http.StatusUnauthorized: "AUTHENTICATION_ERROR", http.StatusForbidden: "AUTHORIZATION_ERROR", http.StatusNotFound: "NOT_FOUND",
}

// refuses asks as one of those who may be refused many times; nobody asks with every token that is worth nothing.
func (m *matrix) refuses(op httpapi.Mounted, c authz.Caller, o authz.Object, want int) {
	m.t.Helper()
	asked := map[authz.Caller]testkit.User{authz.User: m.user, authz.Administrator: m.admin}[c]
	clients := []*testkit.API{m.api.As(asked)}
	if c == authz.Nobody {
		clients = m.worthless
	}
	for _, as := range clients {
		r := m.ask(op, as, asked, m.thing(op, asked, o, m.someone, m.boss))
		require.Equal(m.t, want, r.StatusCode, "%s as %s, %s: %s", op.ID, c, o, r.Body)
		r.Problem(want, codeOf[want])
	}
}

// allows asks as somebody new, or about somebody new, where what succeeds may leave nothing of them.
func (m *matrix) allows(op httpapi.Mounted, c authz.Caller, o authz.Object, want int) {
	m.t.Helper()
	lasting := op.Method == http.MethodGet || op.Access == "public" // for those who call and those whom it is about
	caller, as := testkit.User{}, m.api.WithToken("garbage")
	switch {
	case c == authz.Nobody:
	case lasting || o == authz.Anothers || o == authz.Administrators:
		caller = map[authz.Caller]testkit.User{authz.User: m.user, authz.Administrator: m.admin}[c]
	default:
		caller = m.api.User(func(u *testkit.User) { u.Role = roleOf[c] })
	}
	if c != authz.Nobody {
		as = m.api.As(caller)
	}
	another, boss := m.someone, m.boss
	switch {
	case lasting:
	case o == authz.Anothers:
		another = m.api.User()
	case o == authz.Administrators:
		boss = m.api.Admin()
	}
	if askings[op.ID].webhook && op.Method == http.MethodDelete {
		kept := m.hook
		m.hook = deliveredTo(m.t, m.api, m.boss)
		defer func() { m.hook = kept }()
	}
	r := m.ask(op, as, caller, m.thing(op, caller, o, another, boss))
	require.Equal(m.t, want, r.StatusCode, "%s as %s, %s: %s", op.ID, c, o, r.Body)
}

// thing is what a path can name.
type thing struct{ account, session, webhook, delivery string }

func (m *matrix) thing(op httpapi.Mounted, caller testkit.User, o authz.Object, another, boss testkit.User) thing {
	m.t.Helper()
	if askings[op.ID].webhook {
		return m.webhook(o)
	}
	switch o {
	case authz.Own:
		return m.of(op, caller)
	case authz.Anothers:
		return m.of(op, another)
	case authz.Administrators:
		return m.of(op, boss)
	case authz.Deleted:
		if session, ok := m.endedOf[caller.ID]; ok && askings[op.ID].session {
			return thing{session: session} // the caller's own: anybody else's would not be theirs either
		}
		return thing{account: m.gone.ID.String(), session: m.goneSession}
	default:
		return thing{account: account.NewID().String(), session: account.NewSessionID().String()}
	}
}

// webhook gives one of the administrators' webhooks, or one that is not there.
func (m *matrix) webhook(o authz.Object) thing {
	switch o {
	case authz.Deleted:
		return m.goneHook
	case authz.Random:
		return thing{webhook: account.NewID().String(), delivery: account.NewID().String()}
	default:
		return m.hook
	}
}

// of gives somebody's account and one of their sessions, where the operation is about sessions.
func (m *matrix) of(op httpapi.Mounted, u testkit.User) thing {
	m.t.Helper()
	th := thing{account: u.ID.String()}
	if askings[op.ID].session || strings.Contains(op.Path, "{sid}") {
		th.session = sessionOf(m.t, m.api.As(u))
	}
	return th
}

func (m *matrix) ask(op httpapi.Mounted, as *testkit.API, caller testkit.User, about thing) *testkit.Response {
	m.t.Helper()
	how := askings[op.ID]
	var body any
	if how.body != nil {
		body = how.body(m, caller)
	}
	if how.media != "" {
		as = as.WithHeader("Content-Type", how.media)
	}
	id := about.account
	switch {
	case how.session:
		id = about.session
	case how.webhook:
		id = about.webhook
	}
	path := strings.NewReplacer("{id}", id, "{sid}", about.session, "{delivery}", about.delivery).Replace(op.Path)
	require.NotContains(m.t, path, "{", "askings does not say what %s names", op.ID)
	return as.Do(op.Method, path, body)
}
