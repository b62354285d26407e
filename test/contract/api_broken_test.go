package contract_test

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/testkit"
)

// inside is what no answer may hold.
const inside = "SELECT inside_7f3a9c"

// large is an answer worth compressing.
type large struct {
	Text string `json:"text"`
}

// withBroken adds operations that panic, fail, and answer at length, with a token or without one.
func withBroken(stores *app.Stores) ([]module.Module, error) {
	modules, err := app.Standard(stores)
	op := func(path, id string) httpapi.Op {
		return httpapi.Op{Method: http.MethodGet, Path: path, ID: id, Tag: "Broken", Summary: "Break", Description: "Breaks.", Access: authz.Public}
	}
	long := func(context.Context, struct{}) (large, error) {
		return large{strings.Repeat("as long as it is dull ", 200)}, nil
	}
	return append(modules, module.Module{Name: "broken", Routes: func(r *httpapi.Router) {
		httpapi.Handle(r, op("/broken/panic", "panic"), func(context.Context, struct{}) (large, error) { panic(inside) })
		httpapi.Handle(r, op("/broken/error", "error"), func(context.Context, struct{}) (large, error) { return large{}, errors.New(inside) })
		httpapi.Handle(r, op("/large", "large"), long)
		token := op("/token", "token")
		token.HoldsToken = true
		httpapi.Handle(r, token, long)
	}}), err
}

// away gives a client of a service whose database is away.
func (s *stage) away() *testkit.API {
	const key = "away"
	if s.apps[key] == nil {
		s.apps[key] = testkit.Serve(s.theatre.t, s.db, s.options(nil)...)
		s.apps[key].App.Stores.DB.Close()
	}
	return s.apps[key].For(s.T)
}

// broken gives a client of a service that has those operations.
func (s *stage) broken() *testkit.API {
	const key = "broken"
	if s.apps[key] == nil {
		s.apps[key] = testkit.Serve(s.theatre.t, s.db, append(s.options(nil), testkit.WithBuild(withBroken))...)
	}
	return s.apps[key].For(s.T)
}
