package store

import (
	"cmp"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A resourceRow is the newest version of a resource as the database holds it.
type resourceRow struct {
	rid int64
	vigil.Resource
	sealed []byte // the body, where it was asked for
}

// matches tells whether a row passes a test. A test without a condition passes
// nothing: what was forgotten must not find everything.
func (r *resourceRow) matches(t *vigil.ResourceTest) bool { return r.holds(t) != t.Not }

func (r *resourceRow) holds(t *vigil.ResourceTest) bool {
	switch {
	case t.Tokens != nil:
		return slices.ContainsFunc(t.Tokens, func(k uint64) bool {
			_, ok := slices.BinarySearch(r.Keys.Tokens, k)
			return ok
		})
	case t.IDs != nil:
		return slices.Contains(t.IDs, r.ID)
	case t.Span != nil:
		return r.within(t.Span)
	case t.Line != nil:
		from, to := sliceBounds(t.Line)
		return slices.ContainsFunc(r.Keys.Lines, func(l vigil.ResourceLine) bool {
			return int64(l.At) >= from && int64(l.At) <= to && slices.Contains(t.Line.Lines, l.Line)
		})
	case t.Any != nil:
		return slices.ContainsFunc(t.Any, func(t vigil.ResourceTest) bool { return r.matches(&t) })
	case t.Every != nil:
		return !slices.ContainsFunc(t.Every, func(t vigil.ResourceTest) bool { return !r.matches(&t) })
	}
	return t.Not // passes nothing either way
}

// within tells whether a span of the row lies like a range.
func (r *resourceRow) within(g *vigil.ResourceRange) bool {
	if g.Param == vigil.ChangedParam {
		at := int64(r.Changed)
		return g.LoMin <= at && at <= g.LoMax && g.HiMin <= at && at <= g.HiMax
	}
	return slices.ContainsFunc(r.Keys.Spans, func(s vigil.ResourceSpan) bool {
		return s.Param == g.Param&^classBits && g.LoMin <= s.Lo && s.Lo <= g.LoMax && g.HiMin <= s.Hi && s.Hi <= g.HiMax
	})
}

// sliceBounds returns the first and the last instant of a slice.
func sliceBounds(s *vigil.ResourceSlice) (first, last int64) {
	v := bounds(vigil.Interval{From: s.From, To: s.To})
	if v.To == math.MaxInt64 {
		return int64(v.From), math.MaxInt64
	}
	return int64(v.From), int64(v.To) - 1
}

// passes tells whether a query selects a row.
func (r *resourceRow) passes(q *vigil.ResourceQuery) bool {
	if r.Deleted || len(q.Types) > 0 && !slices.Contains(q.Types, r.Type) {
		return false
	}
	for i := range q.All {
		if !r.matches(&q.All[i]) {
			return false
		}
	}
	return true
}

// mark returns the place of a row among what a query selects. In a timeline of
// which the query selects a piece, a place in that piece counts.
func (r *resourceRow) mark(q *vigil.ResourceQuery) vigil.ResourceMark {
	o, m := &q.Order, vigil.ResourceMark{Row: r.rid}
	switch o.By {
	case vigil.ByCreation:
	case vigil.ByID:
		m.Text = r.ID
	case vigil.ByChange:
		m.Value = r.Written
	case vigil.BySpan:
		m.Last = true
		for _, s := range r.Keys.Spans {
			if s.Param != o.Param&^classBits {
				continue
			}
			v := s.Lo
			if o.Desc {
				v = s.Hi
			}
			better(&m, v, o.Desc)
		}
	case vigil.ByLine:
		m.Last = true
		first, last := lineBounds(q)
		for _, l := range r.Keys.Lines {
			if int64(l.At) >= first && int64(l.At) <= last && slices.Contains(o.Lines, l.Line) {
				better(&m, int64(l.At), o.Desc)
			}
		}
	}
	return m
}

// compareMarks says which place comes first in an order.
func compareMarks(a, b *vigil.ResourceMark, desc bool) int {
	if a.Last != b.Last {
		if b.Last {
			return -1
		}
		return 1
	}
	c := cmp.Or(cmp.Compare(a.Value, b.Value), cmp.Compare(a.Text, b.Text), cmp.Compare(a.Row, b.Row))
	if desc {
		return -c
	}
	return c
}

// better takes a value into a place if it comes before the one that is there.
func better(m *vigil.ResourceMark, v int64, desc bool) {
	if m.Last || v < m.Value != desc && v != m.Value {
		m.Value, m.Last = v, false
	}
}
