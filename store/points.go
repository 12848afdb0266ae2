package store

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/chunk"
)

// numeric returns a series of points.
func (db *DB) numeric(id vigil.SeriesID) (*series, error) {
	s := db.dict.get(id)
	if s == nil || s.wave {
		return nil, vigil.Errorf(vigil.NotFound, "there is no such series")
	}
	return s, nil
}

// Points returns the points of one series that a query selects.
func (db *DB) Points(ctx context.Context, q vigil.PointQuery) ([]vigil.Point, error) {
	s, err := db.numeric(q.Series)
	if err != nil {
		return nil, err
	}
	most := q.Limit
	if most == 0 {
		s.reading(func() { most = s.open.n + s.late.n + (int(s.chunks)+1)*chunkPoints })
	}
	var out []vigil.Point
	err = db.eachPoint(ctx, s, q, func(pts []vigil.Point) bool {
		if cap(out)-len(out) < len(pts) {
			out = slices.Grow(out, max(len(pts), foresee(out, bounds(q.During), most)))
		}
		out = append(out, pts...)
		return true
	})
	return out, err
}

// foresee says how many more points to make room for: at the pace of those that
// are here the rest of the interval, or twice as many as there are.
func foresee(out []vigil.Point, in vigil.Interval, most int) int {
	if len(out) == 0 {
		return 0
	}
	more := len(out)
	first, last := out[0].Taken, out[len(out)-1].Taken
	if took := float64(last - first); took > 0 && in.To > last {
		more = max(more, int(min(1.02*float64(in.To-last)/took, 1e3)*float64(len(out))))
	}
	return min(more, most-len(out))
}

// EachPoint calls f with the points of one series that a query selects, a run at
// a time, until f returns false. A run is valid until f returns.
func (db *DB) EachPoint(ctx context.Context, q vigil.PointQuery, f func([]vigil.Point) bool) error {
	s, err := db.numeric(q.Series)
	if err != nil {
		return err
	}
	return db.eachPoint(ctx, s, q, f)
}

func (db *DB) eachPoint(ctx context.Context, s *series, q vigil.PointQuery, f func([]vigil.Point) bool) error {
	in := bounds(q.During)
	if q.After != nil {
		if q.Desc {
			in.To = min(in.To, q.After.Taken+1)
		} else {
			in.From = max(in.From, q.After.Taken)
		}
	}
	v, err := db.look(ctx, s)
	if err != nil {
		return err
	}
	given := 0
	return db.scan(ctx, v, in, q.Desc, func(pts []vigil.Point) bool {
		n := 0
		for i := range pts {
			p := &pts[i]
			if !q.History && !stands(p) || q.After != nil && !behind(p, q.After, q.Desc) {
				continue
			}
			if n != i {
				pts[n] = *p
			}
			pts[n].Quality &^= inner
			if n++; given+n == q.Limit {
				break
			}
		}
		if n == 0 {
			return true
		}
		given += n
		return f(pts[:n]) && given != q.Limit
	})
}

// behind tells whether a point comes after the cursor in a direction.
func behind(p, cursor *vigil.Point, desc bool) bool {
	c := cmp.Or(cmp.Compare(p.Taken, cursor.Taken), cmp.Compare(p.Key, cursor.Key),
		cmp.Compare(p.Conflict, cursor.Conflict), cmp.Compare(p.Version, cursor.Version))
	if desc {
		return c < 0
	}
	return c > 0
}

// PointByKey returns every version of a reading by its identity, oldest first;
// none is vigil.NotFound.
func (db *DB) PointByKey(ctx context.Context, id vigil.SeriesID, kind vigil.KeyKind, key uint64, conflict uint8) ([]vigil.Point, error) {
	s, err := db.numeric(id)
	if err != nil {
		return nil, err
	}
	var mem []vigil.Point
	var span uint64
	cold := false
	s.reading(func() {
		mem, err = s.inMemory(kind, key)
		span, cold = s.kspan, !s.loaded && s.stored
	})
	if err == nil && cold {
		var stored series
		if stored.open, stored.late, err = db.storedHeads(ctx, id); err == nil {
			mem, err = stored.inMemory(kind, key)
		}
	}
	if err != nil {
		return nil, err
	}
	err = db.d.each(ctx, func(rows scanner) error {
		var sealed []byte
		if err := rows.Scan(&sealed); err != nil {
			return fault("read chunk", err)
		}
		plain, err := db.c.Sealer.Open(nil, sealed)
		if err != nil {
			return damaged("chunk", err)
		}
		pts, err := chunk.Points(nil, plain)
		if err != nil {
			return damaged("chunk", err)
		}
		for i := range pts {
			if pts[i].Key == key && pts[i].KeyKind == kind {
				mem = append(mem, pts[i])
			}
		}
		return nil
	}, `SELECT data FROM chunks WHERE series = $1 AND kmin >= $2 AND kmin <= $3 AND kmax >= $4`,
		int64(id), keyColumn(key-min(key, span)), keyColumn(key), keyColumn(key))
	if err != nil {
		return nil, err
	}
	var out []vigil.Point
	for _, p := range tidy(mem) {
		if p.Conflict == conflict {
			p.Quality &^= inner
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil, vigil.Errorf(vigil.NotFound, "there is no such reading")
	}
	slices.SortStableFunc(out, func(a, b vigil.Point) int { return cmp.Compare(a.Version, b.Version) })
	return out, nil
}

// Buckets summarises the usable points of one series.
func (db *DB) Buckets(ctx context.Context, q vigil.BucketQuery) ([]vigil.Bucket, error) {
	s, err := db.numeric(q.Series)
	if err != nil {
		return nil, err
	}
	width := q.Width.Microseconds()
	if width <= 0 {
		return nil, &vigil.Error{Kind: vigil.Invalid, Path: "/bucket", Msg: "a bucket has a width of at least one microsecond"}
	}
	v, err := db.look(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []vigil.Bucket
	var b vigil.Bucket
	var sum float64
	end := vigil.Instant(math.MinInt64)
	closeBucket := func() {
		if b.Count > 0 {
			b.Mean = sum / float64(b.Count)
			out = append(out, b)
		}
	}
	err = db.scan(ctx, v, bounds(q.During), false, func(pts []vigil.Point) bool {
		for i := range pts {
			p := &pts[i]
			if !stands(p) || !p.Quality.Usable() {
				continue
			}
			if p.Taken >= end {
				closeBucket()
				from := int64(p.Taken) / width * width
				if from > int64(p.Taken) {
					from -= width
				}
				b, sum = vigil.Bucket{From: vigil.Instant(from), Min: p.Value, Max: p.Value}, 0
				end = vigil.Instant(from + width)
			}
			b.Count++
			b.Min, b.Max, b.Last = min(b.Min, p.Value), max(b.Max, p.Value), p.Value
			sum += p.Value
		}
		return true
	})
	closeBucket()
	return out, err
}

// Latest returns the newest standing point of each of the series that have one.
func (db *DB) Latest(ctx context.Context, ids []vigil.SeriesID) (map[vigil.SeriesID]vigil.Point, error) {
	pts, err := db.Newest(ctx, ids)
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

// Newest returns the newest standing points of series in the order in which they
// were asked for; the version is 0 where there is none.
func (db *DB) Newest(ctx context.Context, ids []vigil.SeriesID) ([]vigil.Point, error) {
	type wanted struct {
		s  *series
		at int
	}
	out := make([]vigil.Point, len(ids))
	byShard := make([][]wanted, len(db.shards))
	db.dict.each(ids, func(i int, s *series) {
		if !s.wave {
			no := s.home.Load().no
			byShard[no] = append(byShard[no], wanted{s, i})
		}
	})
	var slow []wanted
	for no, list := range byShard {
		sh := db.shards[no]
		sh.mu.RLock()
		for _, w := range list {
			switch {
			case w.s.home.Load() != sh || w.s.stale:
				slow = append(slow, w)
			case w.s.hasLatest:
				out[w.at] = w.s.latest
			}
		}
		sh.mu.RUnlock()
	}
	for _, w := range slow {
		p, ok, err := db.searchLatest(ctx, w.s)
		if err != nil {
			return nil, err
		}
		if ok {
			out[w.at] = p
		}
	}
	for i := range out {
		out[i].Quality &^= inner
	}
	return out, nil
}

// searchLatest finds the newest standing point of a series whose newest was
// withdrawn, and remembers it.
func (db *DB) searchLatest(ctx context.Context, s *series) (vigil.Point, bool, error) {
	var changes uint32
	s.reading(func() { changes = s.changes })
	var p vigil.Point
	found := false
	v, err := db.look(ctx, s)
	if err != nil {
		return p, false, err
	}
	err = db.scan(ctx, v, bounds(vigil.Interval{}), true, func(pts []vigil.Point) bool {
		i := slices.IndexFunc(pts, func(p vigil.Point) bool { return stands(&p) })
		if i >= 0 {
			p, found = pts[i], true
		}
		return !found
	})
	if err != nil {
		return p, false, err
	}
	home := s.home.Load()
	home.mu.Lock()
	if s.home.Load() == home && s.changes == changes {
		s.latest, s.hasLatest, s.stale = p, found, false
	}
	home.mu.Unlock()
	return p, found, nil
}
