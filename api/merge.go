package api

import (
	"context"
	"math"

	"github.com/vigil-iomt/vigil"
)

// A source is one series that is being read page by page.
type source struct {
	series vigil.Series
	label  label
	query  vigil.PointQuery
	page   []vigil.Point
	done   bool
}

// A merge reads the points of several series in the order of time; at the same
// time in the order of the series.
type merge struct {
	readings Readings
	desc     bool
	sources  []*source
}

// A run is some points of one source that no point of another lies between.
type run struct {
	source *source // nil at the end
	points []vigil.Point
}

// newMerge begins behind a place, or at the edge of the interval.
func newMerge(r Readings, in *readingQuery, list []vigil.Series, at *place) *merge {
	m := &merge{readings: r, desc: in.Desc}
	size := min(in.Limit+1, max(2*(in.Limit+1)/max(len(list), 1), 16))
	for i := range list {
		q := vigil.PointQuery{
			Series: list[i].ID, During: vigil.Interval{From: instant(in.From), To: instant(in.To)}, Desc: in.Desc, Limit: size, History: in.History,
		}
		if at != nil {
			begin(&q, at)
		}
		m.sources = append(m.sources, &source{series: list[i], label: labelOf(&list[i]), query: q})
	}
	return m
}

// begin sets a query behind a place: series in front of the place's own have
// given all their points of that instant, those behind it none.
func begin(q *vigil.PointQuery, at *place) {
	switch {
	case q.Series == at.series:
		edge := at.point
		q.After = &edge
	case q.Series < at.series && q.Desc:
		q.After = &vigil.Point{Taken: at.point.Taken}
	case q.Series < at.series:
		q.After = &vigil.Point{
			Taken: at.point.Taken, Key: math.MaxUint64, Conflict: math.MaxUint8, Version: math.MaxUint16,
		}
	case !q.Desc:
		q.During.From = max(q.During.From, at.point.Taken)
	case q.During.To == 0:
		q.During.To = at.point.Taken + 1
	default:
		q.During.To = min(q.During.To, at.point.Taken+1)
	}
}

// next returns the next run, of at most so many points.
func (m *merge) next(ctx context.Context, most int) (run, error) {
	var first, second *source
	for _, s := range m.sources {
		if err := s.fill(ctx, m.readings); err != nil {
			return run{}, err
		}
		switch {
		case len(s.page) == 0:
		case first == nil:
			first = s
		case m.before(s, first):
			first, second = s, first
		case second == nil || m.before(s, second):
			second = s
		}
	}
	if first == nil {
		return run{}, nil
	}
	n := min(most, len(first.page))
	if second != nil {
		n = m.ahead(first, second, n)
	}
	r := run{first, first.page[:n]}
	first.page = first.page[n:]
	return r, nil
}

// ahead counts the points of first, up to most, that come before those of
// second.
func (m *merge) ahead(first, second *source, most int) int {
	edge, n := second.page[0].Taken, 1
	tie := first.series.ID < second.series.ID
	for ; n < most; n++ {
		t := first.page[n].Taken
		if t == edge && !tie || t != edge && (t > edge) != m.desc {
			break
		}
	}
	return n
}

// before tells whether a's next point comes before b's. The sources are in the
// order of their series.
func (m *merge) before(a, b *source) bool {
	if m.desc {
		return a.page[0].Taken > b.page[0].Taken
	}
	return a.page[0].Taken < b.page[0].Taken
}

// fill reads the next page when there is none.
func (s *source) fill(ctx context.Context, r Readings) error {
	if len(s.page) > 0 || s.done {
		return nil
	}
	page, err := r.Points(ctx, s.query)
	if err != nil {
		return err
	}
	s.done = len(page) < s.query.Limit
	if len(page) > 0 {
		last := page[len(page)-1]
		s.query.After = &last
	}
	s.page = page
	return nil
}
