package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/ratelimit"
)

func TestAnOperationWhosePathNamesAnObjectSaysWhose(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path    string
		access  authz.Rule
		reaches authz.Reach
		says    string
	}{
		"an object of nobody knows whom": {"/notes/{id}", authz.SignedIn, authz.Reach{}, "GET /notes/{id} does not say whose objects it reaches, or has none in its path"},
		"a reach for nothing":            {"/notes", authz.SignedIn, authz.OwnAlone, "GET /notes does not say whose objects it reaches, or has none in its path"},
		"own objects of nobody":          {"/notes/{id}", authz.Public, authz.OwnAlone, "GET /notes/{id} is for callers who have no objects of their own"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rt := httpapi.NewRouter("x", "x", "1")
			require.PanicsWithValue(t, c.says, func() {
				httpapi.Handle(rt, httpapi.Op{Method: http.MethodGet, Path: c.path, ID: "x", Access: c.access, Reaches: c.reaches},
					func(context.Context, struct{}) (httpapi.NoContent, error) { return httpapi.NoContent{}, nil })
			})
		})
	}
}

func TestTheReferenceOfAccessHasARowForEveryOperation(t *testing.T) {
	t.Parallel()
	rt := httpapi.NewRouter("x", "x", "1")
	mount(rt, ratelimit.NewLimits().Declare("notes", ratelimit.PerMinute(1), "notes"))
	var b strings.Builder
	require.NoError(t, httpapi.WriteAccess(&b, rt.Operations(), []authz.Permission{{Name: "notes.write", Doc: "change every note"}}))
	for _, row := range []string{
		"| `notes.write` | change every note | `patchNote`, `deleteNote` |",
		"| `POST /notes` | `createNote` | signed in | 401 | 201 | 201 |",
		"| `GET /notes` | `listNotes` | public | 200 | 200 | 200 |",
		"| `GET /notes/{id}` | `getNote` | public | everyone's | nobody | – | 200 | 200 | 404 | 404 |",
		"| `DELETE /notes/{id}` | `deleteNote` | notes.write | everyone's | nobody | – | 401 | 401 | 401 | 401 |\n" +
			"| | | | | user | 403 | 403 | 403 | 403 | 403 |\n" +
			"| | | | | administrator | 204 | 204 | 204 | 404 | 404 |",
	} {
		require.Contains(t, b.String(), row+"\n")
	}
	for _, op := range rt.Operations() {
		require.Contains(t, b.String(), "| `"+op.ID+"` |")
	}
}
