package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"runtime/pprof"
	"strconv"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/password"
	"github.com/gatehouse/gatehouse/core/secret"
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
// language, its HTTP server and its JSON are paid for. Where it is told to, it hashes a password at the product's costs for
// each POST, and commits one row to a database: what nobody can do without who does that.
func serveBare(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bare", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:0", "address to listen on")
	hashes := flags.Bool("hash", false, "hash a password for each POST")
	store := flags.String("commit", "", "URL of a database to commit a row to for each POST")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var work []func(context.Context) error
	if *hashes {
		hasher := password.NewHasher(password.DefaultSettings())
		work = append(work, func(ctx context.Context) error { return hasher.VerifyNothing(ctx, secret.New(usersPassword)) })
	}
	if *store != "" {
		commit, end, err := openCommit(ctx, *store)
		if err != nil {
			return err
		}
		defer end()
		work = append(work, commit)
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	handler := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for _, do := range work {
			if r.Method != http.MethodPost {
				break
			}
			if err := do(r.Context()); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		}
		u := bareUser{
			ID: "0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d", Email: emailOf(1), FullName: "Ada Lovelace", Role: "user", IsActive: true,
			EmailVerified: true, CreatedAt: now, UpdatedAt: now,
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(u); err != nil {
			panic(http.ErrAbortHandler) // the loader went away
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", handler)
	mux.HandleFunc("/debug/pprof/profile", serveProfile)
	srv := &http.Server{Addr: *addr, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = srv.Close() })
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// openCommit gives what adds one row to a table without indexes and returns once that is on the disk, and what closes the
// database.
func openCommit(ctx context.Context, databaseURL string) (commit func(context.Context) error, end func(), err error) {
	settings := database.DefaultSettings()
	settings.URL = secret.New(databaseURL)
	db, err := database.Open(ctx, settings, database.Options{})
	if err != nil {
		return nil, nil, err
	}
	if _, err := db.Exec(ctx, "CREATE TABLE IF NOT EXISTS bare_logins (at BIGINT NOT NULL)"); err != nil {
		db.Close()
		return nil, nil, err
	}
	return func(ctx context.Context) error {
		_, err := db.Exec(ctx, "INSERT INTO bare_logins (at) VALUES (?)", time.Now().UnixMicro())
		return err
	}, db.Close, nil
}

// serveProfile gives a CPU profile of so many ?seconds, as the product's operations listener does.
func serveProfile(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.Atoi(r.FormValue("seconds"))
	if err == nil {
		err = pprof.StartCPUProfile(w)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	defer pprof.StopCPUProfile()
	sleep(r.Context(), time.Duration(seconds)*time.Second)
}
