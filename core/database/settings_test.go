package database

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/secret"
)

const hidden = "hunter2"

func TestSettingsReportEachFaultWithoutTheURL(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*Settings)
		fields []string
	}{
		"defaults":         {func(*Settings) {}, nil},
		"postgres":         {func(s *Settings) { s.URL = secret.New("postgres://u:hunter2@db/x") }, nil},
		"scheme":           {func(s *Settings) { s.URL = secret.New("mysql://u:hunter2@db/x") }, []string{"url"}},
		"bad port":         {func(s *Settings) { s.URL = secret.New("postgres://u:hunter2@db:no/x") }, []string{"url"}},
		"bad escape":       {func(s *Settings) { s.URL = secret.New("postgres://u:hunter2%zz@db/x?a=%zz") }, []string{"url"}},
		"bad sslmode":      {func(s *Settings) { s.URL = secret.New("postgres://u:hunter2@db/x?sslmode=hunter2") }, []string{"url"}},
		"no file":          {func(s *Settings) { s.URL = secret.New("sqlite:") }, []string{"url"}},
		"memory":           {func(s *Settings) { s.URL = secret.New("sqlite::memory:") }, []string{"url"}},
		"parameter":        {func(s *Settings) { s.URL = secret.New("sqlite:a.db?mode=ro") }, []string{"url"}},
		"synchronous":      {func(s *Settings) { s.URL = secret.New("sqlite:a.db?synchronous=never") }, []string{"url"}},
		"direct bad":       {func(s *Settings) { s.URL, s.DirectURL = secret.New("postgres://h"), secret.New("hunter2") }, []string{"direct_url"}},
		"direct on sqlite": {func(s *Settings) { s.DirectURL = secret.New("postgres://u:hunter2@db/x") }, []string{"direct_url"}},
		"pooler alone":     {func(s *Settings) { s.URL, s.Pooler = secret.New("postgres://h"), PoolerTransaction }, []string{"direct_url"}},
		"words":            {func(s *Settings) { s.Pooler, s.Migrate = "x", "y" }, []string{"pooler", "migrate"}},
		"numbers":          {func(s *Settings) { *s = Settings{PoolMin: -1, Pooler: PoolerNone, Migrate: MigrateOff} }, []string{"pool_max", "pool_min", "acquire_deadline", "statement_timeout"}},
	}
	for name, c := range cases {
		s := DefaultSettings()
		c.change(&s)
		var fields []string
		s.Check(func(field, fault string) {
			fields = append(fields, field)
			require.NotContains(t, fault, hidden, name)
		})
		require.Equal(t, c.fields, fields, name)
		if len(fields) == 1 && fields[0] == "url" {
			_, err := Open(t.Context(), s, Options{DataDir: t.TempDir()})
			require.Error(t, err, name)
			require.NotContains(t, err.Error(), hidden, name)
		}
	}
}

func TestPlainTextBeyondLoopbackIsSeen(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]bool{
		"":                                                   false,
		"sqlite:a.db":                                        false,
		"mysql://db":                                         false,
		"postgres://db/x?sslmode=hunter2":                    false,
		"postgres://db/x":                                    false,
		"postgres://db/x?sslmode=require":                    false,
		"postgres://db/x?sslmode=disable":                    true,
		"postgres://db/x?sslmode=prefer":                     true,
		"postgres://db/x?sslmode=allow":                      true,
		"postgresql://10.0.0.1?sslmode=disable":              true,
		"postgres://127.0.0.1/x?sslmode=disable":             false,
		"postgres://localhost/x":                             false,
		"postgres://[::1]:5432/x?sslmode=disable":            false,
		"postgres:///x?host=/run/postgresql&sslmode=disable": false,
		"postgres://localhost,db/x?sslmode=disable":          true,
		"postgres://localhost:1,db:2/x":                      false,
	} {
		require.Equal(t, want, PlainTextBeyondLoopback(url), url)
	}
}

func TestServerIsVerifiedUnlessTheURLSaysOtherwise(t *testing.T) {
	t.Parallel()
	c, err := parsePostgres("postgres://u:p@db.example/x")
	require.NoError(t, err)
	require.NotNil(t, c.TLSConfig)
	require.Equal(t, "db.example", c.TLSConfig.ServerName)
	require.False(t, c.TLSConfig.InsecureSkipVerify)
	require.Equal(t, connectTimeout, c.ConnectTimeout)
	for _, f := range c.Fallbacks {
		require.NotNil(t, f.TLSConfig)
	}
	c, err = parsePostgres("postgres://db.example/x?sslmode=disable&connect_timeout=9")
	require.NoError(t, err)
	require.Nil(t, c.TLSConfig)
	require.NotEqual(t, connectTimeout, c.ConnectTimeout)
}
