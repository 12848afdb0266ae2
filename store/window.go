package store

import (
	"cmp"
	"context"
	"database/sql"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/chunk"
)

// A ref names a chunk in the database with the keys that it spans.
type ref struct {
	t0, t1     vigil.Instant
	no         int64
	kmin, kmax uint64
}

// A window is what is known of the chunks of one series in the database that
// may hold keys from lo to hi, so that a run of late or repeated readings asks
// the database once and not for each.
type window struct {
	lo, hi uint64
	refs   []ref    // by kmin
	reach  []uint64 // the highest kmax up to each
	cached [2]decoded
}

// decoded is a chunk as points in the order of keys.
type decoded struct {
	ref ref
	pts []vigil.Point
}

const (
	maxWindows = 4096 // of one shard
	maxHot     = 256  // of one shard: windows that hold decoded chunks
)

// windowAround says which keys to ask for when one key is sought: readings that
// come late come in order, mostly.
func windowAround(kind vigil.KeyKind, key uint64) (lo, hi uint64) {
	before, after := uint64(1_000), uint64(100_000)
	switch kind {
	case vigil.KeyTime:
		before, after = uint64(time.Hour.Microseconds()), uint64(24*time.Hour.Microseconds())
	case vigil.KeyPosition, vigil.KeyMessage:
		before, after = 1<<30, 1<<36
	case vigil.KeyNumber:
	}
	lo, hi = key-min(key, before), key+after
	if hi < key {
		hi = math.MaxUint64
	}
	return lo, hi
}

// chunkTable names the table that the sealed blocks of a series are in.
func (s *series) chunkTable() string {
	if s.wave {
		return "waves"
	}
	return "chunks"
}

// window returns a window that holds a key. The caller holds the shard's lock.
func (db *DB) window(ctx context.Context, sh *shard, s *series, kind vigil.KeyKind, key uint64) (*window, error) {
	if w := s.refs; w != nil && w.lo <= key && key <= w.hi {
		return w, nil
	}
	w := &window{}
	w.lo, w.hi = windowAround(kind, key)
	span := s.kspan
	if !sh.held { // whoever holds the partition may have joined chunks since
		span = math.MaxUint64
	}
	err := db.d.each(ctx, func(rows scanner) error {
		var r ref
		var kmin, kmax int64
		if err := rows.Scan(&r.t0, &r.t1, &r.no, &kmin, &kmax); err != nil {
			return fault("read keys", err)
		}
		r.kmin, r.kmax = keyOf(kmin), keyOf(kmax)
		w.refs = append(w.refs, r)
		return nil
	}, `SELECT t0, t1, no, kmin, kmax FROM `+s.chunkTable()+`
		WHERE series = $1 AND kmin >= $2 AND kmin <= $3 AND kmax >= $4`,
		int64(s.id), keyColumn(w.lo-min(w.lo, span)), keyColumn(w.hi), keyColumn(w.lo))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(w.refs, func(a, b ref) int { return cmp.Compare(a.kmin, b.kmin) })
	w.reach = make([]uint64, len(w.refs))
	far := uint64(0)
	for i, r := range w.refs {
		far = max(far, r.kmax)
		w.reach[i] = far
	}
	if s.refs == nil {
		sh.windows = append(sh.windows, s)
	}
	s.refs = w
	if len(sh.windows) > maxWindows {
		sh.windows[0].refs = nil
		sh.windows = slices.Delete(sh.windows, 0, 1)
	}
	return w, nil
}

// forget drops what is known of the chunks of a series in the database, because
// they change. The caller holds the shard's lock.
func (sh *shard) forget(s *series) {
	if s.refs == nil {
		return
	}
	s.refs = nil
	if i := slices.Index(sh.windows, s); i >= 0 {
		sh.windows = slices.Delete(sh.windows, i, i+1)
	}
}

// near returns the refs that span a key.
func (w *window) near(key uint64) []ref {
	var out []ref
	for i := sort.Search(len(w.refs), func(i int) bool { return w.refs[i].kmin > key }) - 1; i >= 0 && w.reach[i] >= key; i-- {
		if w.refs[i].kmax >= key {
			out = append(out, w.refs[i])
		}
	}
	return out
}

// errGone says that a chunk is not where it was: it was compacted meanwhile.
var errGone = sql.ErrNoRows

// chunkData reads the plain bytes of one chunk.
func (db *DB) chunkData(ctx context.Context, s *series, r ref) ([]byte, error) {
	var sealed []byte
	found := false
	err := db.d.each(ctx, func(rows scanner) error {
		found = true
		if err := rows.Scan(&sealed); err != nil {
			return fault("read chunk", err)
		}
		return nil
	}, `SELECT data FROM `+s.chunkTable()+` WHERE series = $1 AND t0 = $2 AND t1 = $3 AND no = $4`,
		int64(s.id), int64(r.t0), int64(r.t1), r.no)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errGone
	}
	plain, err := db.c.Sealer.Open(nil, sealed)
	if err != nil {
		return nil, damaged("chunk", err)
	}
	return plain, nil
}

// decoded returns the points of a chunk of the window, in the order of keys.
func (db *DB) decoded(ctx context.Context, sh *shard, s *series, w *window, r ref) ([]vigil.Point, error) {
	for _, d := range w.cached {
		if d.pts != nil && d.ref == r {
			return d.pts, nil
		}
	}
	plain, err := db.chunkData(ctx, s, r)
	if err != nil {
		return nil, err
	}
	pts, err := chunk.Points(nil, plain)
	if err != nil {
		return nil, damaged("chunk", err)
	}
	slices.SortFunc(pts, func(a, b vigil.Point) int { return cmp.Compare(a.Key, b.Key) })
	if w.cached[0].pts == nil && w.cached[1].pts == nil {
		sh.hot = append(sh.hot, w)
		if len(sh.hot) > maxHot {
			sh.hot[0].cached = [2]decoded{}
			sh.hot = slices.Delete(sh.hot, 0, 1)
		}
	}
	w.cached[0], w.cached[1] = decoded{r, pts}, w.cached[0]
	return pts, nil
}

// known returns every point of a series with a key, wherever it is. The caller
// holds the shard's lock, and the heads are loaded.
func (db *DB) known(ctx context.Context, sh *shard, s *series, kind vigil.KeyKind, key uint64) ([]vigil.Point, error) {
	out, err := s.inMemory(kind, key)
	if err != nil || s.chunks == int64(len(s.pending)) {
		return tidy(out), err
	}
	for range 3 {
		var stored []vigil.Point
		if stored, err = db.inDatabase(ctx, sh, s, kind, key); err == nil {
			return tidy(append(out, stored...)), nil
		}
		if err != errGone { //nolint:errorlint // it is never wrapped
			return nil, err
		}
		sh.forget(s)
	}
	return nil, fault("read chunk", err)
}

// inMemory returns the points with a key in heads and pending chunks.
func (s *series) inMemory(kind vigil.KeyKind, key uint64) ([]vigil.Point, error) {
	var out []vigil.Point
	pick := func(pts []vigil.Point) {
		for i := range pts {
			if pts[i].Key == key && pts[i].KeyKind == kind {
				out = append(out, pts[i])
			}
		}
	}
	pick(s.open.tail)
	pick(s.late.tail)
	var pts []vigil.Point
	for _, blocks := range [][]block{s.open.runs, s.late.runs, s.pending} {
		for i := range blocks {
			if b := &blocks[i]; b.kmin <= key && key <= b.kmax {
				var err error
				if pts, err = chunk.Points(pts[:0], b.data); err != nil {
					return nil, damaged("head of a series", err)
				}
				pick(pts)
			}
		}
	}
	return out, nil
}

// inDatabase returns the points with a key in written chunks.
func (db *DB) inDatabase(ctx context.Context, sh *shard, s *series, kind vigil.KeyKind, key uint64) ([]vigil.Point, error) {
	w, err := db.window(ctx, sh, s, kind, key)
	if err != nil {
		return nil, err
	}
	var out []vigil.Point
	for _, r := range w.near(key) {
		pts, err := db.decoded(ctx, sh, s, w, r)
		if err != nil {
			return nil, err
		}
		i := sort.Search(len(pts), func(i int) bool { return pts[i].Key >= key })
		for ; i < len(pts) && pts[i].Key == key; i++ {
			if pts[i].KeyKind == kind {
				out = append(out, pts[i])
			}
		}
	}
	return out, nil
}
