package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/chunk"
)

// A piece is one run of points or wave blocks on its way to a reader: encoded,
// or plain when it was the tail of a head.
type piece struct {
	block
	plain []vigil.Point
}

// A look is a series' memory at one moment, for readers. What a checkpoint
// takes from memory to the database later is in both for a reader that looks
// into memory first, and copies of one point are one point.
type look struct {
	s      *series
	pieces []piece
	span   vigil.Instant // the longest time that any piece spans
	cold   bool          // the heads are in the database only
	held   bool          // nobody else writes the series
}

// bounds returns the interval with its open ends spelled out.
func bounds(v vigil.Interval) vigil.Interval {
	if v.From == 0 {
		v.From = math.MinInt64
	}
	if v.To == 0 {
		v.To = math.MaxInt64
	}
	return v
}

// look takes what is in memory of a series.
func (db *DB) look(ctx context.Context, s *series) (*look, error) {
	v := &look{s: s}
	s.reading(v.take)
	return v, db.complete(ctx, v)
}

// lookLocked is look for those who hold the lock of the series' shard.
func (db *DB) lookLocked(ctx context.Context, s *series) (*look, error) {
	v := &look{s: s}
	v.take()
	return v, db.complete(ctx, v)
}

// take takes what is in memory while the shard is locked.
func (v *look) take() {
	s := v.s
	v.span, v.cold, v.held = s.tspan, !s.loaded && s.stored, s.home.Load().held
	v.blocks(s.pending, s.open.runs, s.late.runs)
	v.tail(s.open.tail)
	v.tail(s.late.tail)
}

// complete adds the heads when they are not in memory.
func (db *DB) complete(ctx context.Context, v *look) error {
	if v.cold {
		open, late, err := db.storedHeads(ctx, v.s.id)
		if err != nil {
			return err
		}
		v.blocks(open.runs, late.runs)
	}
	if !v.held { // whoever holds the partition may have joined chunks since
		span, err := db.storedSpan(ctx, v.s.id)
		if err != nil {
			return err
		}
		v.span = max(v.span, span)
	}
	for i := range v.pieces {
		v.span = max(v.span, v.pieces[i].t1-v.pieces[i].t0)
	}
	return nil
}

func (v *look) blocks(lists ...[]block) {
	for _, l := range lists {
		for _, b := range l {
			v.pieces = append(v.pieces, piece{block: b})
		}
	}
}

// tail copies plain points, which the writer will overwrite.
func (v *look) tail(pts []vigil.Point) {
	if len(pts) == 0 {
		return
	}
	p := piece{plain: tidy(slices.Clone(pts))}
	p.t0, p.t1, p.n = p.plain[0].Taken, p.plain[len(p.plain)-1].Taken, len(p.plain)
	v.pieces = append(v.pieces, p)
}

// pieces calls f for every piece of the series that overlaps an interval, by
// their first times, ascending or descending, until f returns false. A piece is
// valid until f returns.
func (db *DB) pieces(ctx context.Context, v *look, in vigil.Interval, desc bool, f func(*piece) (bool, error)) error {
	mem := v.pieces[:0:0]
	for _, p := range v.pieces {
		if p.t0 < in.To && p.t1 >= in.From {
			mem = append(mem, p)
		}
	}
	direction, sign := "", 1
	if desc {
		direction, sign = " DESC", -1
	}
	slices.SortStableFunc(mem, func(a, b piece) int { return sign * cmp.Compare(a.t0, b.t0) })
	// give hands out what memory has before a time.
	give := func(before vigil.Instant, all bool) error {
		for len(mem) > 0 && (all || sign*cmp.Compare(mem[0].t0, before) <= 0) {
			p := mem[0]
			mem = mem[1:]
			if more, err := f(&p); err != nil || !more {
				return cmp.Or(err, errEnough)
			}
		}
		return nil
	}
	from := in.From
	if from > math.MinInt64+v.span {
		from -= v.span
	} else {
		from = math.MinInt64
	}
	var room []byte
	err := db.d.each(ctx, func(rows scanner) error {
		var p piece
		var sealed sql.RawBytes // valid until the next row, which is long enough
		if err := rows.Scan(&p.t0, &p.t1, &p.n, &sealed); err != nil {
			return fault("read chunk", err)
		}
		if err := give(p.t0, false); err != nil {
			return err
		}
		var err error
		if room, err = db.c.Sealer.Open(room[:0], sealed); err != nil {
			return damaged("chunk", err)
		}
		p.data = room
		if more, err := f(&p); err != nil || !more {
			return cmp.Or(err, errEnough)
		}
		return nil
	}, `SELECT t0, t1, n, data FROM `+v.s.chunkTable()+`
		WHERE series = $1 AND t0 >= $2 AND t0 < $3 AND t1 >= $4 ORDER BY t0`+direction,
		int64(v.s.id), int64(from), int64(in.To), int64(in.From))
	if err == nil {
		err = give(0, true)
	}
	if err == errEnough { //nolint:errorlint // it is never wrapped
		return nil
	}
	return err
}

// errEnough ends a scan whose reader has what it wanted.
var errEnough = errors.New("enough")

// scan calls f with the raw points of a series whose times lie in an interval,
// tidy and in order, a run at a time, until f returns false. Points that are
// superseded or withdrawn are among them; the flags of copies are joined. A run
// is valid until f returns.
func (db *DB) scan(ctx context.Context, v *look, in vigil.Interval, desc bool, f func([]vigil.Point) bool) error {
	m := merger{in: in, desc: desc, emit: f}
	err := db.pieces(ctx, v, in, desc, func(p *piece) (bool, error) {
		if !m.settle(p.t0, v.span) {
			return false, nil
		}
		if err := m.join(p); err != nil {
			return false, damaged("chunk", err)
		}
		return true, nil
	})
	if err == nil && !m.done {
		m.rest()
	}
	return err
}

// A merger brings the points of overlapping pieces into one order.
type merger struct {
	in   vigil.Interval
	desc bool
	emit func([]vigil.Point) bool
	done bool

	open    []vigil.Point // ascending; later pieces may have more among them
	room    []vigil.Point
	decoder chunk.Decoder
}

// settle emits the points that no piece from t0 on can come before.
func (m *merger) settle(t0, span vigil.Instant) bool {
	if m.desc {
		edge := vigil.Instant(math.MaxInt64)
		if t0 < math.MaxInt64-span {
			edge = t0 + span
		}
		i, _ := slices.BinarySearchFunc(m.open, edge, func(p vigil.Point, t vigil.Instant) int {
			if p.Taken > t {
				return 1
			}
			return -1
		})
		ok := m.give(m.open[i:])
		m.open = m.open[:i]
		return ok
	}
	if n := len(m.open); n > 0 && m.open[n-1].Taken < t0 {
		// Chunks do not overlap, mostly: all of it can go.
		ok := m.give(m.open)
		m.open = m.open[:0]
		return ok
	}
	i, _ := slices.BinarySearchFunc(m.open, t0, func(p vigil.Point, t vigil.Instant) int { return cmp.Compare(p.Taken, t) })
	ok := m.give(m.open[:i])
	m.open = append(m.open[:0], m.open[i:]...)
	return ok
}

// join adds the points of a piece.
func (m *merger) join(p *piece) error {
	if p.plain != nil {
		m.open = tidy(append(m.open, p.plain...))
		return nil
	}
	var err error
	if len(m.open) == 0 {
		m.open, err = m.decoder.Points(m.open, p.data)
	} else if m.room, err = m.decoder.Points(m.room[:0], p.data); err == nil {
		m.open = append(m.open, m.room...)
	}
	m.open = tidy(m.open)
	return err
}

// rest emits what is left.
func (m *merger) rest() { m.give(m.open) }

// give cuts a run to the interval and hands it on.
func (m *merger) give(pts []vigil.Point) bool {
	before := func(p vigil.Point, t vigil.Instant) int { return cmp.Compare(p.Taken, t) }
	i, _ := slices.BinarySearchFunc(pts, m.in.From, before)
	j, _ := slices.BinarySearchFunc(pts, m.in.To, before)
	if i >= j {
		return true
	}
	pts = pts[i:j]
	if m.desc {
		slices.Reverse(pts)
	}
	if !m.emit(pts) {
		m.done = true
	}
	return !m.done
}
