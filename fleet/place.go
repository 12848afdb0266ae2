package fleet

import (
	"context"
	"sort"

	"github.com/vigil-iomt/vigil"
)

// AddLocation registers a place. An empty ID is filled in; a zero Rank puts it
// behind the others of its unit.
func (r *Registry) AddLocation(ctx context.Context, l vigil.Location) (vigil.Location, error) {
	if l.ID == "" {
		l.ID = vigil.NewID(r.c.Now())
	}
	asked := l
	err := r.change(ctx, func() (draft, error) {
		l = asked
		if err := r.checkLocation(&l); err != nil {
			return draft{}, err
		}
		l.Created = r.now()
		return only(ctx, r, kindLocation, l.ID, 0, l)
	})
	return l, err
}

// putLocation puts a place into memory. The caller holds mu.
func (r *Registry) putLocation(k kept[vigil.Location]) []note {
	r.locations[k.rec.ID] = k
	return []note{{kindLocation, k.rec.ID}}
}

// checkLocation says what is wrong with a place to be registered, and settles
// its kind and rank.
func (r *Registry) checkLocation(l *vigil.Location) error {
	bad := func(path, msg string) error { return &vigil.Error{Kind: vigil.Invalid, Path: path, Msg: msg} }
	if l.Kind == "" {
		l.Kind = "bed"
	}
	switch l.Kind {
	case "bed", "home", "room", "fridge", "other":
	default:
		return bad("/kind", "kind is bed, home, room, fridge or other")
	}
	switch {
	case !vigil.ValidID(l.ID):
		return bad("/id", "a place's id is 1 to 64 letters, digits, dots, dashes or underscores")
	case l.Name == "":
		return bad("/name", "a place needs a name, such as the number of the bed")
	case l.Unit == "":
		return bad("/unit", "a place belongs to a unit, such as the ward")
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	last := 0
	for _, k := range r.locations {
		if k.rec.ID == l.ID {
			return vigil.Errorf(vigil.Conflicting, "a place with this id is registered already")
		}
		if k.rec.Unit != l.Unit {
			continue
		}
		if k.rec.Name == l.Name {
			return vigil.Errorf(vigil.Conflicting, "unit %s has a place called %s already", l.Unit, l.Name)
		}
		last = max(last, k.rec.Rank)
	}
	if l.Rank == 0 {
		l.Rank = last + 1
	}
	return nil
}

// Location returns a registered place.
func (r *Registry) Location(id string) (vigil.Location, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	k, ok := r.locations[id]
	return k.rec, ok
}

// LocationNamed finds a place by unit and name.
func (r *Registry) LocationNamed(unit, name string) (vigil.Location, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, k := range r.locations {
		if k.rec.Unit == unit && k.rec.Name == name {
			return k.rec, true
		}
	}
	return vigil.Location{}, false
}

// Locations returns all places by unit and rank.
func (r *Registry) Locations() []vigil.Location {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return sorted(r.locations, func(k kept[vigil.Location]) vigil.Location { return k.rec },
		func(a, b vigil.Location) bool {
			if a.Unit != b.Unit {
				return a.Unit < b.Unit
			}
			if a.Rank != b.Rank {
				return a.Rank < b.Rank
			}
			return a.ID < b.ID
		})
}

// Admit notes that a patient is at a place from an instant on. The patient's
// open stay elsewhere ends there; a place that holds another patient then is
// refused. Readings that devices of the place took meanwhile follow.
func (r *Registry) Admit(ctx context.Context, patient vigil.PatientID, location string, from vigil.Instant) (vigil.Stay, error) {
	if from == 0 {
		from = r.now()
	}
	actor, _ := vigil.ActorFrom(ctx)
	stay := vigil.Stay{
		ID: vigil.NewID(r.c.Now()), Patient: patient, Location: location,
		Interval: vigil.Interval{From: from}, Actor: actor,
	}
	err := r.change(ctx, func() (draft, error) {
		changes, err := r.admission(stay)
		if err != nil {
			return draft{}, err
		}
		return r.draftStays(ctx, changes)
	})
	return stay, err
}

// admission returns the stays that change when a stay begins: itself and the one
// that it ends.
func (r *Registry) admission(stay vigil.Stay) ([]kept[vigil.Stay], error) {
	if _, ok := r.Patient(stay.Patient); !ok {
		return nil, vigil.Errorf(vigil.NotFound, "this patient is not registered")
	}
	if _, ok := r.Location(stay.Location); !ok {
		return nil, vigil.Errorf(vigil.NotFound, "place %s is not registered", stay.Location)
	}
	changes := []kept[vigil.Stay]{{rec: stay}}
	for _, s := range r.allStays() {
		if !s.rec.Overlaps(stay.Interval) {
			continue
		}
		switch {
		case s.rec.Patient == stay.Patient && s.rec.To == 0 && s.rec.From < stay.From:
			s.rec.To = stay.From
			changes = append(changes, s)
		case s.rec.Patient == stay.Patient:
			return nil, vigil.Errorf(vigil.Conflicting, "the patient was somewhere else then; end that stay first")
		case s.rec.Location == stay.Location:
			return nil, vigil.Errorf(vigil.Conflicting, "another patient is in this place then")
		}
	}
	return changes, nil
}

// Discharge ends the open stay of a patient.
func (r *Registry) Discharge(ctx context.Context, patient vigil.PatientID, at vigil.Instant) error {
	if at == 0 {
		at = r.now()
	}
	return r.change(ctx, func() (draft, error) {
		for _, s := range r.allStays() {
			if s.rec.Patient == patient && s.rec.To == 0 {
				if at <= s.rec.From {
					return draft{}, vigil.Errorf(vigil.Invalid, "the stay began at %s; it cannot end before", s.rec.From)
				}
				s.rec.To = at
				return r.draftStays(ctx, []kept[vigil.Stay]{s})
			}
		}
		return draft{}, vigil.Errorf(vigil.NotFound, "this patient is in no place now")
	})
}

// draftStays is the change of stays with the reattributions that it causes.
func (r *Registry) draftStays(ctx context.Context, stays []kept[vigil.Stay]) (draft, error) {
	var d draft
	next := r.snapshot()
	for _, s := range stays {
		doc, err := document(ctx, r, kindStay, s.rec.ID, s.version, s.rec)
		if err != nil {
			return d, err
		}
		d.docs = append(d.docs, doc)
		next.stays[s.rec.Location] = withStay(next.stays[s.rec.Location], s)
	}
	for _, s := range stays {
		during := s.rec.Interval
		if s.version > 0 { // it ends: what came after its new end changes hands
			during = vigil.Interval{From: s.rec.To}
		}
		for id, list := range next.assignments {
			if servesPlace(list, s.rec.Location) {
				d.moves = append(d.moves, r.moves(ctx, next, id, during, "the patient of the place changed")...)
			}
		}
	}
	return d, nil
}

// putStay puts a stay into memory. The caller holds mu.
func (r *Registry) putStay(k kept[vigil.Stay]) []note {
	r.stays[k.rec.Location] = withStay(r.stays[k.rec.Location], k)
	return []note{{kindStay, k.rec.ID}}
}

// withStay returns a new list in which k replaces its older self or is added,
// in order of From.
func withStay(list []kept[vigil.Stay], k kept[vigil.Stay]) []kept[vigil.Stay] {
	out := make([]kept[vigil.Stay], 0, len(list)+1)
	for _, s := range list {
		if s.rec.ID != k.rec.ID {
			out = append(out, s)
		}
	}
	out = append(out, k)
	sort.Slice(out, func(i, j int) bool { return out[i].rec.From < out[j].rec.From })
	return out
}

// allStays returns a copy of all stays.
func (r *Registry) allStays() []kept[vigil.Stay] {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var all []kept[vigil.Stay]
	for _, list := range r.stays {
		all = append(all, list...)
	}
	return all
}

// Stays returns all stays, oldest first.
func (r *Registry) Stays() []vigil.Stay {
	all := r.allStays()
	out := make([]vigil.Stay, len(all))
	for i := range all {
		out[i] = all[i].rec
	}
	sort.Slice(out, func(i, j int) bool { return out[i].From < out[j].From })
	return out
}
