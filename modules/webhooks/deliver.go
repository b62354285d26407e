package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/egress"
	"github.com/gatehouse/gatehouse/core/event"
)

const (
	// lanes are how many deliveries to one webhook are under way at once. Those of one subject are in one lane.
	lanes = 4
	// sendWithin is what one delivery takes at most; sendMargin is what else it costs.
	sendWithin = egress.DefaultTimeout
	sendMargin = time.Second
	// settleWithin bounds what is written down behind a batch.
	settleWithin = 3 * time.Second

	contentType = "application/cloudevents+json; charset=utf-8"
	userAgent   = "Gatehouse-Webhooks"
)

// destinations are the active webhooks, as the relay serves them.
func (s *Service) destinations(ctx context.Context) ([]event.Destination, error) {
	hooks, err := repository{s.deps.DB}.active(ctx, mostActive)
	all := make([]event.Destination, len(hooks))
	for i, h := range hooks {
		all[i] = target{s, h}
	}
	return all, err
}

// target is a webhook as a destination.
type target struct {
	service *Service
	hook    Hook
}

// Name implements event.Destination.
func (t target) Name() string { return t.hook.ID.destination() }

// Wants implements event.Destination.
func (t target) Wants(name string) bool { return t.hook.wants(name) }

// Publish implements event.Destination.
func (t target) Publish(ctx context.Context, batch []event.Envelope) []error {
	keys, err := t.service.keys(t.hook, t.service.deps.Clock.Now())
	if err != nil {
		return slices.Repeat([]error{event.Away(err)}, len(batch))
	}
	var (
		mu       sync.Mutex
		attempts []attempt
	)
	faults := inLanes(batch, func(lane []event.Envelope) []error {
		return event.OneByOne(ctx, lane, sendWithin+sendMargin, func(ctx context.Context, e event.Envelope) error {
			a, fault := t.service.send(ctx, t.hook.URL, keys, e)
			if !errors.Is(fault, event.ErrNotTried) {
				mu.Lock()
				defer mu.Unlock()
				attempts = append(attempts, a)
			}
			return fault
		})
	})
	t.service.settle(ctx, t.hook, attempts)
	return faults
}

// inLanes has parts of a batch published at the same time, events of one subject one after the other.
func inLanes(batch []event.Envelope, publish func(lane []event.Envelope) []error) []error {
	var (
		parts  [lanes][]event.Envelope
		places [lanes][]int
		group  sync.WaitGroup
	)
	for i, e := range batch {
		lane := int(e.Subject[len(e.Subject)-1]) % lanes
		parts[lane], places[lane] = append(parts[lane], e), append(places[lane], i)
	}
	faults := make([]error, len(batch))
	for lane, part := range parts {
		if len(part) == 0 {
			continue
		}
		group.Go(func() {
			for i, fault := range publish(part) {
				faults[places[lane][i]] = fault
			}
		})
	}
	group.Wait()
	return faults
}

// send makes one attempt, and says what it means for the event: nil where it was delivered, and event.ErrNotTried where ctx
// ended first.
func (s *Service) send(ctx context.Context, url string, keys [][]byte, e event.Envelope) (attempt, error) {
	a := attempt{id: newID(), event: e.ID, name: e.Type, at: s.deps.Clock.Now()}
	body, err := json.Marshal(e)
	if err != nil {
		return a, event.Permanent(errors.New("the event cannot be written as JSON"))
	}
	res, err := s.deps.Egress.Do(ctx, egress.Request{
		Method: http.MethodPost, URL: url, Body: body, Timeout: sendWithin, Header: http.Header{
			"Content-Type": {contentType}, "User-Agent": {userAgent},
			"Webhook-Id": {e.ID.String()}, "Webhook-Timestamp": {strconv.FormatInt(a.at.Unix(), 10)}, "Webhook-Signature": {sign(keys, e.ID.String(), a.at, body)},
		},
	})
	if ctx.Err() != nil {
		return a, event.ErrNotTried
	}
	a.took, a.status, a.gone = res.Took, res.Status, err == nil && res.Status == http.StatusGone
	var fault error
	if err != nil {
		fault = judgeSilence(err)
	} else {
		fault = judgeAnswer(res, a.at)
	}
	if fault != nil {
		a.fault = fault.Error()
	}
	return a, fault
}

// judgeSilence says what follows where no answer came. What would befall every event is not put down to this one.
func judgeSilence(err error) error {
	fault, ok := errors.AsType[*egress.Error](err)
	if !ok {
		return errors.New("the request could not be sent")
	}
	if fault.Kind == egress.Late || fault.Kind == egress.Broken {
		return fault // it may be this event that the receiver cannot take
	}
	return event.Away(fault)
}

// judgeAnswer says what follows from an answer.
func judgeAnswer(res egress.Response, now time.Time) error {
	status := res.Status
	answered := func(what string) error { return errors.New("the receiver answered " + strconv.Itoa(status) + what) }
	switch {
	case status >= 200 && status < 300:
		return nil
	case status >= 300 && status < 400:
		return event.Away(answered(", a redirect, which is not followed"))
	case status == http.StatusGone:
		return event.Away(answered(": it wants no more"))
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		if after, ok := retryAfter(res.Header.Get("Retry-After"), now); ok {
			return event.RetryAfter(answered(""), after)
		}
		return event.Away(answered(""))
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		return event.Away(answered(""))
	default:
		return answered("")
	}
}

// retryAfter reads the header of that name (RFC 9110 section 10.2.3): seconds, or a date.
func retryAfter(text string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

// settle writes down what became of a batch. What cannot be written is logged, and changes nothing about the events.
func (s *Service) settle(ctx context.Context, h Hook, attempts []attempt) {
	if len(attempts) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	err := repository{s.deps.DB}.insertAttempts(ctx, h.ID, attempts)
	if _, deleted := database.ForeignKeyViolation(err); deleted {
		return
	}
	if err = errors.Join(err, s.noteHealth(ctx, h, attempts)); err != nil {
		s.deps.Logger.WarnContext(ctx, "what became of deliveries could not be written down", "webhook_id", h.ID, "cause", err)
	}
}

// testType is of the event that a test delivers. No module tells it, so that no other webhook gets it.
const testType = "gatehouse.webhook.tested.v1"

// testEvent is about whoever asks for the test.
func (s *Service) testEvent(h Hook, by account.ID) (event.Envelope, error) {
	data, err := json.Marshal(map[string]string{"webhook_id": h.ID.String()})
	return event.Envelope{ID: uuid.Must(uuid.NewV7()), Source: s.deps.Issuer(), Type: testType, Subject: by, Time: s.deps.Clock.Now(), Data: data}, err
}
