package testkit

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/httpapi"
)

// As gives a client that sends the user's access token.
func (a *API) As(u User) *API { return a.WithToken(u.AccessToken) }

// WithToken gives a client that sends the token.
func (a *API) WithToken(token string) *API {
	c := *a
	c.token = token
	return &c
}

// WithHeader gives a client that sends the header as well.
func (a *API) WithHeader(name, value string) *API {
	c := *a
	c.header = a.header.Clone()
	c.header.Add(name, value)
	return &c
}

// For gives the same client for another test, such as a sub-test.
func (a *API) For(t testing.TB) *API {
	t.Helper()
	c := *a
	c.t = t
	return &c
}

// Get sends a GET.
func (a *API) Get(path string) *Response { return a.Do(http.MethodGet, path, nil) }

// Post sends a POST: a body that is a string or bytes as it is, any other as JSON; both with Content-Type:
// application/json unless WithHeader says otherwise.
func (a *API) Post(path string, body any) *Response { return a.Do(http.MethodPost, path, body) }

// Put sends a PUT; see Post.
func (a *API) Put(path string, body any) *Response { return a.Do(http.MethodPut, path, body) }

// Patch sends a PATCH; see Post.
func (a *API) Patch(path string, body any) *Response { return a.Do(http.MethodPatch, path, body) }

// Delete sends a DELETE; see Post.
func (a *API) Delete(path string, body any) *Response { return a.Do(http.MethodDelete, path, body) }

// Do sends a request and reads the whole answer.
func (a *API) Do(method, path string, body any) *Response {
	a.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	case []byte:
		reader = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		require.NoError(a.t, err)
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.URL+path, reader)
	require.NoError(a.t, err)
	if reader != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, a.header)
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	return a.Send(req)
}

// Send sends a request as it is and reads the whole answer.
func (a *API) Send(req *http.Request) *Response {
	a.t.Helper()
	res, err := a.client.Do(req)
	require.NoError(a.t, err)
	defer func() { _ = res.Body.Close() }() // read whole below
	raw, err := io.ReadAll(res.Body)
	require.NoError(a.t, err)
	r := &Response{t: a.t, StatusCode: res.StatusCode, Header: res.Header, Body: raw}
	if a.recorder != nil {
		a.recorder.note(a.App, req, r)
	}
	return r
}

// Response is an answer, read whole.
type Response struct {
	StatusCode int
	Header     http.Header
	Body       []byte

	t testing.TB
}

// Status wants the status.
func (r *Response) Status(want int) *Response {
	r.t.Helper()
	require.Equal(r.t, want, r.StatusCode, "body: %s", r.Body)
	return r
}

// JSON wants the body to be JSON and reads it.
func (r *Response) JSON(into any) *Response {
	r.t.Helper()
	require.Equal(r.t, "application/json", r.Header.Get("Content-Type"), "body: %s", r.Body)
	require.NoError(r.t, json.Unmarshal(r.Body, into), "body: %s", r.Body)
	return r
}

// Problem wants a problem of the status and code, whose other members agree with them, and gives it.
func (r *Response) Problem(status int, code string) httpapi.Problem {
	r.t.Helper()
	r.Status(status)
	require.Equal(r.t, "application/problem+json", r.Header.Get("Content-Type"), "body: %s", r.Body)
	var p httpapi.Problem
	require.NoError(r.t, json.Unmarshal(r.Body, &p), "body: %s", r.Body)
	require.Equal(r.t, code, p.Code, "body: %s", r.Body)
	require.Equal(r.t, status, p.Status)
	require.True(r.t, strings.HasSuffix(p.Type, httpapi.TypePath(code)), p.Type)
	require.NotEmpty(r.t, p.Title)
	require.NotEmpty(r.t, p.Detail)
	require.Equal(r.t, r.Header.Get("X-Request-ID"), p.RequestID)
	return p
}

// Invalid wants a VALIDATION_ERROR whose faults are these and no others, each as "place code".
func (r *Response) Invalid(faults ...string) {
	r.t.Helper()
	var found []string
	for _, f := range r.Problem(http.StatusBadRequest, "VALIDATION_ERROR").Errors {
		require.NotEmpty(r.t, f.Message)
		found = append(found, f.Pointer+f.Parameter+f.Header+" "+string(f.Code))
	}
	require.ElementsMatch(r.t, faults, found)
}
