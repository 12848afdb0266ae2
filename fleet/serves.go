package fleet

import (
	"maps"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A view is the part of the registry that decides whose a reading is, as it is
// or as it would be after a change.
type view struct {
	assignments map[vigil.DeviceID][]kept[vigil.Assignment]
	stays       map[string][]kept[vigil.Stay]
	kinds       map[string]string // kind of each location
}

// snapshot returns the present view; its lists must be replaced, not changed.
func (r *Registry) snapshot() view {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v := view{
		assignments: make(map[vigil.DeviceID][]kept[vigil.Assignment], len(r.devices)),
		stays:       maps.Clone(r.stays),
		kinds:       make(map[string]string, len(r.locations)),
	}
	for id, d := range r.devices {
		if len(d.assignments) > 0 {
			v.assignments[id] = d.assignments
		}
	}
	for id, l := range r.locations {
		v.kinds[id] = l.rec.Kind
	}
	return v
}

// ServedAt returns whom or what a device served at an instant: the patient it
// was assigned to, else the patient who was then in the place it was assigned
// to, else the place itself where that is not made for patients, else nobody.
func (r *Registry) ServedAt(id vigil.DeviceID, at vigil.Instant) vigil.Subject {
	r.mu.RLock()
	defer r.mu.RUnlock()
	d, ok := r.devices[id]
	if !ok {
		return vigil.Subject{}
	}
	return served(d.assignments, at, func(location string) ([]kept[vigil.Stay], string) {
		return r.stays[location], r.locations[location].rec.Kind
	})
}

// servedAt is ServedAt for a view.
func (v view) servedAt(id vigil.DeviceID, at vigil.Instant) vigil.Subject {
	return served(v.assignments[id], at, func(location string) ([]kept[vigil.Stay], string) {
		return v.stays[location], v.kinds[location]
	})
}

// served decides whom a device served at an instant.
func served(list []kept[vigil.Assignment], at vigil.Instant, place func(string) ([]kept[vigil.Stay], string)) vigil.Subject {
	for i := range list {
		a := &list[i].rec
		if !a.Holds(at) {
			continue
		}
		if a.Subject.Kind != vigil.OfLocation {
			return a.Subject
		}
		stays, kind := place(a.Subject.ID)
		for j := range stays {
			if stays[j].rec.Holds(at) {
				return vigil.PatientSubject(stays[j].rec.Patient)
			}
		}
		if kind == "bed" || kind == "home" {
			return vigil.Subject{}
		}
		return a.Subject
	}
	return vigil.Subject{}
}

// OthersServed tells whether the device served anybody but subject in the
// interval. Time in which it served nobody does not count.
func (r *Registry) OthersServed(id vigil.DeviceID, during vigil.Interval, subject vigil.Subject) bool {
	r.mu.RLock()
	one := view{assignments: map[vigil.DeviceID][]kept[vigil.Assignment]{}, stays: r.stays, kinds: map[string]string{}}
	if d, ok := r.devices[id]; ok {
		one.assignments[id] = d.assignments
	}
	for _, a := range one.assignments[id] {
		if a.rec.Subject.Kind == vigil.OfLocation {
			one.kinds[a.rec.Subject.ID] = r.locations[a.rec.Subject.ID].rec.Kind
		}
	}
	segments := one.segments(id, during)
	r.mu.RUnlock()
	for _, s := range segments {
		if s.subject.Kind != vigil.NoSubject && s.subject != subject {
			return true
		}
	}
	return false
}

// A segment is a stretch of time in which a device served one subject.
type segment struct {
	during  vigil.Interval
	subject vigil.Subject
}

// segments splits an interval at every edge of an assignment or stay and joins
// neighbours of the same subject.
func (v view) segments(id vigil.DeviceID, during vigil.Interval) []segment {
	edges := []vigil.Instant{during.From}
	add := func(i vigil.Interval) {
		for _, e := range []vigil.Instant{i.From, i.To} {
			if e > during.From && (during.To == 0 || e < during.To) {
				edges = append(edges, e)
			}
		}
	}
	for _, a := range v.assignments[id] {
		add(a.rec.Interval)
		if a.rec.Subject.Kind == vigil.OfLocation {
			for _, s := range v.stays[a.rec.Subject.ID] {
				add(s.rec.Interval)
			}
		}
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	var out []segment
	for i, from := range edges {
		to := during.To
		if i+1 < len(edges) {
			to = edges[i+1]
		}
		subject := v.servedAt(id, from)
		if n := len(out); n > 0 && out[n-1].subject == subject {
			out[n-1].during.To = to
			continue
		}
		out = append(out, segment{vigil.Interval{From: from, To: to}, subject})
	}
	return out
}

// servesPlace tells whether a device with these assignments was ever at a place.
func servesPlace(list []kept[vigil.Assignment], location string) bool {
	return slices.ContainsFunc(list, func(a kept[vigil.Assignment]) bool {
		return a.rec.Subject == vigil.Subject{Kind: vigil.OfLocation, ID: location}
	})
}
