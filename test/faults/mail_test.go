package faults_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/mail/mailtest"
	"github.com/gatehouse/gatehouse/test/drive"
)

// mood is what a mail server does with those who come.
type mood string

const (
	refuses    mood = "refuses"      // says that it is busy
	tarpits    mood = "tarpits"      // says nothing
	diesInData mood = "dies in DATA" // takes the message and is gone before it answers
	accepts    mood = "accepts"
)

// mailServer speaks as much of SMTP (RFC 5321) as our side does.
type mailServer struct {
	t        *testing.T
	listener net.Listener
	came     chan struct{} // one for each connection, as long as somebody looks

	mu       sync.Mutex
	mood     mood
	open     map[net.Conn]bool
	begun    map[string]int // Message-ID → how often its text arrived
	accepted map[string]int // Message-ID → how often we said that we have it
}

func startMailServer(t *testing.T, m mood) *mailServer {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &mailServer{t: t, listener: l, came: make(chan struct{}, 100), mood: m, open: map[net.Conn]bool{}, begun: map[string]int{}, accepted: map[string]int{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.note(c, true)
			serving.Go(func() {
				defer s.note(c, false)
				s.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		s.become(refuses)
		serving.Wait()
	})
	return s
}

func (s *mailServer) note(c net.Conn, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open {
		s.open[c] = true
		select {
		case s.came <- struct{}{}:
		default:
		}
		return
	}
	delete(s.open, c)
	_ = c.Close()
}

// become changes the mood, and hangs up on those who wait for an answer: at once, so that nobody is cut off who knows the new one.
func (s *mailServer) become(m mood) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mood = m
	for c := range s.open {
		_ = c.Close()
	}
}

func (s *mailServer) now() mood {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mood
}

func (s *mailServer) serve(c net.Conn) {
	say := func(line string) { _, _ = fmt.Fprintf(c, "%s\r\n", line) }
	in := bufio.NewScanner(c)
	m := s.now()
	switch m {
	case refuses:
		say("421 busy")
		return
	case tarpits:
		in.Scan() // until we hang up, or they do
		return
	case diesInData, accepts:
	}
	say("220 mail.example.com")
	for in.Scan() {
		switch verb, _, _ := strings.Cut(strings.ToUpper(in.Text()), " "); verb {
		case "DATA":
			say("354 go on")
			if !s.take(in, m) {
				return
			}
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 fine")
		}
	}
}

// take reads a message in a mood, and says whether we are to say that we have it. One that is cut off is none.
func (s *mailServer) take(in *bufio.Scanner, m mood) bool {
	id := ""
	whole := false
	for !whole && in.Scan() {
		if rest, ok := strings.CutPrefix(in.Text(), "Message-ID: "); ok {
			id = rest
		}
		whole = in.Text() == "."
	}
	if !whole {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun[id]++
	if m == accepts {
		s.accepted[id]++
	}
	return m == accepts
}

// counts gives how many messages were accepted, the most that one was, and how many ids were ever seen.
func (s *mailServer) counts() (messages, most, seen int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.accepted {
		most = max(most, n)
	}
	return len(s.accepted), most, len(s.begun)
}

// TestMailComesLaterAndOnceWhateverItsServerDoes waits for second attempts, a second after the first.
func TestMailComesLaterAndOnceWhateverItsServerDoes(t *testing.T) {
	t.Parallel()
	for _, m := range []mood{refuses, tarpits, diesInData} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			mails := startMailServer(t, m)
			s := drive.Start(t, noLimits, "data_dir="+t.TempDir(), "mail.from=gatehouse@example.com", "mail.url=smtp://"+mails.listener.Addr().String()+"?tls=none")
			answered := time.Now()
			require.Equal(t, http.StatusCreated, s.Register("ada@example.com").Status)
			for _, email := range []string{"ada@example.com", "nobody@example.com"} {
				require.Equal(t, http.StatusAccepted, s.Send(http.MethodPost, "/auth/forgot-password", "", fmt.Sprintf(`{"email":%q}`, email)).Status)
			}
			require.Less(t, time.Since(answered), 5*time.Second, "nobody waits for mail")
			for range 2 {
				<-mails.came
			}
			messages, _, _ := mails.counts()
			require.Zero(t, messages)
			mails.become(accepts)
			require.Eventually(t, func() bool { messages, _, _ = mails.counts(); return messages == 2 }, time.Minute, 10*time.Millisecond, "%s", s.Log())
			s.Signal(syscall.SIGTERM)
			require.NoError(t, s.Wait(15*time.Second))
			messages, most, seen := mails.counts()
			require.Equal(t, []int{2, 1, 2}, []int{messages, most, seen}, "two mails, each once, under one Message-ID however often it was tried")
			require.NotContains(t, s.Log(), "@example.com")
		})
	}
}

// TestKillsLoseNoMail is one of the long tests: a job that was at work when its process died is given to another after a
// minute and a half.
func TestKillsLoseNoMail(t *testing.T) {
	t.Parallel()
	if os.Getenv("TEST_SOAK") == "" {
		return
	}
	stores := map[string]string{"sqlite": ""}
	if hasPostgres() {
		stores["postgres"] = "database.url=" + startPostgres(t).URL
	}
	for name, setting := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			settings := []string{noLimits, "data_dir=" + dir}
			if setting != "" {
				settings = append(settings, setting, "database.pool_min=1")
			}
			s := drive.Prepare(t, settings...)
			var mu sync.Mutex
			var acknowledged []string
			for round := range 10 {
				s.Start()
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(300+rand.IntN(700))*time.Millisecond)
				var wg sync.WaitGroup
				for worker := range 4 {
					wg.Go(func() {
						for i := 0; ctx.Err() == nil; i++ {
							email := fmt.Sprintf("mail-%d-%d-%d@example.com", round, worker, i)
							if s.Register(email).Status == http.StatusCreated {
								mu.Lock()
								acknowledged = append(acknowledged, email)
								mu.Unlock()
							}
						}
					})
				}
				<-ctx.Done()
				s.Kill()
				wg.Wait()
				cancel()
			}
			s.Start()
			require.NotEmpty(t, acknowledged)
			box := mailtest.Mailbox{Folder: filepath.Join(dir, "mail")}
			times, ids := map[string]int{}, map[string]bool{}
			require.Eventually(t, func() bool {
				clear(times)
				for _, m := range box.All(t) {
					times[m.To]++
					ids[m.MessageID] = true
				}
				return !slices.ContainsFunc(acknowledged, func(email string) bool { return times[email] == 0 })
			}, 5*time.Minute, time.Second)
			for _, email := range acknowledged {
				require.Equal(t, 1, times[email], email)
			}
			require.Len(t, ids, len(times), "one Message-ID for each")
			t.Logf("%d mails over 10 kills", len(acknowledged))
		})
	}
}
