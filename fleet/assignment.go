package fleet

import (
	"context"
	"sort"

	"github.com/vigil-iomt/vigil"
)

// Assign notes that a device served a subject during an interval, which may lie
// in the past: readings taken in it are then given to the subject by new
// versions. An assignment that overlaps another of the same device is refused.
func (r *Registry) Assign(ctx context.Context, id vigil.DeviceID, subject vigil.Subject, during vigil.Interval, reason string) (vigil.Assignment, error) {
	if during.From == 0 {
		during.From = r.now()
	}
	actor, _ := vigil.ActorFrom(ctx)
	a := vigil.Assignment{
		ID: vigil.NewID(r.c.Now()), Device: id, Subject: subject, Interval: during, Actor: actor, Reason: reason,
	}
	err := r.change(ctx, func() (draft, error) {
		if err := r.checkAssignment(a); err != nil {
			return draft{}, err
		}
		return r.draftAssignments(ctx, id, during, reason, kept[vigil.Assignment]{rec: a})
	})
	return a, err
}

// checkAssignment says what is wrong with an assignment to be made.
func (r *Registry) checkAssignment(a vigil.Assignment) error {
	d, ok := r.find(a.Device)
	if !ok {
		return noDevice(a.Device)
	}
	if err := r.checkSubject(a.Subject); err != nil {
		return err
	}
	if a.To != 0 && a.To <= a.From {
		return &vigil.Error{Kind: vigil.Invalid, Path: "/until", Msg: "an assignment ends after it begins"}
	}
	for _, other := range d.assignments {
		if other.rec.Overlaps(a.Interval) {
			return vigil.Errorf(vigil.Conflicting,
				"the device serves another subject%s; unassign it first", words(other.rec.Interval))
		}
	}
	return nil
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
	if during.From == 0 {
		during.From = r.now()
	}
	if during.To != 0 && during.To <= during.From {
		return &vigil.Error{Kind: vigil.Invalid, Path: "/until", Msg: "until is not after from"}
	}
	return r.change(ctx, func() (draft, error) {
		d, ok := r.find(id)
		if !ok {
			return draft{}, noDevice(id)
		}
		changed := r.unassigned(ctx, d, during, reason)
		if len(changed) == 0 {
			return draft{}, vigil.Errorf(vigil.NotFound, "device %s serves nobody then", id)
		}
		return r.draftAssignments(ctx, id, during, reason, changed...)
	})
}

// unassigned returns the assignments of a device that change when it serves
// nobody during an interval, as they are to be.
func (r *Registry) unassigned(ctx context.Context, d *device, during vigil.Interval, reason string) []kept[vigil.Assignment] {
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
	return changed
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

// draftAssignments is the change of assignments of one device with the
// reattributions that it causes: during is the time in which they change whom
// it serves.
func (r *Registry) draftAssignments(ctx context.Context, id vigil.DeviceID, during vigil.Interval, reason string, list ...kept[vigil.Assignment]) (draft, error) {
	next := r.snapshot()
	var d draft
	for _, a := range list {
		doc, err := document(ctx, r, kindAssignment, a.rec.ID, a.version, a.rec)
		if err != nil {
			return d, err
		}
		d.docs = append(d.docs, doc)
		next.assignments[id] = withAssignment(next.assignments[id], a)
	}
	d.moves = r.moves(ctx, next, id, during, reason)
	return d, nil
}

// putAssignment puts an assignment into memory. The caller holds mu.
func (r *Registry) putAssignment(k kept[vigil.Assignment]) []note {
	if d, ok := r.devices[k.rec.Device]; ok {
		r.devices[k.rec.Device] = &device{kept: d.kept, assignments: withAssignment(d.assignments, k)}
	}
	return []note{{kindDevice, string(k.rec.Device)}}
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
