package event

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/core/database"
)

// AddDestination makes a destination of a source, in the transaction that makes or enables what it stands for: the first
// event that it gets is the next one. One that is there already goes on where it was.
func (o *Outbox) AddDestination(ctx context.Context, tx *database.Tx, name string) error {
	if !validOutside.MatchString(name) {
		return fmt.Errorf("event: %q is no name for a destination", name)
	}
	o.DestinationChanged(tx)
	return repository{tx}.register(ctx, name, o.options.Clock.Now())
}

// RemoveDestination forgets a destination with all that waits for it, in the transaction that deletes what it stands for.
func (o *Outbox) RemoveDestination(ctx context.Context, tx *database.Tx, name string) error {
	o.DestinationChanged(tx)
	return repository{tx}.unregister(ctx, name)
}

// DestinationChanged has every instance ask the sources again once the transaction has committed. Unasked they do so every
// few seconds.
func (o *Outbox) DestinationChanged(tx *database.Tx) { tx.AfterCommit(o.changed.Raise) }

// heardOfChange has the next look begin with the sources.
func (o *Outbox) heardOfChange() {
	o.stale.Store(true)
	o.nudge()
}

// list asks the sources what there is now. What an earlier answer had is kept where a source cannot say.
func (o *Outbox) list(ctx context.Context) error {
	var listed []*route
	for _, s := range o.options.Sources {
		destinations, err := s.List(ctx)
		if err != nil {
			return fmt.Errorf("list the destinations of %s: %w", s.Name, err)
		}
		for _, d := range destinations {
			if name := d.Name(); !strings.HasPrefix(name, s.Name+".") || !validOutside.MatchString(name) {
				return fmt.Errorf("event: %q is no name for a destination of %s", name, s.Name)
			}
			listed = append(listed, &route{name: d.Name(), label: s.Name, outside: d})
		}
	}
	var err error
	if len(listed) > MostListed {
		err = fmt.Errorf("event: of %d destinations %d are served", len(listed), MostListed)
		listed = listed[:MostListed]
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.listed = listed
	return err
}

// routes are the destinations as they were listed last.
func (o *Outbox) routes() []*route {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append(slices.Clone(o.fixed), o.listed...)
}

// register makes what stays a destination, and says of the others that they are still there.
func (o *Outbox) register(ctx context.Context) error {
	routes := o.routes()
	if len(routes) == 0 {
		return nil
	}
	return o.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		now := o.options.Clock.Now()
		for i, d := range routes {
			write := repository{tx}.register
			if i >= len(o.fixed) { // AddDestination has made it; one that was removed meanwhile stays so
				write = repository{tx}.touch
			}
			if err := write(ctx, d.name, now); err != nil {
				return err
			}
		}
		return nil
	})
}
