package event

import (
	"errors"

	"github.com/gatehouse/gatehouse/core/account"
)

// batch is what is handed on at once.
type batch struct {
	again   bool       // it was read before, and has rows
	all     []delivery // in order
	states  []state    // of each
	faults  []error    // of those that were offered
	offered []int      // the places of what the destination is to be offered
}

// state is what is to become of an event of a batch.
type state int

const (
	passedOver state = iota // not wanted
	held                    // waits for an earlier one of its subject
	notTried
	taken
	refused
)

func (b *batch) add(d delivery, s state) {
	if s == notTried {
		b.offered = append(b.offered, len(b.all))
	}
	b.all, b.states, b.faults = append(b.all, d), append(b.states, s), append(b.faults, nil)
}

// note takes the destination's answers down. Behind one of its subject that was not taken, an event waits.
func (b *batch) note(faults []error) {
	blocked := map[account.ID]bool{}
	for i, at := range b.offered {
		subject := b.all[at].Subject
		switch fault := faults[i]; {
		case fault == nil:
			b.states[at] = taken
		case blocked[subject]:
			b.states[at] = held
		default:
			answer, special := errors.AsType[refusal](fault)
			b.faults[at] = fault
			if special && !answer.permanent || errors.Is(fault, ErrNotTried) {
				b.states[at], blocked[subject] = notTried, true
				continue
			}
			b.states[at], blocked[subject] = refused, !answer.permanent
		}
	}
}

// end gives how many of the events are to be written down: as far as the last that was taken or refused, and no further than
// the next that was not tried. What is behind is left to be read again.
func (b *batch) end() int {
	end := 0
	for i, s := range b.states {
		if s == taken || s == refused {
			end = i + 1
		}
	}
	for end < len(b.states) && b.states[end] != notTried {
		end++
	}
	return end
}
