package faults_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/test/drive"
)

// TestStatement13RotationsUnderLoadRefuseNoToken takes longer than five seconds: a key signs ten seconds after it was made.
func TestStatement13RotationsUnderLoadRefuseNoToken(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		rotating(t, drive.Often(1, 50), 1, "data_dir="+t.TempDir())
	})
	if !hasPostgres() {
		return
	}
	t.Run("two instances on postgres", func(t *testing.T) {
		t.Parallel()
		rotating(t, drive.Often(1, 50), 2, "data_dir="+t.TempDir(), "database.url="+databasetest.Postgres(t).URL, "database.pool_min=1")
	})
}

func rotating(t *testing.T, rounds, instances int, settings ...string) {
	t.Helper()
	settings = append(settings, noLimits)
	servers := make([]*drive.Server, instances)
	for i := range servers {
		servers[i] = drive.Start(t, settings...)
	}
	require.Equal(t, http.StatusCreated, servers[0].Register("ada@example.com").Status)
	l := &rotationLoad{servers: servers, kids: map[string]bool{}, verifiers: make([]verifier, instances)}
	l.logIn(t, 0)
	var load sync.WaitGroup
	for range 2 {
		load.Go(func() { l.read(t) })
	}
	for i := range servers {
		load.Go(func() {
			for !l.done.Load() {
				l.logIn(t, i)
			}
		})
	}
	defer load.Wait()
	defer l.done.Store(true)
	for range rounds {
		made := rotateKeys(t, settings)
		begun := time.Now()
		for _, s := range servers {
			require.Eventually(t, func() bool { return strings.Contains(string(jwks(s)), made) }, 10*time.Second, 20*time.Millisecond)
		}
		everywhere := time.Since(begun)
		require.Eventually(t, func() bool { return l.signed(made) }, 30*time.Second, 20*time.Millisecond)
		t.Logf("known everywhere after %s, signs after %s", everywhere.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	}
	t.Logf("%d rotations: %d tokens by %d keys, %d requests, none refused; the JWK Set was asked for %d times", rounds, len(l.tokens), len(l.kids), l.requests.Load(), l.fetches.Load())
}

// rotateKeys runs keys rotate beside the servers and gives the new kid.
func rotateKeys(t *testing.T, settings []string) string {
	t.Helper()
	args := []string{"keys", "rotate", "--json"}
	for _, v := range settings {
		args = append(args, "--set", v)
	}
	out, err := drive.Command(t, args...).Output()
	require.NoError(t, err, "%s", out)
	var key struct {
		Kid string `json:"kid"`
	}
	require.NoError(t, json.Unmarshal(out, &key))
	require.NotEmpty(t, key.Kid)
	return key.Kid
}

func jwks(s *drive.Server) []byte {
	return s.Send(http.MethodGet, "/.well-known/jwks.json", "", "").Body
}

// rotationLoad signs in and uses every token on every server, without a pause, while the keys change.
type rotationLoad struct {
	servers           []*drive.Server
	done              atomic.Bool
	requests, fetches atomic.Int64

	mu        sync.Mutex
	tokens    []string
	kids      map[string]bool
	verifiers []verifier // one service beside each server
}

func (l *rotationLoad) signed(kid string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kids[kid]
}

// logIn takes a token from one server to every other, at once, and to the service beside each.
func (l *rotationLoad) logIn(t *testing.T, at int) {
	t.Helper()
	token, r := l.servers[at].LogIn("ada@example.com")
	l.requests.Add(1)
	if r.Status == http.StatusServiceUnavailable { // hashing has its own bound, which the load may meet
		return
	}
	if r.Status != http.StatusOK {
		t.Errorf("login: %d %s", r.Status, r.Body)
		l.done.Store(true)
		return
	}
	for _, s := range l.servers {
		l.use(t, s, token)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.verifiers {
		kid, err := l.verifiers[i].verify(token, func() []byte {
			l.fetches.Add(1)
			return jwks(l.servers[i])
		})
		if err != nil {
			t.Errorf("a service beside server %d refuses a token of server %d: %v", i, at, err)
		}
		l.kids[kid] = true
	}
	l.tokens = append(l.tokens, token)
}

// read uses tokens old and new.
func (l *rotationLoad) read(t *testing.T) {
	t.Helper()
	for !l.done.Load() {
		l.mu.Lock()
		token := l.tokens[rand.IntN(len(l.tokens))]
		l.mu.Unlock()
		l.use(t, l.servers[rand.IntN(len(l.servers))], token)
	}
}

func (l *rotationLoad) use(t *testing.T, s *drive.Server, token string) {
	t.Helper()
	l.requests.Add(1)
	if r := s.Send(http.MethodGet, "/users/me", token, ""); r.Status == http.StatusUnauthorized {
		t.Errorf("refused: %s", r.Body)
		l.done.Store(true)
	}
}

// verifier is a service that checks tokens with the published keys, which it remembers and asks for anew when a token names
// one that it does not know, as the libraries of the field do.
type verifier struct {
	keys map[string]*ecdsa.PublicKey
}

func (v *verifier) verify(token string, fetch func() []byte) (kid string, err error) {
	_, err = jwt.Parse(token, func(t *jwt.Token) (any, error) {
		kid, _ = t.Header["kid"].(string)
		if v.keys[kid] == nil {
			if err := v.learn(fetch()); err != nil {
				return nil, err
			}
		}
		if key := v.keys[kid]; key != nil {
			return key, nil
		}
		return nil, fmt.Errorf("key %s is not published", kid)
	}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithExpirationRequired())
	return kid, err
}

func (v *verifier) learn(body []byte) error {
	var set struct {
		Keys []struct {
			Kid string `json:"kid"`
			X   string `json:"x"`
			Y   string `json:"y"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return err
	}
	v.keys = map[string]*ecdsa.PublicKey{}
	for _, k := range set.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(k.X)
		y, errY := base64.RawURLEncoding.DecodeString(k.Y)
		if errX != nil || errY != nil {
			return fmt.Errorf("key %s is no key", k.Kid)
		}
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return err
		}
		v.keys[k.Kid] = public
	}
	return nil
}

// TestStatement13ALeakedKeyIsRevokedEverywhere takes longer than five seconds: that is how often an instance looks.
func TestStatement13ALeakedKeyIsRevokedEverywhere(t *testing.T) {
	t.Parallel()
	settings := []string{"data_dir=" + t.TempDir(), noLimits}
	a, b := drive.Start(t, settings...), drive.Start(t, settings...)
	require.Equal(t, http.StatusCreated, a.Register("ada@example.com").Status)
	old := a.MustLogIn("ada@example.com")
	require.Equal(t, http.StatusOK, b.Send(http.MethodGet, "/users/me", old, "").Status)
	args := []string{"keys", "rotate", "--revoke-old", "--yes"}
	for _, v := range settings {
		args = append(args, "--set", v)
	}
	out, err := drive.Command(t, args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	begun := time.Now()
	for _, s := range []*drive.Server{a, b} {
		require.Eventually(t, func() bool { return s.Send(http.MethodGet, "/users/me", old, "").Status == http.StatusUnauthorized }, 10*time.Second, 20*time.Millisecond)
	}
	t.Logf("refused everywhere after %s", time.Since(begun).Round(time.Millisecond))
	fresh := a.MustLogIn("ada@example.com")
	require.Equal(t, http.StatusOK, b.Send(http.MethodGet, "/users/me", fresh, "").Status)
}
