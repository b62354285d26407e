package cli_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/cli"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
)

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// run runs one command on a data folder.
func run(t *testing.T, dir, stdin string, args ...string) result {
	t.Helper()
	return runWith(t, nil, stdin, append([]string{"--data-dir", dir}, args...)...)
}

func runWith(t *testing.T, environ []string, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out, errs logtest.Logs
	code := cli.Run(ctx, app.Standard, args, cli.IO{In: strings.NewReader(stdin), Out: &out, Err: &errs, Environ: environ})
	return result{code, out.String(), errs.String()}
}

func TestWrongUsageSaysSoAndExitsWith2(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"unknown command":      {[]string{"serv"}, "did you mean serve"},
		"unknown flag":         {[]string{"serve", "--nothing"}, "unknown flag: --nothing"},
		"an argument too many": {[]string{"version", "now"}, `gatehouse version takes flags alone, and not "now"; see gatehouse version --help`},
		"one behind a shell":   {[]string{"completion", "bash", "now"}, `gatehouse completion bash takes flags alone, and not "now"`},
		"a setting without =":  {[]string{"config", "--set", "http.addr"}, `--set "http.addr": write it as path=value`},
		"a setting of no name": {[]string{"config", "--set", "=marker"}, `--set "": write it as path=value`},
		"no number":            {[]string{"user", "list", "--limit", "many"}, `--limit "many": expected a whole number; see gatehouse user list --help`},
		"a number beyond all":  {[]string{"jobs", "list", "--limit", "9223372036854775808"}, "is too large a number"},
		"no Boolean":           {[]string{"config", "--json=perhaps"}, `--json "perhaps": expected true or false`},
		"half a quoted item":   {[]string{"jobs", "list", "--kind", `"`}, "expected items with commas between them"},
		"an unknown setting":   {[]string{"config", "--set", "http.adr=x"}, "http.addr"},
		"a wrong value":        {[]string{"config", "--set", "database.pool_max=many"}, "database.pool_max"},
		"an unknown format":    {[]string{"openapi", "--format", "xml"}, "expected yaml or json"},
		"no address":           {[]string{"user", "create", "--full-name", "Ada", "--password-stdin"}, "--email"},
		"no terminal":          {[]string{"user", "create", "--email", "a@example.com", "--full-name", "Ada"}, "--password-stdin"},
		"an empty address":     {[]string{"serve", "--set", "http.addr="}, "http.addr: must be host:port"},
		"no port":              {[]string{"serve", "--addr", "127.0.0.1:"}, "http.addr: must be host:port"},
		"beyond loopback":      {[]string{"serve", "--addr", "0.0.0.0:0"}, "beyond loopback"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, t.TempDir(), "", c.args...)
			require.Equal(t, 2, r.code, r.err)
			require.Contains(t, r.err, c.says)
			require.NotContains(t, r.err, "strconv")
			require.NotContains(t, r.err, "marker")
			require.Empty(t, r.out)
		})
	}
}

func TestEveryFaultOfTheSettingsIsToldAtOnce(t *testing.T) {
	t.Parallel()
	r := runWith(t, []string{"GATEHOUSE_DATABASE_POOL_MAX=0", "GATEHOUSE_HTTP_PUBLIC_URL=ftp://x", "GATEHOUSE_NOTHING=1"}, "", "config")
	require.Equal(t, 2, r.code)
	for _, name := range []string{"pool_max", "public_url", "GATEHOUSE_NOTHING"} {
		require.Contains(t, r.err, name)
	}
}

func TestProductionRefusesAllThatIsNotSafe(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir(), "", "serve", "--set", "env=production", "--set", "ratelimit.enabled=false",
		"--set", "database.url=postgres://u@db.example.com/x?sslmode=disable", "--set", "redis.url=redis://redis.example.com")
	require.Equal(t, 2, r.code)
	for _, sentence := range []string{"mail.url writes mail to a folder", "mail.from must be", "master_key is not set", "http.public_url must be", "ratelimit.enabled=false", "database.url asks for plain text", "redis.url asks for plain text"} {
		require.Contains(t, r.err, sentence)
	}
}

func TestMigrationsAreAppliedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := run(t, dir, "", "migrate", "status")
	require.Equal(t, 3, before.code)
	require.Contains(t, before.out, "pending")
	require.Contains(t, run(t, dir, "", "migrate", "up").out, "applied users 0001_users")
	require.Contains(t, run(t, dir, "", "migrate", "up").out, "nothing to do")
	after := run(t, dir, "", "migrate", "status", "--json")
	require.Zero(t, after.code, after.err)
	var lines []map[string]any
	require.NoError(t, json.Unmarshal([]byte(after.out), &lines))
	for _, l := range lines {
		require.Equal(t, "applied", l["state"])
	}
}

func TestASchemaThatIsBehindIsNotServed(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir(), "", "serve", "--addr", "127.0.0.1:0", "--set", "database.migrate=off")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "gatehouse migrate up")
}

func TestAnOperatorMakesAccounts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	create := []string{"user", "create", "--email", "Ada@example.com", "--full-name", "Ada Lovelace", "--password-stdin"}
	weak := run(t, dir, "secret-marker\n", create...)
	require.Equal(t, 1, weak.code)
	require.Contains(t, weak.err, "the password must contain an upper-case letter")
	require.NotContains(t, weak.err+weak.out, "secret-marker")
	made := run(t, dir, "Difference-Engine-1842\r\n", append(create, "--admin", "--json")...)
	require.Zero(t, made.code, made.err)
	var u map[string]any
	require.NoError(t, json.Unmarshal([]byte(made.out), &u))
	require.Equal(t, "admin", u["role"])
	all := run(t, dir, "secret-marker\n", "user", "create", "--email", "ada", "--password-stdin")
	require.Equal(t, 2, all.code)
	require.Equal(t, "gatehouse: --email must be an e-mail address such as ada@example.com\n  --full-name must not be empty\n"+
		"  the password must contain an upper-case letter\n  the password must contain a digit\n", all.err)
	again := run(t, dir, "Difference-Engine-1842", append(create, "--admin")...)
	require.Equal(t, 1, again.code)
	require.Contains(t, again.err, "exists already")
	other := run(t, dir, "Difference-Engine-1842", "user", "create", "--email", "b@example.com", "--full-name", "B", "--password-stdin")
	require.Regexp(t, `^created user [0-9a-f-]{36} b@example.com\n$`, other.out)
}

func TestSigningKeysAreListedAndRotated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none := run(t, dir, "", "keys", "list")
	require.Zero(t, none.code)
	require.Contains(t, none.err, "no signing key yet")
	require.JSONEq(t, "[]", run(t, dir, "", "keys", "list", "--json").out)

	said := run(t, dir, "", "keys", "rotate")
	require.Zero(t, said.code, said.err)
	require.Regexp(t, `^key [\w-]{43} \(ES256\) is published, and signs from \S+Z, in 10s; `, said.out)
	made := run(t, dir, "", "keys", "rotate", "--json")
	require.Zero(t, made.code, made.err)
	var key map[string]any
	require.NoError(t, json.Unmarshal([]byte(made.out), &key))
	require.Equal(t, "published", key["state"])

	listed := run(t, dir, "", "keys", "list")
	require.Regexp(t, `(?m)^KID +ALGORITHM +STATE +CREATED AT +SIGNS FROM +RETIRES AT +EXPIRES AT$`, listed.out)
	require.Regexp(t, `(?m)^\S+ +ES256 +signing( +\S+Z){4}$`, listed.out)
	require.Regexp(t, `(?m)^`+key["kid"].(string)+` +ES256 +published( +\S+Z){2} +- +-$`, listed.out)
	var lines []map[string]any
	require.NoError(t, json.Unmarshal([]byte(run(t, dir, "", "keys", "list", "--json").out), &lines))
	require.Len(t, lines, 3)
	require.Equal(t, key, lines[2])
}

func TestOldSigningKeysAreRevokedOnceItIsConfirmed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unasked := run(t, dir, "y\n", "keys", "rotate", "--revoke-old")
	require.Equal(t, 2, unasked.code)
	require.Contains(t, unasked.err, "--yes")
	require.Zero(t, run(t, dir, "", "keys", "rotate").code)
	done := run(t, dir, "", "keys", "rotate", "--revoke-old", "--yes")
	require.Zero(t, done.code, done.err)
	require.Regexp(t, `^key [\w-]{43} \(ES256\) signs now, and every other is deleted: running servers follow within 5s\n$`, done.out)
	var lines []map[string]any
	require.NoError(t, json.Unmarshal([]byte(run(t, dir, "", "keys", "list", "--json").out), &lines))
	require.Len(t, lines, 1)
}

func TestConfigShowsOriginsAndNoSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "settings.yaml")
	require.NoError(t, os.WriteFile(file, []byte("log:\n  level: warn\nhttp:\n  addr: 127.0.0.1:1\n"), 0o600))
	environ := []string{"GATEHOUSE_REDIS_URL=redis://:marker@127.0.0.1", "GATEHOUSE_HTTP_ADDR=127.0.0.1:2"}
	r := runWith(t, environ, "", "config", "--config", file, "--set", "http.addr=127.0.0.1:3")
	require.Zero(t, r.code, r.err)
	require.Regexp(t, `http.addr +127.0.0.1:3 +flag`, r.out)
	require.Regexp(t, `log.level +warn +file `, r.out)
	require.Regexp(t, `redis.url +\[redacted\] +environment`, r.out)
	require.NotContains(t, r.out, "marker")
	require.Contains(t, runWith(t, environ, "", "config", "--docs").out, "address of the public listener")
	var lines []map[string]any
	require.NoError(t, json.Unmarshal([]byte(runWith(t, environ, "", "config", "--json").out), &lines))
	require.Greater(t, len(lines), 30)
}

func TestDoctorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	quiet := []string{"doctor", "--set", "http.addr=127.0.0.1:0", "--set", "ops.addr=127.0.0.1:0"}
	fresh := run(t, dir, "", quiet...)
	require.Zero(t, fresh.code, fresh.out+fresh.err)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, entries, "looking changes nothing")
	bad := run(t, dir, "", append(quiet, "--json", "--set", "env=production", "--set", "redis.url=redis://127.0.0.1:1")...)
	require.Equal(t, 1, bad.code)
	var found []app.Finding
	require.NoError(t, json.Unmarshal([]byte(bad.out), &found))
	levels := map[app.Level]int{}
	for _, f := range found {
		levels[f.Level]++
		require.NotEmpty(t, f.Message)
	}
	require.Positive(t, levels[app.LevelFail])
}

func TestWhatNeedsNoStorePrintsWithoutOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"version"}, `^gatehouse \S+\n$`},
		{[]string{"openapi"}, `(?m)^  /auth/login:$`},
		{[]string{"openapi", "--format", "json"}, `"openapi": "3\.1\.0"`},
		{[]string{"completion", "bash"}, `bash completion`},
		{[]string{"help"}, `Available Commands`},
		{[]string{"migrate"}, `status`},
		{[]string{"user"}, `create`},
		{nil, `Available Commands`},
		{[]string{"reference", "settings"}, `GATEHOUSE_HTTP_ADDR`},
		{[]string{"reference", "access"}, `(?m)^\| .GET /users/me. `},
		{[]string{"reference", "schema"}, `(?m)^## users$`},
		{[]string{"reference", "schema", "--uses", "../test/contract/testdata"}, `finds rows by`},
		{[]string{"reference", "cli"}, `(?s)## gatehouse serve.*## gatehouse user create`},
	} {
		dir := t.TempDir()
		r := run(t, dir, "", c.args...)
		require.Zero(t, r.code, r.err)
		require.Regexp(t, c.want, r.out)
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries)
	}
}

func TestServeAnswersUntilItIsToldToStop(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var errs logtest.Logs
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, app.Standard, []string{"serve", "--addr", "127.0.0.1:0", "--set", "ops.addr=127.0.0.1:0", "--data-dir", t.TempDir()},
			cli.IO{In: strings.NewReader(""), Out: io.Discard, Err: &errs})
	}()
	line := regexp.MustCompile(`(?m)^API +(http://\S+)$`)
	require.Eventually(t, func() bool { return line.MatchString(errs.String()) }, 30*time.Second, 5*time.Millisecond)
	url := line.FindStringSubmatch(errs.String())[1]
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/healthz", http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)
	stop()
	require.Zero(t, <-done)
}

func TestAnAddressInUseIsToldInOneSentence(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	r := run(t, t.TempDir(), "", "serve", "--addr", l.Addr().String())
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "is in use by another program")
}
