package fleet

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
)

// moves lists the reattributions that bring the readings of a device in an
// interval into line with a view. Shared devices name the patient in each
// message, so nothing of theirs is moved.
func (r *Registry) moves(ctx context.Context, v view, id vigil.DeviceID, during vigil.Interval, reason string) []vigil.Reattribution {
	d, ok := r.find(id)
	if !ok || d.rec.Shared || during.From > r.now().Add(r.lead()) {
		return nil
	}
	actor, _ := vigil.ActorFrom(ctx)
	var out []vigil.Reattribution
	for _, s := range v.segments(id, during) {
		to := s.subject
		if to.Kind == vigil.NoSubject {
			to = vigil.Unattributed(id)
		}
		out = append(out, vigil.Reattribution{
			ID: vigil.NewID(r.c.Now()), Device: id, During: s.during, To: to, Actor: actor, Reason: reason,
		})
	}
	return out
}

// lead is how far ahead a change of whom a device serves is given to the journal
// as well: until another process has taken the change in, it attributes by what
// it knew.
func (r *Registry) lead() time.Duration {
	if r.c.Shared {
		return time.Minute
	}
	return 0
}

// MovedAt returns when the last reattribution was decided. Whoever attributes
// readings reads it first.
func (r *Registry) MovedAt() vigil.Instant { return vigil.Instant(r.moved.Load()) }

// putMoved puts the time of the last reattribution into memory. The caller holds
// mu, and with it what that reattribution comes from.
func (r *Registry) putMoved(k kept[vigil.Instant]) []note {
	r.moved.Store(int64(k.rec))
	r.movedVersion = k.version
	return nil
}

// A reattribution is a vigil.Reattribution as it is kept: with whether it went
// through the journal.
type reattribution struct {
	vigil.Reattribution
	Done bool `json:"done,omitempty"`
}

// putReattribution puts a reattribution into memory. The caller holds mu.
func (r *Registry) putReattribution(k kept[reattribution]) []note {
	if !k.rec.Done {
		r.pending[k.rec.ID] = k
		return nil
	}
	delete(r.pending, k.rec.ID)
	list := r.done[k.rec.Device]
	if !slices.ContainsFunc(list, func(m vigil.Reattribution) bool { return m.ID == k.rec.ID }) {
		r.done[k.rec.Device] = append(list, k.rec.Reattribution)
	}
	return nil
}

// Reattributions returns what became of the readings of a device when somebody
// said later whom it had served: who said so, when and why, oldest first. An
// empty id asks for all devices.
func (r *Registry) Reattributions(id vigil.DeviceID) []vigil.Reattribution {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []vigil.Reattribution
	for device, list := range r.done {
		if id == "" || id == device {
			out = append(out, list...)
		}
	}
	slices.SortFunc(out, func(a, b vigil.Reattribution) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID)) })
	return out
}

// carry moves reattributions through the journal and ticks them off. Each is
// idempotent by its id, so that two may carry the same one.
func (r *Registry) carry(ctx context.Context, moves []vigil.Reattribution) error {
	var errs []error
	var carried []vigil.Reattribution
	for _, m := range moves {
		if err := r.c.Move(ctx, m); err != nil {
			errs = append(errs, err)
			continue
		}
		carried = append(carried, m)
	}
	if len(carried) > 0 {
		_, err := r.decide(ctx, func() (draft, error) { return r.ticked(ctx, carried) })
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// ticked is the change that ticks reattributions off.
func (r *Registry) ticked(ctx context.Context, carried []vigil.Reattribution) (draft, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var d draft
	for _, m := range carried {
		k, ok := r.pending[m.ID]
		if !ok {
			continue // another process was faster
		}
		k.rec.Done = true
		doc, err := document(vigil.WithActor(ctx, m.Actor), r, kindReattribution, m.ID, k.version, k.rec)
		if err != nil {
			return d, err
		}
		d.docs = append(d.docs, doc)
	}
	return d, nil
}

// overdue is how long another process may take to carry its reattributions
// before somebody else does.
const overdue = 10 * time.Second

// Resume carries the reattributions that a stop interrupted through the journal:
// all, or in a shared registry those that whoever decided them had time for.
func (r *Registry) Resume(ctx context.Context) error {
	r.mu.RLock()
	moves := sorted(r.pending, func(k kept[reattribution]) vigil.Reattribution { return k.rec.Reattribution },
		func(a, b vigil.Reattribution) bool { return a.ID < b.ID })
	r.mu.RUnlock()
	if r.c.Shared {
		until := r.now().Add(-overdue)
		moves = slices.DeleteFunc(moves, func(m vigil.Reattribution) bool { return m.At > until })
	}
	return r.carry(ctx, moves)
}
