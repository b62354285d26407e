package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"time"
)

// bareUser has the members of a user as the API shows it.
type bareUser struct {
	ID            string    `json:"id"`
	Email         string    `json:"email"`
	FullName      string    `json:"full_name"`
	Role          string    `json:"role"`
	IsActive      bool      `json:"is_active"`
	EmailVerified bool      `json:"email_verified"`
	AvatarURL     *string   `json:"avatar_url"`
	Locale        *string   `json:"locale"`
	Timezone      *string   `json:"timezone"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
	LastLoginAt   *string   `json:"last_login_at"`
}

// serveBare answers every request with the JSON of a user and does nothing else: what is left of a machine when the
// language, its HTTP server and its JSON are paid for.
func serveBare(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bare", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:0", "address to listen on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	handler := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		u := bareUser{
			ID: "0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d", Email: emailOf(1), FullName: "Ada Lovelace", Role: "user", IsActive: true,
			EmailVerified: true, CreatedAt: now, UpdatedAt: now,
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(u); err != nil {
			panic(http.ErrAbortHandler) // the loader went away
		}
	}
	srv := &http.Server{Addr: *addr, Handler: http.HandlerFunc(handler), ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
