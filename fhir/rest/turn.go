package rest

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
)

// A turn is where a page begins: behind what came last from each stream. Pages
// that begin so stay as they are while others write.
type turn struct {
	Mark  *vigil.ResourceMark `json:"m,omitempty"` // of the record
	Texts []string            `json:"t,omitempty"` // of the sources
	Rank  string              `json:"r,omitempty"` // of what was sorted here
	// Before are the beginnings of the pages before, the first one left out.
	Before []turn `json:"b,omitempty"`
}

// begins tells whether the turn is not the beginning of all.
func (t *turn) begins() bool { return t.Mark != nil || t.Rank != "" || len(t.Texts) > 0 }

// maxBefore bounds how many pages a cursor remembers.
const maxBefore = 20

// A page is what one answer has of the matches.
type page struct {
	matches        []match
	whole          bool // nothing is left out in front or behind
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

// page reads the matches of the page that is asked for.
func (h *hunt) page(ctx context.Context) (*page, error) {
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
	for {
		m, err := st.next(ctx)
		if err != nil {
			return nil, costly(err)
		}
		if m == nil {
			p.whole = h.q.Cursor == ""
			break
		}
		if len(p.matches) == h.count {
			p.next = from.behind(p.matches, len(h.sources))
			break
		}
		if m.source >= 0 {
			m.body = slices.Clone(m.body)
		}
		p.matches = append(p.matches, *m)
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

// behind is the turn after some matches.
func (t *turn) behind(matches []match, sources int) *turn {
	out := &turn{Mark: t.Mark, Texts: slices.Clone(t.Texts), Rank: t.Rank}
	for i := range matches {
		m := &matches[i]
		switch {
		case m.rank != "":
			out.Rank = m.rank
		case m.source < 0:
			out.Mark = &m.mark
		default:
			for len(out.Texts) < sources {
				out.Texts = append(out.Texts, "")
			}
			out.Texts[m.source] = m.text
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
	timed := h.timed()
	gathers := !h.plan.Sorted || sorts && !timed && len(h.sources) > 0
	after, first := from.Mark, h.count+1
	if gathers {
		after, first = nil, most
		h.plan.Query.Order = vigil.ResourceOrder{}
	}
	of := []stream{h.shelf(after, first)}
	for i, src := range h.sources {
		text := ""
		if i < len(from.Texts) && !gathers {
			text = from.Texts[i]
		}
		feed, err := src.Search(ctx, h.q, text)
		if err != nil {
			return nil, err
		}
		of = append(of, shown{feed, i})
	}
	if gathers {
		return h.gather(ctx, of, from.Rank)
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
	for _, src := range x.s.c.Sources {
		searcher, ok := src.(Searcher)
		if !ok || !overlap(src.Types(), q.Types) {
			continue
		}
		feed, err := searcher.Search(ctx, q, "")
		if err != nil {
			return err
		}
		for {
			hit, err := feed.Next(ctx)
			if err != nil {
				return err
			}
			if hit == nil {
				break
			}
			if err := f(vigil.Resource{Type: hit.Type, ID: hit.ID, Body: hit.Body}); err != nil {
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
