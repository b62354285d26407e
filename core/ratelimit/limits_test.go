package ratelimit

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSettingsReplaceDefaults(t *testing.T) {
	t.Parallel()
	l := NewLimits()
	login := l.Declare("login", PerMinute(10), "logins from one address")
	register := l.Declare("register", PerMinute(5), "registrations from one address")
	require.Equal(t, []string{"enabled", "login", "register"}, l.SettingNames())
	text, doc := l.Setting("login")
	require.Equal(t, "10/1m", text)
	require.Equal(t, "logins from one address", doc)
	require.NoError(t, l.SetSetting("login", "3/1h"))
	require.Equal(t, Rate{3, time.Hour}, login.Rate)
	require.Equal(t, PerMinute(5), register.Rate)
	text, _ = l.Setting("login")
	require.Equal(t, "3/1h", text)
	require.ErrorIs(t, l.SetSetting("login", "off"), errRateForm)
	require.ErrorIs(t, l.SetSetting("logout", "3/1h"), errUnknown)
	text, doc = l.Setting("logout")
	require.Empty(t, text+doc)
}

func TestLimitsCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	l := NewLimits()
	require.True(t, l.Enabled())
	text, doc := l.Setting("enabled")
	require.Equal(t, "true", text)
	require.NotEmpty(t, doc)
	require.NoError(t, l.SetSetting("enabled", "false"))
	require.False(t, l.Enabled())
	require.ErrorIs(t, l.SetSetting("enabled", "no"), errBool)
	require.NoError(t, l.SetSetting("enabled", "true"))
	require.True(t, l.Enabled())
}

func TestMistakesInDeclarationsPanic(t *testing.T) {
	t.Parallel()
	l := NewLimits()
	l.Declare("login", PerMinute(10), "doc")
	for _, name := range []string{"login", "enabled", "", "Login", "log-in", "1st", "_x", "a.b", strings.Repeat("x", 41)} {
		require.Panics(t, func() { l.Declare(name, PerMinute(1), "doc") }, name)
	}
	require.Panics(t, func() { l.Declare("a", Rate{}, "doc") })
	require.Panics(t, func() { l.Declare("a", PerMinute(1), "") })
	require.Equal(t, []string{"enabled", "login"}, l.SettingNames())
}
