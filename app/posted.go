package app

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/live"
	"github.com/vigil-iomt/vigil/store"
)

// postedProtocol is the protocol of records that tell of documents.
const postedProtocol = "fhir"

// The bounds of what is remembered of readings that are kept elsewhere.
const (
	postedPoints = 256
	postedSeries = 100_000
)

// posted is the store with the readings that are kept elsewhere, as documents of
// the record: those of the last day stand beside the store's on screens, and are
// gone after a start. No series keeps them.
type posted struct {
	*store.DB
	now func() time.Time

	mu    sync.RWMutex
	byID  map[vigil.SeriesID]*postedOne
	byKey map[postedKey]*postedOne
}

type postedKey struct {
	subject vigil.Subject
	device  vigil.DeviceID
	metric  string
}

// A postedOne is such a series: its newest points, oldest first, and the
// documents that they come from.
type postedOne struct {
	vigil.Series
	points []vigil.Point
	from   []string
}

func newPosted(db *store.DB, now func() time.Time) *posted {
	return &posted{DB: db, now: now, byID: map[vigil.SeriesID]*postedOne{}, byKey: map[postedKey]*postedOne{}}
}

// consume takes what a frame says of documents.
func (p *posted) consume(_ context.Context, f vigil.Frame) error {
	for i := range f.Records {
		r := &f.Records[i]
		if r.Message.Protocol != postedProtocol || r.Kind != vigil.Understood {
			continue
		}
		for j := range r.Readings {
			if v := &r.Readings[j]; v.Quality.Has(vigil.StoredElsewhere) && v.Metric != nil {
				p.add(r, v)
			}
		}
	}
	return nil
}

// add adds a reading, in the place of an older one of the same document.
func (p *posted) add(r *vigil.Record, v *vigil.Reading) {
	if p.now().Sub(v.Taken.Time()) > live.Horizon {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	one := p.series(r, v.Metric)
	if one == nil {
		return
	}
	if i := slices.Index(one.from, r.Message.ID); i >= 0 {
		one.points, one.from = slices.Delete(one.points, i, i+1), slices.Delete(one.from, i, i+1)
	}
	pt := vigil.Point{
		Taken: v.Taken, Arrived: r.Message.Arrived, Stated: v.Stated, Value: v.Value, Key: v.Key, KeyKind: v.KeyKind,
		Quality: v.Quality, Decimals: v.Decimals, Version: 1,
	}
	at := len(one.points)
	for at > 0 && one.points[at-1].Taken > pt.Taken {
		at--
	}
	one.points, one.from = slices.Insert(one.points, at, pt), slices.Insert(one.from, at, r.Message.ID)
	if len(one.points) > postedPoints {
		one.points, one.from = slices.Delete(one.points, 0, 1), slices.Delete(one.from, 0, 1)
	}
}

// series returns the series of a reading, made when it is new; nil when there
// are too many. The caller holds mu.
func (p *posted) series(r *vigil.Record, m *vigil.Metric) *postedOne {
	k := postedKey{r.Subject, r.Message.Device, m.Name}
	one := p.byKey[k]
	if one != nil {
		one.Metric = m
		return one
	}
	if len(p.byID) >= postedSeries {
		p.forget()
	}
	if len(p.byID) >= postedSeries {
		return nil
	}
	sum := sha256.Sum256([]byte("posted\x00" + k.subject.String() + "\x00" + string(k.device) + "\x00" + k.metric))
	id := vigil.SeriesID(binary.BigEndian.Uint64(sum[:]) >> 11) // #nosec G115 -- 53 bits
	one = &postedOne{Series: vigil.Series{ID: id, Subject: k.subject, Device: k.device, Channel: postedProtocol, Metric: m}}
	p.byKey[k], p.byID[id] = one, one
	return one
}

// forget drops the series that nothing was said of within the horizon.
func (p *posted) forget() {
	oldest := vigil.InstantOf(p.now().Add(-live.Horizon))
	for k, one := range p.byKey {
		if n := len(one.points); n == 0 || one.points[n-1].Taken < oldest {
			delete(p.byKey, k)
			delete(p.byID, one.ID)
		}
	}
}

// SeriesFor names the series of a reading (live.Resolver).
func (p *posted) SeriesFor(s vigil.Subject, d vigil.DeviceID, channel string, m *vigil.Metric) (vigil.SeriesID, bool) {
	if channel != postedProtocol {
		return p.DB.SeriesFor(s, d, channel, m)
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	one, ok := p.byKey[postedKey{s, d, m.Name}]
	if !ok {
		return 0, false
	}
	return one.ID, true
}

// Series returns the store's series and those of documents.
func (p *posted) Series(ctx context.Context, q vigil.SeriesQuery) ([]vigil.Series, error) {
	out, err := p.DB.Series(ctx, q)
	if err != nil || q.Waves {
		return out, err
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, one := range p.byID {
		if one.fits(q) {
			out = append(out, one.Series)
		}
	}
	return out, nil
}

// fits tells whether a query selects the series.
func (o *postedOne) fits(q vigil.SeriesQuery) bool {
	return (len(q.IDs) == 0 || slices.Contains(q.IDs, o.ID)) && (len(q.Subjects) == 0 || slices.Contains(q.Subjects, o.Subject)) &&
		(len(q.Devices) == 0 || slices.Contains(q.Devices, o.Device)) && (len(q.Metrics) == 0 || slices.Contains(q.Metrics, o.Metric.Name)) &&
		(len(q.Codes) == 0 || slices.ContainsFunc(q.Codes, func(c vigil.Code) bool {
			return slices.ContainsFunc(o.Metric.Codes, func(have vigil.Code) bool {
				return have.Value == c.Value && (c.System == "" || have.System == c.System)
			})
		}))
}

// Newest returns the newest points, those of documents included.
func (p *posted) Newest(ctx context.Context, ids []vigil.SeriesID) ([]vigil.Point, error) {
	out, err := p.DB.Newest(ctx, ids)
	if err != nil {
		return nil, err
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if len(p.byID) == 0 {
		return out, nil
	}
	for i, id := range ids {
		if one := p.byID[id]; one != nil && len(one.points) > 0 {
			out[i] = one.points[len(one.points)-1]
		}
	}
	return out, nil
}

// Latest returns the newest points of the series that have one.
func (p *posted) Latest(ctx context.Context, ids []vigil.SeriesID) (map[vigil.SeriesID]vigil.Point, error) {
	pts, err := p.Newest(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make(map[vigil.SeriesID]vigil.Point, len(ids))
	for i, id := range ids {
		if pts[i].Version > 0 {
			out[id] = pts[i]
		}
	}
	return out, nil
}

// find returns the points of a series of documents that a query selects; false
// when the series is the store's.
func (p *posted) find(q vigil.PointQuery) ([]vigil.Point, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	one := p.byID[q.Series]
	if one == nil {
		return nil, false
	}
	var out []vigil.Point
	for _, pt := range one.points {
		if q.During.Holds(pt.Taken) && (q.After == nil || q.Desc == (pt.Taken < q.After.Taken) && pt.Taken != q.After.Taken) {
			out = append(out, pt)
		}
	}
	if q.Desc {
		slices.Reverse(out)
	}
	if q.Limit > 0 && len(out) > q.Limit {
		out = out[:q.Limit]
	}
	return out, true
}

// Points reads the points of a series.
func (p *posted) Points(ctx context.Context, q vigil.PointQuery) ([]vigil.Point, error) {
	if pts, ok := p.find(q); ok {
		return pts, nil
	}
	return p.DB.Points(ctx, q)
}

// EachPoint reads the points of a series run by run.
func (p *posted) EachPoint(ctx context.Context, q vigil.PointQuery, f func([]vigil.Point) bool) error {
	if pts, ok := p.find(q); ok {
		if len(pts) > 0 {
			f(pts)
		}
		return nil
	}
	return p.DB.EachPoint(ctx, q, f)
}

// document returns the id of the Observation that a point was read from.
func (p *posted) document(series vigil.SeriesID, taken vigil.Instant) (string, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	one := p.byID[series]
	if one == nil {
		return "", false
	}
	for i := range one.points {
		if one.points[i].Taken == taken {
			return one.from[i], true
		}
	}
	return "", false
}
