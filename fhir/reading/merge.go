package reading

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
)

// before tells whether a comes before b.
func before(a, b order, desc bool) bool {
	c := cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.group, b.group), cmp.Compare(a.key, b.key),
		cmp.Compare(a.conflict, b.conflict), cmp.Compare(a.attribution, b.attribution))
	if desc {
		return c > 0
	}
	return c < 0
}

// A merge gives the readings of many strands in order. Strands are opened only
// when their bound is reached, so that the newest readings of ten thousand
// series cost as many queries as there are readings wanted.
type merge struct {
	strands []*strand
	desc    bool
}

func (m *merge) Len() int      { return len(m.strands) }
func (m *merge) Swap(i, j int) { m.strands[i], m.strands[j] = m.strands[j], m.strands[i] }

// Less puts what comes first on top; a strand that is not open comes before a
// reading with its bound.
func (m *merge) Less(i, j int) bool {
	a, b := m.strands[i], m.strands[j]
	x, y := a.bound, b.bound
	if x == y {
		return !a.open && b.open
	}
	return before(x, y, m.desc)
}

// Push and Pop are for container/heap.
func (m *merge) Push(x any) { m.strands = append(m.strands, x.(*strand)) } //nolint:forcetypeassert // only add pushes
func (m *merge) Pop() any {
	s := m.strands[len(m.strands)-1]
	m.strands = m.strands[:len(m.strands)-1]
	return s
}

// next returns the next reading, nil behind the last.
func (m *merge) next(ctx context.Context) (*reading, error) {
	for len(m.strands) > 0 {
		s := m.strands[0]
		r := s.next
		if err := s.advance(ctx); err != nil {
			return nil, err
		}
		if s.next == nil {
			heap.Pop(m)
		} else {
			s.bound = s.next.order
			heap.Fix(m, 0)
		}
		if r != nil {
			return r, nil
		}
	}
	return nil, nil
}

// A plan says which readings a merge gives.
type plan struct {
	window    span
	waves     span // the window of waves, whose blocks take time
	desc      bool
	standing  bool // readings that stand
	withdrawn bool // readings that were entered in error
	after     *order
	latest    map[vigil.SeriesID]vigil.Point
	batch     int // how many points are read at first, 0 for few
}

// Of a few series as many readings are read at once as are likely to be wanted.
const (
	fewGroups = 4
	fewBatch  = 512
)

// merged opens a merge over groups, of which likely so many readings are wanted;
// 0 when that is not known.
func (s *Source) merged(groups []*group, p plan, likely int) *merge {
	m := &merge{desc: p.desc}
	if p.batch = 0; len(groups) <= fewGroups {
		if p.batch = fewBatch; likely > 0 {
			p.batch = min(likely+1, lastBatch)
		}
	}
	for _, g := range groups {
		w, ok := p.windowOf(g)
		if !ok {
			continue
		}
		w = g.periodic(w)
		if g.wave() {
			if p.standing {
				m.strands = append(m.strands, s.waveStrand(g, w, p))
			}
			continue
		}
		if p.standing {
			if one := s.pointStrand(g, w, p, false); one != nil {
				m.strands = append(m.strands, one)
			}
		}
		if p.withdrawn && g.period == 0 {
			m.strands = append(m.strands, s.pointStrand(g, w, p, true))
		}
	}
	heap.Init(m)
	return m
}

// windowOf narrows the window to what may come after the cursor in a group.
func (p *plan) windowOf(g *group) (span, bool) {
	w, id := p.window, g.id
	if g.wave() {
		w = p.waves
	}
	if p.after != nil {
		at := p.after.at
		switch {
		case !p.desc && id < p.after.group:
			w.lo = max(w.lo, at+1)
		case !p.desc:
			w.lo = max(w.lo, at)
		case id > p.after.group:
			w.hi = min(w.hi, at)
		default:
			w.hi = min(w.hi, at+1)
		}
	}
	return w, w.lo < w.hi
}

// interval is the window as a query wants it.
func (w span) interval() vigil.Interval {
	v := vigil.Interval{From: max(w.lo, 0)}
	if w.hi != math.MaxInt64 {
		v.To = max(w.hi, 1)
	}
	return v
}

// edge is the bound of a strand that nothing is known about.
func (p *plan) edge(w span, id vigil.SeriesID) order {
	if p.desc {
		return order{at: w.hi, group: id, key: math.MaxUint64, conflict: math.MaxUint8, attribution: math.MaxUint8}
	}
	return order{at: w.lo, group: id}
}

// pointStrand returns nil when the newest readings are known and none of them
// lies in the window.
func (s *Source) pointStrand(g *group, w span, p plan, withdrawn bool) *strand {
	one := &strand{g: g, desc: p.desc, bound: p.edge(w, g.id)}
	if p.desc && !withdrawn && p.latest != nil {
		newest := vigil.Instant(math.MinInt64)
		for _, part := range g.parts {
			if pt, ok := p.latest[part.ID]; ok {
				newest = max(newest, pt.Taken)
			}
		}
		if newest < w.lo {
			return nil
		}
		one.bound.at = min(one.bound.at, newest)
	}
	for _, part := range g.parts {
		one.parts = append(one.parts, &pointStream{from: s.c.Readings, withdrawn: withdrawn, q: vigil.PointQuery{
			Series: part.ID, During: w.interval(), Desc: p.desc, History: withdrawn,
		}, first: p.batch})
	}
	return one
}

// maxAhead is how far ahead of this clock a block of a wave is looked for.
const maxAhead = 24 * time.Hour

// firstWidth is the width of the first window when a wave is read backwards: a
// minute.
const firstWidth = 60_000_000

func (s *Source) waveStrand(g *group, w span, p plan) *strand {
	// Nothing starts later than clocks may be ahead.
	hi := min(w.hi, vigil.InstantOf(s.c.Now()).Add(maxAhead))
	w.lo = max(w.lo, 1)
	return &strand{g: g, desc: p.desc, bound: p.edge(w, g.id), wave: &waveStream{
		from: s.c.Readings, id: g.id, metric: g.parts[0].Metric, lo: w.lo, hi: hi, desc: p.desc, width: firstWidth,
	}}
}

// cursorV1 is the first byte of a cursor.
const cursorV1 = 1

// cursor writes where a page ended. It says nothing about a patient.
func (o order) cursor(desc bool) string {
	b := []byte{cursorV1, 0}
	if desc {
		b[1] = 1
	}
	b = binary.AppendVarint(b, int64(o.at))
	b = binary.AppendVarint(b, int64(o.group))
	b = binary.AppendUvarint(b, o.key)
	b = append(b, o.conflict, o.attribution)
	return base64.RawURLEncoding.EncodeToString(b)
}

// parseCursor is the way back; a cursor fits only the order it was made in.
func parseCursor(s string, desc bool) (*order, error) {
	wrong := &vigil.Error{Kind: vigil.Invalid, Path: "_cursor", Msg: "this cursor was not made by this server for this search"}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(b) < 2 || b[0] != cursorV1 || b[1] > 1 || (b[1] == 1) != desc {
		return nil, wrong
	}
	var o order
	b = b[2:]
	at, n := binary.Varint(b)
	if n <= 0 {
		return nil, wrong
	}
	id, m := binary.Varint(b[n:])
	if m <= 0 {
		return nil, wrong
	}
	key, k := binary.Uvarint(b[n+m:])
	if rest := b[min(n+m+max(k, 0), len(b)):]; k <= 0 || len(rest) != 2 {
		return nil, wrong
	} else {
		o.conflict, o.attribution = rest[0], rest[1]
	}
	o.at, o.group, o.key = vigil.Instant(at), vigil.SeriesID(id), key
	return &o, nil
}

// mark is the cursor of an order as the record has it. Mostly a reading is known
// by the time that it was taken at, and there is nothing more to say.
func (o order) mark() vigil.ResourceMark {
	m := vigil.ResourceMark{Value: int64(o.at), Row: int64(o.group)}
	if o.key != uint64(o.at) || o.conflict > 0 || o.attribution > 0 { // #nosec G115 -- wraps on purpose
		m.Text = strconv.FormatUint(o.key, 36) + "." + strconv.Itoa(int(o.conflict)) + "." + strconv.Itoa(int(o.attribution))
	}
	return m
}

// orderOf is the way back.
func orderOf(m *vigil.ResourceMark) (order, error) {
	o := order{at: vigil.Instant(m.Value), group: vigil.SeriesID(m.Row), key: uint64(m.Value)} // #nosec G115 -- wraps on purpose
	if m.Text == "" {
		return o, nil
	}
	parts := strings.Split(m.Text, ".")
	if len(parts) == 3 {
		key, err := strconv.ParseUint(parts[0], 36, 64)
		conflict, err2 := strconv.ParseUint(parts[1], 10, 8)
		attribution, err3 := strconv.ParseUint(parts[2], 10, 8)
		if errors.Join(err, err2, err3) == nil {
			o.key, o.conflict, o.attribution = key, uint8(conflict), uint8(attribution)
			return o, nil
		}
	}
	return o, &vigil.Error{Kind: vigil.Invalid, Path: "_cursor", Msg: "this cursor was not made by this server for this search"}
}
