package cache

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/secret"
)

func faults(s RedisSettings) map[string]string {
	out := map[string]string{}
	s.Check(func(field, fault string) { out[field] = fault })
	return out
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	good := RedisSettings{Prefix: "gatehouse", Timeout: 100 * time.Millisecond}
	require.Empty(t, faults(good))
	for _, url := range []string{"redis://localhost", "redis://u:p@h:1234/3", "rediss://h", "redis://[::1]:6379", "redis://:p%40ss@h/"} {
		s := good
		s.URL = secret.New(url)
		require.Empty(t, faults(s), url)
	}
	for url, fault := range map[string]string{
		"redis://u:hunter2@h:x":            errURLSyntax.Error(),
		"redis://u:hunter2@h:0":            errURLPort.Error(),
		"redis://u:hunter2@h:70000":        errURLPort.Error(),
		"redis://u:hunter2@h/x":            errURLDatabase.Error(),
		"redis://u:hunter2@h/1/2":          errURLDatabase.Error(),
		"http://u:hunter2@h":               errURLScheme.Error(),
		"hunter2":                          errURLScheme.Error(),
		"rediss:hunter2":                   errURLSyntax.Error(),
		"rediss://:hunter2@h?skip_verify=": errURLQuery.Error(),
		"redis://:hunter2@h#f":             errURLQuery.Error(),
		"redis://u:hunter2\x00@h":          errURLSyntax.Error(),
	} {
		s := good
		s.URL = secret.New(url)
		require.Equal(t, map[string]string{"url": fault}, faults(s), url)
		_, err := OpenRedis(s, func() string { return "i" }, silent)
		require.Error(t, err)
		require.NotContains(t, fmt.Sprintf("%+v %#v", err, err), "hunter2")
	}
	for _, prefix := range []string{"", "a:b", "a b", "{a}", strings.Repeat("x", 65)} {
		require.Contains(t, faults(RedisSettings{Prefix: prefix, Timeout: time.Second}), "prefix")
	}
	require.Contains(t, faults(RedisSettings{Prefix: "p", Timeout: time.Millisecond}), "timeout")
	require.Contains(t, faults(RedisSettings{Prefix: "p", Timeout: time.Minute}), "timeout")
}

func TestURLSaysHowToConnect(t *testing.T) {
	t.Parallel()
	opt, err := parseURL(secret.New("rediss://user:p%40ss@[2001:db8::1]:6380/7"))
	require.NoError(t, err)
	require.Equal(t, []string{"[2001:db8::1]:6380"}, opt.InitAddress)
	require.Equal(t, "user", opt.Username)
	require.Equal(t, "p@ss", opt.Password)
	require.Equal(t, 7, opt.SelectDB)
	require.Equal(t, "2001:db8::1", opt.TLSConfig.ServerName)
	require.False(t, opt.TLSConfig.InsecureSkipVerify)
	opt, err = parseURL(secret.New("redis://"))
	require.NoError(t, err)
	require.Equal(t, []string{"localhost:6379"}, opt.InitAddress)
	require.Nil(t, opt.TLSConfig)
}

func TestPlainTextBeyondLoopbackIsSeen(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"": false, "redis://localhost": false, "redis://LOCALHOST:1": false, "redis://127.0.0.1": false, "redis://127.9.9.9:6379": false,
		"redis://[::1]": false, "redis://[::ffff:127.0.0.1]": false, "redis:///1": false, "rediss://cache.internal": false, "%": false,
		"redis://cache.internal": true, "redis://u:p@10.0.0.1": true, "redis://localhost.example": true, "redis://[2001:db8::1]": true, "redis://0.0.0.0": true,
	} {
		require.Equal(t, want, PlainTextBeyondLoopback(secret.New(url)), url)
	}
}

func FuzzURL(f *testing.F) {
	f.Add("redis://u:p@h:1/2")
	f.Add("rediss://[::1]")
	f.Add("redis:opaque")
	f.Fuzz(func(t *testing.T, url string) {
		opt, err := parseURL(secret.New(url))
		PlainTextBeyondLoopback(secret.New(url))
		if err == nil {
			require.Len(t, opt.InitAddress, 1)
		}
	})
}
