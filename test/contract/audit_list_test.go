package contract_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/testkit"
)

// TestTheAuditListIsWalkedAndFiltered walks pages of every filter, and holds them against the whole.
func TestTheAuditListIsWalkedAndFiltered(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := audited(t, db, clk)
		boss := api.Admin()
		ada := api.User()
		for i := range 12 {
			clk.Advance(time.Second)
			api.As(boss).Patch("/users/"+ada.ID.String(), []string{`{"role":"admin"}`, `{"role":"user"}`}[i%2]).Status(http.StatusOK)
			api.WithHeader("X-Forwarded-For", "198.51.100.9").Post("/auth/login", map[string]string{"email": ada.Email, "password": "x"}).Status(http.StatusBadRequest)
		}
		all := (&trail{t: t, api: api}).all()
		slices.Reverse(all)
		require.NoError(t, api.App.Stores.Audit.Seal(t.Context()))
		from, to := time.Time(all[len(all)-8].OccurredAt), time.Time(all[4].OccurredAt)
		moment := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000Z") }
		for query, keep := range map[string]func(audit.Entry) bool{
			"":                             func(audit.Entry) bool { return true },
			"actor_id=" + boss.ID.String(): func(e audit.Entry) bool { return e.ActorID != nil && *e.ActorID == boss.ID },
			"target_id=" + ada.ID.String(): func(e audit.Entry) bool { return e.TargetID != nil && *e.TargetID == ada.ID },
			"action=user.role":             func(e audit.Entry) bool { return e.Action == "user.role" },
			"action=nothing":               func(audit.Entry) bool { return false },
			"outcome=failed":               func(e audit.Entry) bool { return e.Outcome == audit.Failed },
			"outcome=done&action=login":    func(e audit.Entry) bool { return e.Outcome == audit.Done && e.Action == "login" },
			"ip=198.51.100.9":              func(e audit.Entry) bool { return e.IP != nil && *e.IP == "198.51.100.9" },
			"from=" + moment(from):         func(e audit.Entry) bool { return !time.Time(e.OccurredAt).Before(from) },
			"to=" + moment(to):             func(e audit.Entry) bool { return time.Time(e.OccurredAt).Before(to) },
			"from=" + moment(from) + "&to=" + moment(to) + "&action=user.role": func(e audit.Entry) bool {
				return e.Action == "user.role" && !time.Time(e.OccurredAt).Before(from) && time.Time(e.OccurredAt).Before(to)
			},
		} {
			var want, met []uuid.UUID
			for _, e := range all {
				if keep(e) {
					want = append(want, e.ID)
				}
			}
			cursor := ""
			for {
				var p page.Page[audit.Entry]
				r := api.As(boss).Get("/audit?limit=3&" + query + cursor).Status(http.StatusOK)
				r.JSON(&p)
				for _, e := range p.Items {
					require.NotNil(t, e.Number)
					met = append(met, e.ID)
				}
				if p.NextCursor == nil {
					require.Empty(t, r.Header.Get("Link"))
					break
				}
				require.Contains(t, r.Header.Get("Link"), `rel="next"`)
				cursor = "&cursor=" + *p.NextCursor
			}
			require.Equal(t, want, met, query)
		}
	})
}

func TestTheAuditListRefusesWhatItCannotFind(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	admin := api.As(api.Admin())
	var p page.Page[audit.Entry]
	admin.Get("/audit?limit=1").Status(http.StatusOK).JSON(&p)
	for query, fault := range map[string]string{
		"limit=0": "limit out_of_range", "cursor=x": "cursor invalid_format", "cursor=" + *p.NextCursor + "&action=login": "cursor invalid_format",
		"actor_id=me": "actor_id invalid_format", "target_id=1": "target_id invalid_format", "action=": "action too_short", "outcome=good": "outcome not_allowed", "ip=here": "ip invalid_format",
		"from=2026-01-31": "from invalid_format", "to=now": "to invalid_format", "sort=action": "sort unknown_field",
	} {
		admin.Get("/audit?" + query).Invalid(fault)
	}
	admin.Get("/audit?limit=1&cursor=" + *p.NextCursor).Status(http.StatusOK)
}

// TestErasingAUserKeepsTheAuditTrailWhole deletes somebody who has lived, and one who was refused just before.
func TestErasingAUserKeepsTheAuditTrailWhole(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := audited(t, db, clock.NewFake(time.Now()))
		boss := api.WithHeader("X-Forwarded-For", "198.51.100.9").Admin()
		ada := api.User()
		api.As(ada).Patch("/users/me", `{"locale":"de"}`).Status(http.StatusOK)
		trails := api.App.Stores.Audit
		require.NoError(t, trails.Seal(t.Context()))
		api.Post("/auth/login", map[string]string{"email": ada.Email, "password": "x"}).Status(http.StatusBadRequest)
		api.As(ada).Get("/users").Status(http.StatusForbidden)
		var export struct {
			Modules map[string]json.RawMessage `json:"modules"`
		}
		api.As(ada).Get("/users/me/export").Status(http.StatusOK).JSON(&export)
		require.Contains(t, string(export.Modules["audit"]), `"user.create"`)
		require.Contains(t, string(export.Modules["audit"]), auditedFrom)
		api.As(boss).Delete("/users/"+ada.ID.String(), nil).Status(http.StatusNoContent)
		for range 2 {
			for _, e := range (&trail{t: t, api: api}).all() {
				if e.TargetID != nil && *e.TargetID == ada.ID && e.Action != "user.delete" || e.ActorID != nil && *e.ActorID == ada.ID {
					require.Equal(t, []*string{nil, nil, nil}, []*string{e.IP, e.UserAgent, e.Email}, e.Action)
				}
			}
			found, err := trails.Verify(t.Context(), audit.VerifyOptions{}, func(f audit.Fault) { t.Error(f) })
			require.NoError(t, err)
			require.Positive(t, found.Erased)
			require.NoError(t, trails.Seal(t.Context()))
		}
	})
}
