package app

import (
	"context"
	"errors"
	"maps"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

// checkSubscriptions wants the name of every subscription to begin with its module's, and what it follows to be declared.
func (a *App) checkSubscriptions() error {
	for _, m := range a.Modules {
		if err := a.Stores.Events.Check(m.Name, m.Subscribes...); err != nil {
			return err
		}
	}
	return nil
}

// openEvents has events written, and handed on to what the modules subscribe.
func (a *App) openEvents(ctx context.Context) error {
	offered, err := a.telemetry.CounterBy("events.deliveries", "{attempt}", "Attempts at handing events on that have ended in this process, by destination and outcome.", "destination", "outcome")
	if err != nil {
		return err
	}
	o := event.Options{
		DB: a.Stores.DB, Jobs: a.Stores.Jobs, Source: a.Stores.issuer, Settings: a.settings.events, Clock: a.Stores.Clock, Logger: a.Stores.Logger,
		Observe: func(destination string, outcome event.Outcome) { //nolint:contextcheck // attempts are counted whenever they end
			offered(context.Background(), 1, destination, string(outcome))
		},
	}
	for _, p := range a.brokers.publishers {
		o.Destinations = append(o.Destinations, p)
	}
	for _, m := range a.Modules {
		o.Subscriptions = append(o.Subscriptions, m.Subscribes...)
		if m.Destinations != nil {
			o.Sources = append(o.Sources, event.Source{Name: m.Name, List: m.Destinations})
		}
	}
	if err := a.Stores.Events.Open(ctx, o); err != nil {
		return err
	}
	return a.instrumentEvents()
}

// instrumentEvents shows how far each destination is, as this process's worker measured it last.
func (a *App) instrumentEvents() error {
	events, t := a.Stores.Events, a.telemetry
	behind, dead, oldest := map[string]func() float64{}, map[string]func() float64{}, map[string]func() float64{}
	for _, name := range events.Destinations() {
		behind[name] = func() float64 { return float64(events.Standing(name).Behind) }
		dead[name] = func() float64 { return float64(events.Standing(name).Dead) }
		oldest[name] = func() float64 { return events.Standing(name).Oldest.Seconds() }
	}
	if len(behind) == 0 {
		return nil
	}
	return errors.Join(
		t.GaugeBy("events.lag", "{event}", "Events that a destination has not got yet, as a worker measured it last.", "destination", behind),
		t.GaugeBy("events.oldest", "s", "Age of the oldest event that a destination has not got yet.", "destination", oldest),
		t.GaugeBy("events.dead", "{event}", "Events that were set aside because a destination never took them.", "destination", dead),
	)
}

// ReplayEvent is the outbox's Replay, and writes it down. The app must be open.
func (a *App) ReplayEvent(ctx context.Context, destination string, id uuid.UUID) (int, error) {
	return a.Stores.Events.Replay(ctx, destination, id, a.writeDownEvents(actReplayEvents, destination, map[string]any{"event_id": id}))
}

// ReplayEvents is the outbox's ReplaySpan, and writes it down. The app must be open.
func (a *App) ReplayEvents(ctx context.Context, destination string, span event.Span) (int, error) {
	asked := map[string]any{}
	if !span.Since.IsZero() {
		asked["since"] = httpapi.Time(span.Since)
	}
	if !span.Until.IsZero() {
		asked["until"] = httpapi.Time(span.Until)
	}
	if span.Type != "" {
		asked["type"] = span.Type
	}
	return a.Stores.Events.ReplaySpan(ctx, destination, span, a.writeDownEvents(actReplayEvents, destination, asked))
}

// RetryDeadEvents is the outbox's RetryDead, and writes it down: each event that is asked for by itself, so that a row can name
// it however many they are. The app must be open.
func (a *App) RetryDeadEvents(ctx context.Context, destination string, ids ...uuid.UUID) (n int, err error) {
	if len(ids) == 0 {
		return a.Stores.Events.RetryDead(ctx, destination, nil, a.writeDownEvents(actRetryEvents, destination, nil))
	}
	for _, id := range ids {
		also := a.writeDownEvents(actRetryEvents, destination, map[string]any{"event_id": id})
		more, err := a.Stores.Events.RetryDead(ctx, destination, []uuid.UUID{id}, also)
		if n += more; err != nil {
			return n, err
		}
	}
	return n, nil
}

// writeDownEvents gives what writes an act in a transaction that offers events again. Each such transaction has a row of its
// own, with its deliveries: what has been committed is written down, and no more, wherever the next one fails.
func (a *App) writeDownEvents(action, destination string, asked map[string]any) event.Also {
	return func(ctx context.Context, tx *database.Tx, deliveries int) error {
		details := map[string]any{"deliveries": deliveries}
		maps.Copy(details, asked)
		if destination != "" {
			details["destination"] = destination
		}
		return a.Stores.Audit.Append(ctx, tx, audit.Act{Action: action, Details: details})
	}
}
