package testkit

import (
	"crypto/rand"
	"net/http"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/modules/auth"
)

// Password is what users of tests have unless they are made with another.
const Password = "Difference-Engine-1842"

// User is an account that a test made, signed in.
type User struct {
	ID           account.ID
	Email        string
	FullName     string
	Password     string
	Role         account.Role
	AccessToken  string
	RefreshToken string
}

// User makes an account with an address of its own, changed by the mutators, and signs it in.
func (a *API) User(mutators ...func(*User)) User {
	a.t.Helper()
	u := User{Email: "user-" + strings.ToLower(rand.Text()) + "@example.com", FullName: "Ada Lovelace", Password: Password, Role: account.RoleUser}
	for _, m := range mutators {
		m(&u)
	}
	email, err := account.ParseEmail(u.Email)
	require.NoError(a.t, err)
	made, err := a.App.Stores.Accounts.Create(a.t.Context(), auth.Registration{
		Email: email, FullName: u.FullName, Password: secret.New(u.Password), Role: u.Role,
	})
	require.NoError(a.t, err)
	u.ID = made.ID
	a.LogIn(&u)
	return u
}

// Admin makes an administrator, as the command line does, and signs them in.
func (a *API) Admin() User {
	a.t.Helper()
	return a.User(func(u *User) { u.Role = account.RoleAdmin })
}

// LogIn starts a session and keeps its tokens.
func (a *API) LogIn(u *User) {
	a.t.Helper()
	var tokens struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	a.Post("/auth/login", map[string]string{"email": u.Email, "password": u.Password}).Status(http.StatusOK).JSON(&tokens)
	u.AccessToken, u.RefreshToken = tokens.AccessToken, tokens.RefreshToken
}
