package contract_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/testkit"
)

// withVault adds an operation that takes a permission.
func withVault(s *app.Stores) ([]module.Module, error) {
	modules, err := app.Standard(s)
	return append(modules, module.Module{
		Name:        "vault",
		Permissions: []authz.Permission{{Name: "vault.open", Doc: "open the vault"}},
		Routes: func(r *httpapi.Router) {
			httpapi.Handle(r, httpapi.Op{
				Method: http.MethodPost, Path: "/vault", ID: "openVault", Tag: "Vault", Summary: "Open", Description: "Opens the vault.", Access: authz.Can("vault.open"),
			}, func(context.Context, struct{}) (httpapi.NoContent, error) { return httpapi.NoContent{}, nil })
		},
	}), err
}

// TestStatement17DecisionsUseTheDatabaseNotTheToken changes roles behind the backs of tokens that name the old ones.
func TestStatement17DecisionsUseTheDatabaseNotTheToken(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, testkit.WithBuild(withVault), testkit.WithClock(clk))
		user, admin := api.User(), api.Admin()
		api.Post("/vault", nil).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.As(user).Post("/vault", nil).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
		api.As(admin).Post("/vault", nil).Status(http.StatusNoContent)
		for u, role := range map[account.ID]account.Role{user.ID: account.RoleAdmin, admin.ID: account.RoleUser} {
			_, err := api.App.Stores.DB.Exec(t.Context(), `UPDATE users SET role = ? WHERE id = ?`, role, u)
			require.NoError(t, err)
		}
		clk.Advance(time.Minute) // what is remembered is at most that old, where nobody tells of the change
		api.As(user).Post("/vault", nil).Status(http.StatusNoContent)
		api.As(admin).Post("/vault", nil).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
	})
}
