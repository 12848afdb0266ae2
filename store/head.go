package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/chunk"
)

// How much a head holds in which form. A busy series costs a tail of plain
// points (56 bytes each) and a few encoded runs.
const (
	tailPoints  = 32    // plain points before they are encoded
	runPoints   = 128   // points that an encoded run grows to
	chunkPoints = 512   // points that make a chunk
	waveSamples = 16384 // samples that make a chunk of waves
	waveRuns    = 256   // blocks that make a chunk of waves, however short
	waveSpan    = 60 * time.Second
	lateGap     = time.Hour // a late chunk does not reach over a longer silence
)

// superseded marks a point that a newer version has replaced. It is on disk, in
// a bit that vigil.Quality does not use, and leaves no store.
const superseded vigil.Quality = 1 << 23

// A block is an encoded run of points, or of wave blocks, with what it spans:
// times t0 to t1 inclusive and keys kmin to kmax inclusive. It never changes.
type block struct {
	t0, t1     vigil.Instant
	kmin, kmax uint64
	n          int // points, or samples
	no         int64
	data       []byte
}

// A head is the open end of a series.
type head struct {
	runs []block       // never changed in place: readers share it
	tail []vigil.Point // plain, in the order of arrival
	n    int           // points, or samples, in all
	t0   vigil.Instant
	t1   vigil.Instant
}

func (h *head) empty() bool { return h.n == 0 }

// span widens the head's times.
func (h *head) span(t0, t1 vigil.Instant, n int) {
	if h.n == 0 {
		h.t0, h.t1 = t0, t1
	}
	h.t0, h.t1, h.n = min(h.t0, t0), max(h.t1, t1), h.n+n
}

// order sorts points as readers see them.
func order(a, b *vigil.Point) int {
	if a.Taken != b.Taken {
		return cmp.Compare(a.Taken, b.Taken)
	}
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Conflict, b.Conflict),
		cmp.Compare(a.Version, b.Version), cmp.Compare(a.KeyKind, b.KeyKind))
}

// tidy sorts points and makes copies of one point one, with the flags of all.
func tidy(pts []vigil.Point) []vigil.Point {
	sorted := true
	for i := 1; i < len(pts); i++ {
		if pts[i-1].Taken >= pts[i].Taken && order(&pts[i-1], &pts[i]) >= 0 {
			sorted = false
			break
		}
	}
	if sorted {
		return pts
	}
	slices.SortStableFunc(pts, func(a, b vigil.Point) int { return order(&a, &b) })
	out := pts[:1]
	for i := 1; i < len(pts); i++ {
		if last := &out[len(out)-1]; order(last, &pts[i]) == 0 {
			last.Quality |= pts[i].Quality
		} else {
			out = append(out, pts[i])
		}
	}
	return out
}

// encode makes a block of tidy points.
func encode(pts []vigil.Point) block {
	b := block{t0: pts[0].Taken, t1: pts[len(pts)-1].Taken, kmin: math.MaxUint64, n: len(pts)}
	for i := range pts {
		b.kmin, b.kmax = min(b.kmin, pts[i].Key), max(b.kmax, pts[i].Key)
	}
	b.data = slices.Clip(chunk.AppendPoints(nil, pts))
	return b
}

// fold encodes the tail, into the last run while that is short.
func (sh *shard) fold(h *head) error {
	if len(h.tail) == 0 {
		return nil
	}
	pts, keep := sh.pts[:0], len(h.runs)
	if keep > 0 && h.runs[keep-1].n+len(h.tail) <= runPoints {
		keep--
		var err error
		if pts, err = sh.decoder.Points(pts, h.runs[keep].data); err != nil {
			return damaged("head of a series", err)
		}
	}
	pts = append(pts, h.tail...)
	b := encode(tidy(pts))
	h.runs = append(h.runs[:keep:keep], b)
	h.tail = h.tail[:0]
	sh.pts = pts[:0]
	sh.bytes += len(b.data)
	return nil
}

// add puts a point into the head of its series that it belongs to.
func (sh *shard) add(s *series, p vigil.Point) error {
	h := &s.open
	if p.Taken < s.sealed {
		h = &s.late
	}
	if h.breaks(p.Taken, h == &s.late) {
		if err := sh.seal(s, h); err != nil {
			return err
		}
	}
	h.span(p.Taken, p.Taken, 1)
	h.tail = append(h.tail, p)
	s.tmax = max(s.tmax, p.Taken)
	if len(h.tail) < tailPoints {
		return nil
	}
	if h.n >= chunkPoints {
		return sh.seal(s, h)
	}
	return sh.fold(h)
}

// breaks tells whether a chunk should end before a point at t: a chunk that
// reaches over a long silence makes every search wide.
func (h *head) breaks(t vigil.Instant, late bool) bool {
	if h.n == 0 {
		return false
	}
	gap := max(t-h.t1, h.t0-t)
	if gap <= vigil.Instant(lateGap.Microseconds()) {
		return false
	}
	return late || h.n >= 16 && gap > h.t1-h.t0
}

// seal makes a chunk of a head, to be written at the next checkpoint.
func (sh *shard) seal(s *series, h *head) error {
	if h.empty() {
		return nil
	}
	b, err := sh.whole(s, h)
	if err != nil {
		return err
	}
	s.keep(b)
	if h == &s.open {
		s.sealed = max(s.sealed, b.t1)
	} else {
		s.crowded = true
	}
	sh.bytes += len(b.data)
	*h = head{tail: h.tail[:0]}
	return nil
}

// keep lists a sealed block for writing.
func (s *series) keep(b block) {
	b.no = s.chunks
	s.chunks++
	s.pending = append(s.pending, b)
	s.tspan = max(s.tspan, b.t1-b.t0)
	s.kspan = max(s.kspan, b.kmax-b.kmin)
}

// whole encodes a head as one block.
func (sh *shard) whole(s *series, h *head) (block, error) {
	if s.wave {
		return sh.wholeWave(s, h)
	}
	pts := sh.all[:0]
	var err error
	for _, r := range h.runs {
		if pts, err = sh.decoder.Points(pts, r.data); err != nil {
			return block{}, damaged("head of a series", err)
		}
	}
	pts = append(pts, h.tail...)
	sh.all = pts[:0]
	return encode(tidy(pts)), nil
}

// headV1 is the first byte of the data of a row of heads: the runs of open,
// then those of late, each list behind its length.
const headV1 = 1

// appendHeads writes the runs of both heads.
func appendHeads(dst []byte, open, late []block) []byte {
	dst = append(dst, headV1)
	for _, runs := range [][]block{open, late} {
		dst = binary.AppendUvarint(dst, uint64(len(runs)))
		for _, r := range runs {
			dst = binary.AppendVarint(dst, int64(r.t0))
			dst = binary.AppendVarint(dst, int64(r.t1))
			dst = binary.AppendUvarint(dst, r.kmin)
			dst = binary.AppendUvarint(dst, r.kmax)
			dst = binary.AppendUvarint(dst, uint64(r.n)) // #nosec G115 -- a count
			dst = binary.AppendUvarint(dst, uint64(len(r.data)))
			dst = append(dst, r.data...)
		}
	}
	return dst
}

// errHeads says that the data of a row of heads is not what was written.
var errHeads = errors.New("not the heads of a series")

// readHeads reads what appendHeads wrote. The runs keep pointing into b.
func readHeads(b []byte) (open, late head, err error) {
	if len(b) == 0 || b[0] != headV1 {
		return open, late, errHeads
	}
	r := headReader{rest: b[1:]}
	r.head(&open)
	r.head(&late)
	if r.bad || len(r.rest) > 0 {
		return head{}, head{}, errHeads
	}
	return open, late, nil
}

// A headReader takes the data of a row of heads apart.
type headReader struct {
	rest []byte
	bad  bool
}

func (r *headReader) uint() uint64 {
	v, n := binary.Uvarint(r.rest)
	return v * r.took(n)
}

func (r *headReader) time() vigil.Instant {
	v, n := binary.Varint(r.rest)
	return vigil.Instant(v) * vigil.Instant(r.took(n)) // #nosec G115 -- 0 or 1
}

// took moves on by n bytes and returns 1, or 0 when there was no number.
func (r *headReader) took(n int) uint64 {
	if n <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return 1
}

func (r *headReader) head(h *head) {
	for left := r.uint(); left > 0 && !r.bad; left-- {
		b := block{t0: r.time(), t1: r.time(), kmin: r.uint(), kmax: r.uint()}
		n, size := r.uint(), r.uint()
		if r.bad || size > uint64(len(r.rest)) || n == 0 || n > chunk.MaxSamples {
			r.bad = true
			return
		}
		b.n = int(n) // #nosec G115 -- checked
		b.data, r.rest = slices.Clip(r.rest[:size:size]), r.rest[size:]
		h.span(b.t0, b.t1, b.n)
		h.runs = append(h.runs, b)
	}
}

// load brings the heads of a series into memory. The caller holds the lock of
// the shard that is its home.
func (db *DB) load(ctx context.Context, s *series) error {
	if s.loaded {
		return nil
	}
	if s.stored {
		open, late, err := db.storedHeads(ctx, s.id)
		if err != nil {
			return err
		}
		s.open, s.late = open, late
	}
	s.loaded = true
	home := s.home.Load()
	home.loaded = append(home.loaded, s)
	return nil
}

// storedHeads reads the heads of a series as of the last checkpoint.
func (db *DB) storedHeads(ctx context.Context, id vigil.SeriesID) (open, late head, err error) {
	err = db.d.each(ctx, func(rows scanner) error {
		var sealed []byte
		if err := rows.Scan(&sealed); err != nil {
			return fault("read heads", err)
		}
		plain, err := db.c.Sealer.Open(nil, sealed)
		if err == nil {
			open, late, err = readHeads(plain)
		}
		if err != nil {
			return damaged("head of a series", err)
		}
		return nil
	}, `SELECT data FROM heads WHERE series = $1`, int64(id))
	return open, late, err
}

// loadHeads reads the summary of every head; the points stay in the database
// until someone needs them.
func (db *DB) loadHeads(ctx context.Context) error {
	var room newest
	return db.d.each(ctx, func(rows scanner) error {
		var id vigil.SeriesID
		var kmax, kspan int64
		var latest []byte
		var tmax, tspan, sealed vigil.Instant
		var chunks int64
		if err := rows.Scan(&id, &kmax, &kspan, &tmax, &tspan, &sealed, &chunks, &latest); err != nil {
			return fault("read head", err)
		}
		s := db.dict.byID[id]
		if s == nil && db.c.Shared {
			return nil // made since the dictionary was read; Follow brings it
		}
		if s == nil {
			return damaged("head of a series", errors.New("the series is not in the dictionary"))
		}
		s.kmax, s.kspan, s.tmax, s.tspan, s.sealed, s.chunks = keyOf(kmax), keyOf(kspan), tmax, tspan, sealed, chunks
		return db.setHead(s, latest, &room)
	}, `SELECT series, kmax, kspan, tmax, tspan, sealed, chunks, latest FROM heads`)
}

// newest is room to read newest points in.
type newest struct {
	plain []byte
	pts   []vigil.Point
}

// setHead notes that the database has a head of the series, and the newest point
// in it.
func (db *DB) setHead(s *series, latest []byte, room *newest) error {
	s.stored = true
	if s.stale = len(latest) == 0 && !s.wave; len(latest) == 0 {
		return nil
	}
	var err error
	if room.plain, err = db.c.Sealer.Open(room.plain[:0], latest); err != nil {
		return damaged("newest point of a series", err)
	}
	if room.pts, err = chunk.Points(room.pts[:0], room.plain); err != nil || len(room.pts) != 1 {
		return damaged("newest point of a series", err)
	}
	s.latest, s.hasLatest = room.pts[0], true
	return nil
}

// keyColumn turns the top bit of a key over, so that the database sorts keys as
// the unsigned numbers they are; keyOf turns it back.
func keyColumn(k uint64) int64 { return int64(k ^ 1<<63) } // #nosec G115 -- wraps on purpose

func keyOf(c int64) uint64 { return uint64(c) ^ 1<<63 } // #nosec G115 -- wraps on purpose
