package reading

import (
	"context"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A stream gives readings one by one, nil behind the last.
type stream interface {
	next(ctx context.Context) (*reading, error)
}

// A list is a stream of readings that are known already.
type list []*reading

func (l *list) next(context.Context) (*reading, error) {
	if len(*l) == 0 {
		return nil, nil
	}
	r := (*l)[0]
	*l = (*l)[1:]
	return r, nil
}

// A Feed gives the Observations that a query found, in its order.
type Feed struct {
	s    *Source
	from stream
	want *want
	mark string // what stands before the ids of what is shown
	id   []byte

	steps int // readings that were looked at
}

// Find opens the Observations that a query wants.
func (s *Source) Find(ctx context.Context, q Query) (*Feed, error) {
	o, err := q.prepare()
	if err != nil {
		return nil, err
	}
	from, err := s.open(ctx, o)
	return &Feed{s: s, from: from, want: o}, err
}

// open opens the readings of a query, by id or by series.
func (s *Source) open(ctx context.Context, o *want) (stream, error) {
	if o.IDs != nil {
		return s.listed(ctx, o)
	}
	groups, err := s.groupsFor(ctx, o)
	if err != nil {
		return nil, err
	}
	m, err := s.merge(ctx, o, groups)
	if err != nil {
		return nil, err
	}
	return s.withEvents(ctx, o, m)
}

// merge opens the readings of groups.
func (s *Source) merge(ctx context.Context, o *want, groups []*group) (*merge, error) {
	p := o.plan
	if p.desc {
		var ids []vigil.SeriesID
		for _, g := range groups {
			for _, part := range g.parts {
				if !part.Metric.IsWave() {
					ids = append(ids, part.ID)
				}
			}
		}
		var err error
		if p.latest, err = s.c.Readings.Latest(ctx, ids); err != nil {
			return nil, err
		}
	}
	return s.merged(groups, p, o.Likely), nil
}

// listed finds the readings of a query that names their ids.
func (s *Source) listed(ctx context.Context, o *want) (stream, error) {
	found := list{}
	for _, id := range o.IDs {
		r, err := s.findReading(ctx, id)
		if vigil.KindOf(err) == vigil.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !o.nothing && o.wants(r.g) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *reading) int {
		switch {
		case before(a.order, b.order, o.plan.desc):
			return -1
		case a.order == b.order:
			return 0
		}
		return 1
	})
	found = slices.CompactFunc(found, func(a, b *reading) bool { return a.order == b.order })
	return &found, nil
}

// lookUp is after how many readings a feed looks whether anybody waits.
const lookUp = 1024

// Next returns the next Observation; it is not Ok behind the last. It is valid
// until Next is called again, its Mark for ever.
func (f *Feed) Next(ctx context.Context) (Hit, error) {
	for {
		if f.steps++; f.steps%lookUp == 0 && ctx.Err() != nil { // who asked has gone
			return Hit{}, ctx.Err()
		}
		r, err := f.from.next(ctx)
		if r == nil || err != nil {
			return Hit{}, err
		}
		if f.want.takes(r) && !f.hidden(r) {
			return Hit{s: f.s, r: r, order: r.order, desc: f.want.plan.desc}, nil
		}
	}
}

// hidden tells whether a document stands for the Observation.
func (f *Feed) hidden(r *reading) bool {
	f.s.mu.RLock()
	defer f.s.mu.RUnlock()
	if len(f.s.hidden) == 0 {
		return false
	}
	f.id = f.s.appendReadingID(append(f.id[:0], f.mark...), r)
	return f.s.hides(f.id)
}

// A Hit is an Observation that was found.
type Hit struct {
	s     *Source
	r     *reading
	order order
	desc  bool
}

// Ok tells whether there is one.
func (h Hit) Ok() bool { return h.r != nil }

// At is the time that hits are ordered by: when the reading was taken, or when
// a block or a period begins.
func (h Hit) At() vigil.Instant { return h.order.at }

// Mark is where a page ends that ends with this hit (Query.After). It says
// nothing about a patient.
func (h Hit) Mark() string { return h.order.cursor(h.desc) }

// AppendID appends the id.
func (h Hit) AppendID(dst []byte) []byte { return h.s.appendReadingID(dst, h.r) }

// AppendBody appends the resource as JSON.
func (h Hit) AppendBody(dst []byte) []byte { return h.s.appendObservation(dst, h.r) }

// Resource is the hit as the record would have it.
func (h Hit) Resource() vigil.Resource { return h.s.resource(h.r) }

// resource makes a resource of a reading.
func (s *Source) resource(r *reading) vigil.Resource {
	sum := r.summary()
	out := vigil.Resource{
		Type: Observation, ID: string(s.appendReadingID(nil, r)), Version: int64(sum.version), Changed: sum.arrived,
		Method: "POST", Actor: vigil.Actor{Kind: vigil.DeviceActor, ID: string(r.g.device())},
		Body: s.appendObservation(nil, r), Owner: r.g.owner(),
	}
	if out.Version > 1 {
		out.Method = "PUT"
	}
	return out
}

// owner names whose key would seal what is said about a subject.
func owner(s vigil.Subject) string {
	if s.Kind == vigil.OfPatient {
		return s.String()
	}
	return ""
}

// Count counts all Observations that a query wants, those before its mark
// included.
func (s *Source) Count(ctx context.Context, q Query) (int, error) {
	q.After = ""
	f, err := s.Find(ctx, q)
	if err != nil {
		return 0, err
	}
	for n := 0; ; n++ {
		h, err := f.Next(ctx)
		if !h.Ok() || err != nil {
			return n, err
		}
	}
}
