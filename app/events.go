package app

import (
	"context"
	"errors"

	"github.com/gatehouse/gatehouse/core/event"
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
		DB: a.Stores.DB, Source: a.Stores.issuer, Settings: a.settings.events, Clock: a.Stores.Clock, Logger: a.Stores.Logger,
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
