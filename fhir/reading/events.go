package reading

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices/iomt"
)

// maxEvents is how many events one search looks at, newest first.
const maxEvents = 10_000

// eventMark begins the ids of Observations that are made of events. The id of
// the event follows, then when it was, encrypted.
const eventMark = "e-"

// appendReadingID appends the id of the Observation of a reading.
func (s *Source) appendReadingID(dst []byte, r *reading) []byte {
	if len(r.events) == 0 {
		return s.appendID(dst, r.identity())
	}
	first := r.events[0]
	dst = append(append(append(dst, eventMark...), first.ID...), '-')
	return s.appendID(dst, identity{key: uint64(first.Taken)}) // #nosec G115 -- wraps on purpose
}

// templateOf finds the template that an event is a measurement of.
func (s *Source) templateOf(e vigil.StoredEvent) *iomt.Template {
	name := measuredIn(e).Type
	for _, t := range s.c.Shapes().Events() {
		if t.TypeName == name && slices.ContainsFunc(e.Codes, func(c vigil.Code) bool {
			return c.System == iomt.TypeSystem && c.Value == name
		}) {
			return t
		}
	}
	return nil
}

// eventTypes lists the types of event that Observations are made of.
func (s *Source) eventTypes() []string {
	if s.c.Events == nil || s.c.Shapes == nil {
		return nil
	}
	var out []string
	for _, t := range s.c.Shapes().Events() {
		if !slices.Contains(out, t.EventType()) {
			out = append(out, t.EventType())
		}
	}
	return out
}

// eventReadings makes readings of events: one of each, or of all that have the
// same correlation id.
func (s *Source) eventReadings(events []vigil.StoredEvent) []*reading {
	type series struct {
		t           *iomt.Template
		subject     vigil.Subject
		device      vigil.DeviceID
		correlation string
	}
	slices.SortStableFunc(events, func(a, b vigil.StoredEvent) int {
		return cmp.Or(cmp.Compare(a.Taken, b.Taken), strings.Compare(a.ID, b.ID))
	})
	var out []*reading
	related := map[series]*reading{}
	for _, e := range events {
		t := s.templateOf(e)
		if t == nil {
			continue
		}
		key := series{t, e.Subject, e.Device, measuredIn(e).Correlation}
		if r := related[key]; r != nil {
			r.events = append(r.events, e)
			r.samples = append(r.samples, &reading{g: r.g, points: pointOf(e), order: order{at: e.Taken}})
			continue
		}
		metric := &vigil.Metric{Name: t.TypeName, Title: t.TypeName, Codes: t.AllCodes(), Category: t.StandardCategory()}
		sum := sha256.Sum256([]byte(e.ID))
		id := vigil.SeriesID(binary.BigEndian.Uint64(sum[:]) >> (64 - seriesBits)) // #nosec G115 -- 53 bits
		g := &group{id: id, template: t, parts: []vigil.Series{{ID: id, Subject: e.Subject, Device: e.Device, Channel: e.Channel, Metric: metric}}}
		r := &reading{g: g, points: pointOf(e), events: []vigil.StoredEvent{e}, order: order{at: e.Taken, group: id}}
		if key.correlation != "" && t.Period == iomt.Correlation {
			r.samples = []*reading{{g: g, points: r.points, order: r.order}}
			related[key] = r
		}
		out = append(out, r)
	}
	return out
}

// pointOf is what a search asks of an event.
func pointOf(e vigil.StoredEvent) []vigil.Point {
	return []vigil.Point{{Version: 1, Taken: e.Taken, Arrived: e.Arrived, Quality: e.Quality}}
}

// withEvents adds the Observations that are made of events to a stream.
func (s *Source) withEvents(ctx context.Context, o *want, f stream) (stream, error) {
	types := s.eventTypes()
	if len(types) == 0 || o.nothing {
		return f, nil
	}
	events, err := s.c.Events.Events(ctx, vigil.EventQuery{
		Subjects: o.Subjects, Devices: o.Devices, Types: types, Desc: true, Limit: maxEvents,
	})
	if err != nil {
		return nil, err
	}
	if !o.plan.withdrawn {
		events = slices.DeleteFunc(events, func(e vigil.StoredEvent) bool { return e.Quality.Has(vigil.EnteredInError) })
	}
	found := list(slices.DeleteFunc(s.eventReadings(events), func(r *reading) bool { return !o.wants(r.g) }))
	if len(found) == 0 {
		return f, nil
	}
	slices.SortFunc(found, func(a, b *reading) int {
		if before(a.order, b.order, o.plan.desc) {
			return -1
		}
		return 1
	})
	return &both{a: f, b: &found, desc: o.plan.desc}, nil
}

// both gives the readings of two streams in order.
type both struct {
	a, b stream
	x, y *reading
	desc bool
}

func (f *both) next(ctx context.Context) (*reading, error) {
	var err error
	if f.x == nil {
		if f.x, err = f.a.next(ctx); err != nil {
			return nil, err
		}
	}
	if f.y == nil {
		if f.y, err = f.b.next(ctx); err != nil {
			return nil, err
		}
	}
	r := &f.x
	if f.x == nil || f.y != nil && before(f.y.order, f.x.order, f.desc) {
		r = &f.y
	}
	out := *r
	*r = nil
	return out, nil
}

// findEvent reads what the id of an event's Observation names; nil when it is no
// such id.
func (s *Source) findEvent(ctx context.Context, text string) (*reading, error) {
	rest, ok := strings.CutPrefix(text, eventMark)
	id, sealed, cut := strings.Cut(rest, "-")
	if !ok || !cut {
		return nil, nil
	}
	x, ok := s.parseID(sealed)
	types := s.eventTypes()
	if _, err := hex.DecodeString(id); err != nil || !ok || len(types) == 0 {
		return nil, noObservation()
	}
	at := vigil.Instant(x.key) // #nosec G115 -- wraps on purpose
	named := func(events []vigil.StoredEvent) *reading {
		for _, r := range s.eventReadings(events) {
			if slices.ContainsFunc(r.events, func(e vigil.StoredEvent) bool { return e.ID == id }) {
				return r
			}
		}
		return nil
	}
	near, err := s.c.Events.Events(ctx, vigil.EventQuery{Types: types, During: vigil.Interval{From: at, To: at + 1}})
	if err != nil {
		return nil, err
	}
	r := named(near)
	if r == nil {
		return nil, noObservation()
	}
	if len(r.samples) == 0 {
		return r, nil
	}
	all, err := s.c.Events.Events(ctx, vigil.EventQuery{
		Subjects: []vigil.Subject{r.g.subject()}, Devices: []vigil.DeviceID{r.g.device()}, Types: types, Desc: true, Limit: maxEvents,
	})
	if err != nil {
		return nil, err
	}
	if whole := named(all); whole != nil {
		return whole, nil
	}
	return r, nil
}
