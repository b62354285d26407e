package app

import "errors"

// instrument shows the stores' numbers at /metrics.
func (a *App) instrument() error {
	s := a.Stores
	var all []error
	gauge := func(name, unit, doc string, read func() float64) {
		all = append(all, a.telemetry.Gauge(name, unit, doc, read))
	}
	total := func(name, unit, doc string, read func() float64) {
		all = append(all, a.telemetry.CounterFunc(name, unit, doc, read))
	}
	gauge("database.pool.in_use", "{connection}", "Connections to the database that are in use.", func() float64 { return float64(s.DB.Stats().InUse) })
	gauge("database.pool.max", "{connection}", "Most connections to the database.", func() float64 { return float64(s.DB.Stats().Max) })
	total("database.pool.waits", "{wait}", "How often a request waited for a connection.", func() float64 { return float64(s.DB.Stats().Waits) })
	total("database.pool.wait_time", "s", "How long requests waited for connections, in all.", func() float64 { return s.DB.Stats().WaitTime.Seconds() })
	gauge("password.hashing.running", "{hash}", "Password hashes under way.", func() float64 { return float64(s.Passwords.Stats().Running) })
	gauge("password.hashing.queued", "{hash}", "Password hashes that wait for a permit.", func() float64 { return float64(s.Passwords.Stats().Queued) })
	total("password.hashing.shed", "{hash}", "Password hashes refused because they would have waited too long.", func() float64 { return float64(s.Passwords.Stats().Shed) })
	gauge("pictures.queued", "{picture}", "Pictures that wait for the decoder.", func() float64 { return float64(s.Pictures.Stats().Queued) })
	total("pictures.decoded", "{picture}", "Pictures that the decoder has had, readable or not.", func() float64 { return float64(s.Pictures.Stats().Done) })
	total("pictures.shed", "{picture}", "Pictures refused because they would have waited too long.", func() float64 { return float64(s.Pictures.Stats().Shed) })
	if s.synced != nil {
		gauge("clock.offset", "s", "How far the database's clock, which is followed, is ahead of this machine's.", func() float64 { return s.synced.Offset().Seconds() })
	}
	if len(s.Push.Channels()) > 0 {
		all = append(all, a.instrumentPush())
	}
	if s.failover != nil {
		gauge("ratelimit.degraded", "1", "1 while limits count in this process alone because Redis is away.", func() float64 { return flag(s.failover.Degraded()) })
		total("ratelimit.degraded_checks", "{check}", "Limits that were checked without Redis.", func() float64 { return float64(s.failover.DegradedTotal()) })
	}
	return errors.Join(all...)
}

func (a *App) instrumentPush() error {
	bus, t := a.Stores.Push, a.telemetry
	alive := map[string]func() float64{}
	for _, c := range bus.Channels() {
		alive[c.Name] = func() float64 { return flag(c.Alive()) }
	}
	return errors.Join(
		t.GaugeBy("push.alive", "1", "1 while the channel that tells instances of changes is proven alive.", "channel", alive),
		t.CounterFunc("push.sent", "{message}", "Messages about changes that a server took.", func() float64 { return float64(bus.Stats().Sent) }),
		t.CounterFunc("push.received", "{message}", "Messages about changes on other instances.", func() float64 { return float64(bus.Stats().Received) }),
		t.CounterFunc("push.dropped", "{message}", "Messages about changes that nobody took in time, or that could not be read.",
			func() float64 { return float64(bus.Stats().Dropped) }),
	)
}

// flag is a truth as a number.
func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
