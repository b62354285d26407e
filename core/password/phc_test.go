package password

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	someSalt = "AAECAwQFBgcICQoLDA0ODw"
	someKey  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
)

func TestParseStoredTakesOneSpellingAlone(t *testing.T) {
	t.Parallel()
	good := "$argon2id$v=19$m=19456,t=2,p=1$" + someSalt + "$" + someKey
	s, err := parseStored(good)
	require.NoError(t, err)
	require.Equal(t, params{19456, 2, 1}, s.params)
	require.Len(t, s.salt, 16)
	require.Len(t, s.key, 32)
	require.Equal(t, good, s.String())

	for name, bad := range map[string]string{
		"empty":               "",
		"other function":      strings.Replace(good, "argon2id", "argon2i", 1),
		"other version":       strings.Replace(good, "v=19", "v=16", 1),
		"no version":          strings.Replace(good, "v=19$", "", 1),
		"one part more":       good + "$",
		"one part less":       strings.TrimSuffix(good, "$"+someKey),
		"other order":         strings.Replace(good, "m=19456,t=2", "t=2,m=19456", 1),
		"one cost less":       strings.Replace(good, ",p=1", "", 1),
		"one cost more":       strings.Replace(good, ",p=1", ",p=1,keyid=x", 1),
		"leading zero":        strings.Replace(good, "t=2", "t=02", 1),
		"sign":                strings.Replace(good, "t=2", "t=+2", 1),
		"underscore":          strings.Replace(good, "m=19456", "m=1_9456", 1),
		"no number":           strings.Replace(good, "t=2", "t=", 1),
		"no pass":             strings.Replace(good, "t=2", "t=0", 1),
		"too many passes":     strings.Replace(good, "t=2", "t=17", 1),
		"too much memory":     strings.Replace(good, "m=19456", "m=262145", 1),
		"memory over 32 bits": strings.Replace(good, "m=19456", "m=4294967296", 1),
		"too little memory":   strings.Replace(good, "m=19456", "m=7", 1),
		"too many lanes":      strings.Replace(good, "p=1", "p=17", 1),
		"lanes over 8 bits":   strings.Replace(good, "p=1", "p=257", 1),
		"lanes over memory":   strings.Replace(good, "m=19456,t=2,p=1", "m=15,t=2,p=2", 1),
		"short salt":          strings.Replace(good, someSalt, "AAECAwQFBg", 1),
		"long salt":           strings.Replace(good, someSalt, strings.Repeat("A", 88), 1),
		"short key":           strings.Replace(good, someKey, "AAECAwQFBgcICQoLDA0O", 1),
		"padding":             good + "=",
		"bits left over":      strings.TrimSuffix(good, "8") + "9",
		"newline":             good + "\n",
		"newline inside":      strings.Replace(good, "AAEC", "AA\nEC", 1),
		"other alphabet":      strings.Replace(good, "AAEC", "AA-C", 1),
		"much too long":       good + strings.Repeat("A", 300),
	} {
		_, err := parseStored(bad)
		require.ErrorIs(t, err, ErrMalformedHash, name)
	}
}

func FuzzParseStored(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$" + someSalt + "$" + someKey)
	f.Add("$argon2id$v=19$m=8,t=1,p=1$" + someSalt + "$\n" + someKey)
	f.Add("$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseStored(text)
		if err != nil {
			require.ErrorIs(t, err, ErrMalformedHash)
			return
		}
		require.Equal(t, text, s.String(), "one hash has one spelling")
		require.LessOrEqual(t, s.memory, uint32(maxMemoryKiB))
		require.LessOrEqual(t, s.time, uint32(maxTime))
		require.LessOrEqual(t, s.parallel, uint8(maxParallel))
	})
}
