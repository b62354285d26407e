package password

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
)

// cheap keeps the tests fast; no installation can be set so low.
func cheap() Settings {
	return Settings{Memory: 64 << 10, Time: 1, Parallel: 1, Permits: 2, QueueDeadline: time.Minute}
}

func TestAHashVerifiesItsPasswordAlone(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap())
	hash, err := h.Hash(t.Context(), secret.New("Correct7hörse"))
	require.NoError(t, err)
	require.Regexp(t, `^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, hash)

	for password, want := range map[string]bool{
		"Correct7hörse":                    true,
		"Correct7ho\u0308rse":              true,
		"correct7hörse":                    false,
		"Correct7hörse ":                   false,
		"Correct7hörs":                     false,
		"":                                 false,
		"Correct7hörse\x00":                false,
		strings.Repeat("a", MaxRawBytes+1): false,
	} {
		ok, rehash, err := h.Verify(t.Context(), hash, secret.New(password))
		require.NoError(t, err)
		require.Equal(t, want, ok, "%q", password)
		require.False(t, rehash)
	}
}

func TestTwoHashesOfOnePasswordDiffer(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap())
	one, err := h.Hash(t.Context(), secret.New("Correct7horse"))
	require.NoError(t, err)
	two, err := h.Hash(t.Context(), secret.New("Correct7horse"))
	require.NoError(t, err)
	require.NotEqual(t, one, two)
}

func TestHashRefusesWhatCannotBePrepared(t *testing.T) {
	t.Parallel()
	_, err := NewHasher(cheap()).Hash(t.Context(), secret.New("bell\a"))
	require.ErrorIs(t, err, errRefused)
	require.Zero(t, NewHasher(cheap()).Stats().Done)
}

// Statement 1 of the security document: nothing is cut off, wherever two long passwords part.
func TestLongPasswordsThatShareAPrefixNeverMatch(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap())
	for _, unit := range []string{"a", "é", "密", "😀"} {
		for size := 71; size <= 512; size++ {
			prefix := strings.Repeat(unit, (size-1)/len(unit))
			hash, err := h.Hash(t.Context(), secret.New(prefix+"x"))
			require.NoError(t, err)
			for _, other := range []string{prefix, prefix + "y", prefix + "xx"} {
				ok, _, err := h.Verify(t.Context(), hash, secret.New(other))
				require.NoError(t, err)
				require.False(t, ok, "%d bytes of %q", size, unit)
			}
			if size%50 == 0 {
				ok, _, err := h.Verify(t.Context(), hash, secret.New(prefix+"x"))
				require.NoError(t, err)
				require.True(t, ok)
			}
		}
	}
}

// The hash is from the tests of the reference implementation of Argon2.
func TestVerifyAgreesWithTheReferenceImplementation(t *testing.T) {
	t.Parallel()
	const hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	ok, rehash, err := NewHasher(cheap()).Verify(t.Context(), hash, secret.New("password"))
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, rehash, "its salt has eight bytes alone")
}

func TestWeakerHashesAreToBeRenewed(t *testing.T) {
	t.Parallel()
	old := NewHasher(cheap())
	hash, err := old.Hash(t.Context(), secret.New("Correct7horse"))
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*Settings)
		want   bool
	}{
		"the same":      {func(*Settings) {}, false},
		"more memory":   {func(s *Settings) { s.Memory *= 2 }, true},
		"more passes":   {func(s *Settings) { s.Time++ }, true},
		"less memory":   {func(s *Settings) { s.Memory /= 2 }, false},
		"other lanes":   {func(s *Settings) { s.Parallel = 2 }, false},
		"other permits": {func(s *Settings) { s.Permits = 7 }, false},
	} {
		s := cheap()
		c.change(&s)
		ok, rehash, err := NewHasher(s).Verify(t.Context(), hash, secret.New("Correct7horse"))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, c.want, rehash, name)
	}
}

func TestVerifyNothingTakesThePathOfVerify(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap())
	require.NoError(t, h.VerifyNothing(t.Context(), secret.New("Correct7horse")))
	require.NoError(t, h.VerifyNothing(t.Context(), secret.New("\x00")))
	require.EqualValues(t, 2, h.Stats().Done, "each costs one hash")

	good, err := h.Hash(t.Context(), secret.New("Correct7horse"))
	require.NoError(t, err)
	a, err := parseStored(good)
	require.NoError(t, err)
	b, err := parseStored(h.decoy)
	require.NoError(t, err)
	require.Equal(t, a.params, b.params)
	require.Equal(t, [2]int{len(a.salt), len(a.key)}, [2]int{len(b.salt), len(b.key)})
	require.NotEqual(t, h.decoy, NewHasher(cheap()).decoy)
}

func TestAMalformedHashIsAnErrorAndCostsNothing(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap())
	_, _, err := h.Verify(t.Context(), "$2a$10$abcdefghijklmnopqrstuv", secret.New("Correct7horse"))
	require.ErrorIs(t, err, ErrMalformedHash)
	require.Zero(t, h.Stats().Done)
}

func TestAnEndedContextGetsNoHash(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.Hash(ctx, secret.New("Correct7horse"))
	require.ErrorIs(t, err, errs.ErrUnavailable)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, h.VerifyNothing(ctx, secret.New("Correct7horse")), errs.ErrUnavailable)
	require.Zero(t, h.Stats().Done)
}

func TestManyAtOnceAllGetTheirHash(t *testing.T) {
	t.Parallel()
	h := NewHasher(cheap())
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			hash, err := h.Hash(t.Context(), secret.New("Correct7horse"))
			if err != nil {
				t.Error(err)
				return
			}
			if ok, _, err := h.Verify(t.Context(), hash, secret.New("Correct7horse")); !ok || err != nil {
				t.Error(ok, err)
			}
		})
	}
	all.Wait()
	_, off, err := h.Announce(t.Context())
	require.NoError(t, err, "all have gone")
	off()
	s := h.Stats()
	require.EqualValues(t, 100, s.Done)
	require.Zero(t, s.Running)
	require.Zero(t, s.Queued)
}

func TestSettingsThatAreTooWeakOrTooDearAreReported(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*Settings)
		want   []string
	}{
		"defaults":           {func(*Settings) {}, nil},
		"seven with five":    {func(s *Settings) { s.Memory, s.Time = 7<<20, 5 }, nil},
		"little memory":      {func(s *Settings) { s.Memory = 7<<20 - 1024 }, []string{"memory"}},
		"much memory":        {func(s *Settings) { s.Memory = 257 << 20 }, []string{"memory"}},
		"half a KiB":         {func(s *Settings) { s.Memory += 512 }, []string{"memory"}},
		"one pass":           {func(s *Settings) { s.Time = 1 }, []string{"time"}},
		"no pass":            {func(s *Settings) { s.Time = 0 }, []string{"time"}},
		"many passes":        {func(s *Settings) { s.Time = 17 }, []string{"time"}},
		"no lane":            {func(s *Settings) { s.Parallel = 0 }, []string{"parallel"}},
		"many lanes":         {func(s *Settings) { s.Parallel = 17 }, []string{"parallel"}},
		"permits below zero": {func(s *Settings) { s.Permits = -1 }, []string{"permits"}},
		"too many permits":   {func(s *Settings) { s.Permits = 1025 }, []string{"permits"}},
		"no deadline":        {func(s *Settings) { s.QueueDeadline = 0 }, []string{"queue_deadline"}},
		"everything at once": {func(s *Settings) { *s = Settings{Permits: -1} }, []string{"memory", "time", "parallel", "permits", "queue_deadline"}},
	} {
		s := DefaultSettings()
		c.change(&s)
		var got []string
		s.Check(func(field, fault string) {
			require.NotEmpty(t, fault)
			got = append(got, field)
		})
		require.Equal(t, c.want, got, name)
	}
	require.Equal(t, runtime.GOMAXPROCS(0), NewHasher(DefaultSettings()).Stats().Permits)
}

func TestAHashOfHigherCostsLeavesItsMemoryToTheCollector(t *testing.T) {
	t.Parallel()
	costly := cheap()
	costly.Memory = 8 << 20
	old, err := NewHasher(costly).Hash(t.Context(), secret.New("Correct7horse"))
	require.NoError(t, err)
	h := NewHasher(cheap())
	ok, _, err := h.Verify(t.Context(), old, secret.New("Correct7horse"))
	require.NoError(t, err)
	require.True(t, ok)
	require.Nil(t, h.arenas.Get())
}

// The default costs, for the record of what a login costs.
func BenchmarkVerify(b *testing.B) {
	h := NewHasher(DefaultSettings())
	hash, err := h.Hash(b.Context(), secret.New("Correct7horse"))
	require.NoError(b, err)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if ok, _, err := h.Verify(b.Context(), hash, secret.New("Correct7horse")); !ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	})
}

// What Verify costs beside its hash.
func BenchmarkVerifyBesideTheHash(b *testing.B) {
	s := cheap()
	s.Memory = 8 << 10
	h := NewHasher(s)
	hash, err := h.Hash(b.Context(), secret.New("Correct7horse"))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = h.Verify(b.Context(), hash, secret.New("Correct7horse"))
	}
}
