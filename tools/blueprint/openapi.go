package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// openapi is what we read of the document that the program prints.
type openapi struct {
	Paths map[string]map[string]operation `json:"paths"`
}

type operation struct {
	ID          string          `json:"operationId"`
	Summary     string          `json:"summary"`
	Tags        []string        `json:"tags"`
	Permission  string          `json:"x-permission"`
	RequestBody body            `json:"requestBody"`
	Responses   map[string]body `json:"responses"`
	Limit       struct {
		Limit  int    `json:"limit"`
		Window int    `json:"window"` // seconds
		Per    string `json:"per"`
	} `json:"x-ratelimit"`
}

type body struct {
	Content map[string]struct {
		Example  json.RawMessage `json:"example"`
		Examples map[string]struct {
			Summary string `json:"summary"`
			Value   struct {
				Code   string `json:"code"`
				Reason string `json:"reason"`
			} `json:"value"`
		} `json:"examples"`
	} `json:"content"`
}

func readDocument(r io.Reader) (openapi, error) {
	var doc openapi
	if err := json.NewDecoder(r).Decode(&doc); err != nil {
		return doc, fmt.Errorf("the OpenAPI document, as JSON on standard input: %w", err)
	}
	return doc, nil
}

// endpoint is an operation and where it is.
type endpoint struct {
	path, method string
	operation
}

// endpoints lists the operations of a tag by path, and by method within one.
func (d openapi) endpoints(tag string) []endpoint {
	var all []endpoint
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(d.Paths[path])) {
			if op := d.Paths[path][method]; len(op.Tags) > 0 && (tag == "" || op.Tags[0] == tag) {
				all = append(all, endpoint{path, strings.ToUpper(method), op})
			}
		}
	}
	return all
}

func (d openapi) tags() []string {
	var all []string
	for _, e := range d.endpoints("") {
		all = append(all, e.Tags[0])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// success gives the status that the operation answers where all is right.
func (e endpoint) success() string {
	statuses := slices.DeleteFunc(slices.Sorted(maps.Keys(e.Responses)), func(s string) bool { return s[0] != '2' })
	return strings.Join(statuses, " or ")
}

// auth says who may call, as the blueprint's tables do.
func (e endpoint) auth() string {
	switch e.Permission {
	case "":
		if a, ok := askedFor(e); ok && a.with != "" {
			return a.with
		}
		return "none"
	case "signed in":
		return "JWT"
	default:
		return "JWT + `" + e.Permission + "`"
	}
}

func (e endpoint) limit() string {
	if e.Limit.Limit == 0 {
		return "–"
	}
	window := "min"
	if e.Limit.Window != 60 {
		window = strconv.Itoa(e.Limit.Window) + " s"
	}
	return fmt.Sprintf("%d/%s per %s", e.Limit.Limit, window, e.Limit.Per)
}

// errors lists the codes of the answers that are none of success, by status.
func (e endpoint) errors() []string {
	var all []string
	for _, status := range slices.Sorted(maps.Keys(e.Responses)) {
		problem := e.Responses[status].Content["application/problem+json"]
		for _, name := range slices.Sorted(maps.Keys(problem.Examples)) {
			v := problem.Examples[name].Value
			line := status + " `" + v.Code + "`"
			if status == "default" {
				line = "else `" + v.Code + "`"
			}
			if v.Reason != "" {
				line += " (`" + v.Reason + "`)"
			}
			all = append(all, line)
		}
	}
	return all
}

// example gives a JSON body as its document shows it, indented; empty where there is none.
func (b body) example() string {
	raw := b.Content["application/json"].Example
	if len(raw) == 0 {
		return ""
	}
	var out bytes.Buffer
	if json.Indent(&out, raw, "", "  ") != nil {
		return ""
	}
	return out.String()
}

// asked is a line of the blueprint's own tables. with is the credential that a body brings, where it brings one.
type asked struct{ method, path, auth, limit, with string }

// blueprints are the endpoints that the blueprint asks for, under its names of the modules.
var blueprints = map[string][]asked{
	"Auth": {
		{"POST", "/auth/register", "none", "5/min", ""}, {"POST", "/auth/login", "none", "10/min", ""}, {"POST", "/auth/refresh", "none", "20/min", "refresh token (body)"},
		{"POST", "/auth/logout", "JWT", "20/min", ""}, {"POST", "/auth/forgot-password", "none", "3/min", ""}, {"POST", "/auth/reset-password", "none", "3/min", "reset token (body)"},
	},
	"Users": {
		{"GET", "/users/me", "JWT", "", ""}, {"PATCH", "/users/me", "JWT", "", ""}, {"PUT", "/users/me/avatar", "JWT", "", ""}, {"PUT", "/users/me/password", "JWT", "", ""},
		{"GET", "/users/{id}", "JWT + ", "", ""}, {"GET", "/users", "JWT + ", "", ""}, {"PATCH", "/users/{id}", "JWT + ", "", ""}, {"DELETE", "/users/{id}", "JWT + ", "", ""},
	},
}

// askedFor finds the blueprint's own line about an endpoint.
func askedFor(e endpoint) (asked, bool) {
	for _, all := range blueprints {
		for _, a := range all {
			if a.method == e.method && a.path == e.path {
				return a, true
			}
		}
	}
	return asked{}, false
}

func isAsked(e endpoint) bool {
	_, ok := askedFor(e)
	return ok
}

// hold wants every endpoint that the blueprint asks for to be there, for whom it says and with its limit.
func (d openapi) hold() error {
	for module, all := range blueprints {
		for _, a := range all {
			op, ok := d.Paths[a.path][strings.ToLower(a.method)]
			if !ok {
				return fmt.Errorf("the blueprint's %s %s (%s) is not in the document", a.method, a.path, module)
			}
			e := endpoint{a.path, a.method, op}
			if !a.isFor(e.auth()) {
				return fmt.Errorf("%s %s is for %q, the blueprint says %q", a.method, a.path, e.auth(), a.auth)
			}
			if a.limit != "" && !strings.HasPrefix(e.limit(), a.limit) {
				return fmt.Errorf("%s %s has the limit %q, the blueprint says %q", a.method, a.path, e.limit(), a.limit)
			}
		}
	}
	return nil
}

// isFor says whether those may call whom the blueprint names: its administrators are whoever holds a permission.
func (a asked) isFor(auth string) bool {
	return auth == a.auth || a.with != "" && auth == a.with || strings.HasSuffix(a.auth, "+ ") && strings.HasPrefix(auth, a.auth)
}
