package push

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
)

// scripted is a channel whose server does as the test says.
type scripted struct {
	answer func(payload string) error
	mu     sync.Mutex
	taken  []message
}

func (s *scripted) publish(_ context.Context, payload string) error {
	if err := s.answer(payload); err != nil {
		return err
	}
	var m message
	if err := json.Unmarshal([]byte(payload), &m); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken = append(s.taken, m)
	return nil
}

func (s *scripted) follow(ctx context.Context, _ *link) error { <-ctx.Done(); return nil }

// messages gives what was taken, farewells aside.
func (s *scripted) messages() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.taken), func(m message) bool { return m.Topic == "" })
}

// script opens a Bus over such channels.
func script(t *testing.T, log io.Writer, channels ...*scripted) *Bus {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b := &Bus{
		origin: "here", started: time.Now(), end: cancel, changed: make(chan struct{}), peers: map[string]peer{},
		withheld: map[string]struct{}{}, logger: slog.New(slog.NewTextHandler(log, nil)),
	}
	for i, c := range channels {
		b.links = append(b.links, &link{bus: b, name: strconv.Itoa(i), channel: c})
	}
	b.outbox = newOutbox(b)
	first := b.outbox.sent
	b.work.Go(func() { b.outbox.run(ctx) })
	t.Cleanup(b.Close)
	<-first // which finds nothing: what comes now goes together
	return b
}

var errAway = errors.New("away")

func takes(string) error { return nil }

func refuses(string) error { return errAway }

func TestWhatOneServerRefusesTheNextOneTakes(t *testing.T) {
	t.Parallel()
	first, second := &scripted{answer: refuses}, &scripted{answer: takes}
	b := script(t, io.Discard, first, second)
	b.outbox.tell("numbers", []string{"1"})
	require.Equal(t, []message{{From: "here", Topic: "numbers", Keys: []string{"1"}}}, second.messages(), "handed over before tell returns")
	require.Equal(t, Stats{Sent: 1}, b.Stats())
	require.False(t, b.outbox.isStuck())
}

func TestOneServerIsEnough(t *testing.T) {
	t.Parallel()
	first, second := &scripted{answer: takes}, &scripted{answer: takes}
	b := script(t, io.Discard, first, second)
	b.outbox.tell("numbers", []string{"1"})
	require.Len(t, first.messages(), 1)
	require.Empty(t, second.messages())
}

func TestWhatIsToldDuringAMessageSharesTheNext(t *testing.T) {
	t.Parallel()
	began, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c := &scripted{answer: func(string) error {
		once.Do(func() { close(began); <-release })
		return nil
	}}
	b := script(t, io.Discard, c)
	var all sync.WaitGroup
	all.Go(func() { b.outbox.tell("numbers", []string{"0"}) })
	<-began
	for i := range 100 {
		all.Go(func() { b.outbox.tell("numbers", []string{strconv.Itoa(i)}) })
	}
	require.Eventually(t, func() bool {
		b.outbox.mu.Lock()
		defer b.outbox.mu.Unlock()
		return len(b.outbox.pending["numbers"].keys) == 100
	}, 5*time.Second, time.Millisecond)
	close(release)
	all.Wait()
	sent := c.messages()
	require.Len(t, sent, 2)
	require.Len(t, sent[1].Keys, 100)
}

// addSignals is raise without an end of the wait.
func addSignals(b *Bus, names ...string) {
	b.outbox.mu.Lock()
	defer b.outbox.mu.Unlock()
	for _, name := range names {
		b.outbox.add(name, nil, changes{all: true, signal: true, last: b.now()})
	}
}

func TestSignalsGoWithWhatIsTold(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	c := &scripted{answer: func(string) error {
		if away.Load() {
			return errAway
		}
		return nil
	}}
	b := script(t, io.Discard, c)
	told := func() message {
		addSignals(b, "events", "jobs")
		b.outbox.tell("numbers", []string{"1"})
		b.Close() // what else there were to send would be sent
		sent := c.messages()
		require.Len(t, sent, 1)
		slices.Sort(sent[0].Signals)
		return sent[0]
	}
	want := message{From: "here", Topic: "numbers", Keys: []string{"1"}, Signals: []string{"events", "jobs"}}
	require.Equal(t, want, told())
	require.Equal(t, Stats{Sent: 1}, b.Stats())

	c = &scripted{answer: c.answer}
	b = script(t, io.Discard, c)
	away.Store(true)
	addSignals(b, "events")
	b.outbox.tell("numbers", []string{"2"})
	require.Eventually(t, b.outbox.isStuck, 5*time.Second, time.Millisecond)
	away.Store(false)
	require.Equal(t, []string{"events", "jobs"}, told().Signals, "what was refused is offered again")
}

func TestSignalsByThemselvesShareAMessage(t *testing.T) {
	t.Parallel()
	c := &scripted{answer: takes}
	b := script(t, io.Discard, c)
	addSignals(b, "events", "jobs")
	b.outbox.rouse()
	require.Eventually(t, func() bool { return len(c.messages()) > 0 }, 5*time.Second, time.Millisecond)
	b.Close()
	sent := c.messages()
	require.Len(t, sent, 1)
	require.Empty(t, sent[0].Keys)
	require.ElementsMatch(t, []string{"events", "jobs"}, append(sent[0].Signals, sent[0].Topic))
}

func TestWhatNobodyTakesIsToldOnceAServerTakesAgain(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	away.Store(true)
	c := &scripted{answer: func(string) error {
		if away.Load() {
			return errAway
		}
		return nil
	}}
	log := &logtest.Logs{}
	b := script(t, log, c)
	for i := range 3 {
		start := time.Now()
		b.outbox.tell("numbers", []string{strconv.Itoa(i)})
		require.Less(t, time.Since(start), handOver, "a refusal is not waited for")
	}
	require.True(t, b.outbox.isStuck())
	_, beats := (&link{bus: b}).beat()
	require.False(t, beats, "the others must miss us")
	away.Store(false)
	require.Eventually(t, func() bool { return len(c.messages()) == 1 }, 5*time.Second, time.Millisecond)
	require.ElementsMatch(t, []string{"0", "1", "2"}, c.messages()[0].Keys)
	require.Eventually(t, func() bool { return !b.outbox.isStuck() }, time.Second, time.Millisecond)
	require.Equal(t, 1, log.Count("cannot tell"))
	require.Equal(t, 1, log.Count("nothing waits to be told"))
}

func TestAServerThatHangsCostsNoMoreThanTheDeadline(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	c := &scripted{answer: func(string) error { <-release; return nil }}
	b := script(t, io.Discard, c)
	start := time.Now()
	b.outbox.tell("numbers", []string{"1"})
	require.InDelta(t, handOver, time.Since(start), float64(handOver/2))
	close(release)
}

func TestWhatIsTooOldToMatterIsDropped(t *testing.T) {
	t.Parallel()
	b := &Bus{started: time.Now().Add(-2 * LongTTL), logger: slog.New(slog.DiscardHandler)} // whose outbox does not run, and takes nothing away
	b.outbox = newOutbox(b)
	require.False(t, b.outbox.keep(map[string]changes{"numbers": {keys: map[string]struct{}{"1": {}}, last: 1}, "letters": {keys: map[string]struct{}{"a": {}}, last: b.now()}}))
	require.Equal(t, int64(1), b.Stats().Dropped)
	require.Contains(t, b.outbox.pending, "letters")
	require.NotContains(t, b.outbox.pending, "numbers")
	require.True(t, b.outbox.isStuck())
	clear(b.outbox.pending)
	require.True(t, b.outbox.keep(map[string]changes{"numbers": {all: true, last: 1}}))
	require.False(t, b.outbox.isStuck(), "it would be silent for nothing")
}

func TestTooManyKeysBecomeEverything(t *testing.T) {
	t.Parallel()
	c := &scripted{answer: takes}
	b := script(t, io.Discard, c)
	keys := make([]string, maxKeys+1)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	b.outbox.tell("numbers", keys)
	require.Equal(t, []message{{From: "here", Topic: "numbers"}}, c.messages())
	c.mu.Lock()
	c.taken = nil
	c.mu.Unlock()
	b.outbox.tell("numbers", keys[1:])
	require.Greater(t, len(c.messages()), 1)
}

func TestCloseSendsWhatIsLeftAndSaysFarewell(t *testing.T) {
	t.Parallel()
	c := &scripted{answer: takes}
	b := script(t, io.Discard, c)
	b.outbox.mu.Lock()
	b.outbox.add("numbers", []string{"1"}, changes{last: b.now()})
	b.outbox.mu.Unlock()
	b.Close()
	b.Close()
	require.Equal(t, []message{{From: "here", Topic: "numbers", Keys: []string{"1"}}, {From: "here"}}, c.taken)
	b.outbox.tell("numbers", []string{"2"})
	require.Len(t, c.taken, 2)
}

// TestWhatWasWithheldIsToldWhenSolitudeEnds holds the argument of the package's comment: another may have come unheard.
func TestWhatWasWithheldIsToldWhenSolitudeEnds(t *testing.T) {
	t.Parallel()
	receive := func(payload string) func(*Bus) { return func(b *Bus) { b.receive(b.links[0], payload) } }
	for name, c := range map[string]struct {
		end   func(b *Bus)
		tells bool
	}{
		"another's heartbeat":         {receive(`{"from":"x","beat":1}`), true},
		"another's change":            {receive(`{"from":"x","topic":"letters"}`), true},
		"another's farewell":          {receive(`{"from":"x"}`), true},
		"what nobody understands":     {receive(`noise`), true},
		"one's own change comes back": {receive(`{"from":"here","topic":"letters"}`), false},
		"a channel is lost":           {func(b *Bus) { b.links[1].down(t.Context(), errAway) }, true},
		"a channel falls silent": {func(b *Bus) {
			b.mu.Lock()
			b.links[1].proven -= silence
			b.mu.Unlock()
			b.links[1].expire()
		}, true},
		"it closes": {(*Bus).Close, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			channels := []*scripted{{answer: takes}, {answer: takes}}
			b := script(t, io.Discard, channels...)
			for _, l := range b.links {
				l.up()
				l.prove(b.now())
			}
			b.PassSolitude()
			require.True(t, b.IsAlone())
			b.outbox.tell("numbers", []string{"1"})
			b.outbox.raise("letters")
			require.Empty(t, channels[0].messages())
			c.end(b)
			require.Equal(t, !c.tells, b.IsAlone())
			if !c.tells {
				require.Never(t, func() bool { return len(channels[0].messages()) > 0 }, 5*company, company)
				return
			}
			var told []message
			require.Eventually(t, func() bool { told = channels[0].messages(); return len(told) == 2 }, 10*time.Second, time.Millisecond)
			require.ElementsMatch(t, []message{{From: "here", Topic: "numbers"}, {From: "here", Topic: "letters"}}, told)
		})
	}
}

// TestAnInstanceWhoseHeartbeatsDoNotComeBackIsNotAlone: its timer may be late.
func TestAnInstanceWhoseHeartbeatsDoNotComeBackIsNotAlone(t *testing.T) {
	t.Parallel()
	c := &scripted{answer: takes}
	b := script(t, io.Discard, c)
	require.False(t, b.IsAlone())
	b.links[0].up()
	b.links[0].prove(b.now())
	require.False(t, b.IsAlone())
	b.PassSolitude()
	b.mu.Lock()
	b.links[0].proven -= silence
	b.mu.Unlock()
	b.outbox.tell("numbers", []string{"1"})
	require.Len(t, c.messages(), 1)
}

func TestMessagesFitIntoNotify(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfN(rapid.StringMatching(`.{1,300}`), 1, 300).Draw(t, "keys")
		var read []string
		signals := rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,30}`), 0, 5).Draw(t, "signals")
		for _, payload := range messages("from", "topic", keys, signals) {
			require.Less(t, len(payload), 8000)
			var m message
			require.NoError(t, json.Unmarshal([]byte(payload), &m))
			require.NotEmpty(t, m.Keys)
			require.ElementsMatch(t, signals, m.Signals)
			read = append(read, m.Keys...)
		}
		require.Equal(t, keys, read)
	})
	require.Equal(t, []string{`{"from":"f","topic":"t"}`}, messages("f", "t", []string{"short", strings.Repeat("k", 8000)}, nil), "a key that fits nowhere means all")
}

func FuzzReceive(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"from":"x","topic":"numbers","keys":["1"]}`, `{"from":"here","beat":9}`, `{"from":"x","beat":-1}`, `[1`, `{"from":"x","topic":"numbers","keys":["\u0000"]}`} {
		f.Add(seed)
	}
	b := &Bus{origin: "here", started: time.Now(), logger: slog.New(slog.DiscardHandler), changed: make(chan struct{}), peers: map[string]peer{}}
	l := &link{bus: b}
	b.follow("numbers", follower{clear: func() {}, setTTL: func(time.Duration) {}, drop: func(keys []string) error {
		if len(keys) == 0 {
			return fmt.Errorf("no keys")
		}
		return nil
	}})
	f.Fuzz(func(_ *testing.T, payload string) {
		b.receive(l, payload)
		if len(b.peers) > maxPeers || l.alive {
			panic("believed a stranger")
		}
	})
}
