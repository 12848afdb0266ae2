package rest

import (
	"context"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A match is a resource that was found.
type match struct {
	typ, id string
	body    []byte
	at      int64 // what it is sorted by
	last    bool  // it has nothing to be sorted by
	rank    string
	from    int // which stream it is of; 0 is the record
	mark    vigil.ResourceMark
}

// A stream gives matches one by one, nil behind the last. One is good until the
// next of the same stream.
type stream interface {
	next(ctx context.Context) (*match, error)
}

// A shelf is the stream of what was written.
type shelf struct {
	h     *hunt
	q     vigil.ResourceQuery
	buf   []vigil.ResourceHit
	ended bool
	m     match
}

// shelf opens what was written, behind a mark. first is how many matches are
// likely to be wanted.
func (h *hunt) shelf(after *vigil.ResourceMark, first int) *shelf {
	st := &shelf{h: h, q: h.plan.Query, ended: h.plan.Nothing}
	st.q.After, st.q.Limit, st.q.Bodies = after, max(first, 1), true
	return st
}

// few and most are how many resources are read from the record at once, at
// first and later: some are large.
const (
	few  = 200
	most = 1000
)

func (st *shelf) next(ctx context.Context) (*match, error) {
	for {
		if len(st.buf) == 0 {
			if err := st.fill(ctx); err != nil || len(st.buf) == 0 {
				return nil, err
			}
		}
		hit := &st.buf[0]
		st.buf = st.buf[1:]
		m := &st.m
		*m = match{typ: hit.Type, id: hit.ID, body: hit.Body, at: hit.Mark.Value, last: hit.Mark.Last, mark: hit.Mark}
		if !st.h.plan.Check {
			return m, nil
		}
		if err := st.h.look(); err != nil {
			return nil, err
		}
		doc, err := tree.Parse(hit.Body)
		if err != nil {
			return nil, vigil.Errorf(vigil.Internal, "a body of the record cannot be read: %w", err)
		}
		if st.h.q.Match(doc.Root()) {
			return m, nil
		}
	}
}

// fill reads the next resources from the record.
func (st *shelf) fill(ctx context.Context) error {
	if st.ended {
		return nil
	}
	var err error
	if st.buf, err = st.h.s.c.Record.SelectResources(ctx, st.q); err != nil {
		return costly(err)
	}
	st.ended = len(st.buf) < st.q.Limit
	if len(st.buf) > 0 {
		after := st.buf[len(st.buf)-1].Mark
		st.q.After = &after
		st.q.Limit = min(2*st.q.Limit, most)
	}
	return nil
}

// An origin is a type of a source.
type origin struct {
	Source
	typ string
}

// origins are the sources of some types.
func (s *Server) origins(types []string) []origin {
	var out []origin
	for _, src := range s.c.Sources {
		for _, typ := range src.Types() {
			if slices.Contains(types, typ) {
				out = append(out, origin{src, typ})
			}
		}
	}
	return out
}

// shownStream is the stream of what a source shows.
type shownStream struct {
	pull func() (vigil.ResourceHit, error, bool)
	from int
	m    match
}

func (st *shownStream) next(context.Context) (*match, error) {
	hit, err, ok := st.pull()
	if !ok || err != nil {
		return nil, costly(err)
	}
	st.m = match{typ: hit.Type, id: hit.ID, body: hit.Body, at: hit.Mark.Value, last: hit.Mark.Last, from: st.from, mark: hit.Mark}
	return &st.m, nil
}

// A merged stream gives the matches of several in their order; without an
// order, one after the other.
type merged struct {
	of     []stream
	head   []*match
	opened bool
	sorted bool
	desc   bool
	now    int // the stream that the last match is of
}

func (st *merged) next(ctx context.Context) (*match, error) {
	if !st.sorted {
		return st.another(ctx)
	}
	var err error
	if !st.opened {
		st.opened = true
		st.head = make([]*match, len(st.of))
		for i := range st.of {
			if st.head[i], err = st.of[i].next(ctx); err != nil {
				return nil, err
			}
		}
	} else if st.head[st.now], err = st.of[st.now].next(ctx); err != nil {
		return nil, err
	}
	best := -1
	for i, m := range st.head {
		if m != nil && (best < 0 || m.before(st.head[best], st.desc)) {
			best = i
		}
	}
	if best < 0 {
		st.of, st.head, st.sorted = nil, nil, false
		return nil, nil
	}
	st.now = best
	return st.head[best], nil
}

// another gives the next match of the first stream that has one.
func (st *merged) another(ctx context.Context) (*match, error) {
	for len(st.of) > 0 {
		m, err := st.of[0].next(ctx)
		if m != nil || err != nil {
			return m, err
		}
		st.of = st.of[1:]
	}
	return nil, nil
}

// before tells whether a match comes before another one of another stream.
func (m *match) before(o *match, desc bool) bool {
	if m.last != o.last {
		return o.last
	}
	if desc {
		return m.at > o.at
	}
	return m.at < o.at
}

// gathered is the stream of matches that had to be sorted here.
type gathered []match

func (g *gathered) next(context.Context) (*match, error) {
	if len(*g) == 0 {
		return nil, nil
	}
	m := &(*g)[0]
	*g = (*g)[1:]
	return m, nil
}

// gather reads all matches and sorts them, those behind a rank only.
func (h *hunt) gather(ctx context.Context, from []stream, after string) (*gathered, error) {
	var all gathered
	for _, st := range from {
		for {
			m, err := st.next(ctx)
			if err != nil {
				return nil, err
			}
			if m == nil {
				break
			}
			doc, err := tree.Parse(m.body)
			if err != nil {
				return nil, vigil.Errorf(vigil.Internal, "a resource cannot be read: %w", err)
			}
			m.rank = h.q.Rank(h.q.Extract(doc.Root()))
			if m.rank <= after && after != "" {
				continue
			}
			if len(all) == maxGathered {
				return nil, tooCostly()
			}
			m.body = slices.Clone(m.body)
			all = append(all, *m)
		}
	}
	slices.SortFunc(all, func(a, b match) int { return strings.Compare(a.rank, b.rank) })
	return &all, nil
}
