package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/secret"
)

func TestLoadRefusesFaultyDeclarations(t *testing.T) {
	t.Parallel()
	type inner struct {
		A string `conf:"a" doc:"d"`
	}
	type Outer struct {
		inner `conf:"inner"`
	}
	none := (*inner)(nil)
	for _, c := range []struct {
		name  string
		parts []config.Part
		want  string
	}{
		{"no pointer", part(inner{}), "declared with a config_test.inner, not with a pointer to a struct"},
		{"nil pointer", part(none), "declared with a *config_test.inner"},
		{"bad path", []config.Part{{Path: "A..b", Into: &inner{}}}, "declared with a path"},
		{"bad name", part(&struct {
			A string `conf:"A-b" doc:"d"`
		}{}), "has no lower-case name"},
		{"unexported", part(&struct {
			a string `conf:"a" doc:"d"`
		}{}), "unexported"},
		{"no doc", part(&struct {
			A string `conf:"a"`
		}{}), "p.a: declared without doc"},
		{"bad default", part(&struct {
			A int `conf:"a" default:"x" doc:"d"`
		}{}), "p.a: declared with a faulty default: expected a whole number"},
		{"bad default of structures", part(&struct {
			A []inner `conf:"a" default:"x" doc:"d"`
		}{}), "p.a: declared with a faulty default: expected a JSON list"},
		{"bad type", part(&struct {
			A map[string]int `conf:"a" doc:"d"`
		}{}), "declared with type map[string]int"},
		{"lists of lists", part(&struct {
			A [][]string `conf:"a" doc:"d"`
		}{}), "declared with type [][]string"},
		{"bad type in a list", part(&struct {
			A []struct {
				B chan int `conf:"b" doc:"d"`
			} `conf:"a" doc:"d"`
		}{}), "declared with type []struct"},
		{"bad name in a list", part(&struct {
			A []struct {
				b int `conf:"b" doc:"d"`
			} `conf:"a" doc:"d"`
		}{}), "declared with type []struct"},
		{"embedded with a name", part(&Outer{}), "declared by the embedded config_test.inner"},
		{"twice", append(part(&inner{}), part(&inner{})...), "p.a: declared twice"},
		{"setting and group", append(part(&inner{}), config.Part{Path: "p.a", Into: &inner{}}), "p.a: declared both as a setting and as a group"},
		{"dynamic name", part(&limits{rates: map[string]string{"log-in": "1/1m"}}), "p.log-in: declared with a name"},
		{"collision", []config.Part{{Path: "p", Into: &inner{}}, {Into: &struct {
			B string `conf:"p_a" doc:"d"`
		}{}}}, "GATEHOUSE_P_A stands for p.a and for p_a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.Source{ReadFile: files(nil)}, c.parts...)
			require.ErrorContains(t, err, c.want)
			require.Error(t, config.WriteReference(&strings.Builder{}, c.parts...))
		})
	}
}

func part(into any) []config.Part { return []config.Part{{Path: "p", Into: into}} }

// named is a dynamic part that is no struct.
type named map[string]string

func (n named) SettingNames() []string                   { return []string{"b", "a"} }
func (n named) Setting(name string) (text, doc string)   { return n[name], "d" }
func (n named) SetSetting(name, text string) (err error) { n[name] = text; return nil }

func TestLoadFillsADynamicPartThatIsNoStruct(t *testing.T) {
	t.Parallel()
	n := named{"a": "1"}
	v, err := config.Load(config.Source{ReadFile: yaml("n: {b: 2}")}, config.Part{Path: "n", Into: n})
	require.NoError(t, err)
	require.Equal(t, named{"a": "1", "b": "2"}, n)
	require.Equal(t, "n.a", v.All()[0].Path)
}

type ruled struct {
	A int `conf:"a" doc:"d"`
}

func (r *ruled) Check(report func(field, fault string)) {
	report("a", "is wrong")
	report("unheard_of", "is wrong")
}

type Around struct{ ruled }

func TestCheckOfAnEmbeddedStructIsReportedOnce(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Source{ReadFile: files(nil)}, part(&Around{})...)
	require.EqualError(t, err, "p.a: is wrong, got \"0\" (from default)\np.unheard_of: is wrong")
}

func TestCheckDoesNotRepeatAFaultyField(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Source{Args: map[string]string{"p.a": "x"}, ReadFile: files(nil)}, part(&ruled{})...)
	require.EqualError(t, err, "p.a: expected a whole number in decimal digits, got \"x\" (from command line)\np.unheard_of: is wrong")
}

func TestEnvCollisionsFindsNamesThatStandForTwoSettings(t *testing.T) {
	t.Parallel()
	_, _, ps := parts()
	require.Empty(t, config.EnvCollisions(ps...))
	require.Equal(t, []string{
		"GATEHOUSE_KEY_FILE stands for the file of key and for key_file",
		"GATEHOUSE_CONFIG stands for the name of the settings file and for config",
	}, config.EnvCollisions(config.Part{Into: &struct {
		Key    secret.String `conf:"key" doc:"d"`
		File   string        `conf:"key_file" doc:"d"`
		Config string        `conf:"config" doc:"d"`
	}{}}))
}

func TestWriteReferenceListsEverySetting(t *testing.T) {
	t.Parallel()
	_, _, ps := parts()
	var b strings.Builder
	require.NoError(t, config.WriteReference(&b, ps...))
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 2+21)
	require.Equal(t, "| setting | environment | type | default | meaning |", lines[0])
	require.Contains(t, lines, "| `x.engine` | `GATEHOUSE_X_ENGINE` | one of auto, off | `auto` | a choice \\| of &lt;two> |")
	require.Contains(t, lines, "| `x.secret` | `GATEHOUSE_X_SECRET`, `GATEHOUSE_X_SECRET_FILE` | secret |  | a secret |")
	require.Contains(t, lines, "| `ratelimit.login` | `GATEHOUSE_RATELIMIT_LOGIN` | text | `10/1m` | limit login |")
	require.ErrorIs(t, config.WriteReference(broken{}, ps...), errBroken)
}

var errBroken = errors.New("broken")

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }
