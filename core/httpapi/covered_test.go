package httpapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

func TestAPathHasItsOwnMethodsAloneWhereAWiderPatternCoversIt(t *testing.T) {
	t.Parallel()
	rt := httpapi.NewRouter("Shelves", "Shelves for tests.", "1.0.0")
	op := func(method, path, id string) httpapi.Op {
		op := httpapi.Op{Method: method, Path: path, ID: id, Tag: "Shelves", Summary: id, Description: id, Access: authz.Public, StoreFree: true}
		if path == "/shelves/{id}/books" {
			op.Reaches = authz.Everyones
		}
		return op
	}
	nothing := func(context.Context, struct{}) (httpapi.NoContent, error) { return httpapi.NoContent{}, nil }
	ofOne := func(context.Context, struct {
		ID string `path:"id"`
	},
	) (httpapi.NoContent, error) {
		return httpapi.NoContent{}, nil
	}
	httpapi.Handle(rt, op("GET", "/shelves/mine/books", "listMine"), nothing)
	httpapi.Handle(rt, op("GET", "/shelves/{id}/books", "list"), ofOne)
	httpapi.Handle(rt, op("DELETE", "/shelves/{id}/books", "clear"), ofOne)
	httpapi.Handle(rt, op("POST", "/shelves/{id}/books", "add"), ofOne)
	handler, err := rt.Serve(httpapi.Dependencies{
		Settings: &httpapi.Settings{MaxBody: 1 << 10, MaxHeader: 64 << 10, MaxConnections: 100, CORSOrigins: []string{"https://app.example.com"}},
		Logger:   slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	b := &border{t: t, router: rt, server: httptest.NewServer(handler)}
	t.Cleanup(b.server.Close)

	require.Equal(t, http.StatusNoContent, b.send("DELETE", "/shelves/theirs/books", "").StatusCode)
	require.Equal(t, http.StatusNoContent, b.send("GET", "/shelves/mine/books", "").StatusCode)
	for _, method := range []string{"DELETE", "POST", "PUT", "BREW"} {
		r := b.send(method, "/shelves/mine/books", "")
		r.problem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
		require.Equal(t, "GET, HEAD", r.Header.Get("Allow"), method)
	}
	require.Equal(t, "DELETE, GET, HEAD, POST", b.send("PUT", "/shelves/theirs/books", "").Header.Get("Allow"))
	asks := func(path string) string {
		return b.send("OPTIONS", path, "", "Origin", "https://app.example.com", "Access-Control-Request-Method", "DELETE").Header.Get("Access-Control-Allow-Methods")
	}
	require.Equal(t, "GET", asks("/shelves/mine/books"))
	require.Equal(t, "GET, POST, DELETE", asks("/shelves/theirs/books"))
}
