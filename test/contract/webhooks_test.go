package contract_test

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/egress"
	"github.com/gatehouse/gatehouse/testkit"
)

// nobody is a resolver that knows no name.
type nobody struct{}

// LookupNetIP implements egress.Resolver.
func (nobody) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return nil, &net.DNSError{IsNotFound: true}
}

// toNobody lets no webhook leave the machine.
func toNobody() testkit.Option { return testkit.WithEgress(egress.Options{Resolver: nobody{}}) }

const aWebhook = `{"url":"https://hooks.example.com/","event_types":["gatehouse.user.registered.v1"]}`

// newWebhook makes a webhook, and gives its id.
func newWebhook(t *testing.T, admin *testkit.API) string {
	t.Helper()
	var w struct {
		ID string `json:"id"`
	}
	admin.Post("/webhooks", aWebhook).Status(http.StatusCreated).JSON(&w)
	return w.ID
}

// deliveredTo makes a webhook to which a delivery was tried.
func deliveredTo(t *testing.T, api *testkit.API, boss testkit.User) thing {
	t.Helper()
	admin := api.As(boss)
	th := thing{webhook: newWebhook(t, admin)}
	api.User()
	api.WorkJobs()
	th.delivery = newestDelivery(t, admin, th.webhook)
	return th
}

// newestDelivery gives the id of the newest attempt at a delivery to a webhook.
func newestDelivery(t *testing.T, admin *testkit.API, webhook string) string {
	t.Helper()
	var p struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	admin.Get("/webhooks/" + webhook + "/deliveries").Status(http.StatusOK).JSON(&p)
	require.NotEmpty(t, p.Items)
	return p.Items[0].ID
}

// webhookAnswers produces what is documented for webhooks, but for what limits and stores that are away answer.
func webhookAnswers(t *testing.T, api *testkit.API) {
	t.Helper()
	boss, u := api.Admin(), api.As(api.User())
	admin, plain := api.As(boss), api.As(boss).WithHeader("Content-Type", "text/plain")
	about := deliveredTo(t, api, boss)
	at, missing := "/webhooks/"+about.webhook, "/webhooks/"+account.NewID().String()
	again := "/deliveries/" + about.delivery + "/redeliver"
	large := strings.Repeat(" ", 5<<10)
	for _, c := range []struct {
		name   string
		as     *testkit.API
		method string
		path   string
		body   any
		want   int
	}{
		{"make, invalid", admin, "POST", "/webhooks", "{}", 400},
		{"make, anonymous", api, "POST", "/webhooks", aWebhook, 401},
		{"make, not allowed", u, "POST", "/webhooks", aWebhook, 403},
		{"make, large", admin, "POST", "/webhooks", large, 413},
		{"make, not JSON", plain, "POST", "/webhooks", "{}", 415},
		{"list", admin, "GET", "/webhooks", nil, 200},
		{"list, invalid", admin, "GET", "/webhooks?limit=0", nil, 400},
		{"list, anonymous", api, "GET", "/webhooks", nil, 401},
		{"list, not allowed", u, "GET", "/webhooks", nil, 403},
		{"get", admin, "GET", at, nil, 200},
		{"get, invalid", admin, "GET", "/webhooks/x", nil, 400},
		{"get, anonymous", api, "GET", at, nil, 401},
		{"get, not allowed", u, "GET", at, nil, 403},
		{"get, unknown", admin, "GET", missing, nil, 404},
		{"patch", admin, "PATCH", at, `{"description":"ours"}`, 200},
		{"patch, invalid", admin, "PATCH", at, "{}", 400},
		{"patch, anonymous", api, "PATCH", at, "{}", 401},
		{"patch, not allowed", u, "PATCH", at, "{}", 403},
		{"patch, unknown", admin, "PATCH", missing, `{"description":"ours"}`, 404},
		{"patch, another version", admin.WithHeader("If-Match", `"x"`), "PATCH", at, `{"description":"ours"}`, 412},
		{"patch, large", admin, "PATCH", at, large, 413},
		{"patch, not JSON", plain, "PATCH", at, "{}", 415},
		{"rotate", admin, "POST", at + "/secret", nil, 200},
		{"rotate, invalid", admin, "POST", "/webhooks/x/secret", nil, 400},
		{"rotate, anonymous", api, "POST", at + "/secret", nil, 401},
		{"rotate, not allowed", u, "POST", at + "/secret", nil, 403},
		{"rotate, unknown", admin, "POST", missing + "/secret", nil, 404},
		{"test", admin, "POST", at + "/test", nil, 200},
		{"test, invalid", admin, "POST", "/webhooks/x/test", nil, 400},
		{"test, anonymous", api, "POST", at + "/test", nil, 401},
		{"test, not allowed", u, "POST", at + "/test", nil, 403},
		{"test, unknown", admin, "POST", missing + "/test", nil, 404},
		{"log", admin, "GET", at + "/deliveries", nil, 200},
		{"log, invalid", admin, "GET", at + "/deliveries?limit=0", nil, 400},
		{"log, anonymous", api, "GET", at + "/deliveries", nil, 401},
		{"log, not allowed", u, "GET", at + "/deliveries", nil, 403},
		{"log, unknown", admin, "GET", missing + "/deliveries", nil, 404},
		{"again", admin, "POST", at + again, nil, 202},
		{"again, invalid", admin, "POST", at + "/deliveries/x/redeliver", nil, 400},
		{"again, anonymous", api, "POST", at + again, nil, 401},
		{"again, not allowed", u, "POST", at + again, nil, 403},
		{"again, unknown", admin, "POST", missing + again, nil, 404},
		{"disable", admin, "PATCH", at, `{"is_active":false}`, 200},
		{"again, inactive", admin, "POST", at + again, nil, 409},
	} {
		require.Equal(t, c.want, c.as.Do(c.method, c.path, c.body).StatusCode, c.name)
	}
	admin.WithHeader("If-None-Match", admin.Get(at).Header.Get("ETag")).Get(at).Status(http.StatusNotModified)
	for range 100 {
		newWebhook(t, admin)
	}
	admin.Post("/webhooks", aWebhook).Status(http.StatusConflict)
	admin.Patch(at, `{"is_active":true}`).Status(http.StatusConflict)
	for _, c := range []struct {
		method, path string
		as           *testkit.API
		want         int
	}{{"DELETE", at, u, 403}, {"DELETE", at, api, 401}, {"DELETE", "/webhooks/x", admin, 400}, {"DELETE", at, admin, 204}, {"DELETE", at, admin, 404}} {
		require.Equal(t, c.want, c.as.Do(c.method, c.path, nil).StatusCode)
	}
}

// webhookLimits has an administrator ask for tests until they may no more.
func webhookLimits(t *testing.T, api *testkit.API, boss testkit.User) {
	t.Helper()
	require.Eventually(t, func() bool {
		return api.As(boss).Post("/webhooks/"+account.NewID().String()+"/test", nil).StatusCode == http.StatusTooManyRequests
	}, time.Minute, time.Millisecond)
}

// webhookRequests are one for each operation on webhooks, that a store which is away keeps from being answered.
func webhookRequests(admin *testkit.API) []*testkit.Response {
	at := "/webhooks/" + account.NewID().String()
	return []*testkit.Response{
		admin.Post("/webhooks", aWebhook), admin.Get("/webhooks"), admin.Get(at), admin.Patch(at, `{"description":"ours"}`), admin.Delete(at, nil),
		admin.Post(at+"/secret", nil), admin.Post(at+"/test", nil), admin.Get(at + "/deliveries"), admin.Post(at+"/deliveries/"+account.NewID().String()+"/redeliver", nil),
	}
}
