package fleet

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sort"

	"github.com/vigil-iomt/vigil"
)

// Assign notes that a device served a subject during an interval, which may lie
// in the past: readings taken in it are then given to the subject by new
// versions. An assignment that overlaps another of the same device is refused.
func (r *Registry) Assign(ctx context.Context, id vigil.DeviceID, subject vigil.Subject, during vigil.Interval, reason string) (vigil.Assignment, error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	if during.From == 0 {
		during.From = r.now()
	}
	actor, _ := vigil.ActorFrom(ctx)
	a := vigil.Assignment{
		ID: vigil.NewID(r.c.Now()), Device: id, Subject: subject, Interval: during, Actor: actor, Reason: reason,
	}
	d, ok := r.find(id)
	if !ok {
		return a, noDevice(id)
	}
	if err := r.checkSubject(subject); err != nil {
		return a, err
	}
	if during.To != 0 && during.To <= during.From {
		return a, &vigil.Error{Kind: vigil.Invalid, Path: "/until", Msg: "an assignment ends after it begins"}
	}
	for _, other := range d.assignments {
		if other.rec.Overlaps(during) {
			return a, vigil.Errorf(vigil.Conflicting,
				"the device serves another subject%s; unassign it first", words(other.rec.Interval))
		}
	}
	return a, r.saveAssignments(ctx, id, during, reason, kept[vigil.Assignment]{rec: a})
}

// words says when an interval is.
func words(v vigil.Interval) string {
	s := ""
	if v.From != 0 {
		s += " from " + v.From.String()
	}
	if v.To != 0 {
		s += " until " + v.To.String()
	}
	return s
}

// Unassign takes a device away from whom it serves during an interval: from an
// instant on (now when From is zero), and only until another one when To is not
// zero. An interval in the past takes the readings since then back to the
// device, where they stay unattributed.
func (r *Registry) Unassign(ctx context.Context, id vigil.DeviceID, during vigil.Interval, reason string) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	if during.From == 0 {
		during.From = r.now()
	}
	if during.To != 0 && during.To <= during.From {
		return &vigil.Error{Kind: vigil.Invalid, Path: "/until", Msg: "until is not after from"}
	}
	d, ok := r.find(id)
	if !ok {
		return noDevice(id)
	}
	actor, _ := vigil.ActorFrom(ctx)
	var changed []kept[vigil.Assignment]
	for _, a := range d.assignments {
		if !a.rec.Overlaps(during) {
			continue
		}
		before, after := without(a.rec, during)
		if after != nil && before != nil {
			after.ID, after.Actor = vigil.NewID(r.c.Now()), actor
			changed = append(changed, kept[vigil.Assignment]{rec: *after})
		}
		switch {
		case before != nil:
			a.rec = *before
		case after != nil:
			a.rec = *after
		default:
			a.rec.To = a.rec.From // never held: an empty interval
		}
		a.rec.Reason = reason
		changed = append(changed, a)
	}
	if len(changed) == 0 {
		return vigil.Errorf(vigil.NotFound, "device %s serves nobody then", id)
	}
	return r.saveAssignments(ctx, id, during, reason, changed...)
}

// without returns what is left of an assignment before and after an interval,
// nil where nothing is.
func without(a vigil.Assignment, during vigil.Interval) (before, after *vigil.Assignment) {
	if a.From < during.From {
		b := a
		b.To = during.From
		before = &b
	}
	if during.To != 0 && (a.To == 0 || a.To > during.To) {
		b := a
		b.From = during.To
		after = &b
	}
	return before, after
}

// saveAssignments writes assignments of one device together with the
// reattributions that they cause: during is the time in which they change whom
// it serves.
func (r *Registry) saveAssignments(ctx context.Context, id vigil.DeviceID, during vigil.Interval, reason string, list ...kept[vigil.Assignment]) error {
	next := r.snapshot()
	var docs []vigil.Document
	for _, a := range list {
		doc, err := document(ctx, r, kindAssignment, a.rec.ID, a.version, a.rec)
		if err != nil {
			return err
		}
		docs = append(docs, doc)
		next.assignments[id] = withAssignment(next.assignments[id], a)
	}
	moves := r.moves(ctx, next, id, during, reason)
	err := r.commit(ctx, docs, moves, func() {
		for _, a := range list {
			a.version++
			r.putAssignment(a)
		}
	})
	r.changed(kindDevice, string(id))
	return err
}

// putAssignment puts an assignment into memory. The caller holds mu.
func (r *Registry) putAssignment(k kept[vigil.Assignment]) {
	if d, ok := r.devices[k.rec.Device]; ok {
		r.devices[k.rec.Device] = &device{kept: d.kept, assignments: withAssignment(d.assignments, k)}
	}
}

// withAssignment returns a new list in which k replaces its older self or is
// added, in order of From.
func withAssignment(list []kept[vigil.Assignment], k kept[vigil.Assignment]) []kept[vigil.Assignment] {
	out := make([]kept[vigil.Assignment], 0, len(list)+1)
	for _, a := range list {
		if a.rec.ID != k.rec.ID {
			out = append(out, a)
		}
	}
	out = append(out, k)
	sort.Slice(out, func(i, j int) bool { return out[i].rec.From < out[j].rec.From })
	return out
}

// checkSubject tells whether a subject can be served by a device.
func (r *Registry) checkSubject(s vigil.Subject) error {
	known := false
	switch s.Kind {
	case vigil.OfPatient:
		_, known = r.Patient(vigil.PatientID(s.ID))
	case vigil.OfLocation:
		_, known = r.Location(s.ID)
	case vigil.OfAsset, vigil.OfShipment:
		known = vigil.ValidID(s.ID)
	case vigil.NoSubject, vigil.OfDevice:
	}
	switch {
	case s.Kind == vigil.NoSubject:
		return &vigil.Error{Kind: vigil.Invalid, Path: "/subject", Msg: "say whom or what the device serves: a patient, a location or a subject"}
	case !known:
		return &vigil.Error{Kind: vigil.Invalid, Path: "/subject", Msg: "there is no such " + s.Kind.String()}
	}
	return nil
}

// Assignments returns what a device served, or every assignment when id is
// empty, oldest first.
func (r *Registry) Assignments(id vigil.DeviceID) []vigil.Assignment {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []vigil.Assignment
	for _, d := range r.devices {
		if id != "" && d.rec.ID != id {
			continue
		}
		for _, a := range d.assignments {
			out = append(out, a.rec)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].From < out[j].From })
	return out
}

// moves lists the reattributions that bring the readings of a device in an
// interval into line with a view. Shared devices name the patient in each
// message, so nothing of theirs is moved.
func (r *Registry) moves(ctx context.Context, v view, id vigil.DeviceID, during vigil.Interval, reason string) []vigil.Reattribution {
	d, ok := r.find(id)
	if !ok || d.rec.Shared || during.From > r.now() {
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

// commit writes records and the reattributions that they cause in one
// transaction, puts them into memory, and carries the reattributions through
// the journal. What a stop interrupts there is finished by Resume.
func (r *Registry) commit(ctx context.Context, docs []vigil.Document, moves []vigil.Reattribution, put func()) error {
	decided := max(r.now(), r.MovedAt()+1)
	for i := range moves {
		moves[i].At = decided
		doc, err := document(ctx, r, kindReattribution, moves[i].ID, 0, reattribution{Reattribution: moves[i]})
		if err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	if len(moves) > 0 {
		doc, err := document(ctx, r, kindMoved, "last", r.movedVersion, decided)
		if err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	if err := r.c.Documents.SaveDocuments(ctx, docs...); err != nil {
		return err
	}
	r.mu.Lock()
	put()
	for _, m := range moves {
		r.pending[m.ID] = kept[reattribution]{rec: reattribution{Reattribution: m}, version: 1}
	}
	if len(moves) > 0 {
		r.movedVersion++
		r.moved.Store(int64(decided))
	}
	r.mu.Unlock()
	return r.carry(ctx, moves)
}

// MovedAt returns when the last reattribution was decided. Whoever attributes
// readings reads it first.
func (r *Registry) MovedAt() vigil.Instant { return vigil.Instant(r.moved.Load()) }

// A reattribution is a vigil.Reattribution as it is kept: with whether it went
// through the journal.
type reattribution struct {
	vigil.Reattribution
	Done bool `json:"done,omitempty"`
}

// putReattribution puts a reattribution into memory. The caller holds mu.
func (r *Registry) putReattribution(k kept[reattribution]) {
	if !k.rec.Done {
		r.pending[k.rec.ID] = k
		return
	}
	delete(r.pending, k.rec.ID)
	r.done[k.rec.Device] = append(r.done[k.rec.Device], k.rec.Reattribution)
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

// carry moves reattributions through the journal and ticks them off.
func (r *Registry) carry(ctx context.Context, moves []vigil.Reattribution) error {
	var errs []error
	for _, m := range moves {
		if err := r.c.Move(ctx, m); err != nil {
			errs = append(errs, err)
			continue
		}
		r.mu.RLock()
		k := r.pending[m.ID]
		r.mu.RUnlock()
		k.rec.Done = true
		doc, err := document(vigil.WithActor(ctx, m.Actor), r, kindReattribution, m.ID, k.version, k.rec)
		if err != nil {
			return err
		}
		if err := r.c.Documents.SaveDocuments(ctx, doc); err != nil {
			errs = append(errs, err)
			continue
		}
		r.mu.Lock()
		r.putReattribution(k)
		r.mu.Unlock()
	}
	return errors.Join(errs...)
}

// Resume carries the reattributions that a stop interrupted through the
// journal. Each is idempotent by its id.
func (r *Registry) Resume(ctx context.Context) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.RLock()
	moves := sorted(r.pending, func(k kept[reattribution]) vigil.Reattribution { return k.rec.Reattribution },
		func(a, b vigil.Reattribution) bool { return a.ID < b.ID })
	r.mu.RUnlock()
	return r.carry(ctx, moves)
}
