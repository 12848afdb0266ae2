package rest

import (
	"context"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Searcher is a source that can be searched.
type Searcher interface {
	Source
	// Search opens what a query finds, in the order of the query, behind a mark
	// that came with a hit before.
	Search(ctx context.Context, q *search.Query, after string) (Feed, error)
	// Count counts what a query finds.
	Count(ctx context.Context, q *search.Query) (int64, error)
}

// A Feed gives hits one by one.
type Feed interface {
	// Next returns the next hit, nil behind the last. It is good until the next
	// one is asked for.
	Next(ctx context.Context) (*Hit, error)
}

// A Hit is a resource that a source shows.
type Hit struct {
	Type, ID string
	Body     []byte
	At       vigil.Instant // what hits are ordered by
	Mark     string
}

// A match is a resource that was found.
type match struct {
	typ, id string
	body    []byte
	at      int64 // what it is sorted by
	last    bool  // it has nothing to be sorted by
	rank    string
	source  int // from which source; -1 from the record
	mark    vigil.ResourceMark
	text    string // the mark of a source
}

// A stream gives matches one by one, nil behind the last.
type stream interface {
	next(ctx context.Context) (*match, error)
}

// A shelf is the stream of what was written.
type shelf struct {
	h     *hunt
	q     vigil.ResourceQuery
	buf   []vigil.ResourceHit
	ended bool
}

// shelf opens what was written, behind a mark. first is how many matches are
// likely to be wanted.
func (h *hunt) shelf(after *vigil.ResourceMark, first int) *shelf {
	st := &shelf{h: h, q: h.plan.Query, ended: h.plan.Nothing}
	st.q.After, st.q.Limit, st.q.Bodies = after, max(first, 1), true
	return st
}

// most is how many resources are read from the record at once.
const most = 1000

func (st *shelf) next(ctx context.Context) (*match, error) {
	for {
		if len(st.buf) == 0 {
			if err := st.fill(ctx); err != nil || len(st.buf) == 0 {
				return nil, err
			}
		}
		hit := &st.buf[0]
		st.buf = st.buf[1:]
		m := &match{typ: hit.Type, id: hit.ID, body: hit.Body, at: hit.Mark.Value, last: hit.Mark.Last, source: -1, mark: hit.Mark}
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

// shown is the stream of what a source shows.
type shown struct {
	feed   Feed
	source int
}

func (st shown) next(ctx context.Context) (*match, error) {
	hit, err := st.feed.Next(ctx)
	if hit == nil || err != nil {
		return nil, err
	}
	return &match{typ: hit.Type, id: hit.ID, body: hit.Body, at: int64(hit.At), source: st.source, text: hit.Mark}, nil
}

// A merged stream gives the matches of several in their order; without an
// order, one after the other.
type merged struct {
	of      []stream
	head    []*match
	opened  bool
	sorted  bool
	desc    bool
	current int
}

func (st *merged) next(ctx context.Context) (*match, error) {
	if !st.sorted {
		for st.current < len(st.of) {
			m, err := st.of[st.current].next(ctx)
			if m != nil || err != nil {
				return m, err
			}
			st.current++
		}
		return nil, nil
	}
	if !st.opened {
		st.opened = true
		st.head = make([]*match, len(st.of))
		for i := range st.of {
			var err error
			if st.head[i], err = st.of[i].next(ctx); err != nil {
				return nil, err
			}
		}
	}
	best := -1
	for i, m := range st.head {
		if m != nil && (best < 0 || m.before(st.head[best], st.desc)) {
			best = i
		}
	}
	if best < 0 {
		return nil, nil
	}
	m := st.head[best]
	var err error
	st.head[best], err = st.of[best].next(ctx)
	return m, err
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
