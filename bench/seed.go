package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/token"
)

// usersPassword is every user's. All share one hash of it, of the product's own costs.
const usersPassword = "Difference-Engine-1842"

// mostTokens is how many of the users have an access token at hand, spread over all of them.
const mostTokens = 10_000

// data is what a store was filled with.
type data struct {
	users  int
	ids    []account.ID
	live   []account.SessionID // one session of each user
	tokens []string
	owners []int // the users of the tokens

	admin   string   // the token of the first user, who is an administrator
	cursors []string // of the pages of /users?limit=50, as far as deepest; the first has none

	refreshing sync.Mutex
	successor  func(token.Refresh) token.Refresh
	refresh    []token.Refresh // what the sessions of the first users are refreshed with next
}

func emailOf(user int) string { return fmt.Sprintf("user-%07d@example.com", user) }

// common are the settings of every server and of the app that makes the data. Tokens outlive the longest run.
var common = map[string]string{"token.ttl": "24h", "log.format": "json", "redis.prefix": "bench"}

// fill brings the store to so many users, each with a session, past the API: hashing for each would take hours.
func (st *store) fill(ctx context.Context, users int) error {
	progress("%s: making %d users", st.name, users)
	settings := maps.Clone(common)
	settings["ratelimit.enabled"] = "false"
	maps.Copy(settings, st.settings)
	a, err := app.New(app.Standard, app.Options{Logs: io.Discard})
	if err != nil {
		return err
	}
	if _, err := a.Load(config.Source{Args: settings}); err != nil {
		return err
	}
	if err := a.Open(ctx); err != nil {
		return err
	}
	defer a.Close(context.WithoutCancel(ctx))
	if st.data == nil {
		st.data = &data{}
	}
	hash, err := a.Stores.Passwords.Hash(ctx, secret.New(usersPassword))
	if err != nil {
		return err
	}
	const batch = 500
	for st.data.users < users {
		n := min(batch, users-st.data.users)
		if err := a.Stores.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
			return st.data.addTx(ctx, tx, n, hash, a.Stores.RefreshTokens)
		}); err != nil {
			return fmt.Errorf("make users: %w", err)
		}
		st.data.users += n
	}
	if st.postgres != nil { // as its own housekeeping would do in a while
		if _, err := a.Stores.DB.Exec(ctx, "ANALYZE"); err != nil {
			return err
		}
	}
	st.data.successor = a.Stores.RefreshTokens.Successor
	if err := st.data.issue(a.Stores.Tokens); err != nil {
		return err
	}
	handler, err := a.Handler()
	if err != nil {
		return err
	}
	return st.data.walk(ctx, handler)
}

// addTx adds n users. A batch that is tried again begins where the first try did.
func (d *data) addTx(ctx context.Context, tx *database.Tx, n int, hash string, tokens *token.RefreshTokens) error {
	d.ids, d.live, d.refresh = d.ids[:d.users], d.live[:d.users], d.refresh[:min(d.users, mostTokens)]
	now := time.Now()
	var users, sessions []any
	for i := range n {
		user, id, session := d.users+i, account.NewID(), account.NewSessionID()
		refresh := tokens.New(session)
		d.ids, d.live = append(d.ids, id), append(d.live, session)
		if user < mostTokens {
			d.refresh = append(d.refresh, refresh)
		}
		email, name := emailOf(user), "Ada Lovelace"
		users = append(users, id, email, email, account.Fold(email), true, hash, name, account.Fold(name), roleOf(user), true, int64(1), now, now)
		sessions = append(sessions, session, id, int64(refresh.Generation), refresh.Digest(), now, now, now.Add(24*time.Hour), now.Add(30*24*time.Hour), "bench", "127.0.0.1")
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO users (id, email, email_canonical, email_folded, email_verified, password_hash, full_name, full_name_folded, role, is_active, version, created_at, updated_at)
		VALUES `+rows(n, 13), users...)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO sessions (id, account_id, generation, current_digest, created_at, last_used_at, idle_expires_at, expires_at, user_agent, ip)
		VALUES `+rows(n, 10), sessions...)
	return err
}

// roleOf makes the first user an administrator.
func roleOf(user int) account.Role {
	if user == 0 {
		return account.RoleAdmin
	}
	return account.RoleUser
}

// deepest is as far as cursors are collected.
const deepest = 10_000

// walk follows the list of users as a client does, without the network.
func (d *data) walk(ctx context.Context, handler http.Handler) error {
	d.admin, d.cursors = d.tokens[0], []string{""}
	for next := "/users?limit=50"; len(d.cursors) < deepest; {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, next, http.NoBody)
		r.Header.Set("Authorization", "Bearer "+d.admin)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var page struct {
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || w.Code != http.StatusOK {
			return fmt.Errorf("list users: %d, %w", w.Code, err)
		}
		if page.NextCursor == "" {
			break
		}
		d.cursors = append(d.cursors, page.NextCursor)
		next = "/users?limit=50&cursor=" + page.NextCursor
	}
	return nil
}

// useRefresh gives the token to refresh a session with, and has the one that the server will answer with follow it: it is
// derived, so nobody has to read the answer.
func (d *data) useRefresh(session int) string {
	d.refreshing.Lock()
	defer d.refreshing.Unlock()
	if len(d.refresh) == 0 {
		return "none" // the bare handler takes any
	}
	used := d.refresh[session%len(d.refresh)]
	d.refresh[session%len(d.refresh)] = d.successor(used)
	return used.Token()
}

// issue signs tokens for users that lie evenly over the table.
func (d *data) issue(access *token.Access) error {
	n := min(mostTokens, d.users)
	d.tokens, d.owners = make([]string, n), make([]int, n)
	for i := range n {
		user := i * (d.users / n)
		text, err := access.Issue(token.Claims{Account: d.ids[user], Session: d.live[user], Roles: []account.Role{account.RoleUser}})
		if err != nil {
			return err
		}
		d.tokens[i], d.owners[i] = text, user
	}
	return nil
}

// rows writes the placeholders of n rows.
func rows(n, columns int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", columns), ", ") + ")"
	return strings.TrimSuffix(strings.Repeat(row+", ", n), ", ")
}
