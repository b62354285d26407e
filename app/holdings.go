package app

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/module"
)

// Holdings is what all modules hold about accounts, taken together. The zero value holds nothing.
type Holdings struct {
	modules []module.Module
	events  *event.Outbox
	audit   *audit.Trail
}

// Export gives what each module holds about an account, by the module's name, what was told of it under events, and what it
// did and was done to it under audit.
func (h *Holdings) Export(ctx context.Context, id account.ID) (map[string]any, error) {
	all := map[string]any{}
	for _, m := range h.modules {
		if m.Export == nil {
			continue
		}
		held, err := m.Export(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("export what %s holds: %w", m.Name, err)
		}
		if held != nil {
			all[m.Name] = held
		}
	}
	events, err := h.events.Export(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("export events: %w", err)
	}
	if events != nil {
		all[eventsName] = events
	}
	acts, err := h.audit.Export(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("export the audit trail: %w", err)
	}
	if acts != nil {
		all[audit.Name] = acts
	}
	return all, nil
}

// EraseTx has each module delete what it holds about an account, those first that need others, and what was told of it and
// written down name nobody.
func (h *Holdings) EraseTx(ctx context.Context, tx *database.Tx, id account.ID) error {
	for _, m := range slices.Backward(h.modules) {
		if m.Erase == nil {
			continue
		}
		if err := m.Erase(ctx, tx, id); err != nil {
			return fmt.Errorf("erase what %s holds: %w", m.Name, err)
		}
	}
	if err := h.events.EraseTx(ctx, tx, id); err != nil {
		return fmt.Errorf("erase what is personal in events: %w", err)
	}
	if err := h.audit.EraseTx(ctx, tx, id); err != nil {
		return fmt.Errorf("erase what is personal in the audit trail: %w", err)
	}
	return nil
}
