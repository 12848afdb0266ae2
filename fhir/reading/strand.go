package reading

import (
	"context"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A pointStream reads the points of one series, a batch at a time.
type pointStream struct {
	from  Readings
	q     vigil.PointQuery
	buf   []vigil.Point
	ended bool
	first int // size of the first batch, when it is not the usual one
	// withdrawn streams give only points that were entered in error.
	withdrawn bool
}

// The first and the largest batch that a stream reads.
const (
	firstBatch = 16
	lastBatch  = 2048
)

// peek returns the next point, nil behind the last.
func (s *pointStream) peek(ctx context.Context) (*vigil.Point, error) {
	for len(s.buf) == 0 && !s.ended {
		if s.q.Limit = min(max(4*s.q.Limit, firstBatch), lastBatch); s.first > 0 {
			s.q.Limit, s.first = s.first, 0
		}
		pts, err := s.from.Points(ctx, s.q)
		if err != nil {
			return nil, err
		}
		s.ended = len(pts) < s.q.Limit
		if len(pts) > 0 {
			last := pts[len(pts)-1]
			s.q.After = &last
		}
		if s.withdrawn {
			pts = slices.DeleteFunc(pts, func(p vigil.Point) bool { return !p.Quality.Has(vigil.EnteredInError) })
		}
		s.buf = pts
	}
	if len(s.buf) == 0 {
		return nil, nil
	}
	return &s.buf[0], nil
}

func (s *pointStream) skip() { s.buf = s.buf[1:] }

// A waveStream reads the blocks of one wave by their start, a window at a
// time.
type waveStream struct {
	from   Readings
	id     vigil.SeriesID
	metric *vigil.Metric
	lo, hi vigil.Instant // what is left to read
	desc   bool
	width  vigil.Instant // of the next window, when reading backwards
	buf    []block
	ended  bool
}

// A block is a block of a wave and how many blocks before it have its start.
type block struct {
	wave    vigil.Wave
	ordinal uint8
}

// waveBatch is how many blocks are read at once.
const waveBatch = 128

func (s *waveStream) peek(ctx context.Context) (*block, error) {
	for len(s.buf) == 0 && !s.ended {
		var err error
		if s.desc {
			err = s.back(ctx)
		} else {
			err = s.forth(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(s.buf) == 0 {
		return nil, nil
	}
	return &s.buf[0], nil
}

func (s *waveStream) skip() { s.buf = s.buf[1:] }

// read returns the blocks that start in [lo, hi), and whether there are more
// than limit of them.
func (s *waveStream) read(ctx context.Context, lo, hi vigil.Instant, limit int) ([]block, bool, error) {
	waves, err := s.from.Waves(ctx, s.id, vigil.Interval{From: max(lo, 1), To: hi}, limit)
	if err != nil {
		return nil, false, err
	}
	full := limit > 0 && len(waves) >= limit
	var out []block
	for _, w := range waves {
		if w.Start < lo || w.Start >= hi {
			continue
		}
		b := block{wave: w}
		if n := len(out); n > 0 && out[n-1].wave.Start == w.Start {
			b.ordinal = out[n-1].ordinal + 1
		}
		out = append(out, b)
	}
	return out, full, nil
}

// forth reads the next window forwards. The last start of a full window may
// have more blocks, so it is left to the next.
func (s *waveStream) forth(ctx context.Context) error {
	for limit := waveBatch; ; limit *= 2 {
		blocks, full, err := s.read(ctx, s.lo, s.hi, limit)
		if err != nil {
			return err
		}
		if !full {
			s.buf, s.ended = blocks, true
			return nil
		}
		if len(blocks) == 0 {
			continue
		}
		last := blocks[len(blocks)-1].wave.Start
		blocks = slices.DeleteFunc(blocks, func(b block) bool { return b.wave.Start == last })
		if len(blocks) > 0 {
			s.buf, s.lo = blocks, last
			return nil
		}
	}
}

// back reads the next window backwards: wider while it is empty, narrower when
// it holds too much.
func (s *waveStream) back(ctx context.Context) error {
	for s.hi > s.lo {
		lo := s.lo
		if s.width < s.hi-s.lo && s.width > 0 {
			lo = s.hi - s.width
		}
		blocks, full, err := s.read(ctx, lo, s.hi, 2*waveBatch)
		switch {
		case err != nil:
			return err
		case full && s.hi-lo > 1:
			s.width = (s.hi - lo) / 4
			if s.width == 0 {
				s.width = 1
			}
			continue
		case full: // hundreds of blocks with one start
			if blocks, _, err = s.read(ctx, lo, s.hi, 0); err != nil {
				return err
			}
		}
		s.hi = lo
		if s.width < math.MaxInt64/8 {
			s.width *= 4
		}
		if len(blocks) > 0 {
			slices.Reverse(blocks)
			s.buf = blocks
			return nil
		}
	}
	s.ended = true
	return nil
}

// A strand gives the readings of one group in order.
type strand struct {
	g     *group
	desc  bool
	bound order // no reading of this strand comes before it
	open  bool
	parts []*pointStream
	wave  *waveStream
	next  *reading
	held  *reading // read already, of the next period

	peeked []*vigil.Point
	spare  [2]reading
	turn   int
}

// advance fetches the next reading; next is nil behind the last.
func (s *strand) advance(ctx context.Context) error {
	s.open, s.next = true, nil
	if s.wave != nil {
		b, err := s.wave.peek(ctx)
		if b == nil || err != nil {
			return err
		}
		w := b.wave
		w.Metric = s.wave.metric
		s.next = &reading{g: s.g, wave: &w, order: order{at: w.Start, group: s.g.id, key: uint64(w.Start), conflict: b.ordinal}} // #nosec G115 -- wraps on purpose
		s.wave.skip()
		return nil
	}
	if s.g.period > 0 {
		return s.advancePeriod(ctx)
	}
	var err error
	s.next, err = s.take(ctx)
	return err
}

// take reads the next points that belong together, nil behind the last. What it
// returned before last is used again, unless it is kept.
func (s *strand) take(ctx context.Context) (*reading, error) {
	if s.peeked == nil {
		s.peeked = make([]*vigil.Point, len(s.parts))
	}
	first := -1
	var o order
	for i, p := range s.parts {
		pt, err := p.peek(ctx)
		if err != nil {
			return nil, err
		}
		s.peeked[i] = pt
		if pt == nil {
			continue
		}
		if x := s.pointOrder(pt); first < 0 || before(x, o, s.desc) {
			first, o = i, x
		}
	}
	if first < 0 {
		return nil, nil
	}
	r := s.blank()
	r.order = o
	for i, p := range s.peeked {
		if p != nil && (i == first || s.pointOrder(p) == o) {
			r.points[i] = *p
			s.parts[i].skip()
		} else {
			r.points[i] = vigil.Point{}
		}
	}
	return r, nil
}

// blank returns an empty reading: a new one where readings are kept, else one
// of two that take turns, because one is given out while the next waits here.
func (s *strand) blank() *reading {
	if s.g.period > 0 {
		return &reading{g: s.g, points: make([]vigil.Point, len(s.parts))}
	}
	s.turn = 1 - s.turn
	r := &s.spare[s.turn]
	if r.g == nil {
		r.g, r.points = s.g, make([]vigil.Point, len(s.parts))
	}
	return r
}

// pointOrder is the place of a point. Parts of a panel whose keys are positions
// in the journal belong together when they stood in one frame.
func (s *strand) pointOrder(p *vigil.Point) order {
	o := order{at: p.Taken, group: s.g.id, key: p.Key, conflict: p.Conflict, attribution: p.Attribution}
	if s.g.panel != nil && ownKeys(p.KeyKind) {
		o.key = p.Key >> placeBits
	}
	return o
}

// placeBits is how many low bits of a journal position count within a frame
// (vigil.StoredEvent.Position).
const placeBits = 20
