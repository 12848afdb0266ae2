package reading

import (
	"cmp"
	"context"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A track is all versions of the points of one Observation, part by part.
type track struct {
	g     *group
	order order
	parts [][]vigil.Point // by version; none for a part that is not there
	wave  *vigil.Wave
	whole *reading // what has one version only: its newest
}

// noObservation is what an id finds that names nothing.
func noObservation() error { return vigil.Errorf(vigil.NotFound, "there is no such Observation") }

// find returns what an id names.
func (s *Source) find(ctx context.Context, text string) (*track, error) {
	if r, err := s.findEvent(ctx, text); err != nil {
		return nil, err
	} else if r != nil {
		return &track{g: r.g, whole: r, order: r.order}, nil
	}
	x, ok := s.parseID(text)
	if !ok || x.series == 0 {
		return nil, noObservation()
	}
	g, err := s.identified(ctx, x)
	if err != nil {
		return nil, err
	}
	if g.wave() {
		return s.findWave(ctx, g, x)
	}
	if g.period > 0 {
		return s.findPeriod(ctx, g, x)
	}
	t := &track{g: g, parts: make([][]vigil.Point, len(g.parts))}
	found := false
	for i, part := range g.parts {
		if x.panel && ownKeys(x.kind) && part.ID != x.series {
			continue
		}
		if t.parts[i], err = s.versions(ctx, part.ID, x); err != nil {
			return nil, err
		}
		found = found || len(t.parts[i]) > 0
	}
	if !found {
		return nil, noObservation()
	}
	if x.panel && ownKeys(x.kind) {
		err = s.findSiblings(ctx, t, x)
	}
	t.order = order{group: g.id, key: x.key, conflict: x.conflict, attribution: x.attribution}
	return t, err
}

// identified returns the group that an identity speaks of. A series that was
// no part of a panel when the id was made is still read alone.
func (s *Source) identified(ctx context.Context, x identity) (*group, error) {
	id := x.series
	if x.panel && !ownKeys(x.kind) {
		var err error
		if id, err = s.partOf(ctx, x.series); err != nil {
			return nil, err
		}
	}
	g, err := s.groupOf(ctx, id)
	if err != nil || x.panel == (g.panel != nil) {
		return g, err
	}
	i := slices.IndexFunc(g.parts, func(s vigil.Series) bool { return s.ID == id })
	if x.panel || i < 0 {
		return nil, noObservation()
	}
	return &group{id: id, parts: g.parts[i : i+1]}, nil
}

// versions returns all versions of one point, oldest first.
func (s *Source) versions(ctx context.Context, id vigil.SeriesID, x identity) ([]vigil.Point, error) {
	pts, err := s.c.Readings.PointByKey(ctx, id, x.kind, x.key, x.conflict)
	if vigil.KindOf(err) == vigil.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	pts = slices.DeleteFunc(slices.Clone(pts), func(p vigil.Point) bool {
		return p.Attribution != x.attribution || p.Conflict != x.conflict
	})
	slices.SortStableFunc(pts, func(a, b vigil.Point) int { return cmp.Compare(a.Version, b.Version) })
	if x.conflict == 0 || len(pts) == 0 {
		return pts, nil
	}
	x.conflict = 0
	first, err := s.versions(ctx, id, x)
	return withdraw(pts, first), err
}

// withdraw adds a version that takes a conflicting value back when a later
// correction of the same reading has replaced all of its values. The store
// marks that for itself only.
func withdraw(pts, first []vigil.Point) []vigil.Point {
	last := pts[len(pts)-1]
	if last.Quality.Has(vigil.EnteredInError) {
		return pts
	}
	for _, f := range first {
		if f.Version > last.Version && f.Arrived > last.Arrived {
			last.Version, last.Arrived, last.Quality = last.Version+1, f.Arrived, last.Quality|vigil.EnteredInError
			return append(pts, last)
		}
	}
	return pts
}

// findSiblings adds the other parts of a panel whose keys are positions: they
// stood in the same frame and were taken at the same time.
func (s *Source) findSiblings(ctx context.Context, t *track, x identity) error {
	var at vigil.Instant
	for _, pts := range t.parts {
		if len(pts) > 0 {
			at = pts[0].Taken
		}
	}
	for i, part := range t.g.parts {
		if part.ID == x.series {
			continue
		}
		near, err := s.c.Readings.Points(ctx, vigil.PointQuery{
			Series: part.ID, During: vigil.Interval{From: at, To: at + 1}, History: true,
		})
		if err != nil {
			return err
		}
		for _, p := range near {
			if ownKeys(p.KeyKind) && p.Key>>placeBits == x.key>>placeBits && p.Attribution == x.attribution {
				t.parts[i] = append(t.parts[i], p)
			}
		}
	}
	return nil
}

func (s *Source) findWave(ctx context.Context, g *group, x identity) (*track, error) {
	start := vigil.Instant(x.key) // #nosec G115 -- wraps on purpose
	waves, err := s.c.Readings.Waves(ctx, g.id, vigil.Interval{From: start, To: start + 1}, 0)
	if err != nil {
		return nil, err
	}
	ordinal := uint8(0)
	for i := range waves {
		if waves[i].Start != start {
			continue
		}
		if ordinal == x.conflict {
			w := waves[i]
			w.Metric = g.parts[0].Metric
			return &track{g: g, wave: &w, order: order{at: start, group: g.id, key: x.key, conflict: x.conflict}}, nil
		}
		ordinal++
	}
	return nil, noObservation()
}

// states returns the versions of the Observation, oldest first: it changes with
// each arrival of a new version of a part. A withdrawal may bear the arrival of
// what it withdraws, so the version counts, too.
func (t *track) states() []*reading {
	if t.wave != nil {
		return []*reading{{g: t.g, wave: t.wave, order: t.order}}
	}
	if t.whole != nil {
		return []*reading{t.whole}
	}
	var steps []vigil.Point
	for _, pts := range t.parts {
		steps = append(steps, pts...)
	}
	later := func(a, b vigil.Point) int {
		return cmp.Or(cmp.Compare(a.Arrived, b.Arrived), cmp.Compare(a.Version, b.Version))
	}
	slices.SortFunc(steps, later)
	var out []*reading
	for _, step := range steps {
		r := t.state(func(p *vigil.Point) bool { return later(*p, step) <= 0 })
		if n := len(out); n > 0 && out[n-1].summary().version == r.summary().version {
			out = out[:n-1]
		}
		out = append(out, r)
	}
	return out
}

// state is the reading made of the newest versions that seen lets through.
func (t *track) state(seen func(*vigil.Point) bool) *reading {
	r := &reading{g: t.g, points: make([]vigil.Point, len(t.parts)), order: t.order}
	for i, pts := range t.parts {
		for j := range pts {
			if p := &pts[j]; seen(p) && p.Version >= r.points[i].Version {
				r.points[i] = *p
			}
		}
	}
	for i := len(r.points) - 1; i >= 0; i-- {
		if p := &r.points[i]; p.Version > 0 {
			r.order.at = p.Taken
		}
	}
	return r
}

// findReading returns the newest version of what an id names.
func (s *Source) findReading(ctx context.Context, id string) (*reading, error) {
	t, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	states := t.states()
	return states[len(states)-1], nil
}
