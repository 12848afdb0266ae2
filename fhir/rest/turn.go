package rest

import (
	"context"
	"encoding/json"
	"iter"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
)

// A turn is where a page begins: behind what came last from each stream. Pages
// that begin so stay as they are while others write.
type turn struct {
	Marks []*vigil.ResourceMark `json:"m,omitempty"` // of the streams, nil for one that has not begun
	Rank  []byte                `json:"r,omitempty"` // of what was sorted here
	// Before are the beginnings of the pages before, the first one left out.
	Before []turn `json:"b,omitempty"`
}

// begins tells whether the turn is not the beginning of all.
func (t *turn) begins() bool { return len(t.Rank) > 0 || len(t.Marks) > 0 }

// maxPage bounds the bytes of a page: one that grows beyond them ends, however
// few matches it has.
const maxPage = 16 << 20

// maxBefore bounds how many pages a cursor remembers.
const maxBefore = 20

// A page is what one answer has of the matches.
type page struct {
	n              int
	matches        []match // those that something is to be included for
	whole          bool    // nothing is left out in front or behind
	next, previous *turn
}

// seal makes the cursor of a turn.
func (h *hunt) seal(t *turn) string {
	raw, err := json.Marshal(t)
	if err != nil {
		panic("rest: " + err.Error()) // nothing in it can fail
	}
	return h.s.seal.close(h.purpose(), raw)
}

// page puts the matches of the page that is asked for into a Bundle.
func (h *hunt) page(ctx context.Context, b *bundle) (*page, error) {
	var from turn
	if h.q.Cursor != "" {
		raw, err := h.s.seal.open(h.purpose(), h.q.Cursor)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &from); err != nil {
			return nil, bad("this cursor was not made by this version of the server").at("_cursor")
		}
	}
	st, err := h.open(ctx, &from)
	if err != nil {
		return nil, costly(err)
	}
	p := &page{}
	var last ending
	for {
		m, err := st.next(ctx)
		if err != nil {
			return nil, costly(err)
		}
		if m == nil {
			p.whole = h.q.Cursor == ""
			break
		}
		if p.n == h.count || len(b.body) > maxPage {
			p.next = from.behind(&last)
			break
		}
		p.n++
		last.note(m)
		if err := h.add(b, m, "match"); err != nil {
			return nil, err
		}
		if len(h.q.Includes) > 0 {
			if m.from > 0 {
				m.body = slices.Clone(m.body)
			}
			p.matches = append(p.matches, *m)
		}
	}
	if n := len(from.Before); h.q.Cursor != "" {
		p.previous = &turn{}
		if n > 0 {
			p.previous = &from.Before[n-1]
			p.previous.Before = from.Before[:n-1]
		}
	}
	return p, nil
}

// An ending is where a page ends: the last match of each stream.
type ending struct {
	marks []vigil.ResourceMark
	seen  []bool
	rank  string
}

func (e *ending) note(m *match) {
	for len(e.marks) <= m.from {
		e.marks, e.seen = append(e.marks, vigil.ResourceMark{}), append(e.seen, false)
	}
	e.marks[m.from], e.seen[m.from], e.rank = m.mark, true, m.rank
}

// behind is the turn after a page.
func (t *turn) behind(e *ending) *turn {
	out := &turn{Marks: slices.Clone(t.Marks), Rank: t.Rank}
	if e.rank != "" {
		out.Rank = []byte(e.rank)
	} else {
		for i := range e.marks {
			if len(out.Marks) <= i {
				out.Marks = append(out.Marks, nil)
			}
			if e.seen[i] {
				out.Marks[i] = &e.marks[i]
			}
		}
	}
	if t.begins() {
		before := *t
		before.Before = nil
		out.Before = append(slices.Clone(t.Before), before)
		out.Before = out.Before[max(0, len(out.Before)-maxBefore):]
	}
	return out
}

// open opens the matches behind a turn.
func (h *hunt) open(ctx context.Context, from *turn) (stream, error) {
	sorts := len(h.q.Sort) > 0
	gathers := !h.plan.Sorted || sorts && !h.timed() && len(h.origins) > 0
	marks, first := make([]*vigil.ResourceMark, 1+len(h.origins)), min(h.count+1, few)
	if gathers {
		first, h.plan.Query.Order = most, vigil.ResourceOrder{}
	} else {
		copy(marks, from.Marks)
	}
	of := []stream{h.shelf(marks[0], first)}
	by := h.q.Sort
	if gathers {
		h.q.Sort = nil // the sources need not sort what is sorted here
	}
	for i, o := range h.origins {
		pull, stop := iter.Pull2(o.Search(ctx, o.typ, h.q, marks[i+1]))
		h.stops = append(h.stops, stop)
		of = append(of, &shownStream{pull: pull, from: i + 1})
	}
	h.q.Sort = by
	if gathers {
		return h.gather(ctx, of, string(from.Rank))
	}
	if len(of) == 1 {
		return of[0], nil
	}
	return &merged{of: of, sorted: sorts, desc: sorts && h.q.Sort[0].Desc}, nil
}

// timed tells whether the matches are sorted by a time alone, which those of
// the record and those of sources have both.
func (h *hunt) timed() bool {
	return len(h.q.Sort) == 1 && (h.q.Sort[0].Param == "date" || h.q.Sort[0].Param == "_lastUpdated")
}

// finder answers the steps of chains.
type finder struct {
	s *Server
	h *hunt
}

// Find calls f with each resource that a step of a query finds.
func (x finder) Find(ctx context.Context, q *search.Query, f func(vigil.Resource) error) error {
	sub := &hunt{s: x.s, c: x.h.c, q: q, plan: q.Plan()}
	sub.looks = x.h.looks
	st := sub.shelf(nil, most)
	st.q.Bodies = q.Bodies || sub.plan.Check
	for {
		m, err := st.next(ctx)
		if err != nil {
			return err
		}
		if m == nil {
			break
		}
		if err := f(vigil.Resource{Type: m.typ, ID: m.id, Body: m.body}); err != nil {
			return err
		}
	}
	x.h.looks = sub.looks
	return x.sources(ctx, q, f)
}

// sources finds what sources show.
func (x finder) sources(ctx context.Context, q *search.Query, f func(vigil.Resource) error) error {
	for _, o := range x.s.origins(q.Types) {
		for hit, err := range o.Search(ctx, o.typ, q, nil) {
			if err == nil {
				err = f(hit.Resource)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// resolve follows the chains of a query.
func (s *Server) resolve(ctx context.Context, q *search.Query, f search.Finder) error {
	return costly(q.Resolve(ctx, f, s.c.Terms, search.Limits{}))
}
