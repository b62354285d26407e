package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

const mergePatch = "application/merge-patch+json"

func TestAMergeTellsAbsentFromNull(t *testing.T) {
	t.Parallel()
	ada := "Ada"
	var got noteChange
	rt := httpapi.NewRouter("Notes", "Notes for tests.", "1.0.0")
	httpapi.Handle(rt, httpapi.Op{Method: "PATCH", Path: "/note", ID: "patch", Tag: "T", Summary: "S", Description: "D.", Access: authz.Public},
		func(_ context.Context, in httpapi.Body[noteChange]) (httpapi.NoContent, error) {
			got = in.Body
			return httpapi.NoContent{}, nil
		})
	b := serveRouter(t, rt)
	for body, want := range map[string]noteChange{
		`{"title":"a"}`:               {Title: httpapi.Member[string]{Given: true, Value: "a"}},
		`{"stars":0}`:                 {Stars: httpapi.Member[int]{Given: true}},
		`{"author":null}`:             {Author: httpapi.Member[*string]{Given: true}},
		`{"author":"Ada"}`:            {Author: httpapi.Member[*string]{Given: true, Value: &ada}},
		`{"author":null,"title":"b"}`: {Author: httpapi.Member[*string]{Given: true}, Title: httpapi.Member[string]{Given: true, Value: "b"}},
	} {
		for _, media := range []string{"application/json", mergePatch, mergePatch + "; charset=utf-8"} {
			require.Equal(t, http.StatusNoContent, b.send("PATCH", "/note", body, "Content-Type", media).StatusCode, body)
			require.Equal(t, want, got, body)
		}
	}
	for body, want := range map[string][]string{
		"{}": {"# required"}, "": {"# required"}, "null": {"# wrong_type"}, "[]": {"# wrong_type"},
		`{"title":null}`: {"#/title wrong_type"}, `{"stars":null,"author":""}`: {"#/stars wrong_type"},
		`{"author":"12345678901"}`: {"#/author too_long"}, `{"author":1}`: {"#/author wrong_type"}, `{"author":["a"]}`: {"#/author wrong_type"},
		`{"kind":"odd"}`: {"#/kind not_allowed"}, `{"Title":"a"}`: {"#/Title unknown_field"}, `{"title":"a","title":"b"}`: {"#/title duplicate"},
	} {
		require.ElementsMatch(t, want, b.send("PATCH", "/note", body, "Content-Type", mergePatch).faults(), body)
	}
	b.send("PATCH", "/note", `{"title":"a"}`, "Content-Type", "application/json-patch+json").problem(415, "UNSUPPORTED_MEDIA_TYPE")
}

func TestTheMembersOfAMergeAreDocumentedAsTheirValues(t *testing.T) {
	t.Parallel()
	doc := serve(t).router.Document()
	body := doc.Paths["/notes/{id}"].Patch.RequestBody
	require.Contains(t, body.Content, "application/json")
	require.Contains(t, body.Content, mergePatch)
	schema := doc.Components.Schemas.SchemaFromRef(body.Content[mergePatch].Schema.Ref)
	require.Equal(t, 1, *schema.MinProperties)
	require.Empty(t, schema.Required)
	require.Equal(t, "string", schema.Properties["title"].Type)
	require.False(t, schema.Properties["title"].Nullable)
	require.Equal(t, 10, *schema.Properties["title"].MaxLength)
	require.Equal(t, "integer", schema.Properties["stars"].Type)
	require.True(t, schema.Properties["author"].Nullable)
	var headers []string
	for _, p := range doc.Paths["/notes/{id}"].Patch.Parameters {
		headers = append(headers, p.In+" "+p.Name)
	}
	require.Contains(t, headers, "header If-Match")
	require.Contains(t, doc.Paths["/notes/{id}"].Patch.Responses, "412")
}

func TestAPatchThatIsNoMergeDoesNotMount(t *testing.T) {
	t.Parallel()
	op := httpapi.Op{Method: "PATCH", Path: "/note", ID: "patch", Tag: "T", Summary: "S", Description: "D.", Access: authz.Public}
	require.PanicsWithValue(t, "PATCH /note takes no merge: its body must be an object without members that are required", func() {
		httpapi.Handle(httpapi.NewRouter("T", "T.", "1"), op, func(context.Context, httpapi.Body[newNote]) (httpapi.NoContent, error) {
			return httpapi.NoContent{}, nil
		})
	})
	require.PanicsWithValue(t, "PATCH /note takes no merge: Name is no Member", func() {
		httpapi.Handle(httpapi.NewRouter("T", "T.", "1"), op, func(context.Context, httpapi.Body[struct {
			Name *string `json:"name,omitempty"`
		}],
		) (httpapi.NoContent, error) {
			return httpapi.NoContent{}, nil
		})
	})
}

func TestIfMatchGuardsAChange(t *testing.T) {
	t.Parallel()
	b := serve(t)
	path := "/notes/" + account.NewID().String()
	patch := func(headers ...string) *reply {
		return b.send("PATCH", path, `{"title":"two"}`, append(headers, "Authorization", "Bearer admin")...)
	}
	require.Equal(t, 200, patch().StatusCode, "without the header nothing is asked for")
	for _, header := range []string{`"one"`, "*", ` * `, `"zero", "one"`, `"zero","one",`, `, "one"`, `W/"zero", "one"`, `"one-gzip"`} {
		r := patch("If-Match", header)
		require.Equal(t, 200, r.StatusCode, header)
		require.Equal(t, `"two"`, r.Header.Get("ETag"), "the new version")
	}
	for _, header := range []string{`"two"`, `""`, `W/"one"`, `"ONE"`, `"zero", "two"`, `"*"`} {
		patch("If-Match", header).problem(412, "PRECONDITION_FAILED")
	}
	for _, header := range []string{"one", `"one`, `one"`, `"one" "two"`, `"one";q=1`, `"o ne"`, `w/"one"`, `W/ "one"`, ",", " ", `*, "one"`, `"one", *`} {
		require.Equal(t, []string{"If-Match invalid_format"}, patch("If-Match", header).faults(), header)
	}
	b.send("PATCH", path, `{"title":""}`, "If-Match", `"zero"`, "Authorization", "Bearer admin").problem(400, "VALIDATION_ERROR")
}

func TestACompressedAnswerHasATagThatIfMatchTakes(t *testing.T) {
	t.Parallel()
	rt := httpapi.NewRouter("Notes", "Notes for tests.", "1.0.0")
	current := note{Title: "one", Tags: []string{strings.Repeat("long ", 1000)}}
	httpapi.Handle(rt, httpapi.Op{Method: "GET", Path: "/note", ID: "get", Tag: "T", Summary: "S", Description: "D.", Access: authz.Public},
		func(context.Context, struct{}) (note, error) { return current, nil })
	httpapi.Handle(rt, httpapi.Op{Method: "PATCH", Path: "/note", ID: "patch", Tag: "T", Summary: "S", Description: "D.", Access: authz.Public},
		func(_ context.Context, in struct {
			httpapi.Precondition

			Body noteChange
		},
		) (note, error) {
			return current, in.Check(current)
		})
	b := serveRouter(t, rt)
	tags := map[string]string{}
	for _, coding := range []string{"gzip", "identity"} {
		r := b.send("GET", "/note", "", "Accept-Encoding", coding)
		tags[coding] = r.Header.Get("ETag")
		require.Equal(t, 304, b.send("GET", "/note", "", "Accept-Encoding", coding, "If-None-Match", tags[coding]).StatusCode)
		require.Equal(t, 200, b.send("PATCH", "/note", `{"stars":1}`, "If-Match", tags[coding]).StatusCode, coding)
	}
	require.NotEqual(t, tags["gzip"], tags["identity"], "the bytes are others")
	require.NotContains(t, tags["gzip"], "W/", "a weak tag never matches")
}
