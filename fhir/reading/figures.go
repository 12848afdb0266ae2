package reading

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/ucum"
)

// Summaries is what can be asked of Readings that summarise series without
// giving every point; the store can.
type Summaries interface {
	Buckets(ctx context.Context, q vigil.BucketQuery) ([]vigil.Bucket, error)
}

// A FigureQuery says of what figures are wanted (observation-operation-stats.html):
// of the values of one subject with one of some codes, whether the Observation or
// a component of it has the code. What was entered in error does not count, nor
// what has no value.
type FigureQuery struct {
	Subject vigil.Subject
	Any     []Token
	During  vigil.Interval
	// Values says that every value is wanted, and not only their sums.
	Values bool
}

// maxValues bounds how many values figures keep.
const maxValues = 5_000_000

// Figures gather values of one code in one unit.
type Figures struct {
	Codes []vigil.Code // of what was measured
	Title string
	Unit  string // UCUM
	Count int
	// Total counts what has no value, too.
	Total    int
	Min, Max float64
	Sum      float64
	// Values and Times are kept when they are wanted, in the order in which they
	// were added.
	Values []float64
	Times  []vigil.Instant
}

// Add adds a value in the unit of the figures.
func (f *Figures) Add(at vigil.Instant, v float64, keep bool) error {
	if f.Count == 0 {
		f.Min, f.Max = v, v
	}
	f.Count++
	f.Min, f.Max, f.Sum = min(f.Min, v), max(f.Max, v), f.Sum+v
	if !keep {
		return nil
	}
	if len(f.Values) == maxValues {
		return vigil.Errorf(vigil.TooLarge, "statistics that need every value are made of at most %d values; ask for a shorter time", maxValues)
	}
	f.Values, f.Times = append(f.Values, v), append(f.Times, at)
	return nil
}

// AddIn adds a value in another unit; false when the units do not fit.
func (f *Figures) AddIn(at vigil.Instant, v float64, unit string, keep bool) (bool, error) {
	if unit != f.Unit {
		c, err := ucum.NewConverter(unit, f.Unit)
		if err != nil {
			return false, nil //nolint:nilerr // a unit of something else: the value does not belong here
		}
		v = c.Convert(v)
	}
	return true, f.Add(at, v, keep)
}

// Mean is the average of the values.
func (f *Figures) Mean() float64 { return f.Sum / float64(f.Count) }

// Figures summarises readings, one result for each code that series share: a
// panel that is named by its code has one for each of its parts.
func (s *Source) Figures(ctx context.Context, q FigureQuery) ([]*Figures, error) {
	series, err := s.c.Readings.Series(ctx, vigil.SeriesQuery{Subjects: []vigil.Subject{q.Subject}})
	if err != nil {
		return nil, err
	}
	var out []*Figures
	for _, g := range groupSeries(series) {
		whole := anyToken(q.Any, g.codes())
		for _, part := range g.parts {
			if !whole && !anyToken(q.Any, part.Metric.Codes) {
				continue
			}
			f := figuresFor(&out, part.Metric)
			if f == nil {
				continue
			}
			if err := s.gather(ctx, f, part, q); err != nil {
				return nil, err
			}
		}
	}
	for _, f := range out {
		f.order()
	}
	return out, nil
}

// figuresFor finds the figures of a metric, or begins them; series with a code
// in common count together when their units fit.
func figuresFor(all *[]*Figures, m *vigil.Metric) *Figures {
	for _, f := range *all {
		shared := slices.ContainsFunc(f.Codes, func(c vigil.Code) bool {
			return slices.ContainsFunc(m.Codes, func(o vigil.Code) bool { return o.System == c.System && o.Value == c.Value })
		})
		if shared && (f.Unit == m.Unit || ucum.Commensurable(m.Unit, f.Unit)) {
			return f
		}
	}
	f := &Figures{Codes: m.Codes, Title: metricTitle(m), Unit: m.Unit}
	*all = append(*all, f)
	return f
}

// wholeTime is wider than any time that readings are of.
const wholeTime = 200 * 365 * 24 * time.Hour

// gather adds the values of a series.
func (s *Source) gather(ctx context.Context, f *Figures, part vigil.Series, q FigureQuery) error {
	sums, quick := s.c.Readings.(Summaries)
	if quick && !q.Values && f.Unit == part.Metric.Unit {
		buckets, err := sums.Buckets(ctx, vigil.BucketQuery{Series: part.ID, During: q.During, Width: wholeTime})
		for _, b := range buckets {
			f.merge(b)
		}
		return err
	}
	points := pointStream{from: s.c.Readings, q: vigil.PointQuery{Series: part.ID, During: q.During}}
	for {
		p, err := points.peek(ctx)
		if p == nil || err != nil {
			return err
		}
		f.Total++
		if p.Quality.Usable() && !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			if _, err := f.AddIn(p.Taken, p.Value, part.Metric.Unit, q.Values); err != nil {
				return err
			}
		}
		points.skip()
	}
}

// merge adds what a bucket summarises.
func (f *Figures) merge(b vigil.Bucket) {
	if f.Count == 0 {
		f.Min, f.Max = b.Min, b.Max
	}
	f.Min, f.Max = min(f.Min, b.Min), max(f.Max, b.Max)
	f.Sum += b.Mean * float64(b.Count)
	f.Count += b.Count
	f.Total += b.Count
}

// order puts the values that are kept into the order of time.
func (f *Figures) order() {
	if slices.IsSorted(f.Times) {
		return
	}
	index := make([]int, len(f.Times))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int { return int(f.Times[a] - f.Times[b]) })
	values, times := make([]float64, len(index)), make([]vigil.Instant, len(index))
	for i, j := range index {
		values[i], times[i] = f.Values[j], f.Times[j]
	}
	f.Values, f.Times = values, times
}
