package sim

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

// Prove plays a story and returns what its expectations did not see, and what
// its devices' profiles could not understand. Alarms and scores are not judged
// here: they need the rooms that decide. Now is the day on which the story
// plays.
func Prove(ctx context.Context, s *Story, c *devices.Catalog, recordings fs.FS, seed uint64, now time.Time) ([]Problem, error) {
	w := &witness{story: s, catalog: c, start: vigil.InstantOf(s.BeginsAt(now)), profiles: map[vigil.DeviceID]string{}}
	p := s.Plan(seed)
	p.Zone = now.Location()
	for _, d := range p.Scenes[0].Devices {
		w.profiles[d.ID] = d.Profile
	}
	if err := Generate(ctx, p, recordings, w.start, w.start.Add(s.Length()+time.Second), w); err != nil {
		return nil, err
	}
	for i := range s.Expect {
		w.judge(&s.Expect[i])
	}
	return w.problems, nil
}

// A sight is one thing that was seen: a value of a metric, an event, or that a
// device spoke.
type sight struct {
	at     time.Duration // when it was delivered, after the story's start
	taken  time.Duration // when it was measured
	device string        // profile
	metric string
	event  string
	value  float64
}

// A witness is an Output that decodes what it sees with the catalogue's
// profiles and remembers it.
type witness struct {
	story    *Story
	catalog  *devices.Catalog
	start    vigil.Instant
	profiles map[vigil.DeviceID]string
	decoded  devices.Decoded
	seen     []sight
	problems []Problem
}

// Line decodes a message.
func (w *witness) Line(_ context.Context, at vigil.Instant, l vigil.Message) error {
	name := w.profiles[l.Device]
	p, ok := w.catalog.Profile(name)
	if !ok {
		return vigil.Errorf(vigil.NotFound, "there is no profile %q", name)
	}
	p.Decode(&w.decoded, l.Channel, l.Payload)
	for _, r := range w.decoded.Refusals {
		w.problems = append(w.problems, Problem{w.story.File, "device " + name, fmt.Sprintf("%v in %s", &r, l.Payload)})
	}
	when := at.Sub(w.start)
	w.seen = append(w.seen, sight{at: when, taken: when, device: name})
	for i := range w.decoded.Readings {
		r := &w.decoded.Readings[i]
		if r.Usable() {
			w.seen = append(w.seen, sight{when, r.Stated.Sub(w.start), name, r.Metric.Name, "", r.Value})
		}
	}
	for i := range w.decoded.Events {
		e := &w.decoded.Events[i]
		w.seen = append(w.seen, sight{when, e.Stated.Sub(w.start), name, "", e.Type, 0})
	}
	return nil
}

// judge looks whether an expectation was fulfilled.
func (w *witness) judge(e *Expect) {
	switch {
	case e.Event != "":
		w.demand(e, "event "+e.Event, func(s *sight) bool { return s.event == e.Event })
	case e.Never != "":
		w.forbid(e, "event "+e.Never, func(s *sight) bool { return s.event == e.Never })
	case e.Silent != "":
		w.forbid(e, "message of "+e.Silent, func(s *sight) bool { return s.device == e.Silent })
	case e.Late != "":
		w.demand(e, "late message of "+e.Late, func(s *sight) bool { return s.device == e.Late && s.at-s.taken > time.Minute })
	}
	for _, name := range sortedKeys(e.Vital) {
		c := e.Vital[name]
		what := fmt.Sprintf("%s %s %g", name, c.Op, c.Value)
		if e.Until > 0 {
			w.demand(e, name, func(s *sight) bool { return s.metric == name })
			w.forbid(e, "not "+what, func(s *sight) bool { return s.metric == name && !c.Holds(s.value) })
		} else {
			w.demand(e, what, func(s *sight) bool { return s.metric == name && c.Holds(s.value) })
		}
	}
}

// within returns what was seen in the time that an expectation speaks of.
func (w *witness) within(e *Expect) func(yield func(*sight) bool) {
	end := max(e.By, e.Until)
	return func(yield func(*sight) bool) {
		for i := range w.seen {
			if s := &w.seen[i]; s.at >= e.From && s.at <= end && !yield(s) {
				return
			}
		}
	}
}

func (w *witness) demand(e *Expect, what string, is func(*sight) bool) {
	for s := range w.within(e) {
		if is(s) {
			return
		}
	}
	w.problems = append(w.problems, Problem{w.story.File, e.Pos, fmt.Sprintf("%s was not seen from %v to %v", what, e.From, max(e.By, e.Until))})
}

func (w *witness) forbid(e *Expect, what string, is func(*sight) bool) {
	for s := range w.within(e) {
		if is(s) {
			w.problems = append(w.problems, Problem{w.story.File, e.Pos, fmt.Sprintf("%s was seen at %v (value %g)", what, s.at, s.value)})
			return
		}
	}
}

// Simulates tells whether a profile has a simulation.
func Simulates(profile string) bool { return slices.Contains(profiles(), profile) }
