package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// recentRows is of how many rows the entries wait in memory. What finds resources
// lies all over the database: many rows at once touch each page once.
const recentRows = 4096

// A recent holds the index entries of rows that are on disk while their entries
// are not. Rows keep their keys, so that nothing is lost with the memory. Who
// asks looks here first and into the database afterwards: what is on its way
// there is found in one of them at least. Several processes on one database have
// nothing in memory.
type recent struct {
	mu     sync.RWMutex
	rows   int
	tokens map[uint64][]int64
	spans  map[int64][]spanOf
	places map[int64][]placeOf
}

// add takes entries of some rows in.
func (r *recent) add(c *indexChanges, rows int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tokens == nil {
		r.tokens, r.spans, r.places = map[uint64][]int64{}, map[int64][]spanOf{}, map[int64][]placeOf{}
	}
	r.rows += rows
	for _, t := range c.tokens {
		r.tokens[t.token] = append(r.tokens[t.token], t.rid)
	}
	for _, s := range c.spans {
		r.spans[s.param] = append(r.spans[s.param], s)
	}
	for _, p := range c.places {
		r.places[p.line] = append(r.places[p.line], p)
	}
}

// clear forgets everything: it is in the database.
func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows, r.tokens, r.spans, r.places = 0, nil, nil, nil
}

// all returns all entries.
func (r *recent) all() *indexChanges {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := &indexChanges{}
	for token, rids := range r.tokens {
		for _, rid := range rids {
			out.tokens = append(out.tokens, tokenOf{token, rid})
		}
	}
	for _, some := range r.spans {
		out.spans = append(out.spans, some...)
	}
	for _, some := range r.places {
		out.places = append(out.places, some...)
	}
	return out
}

// withToken returns the rows that have a token.
func (r *recent) withToken(token uint64) []int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.Clone(r.tokens[token])
}

// marksOf returns entries of one index as marks: those of which mark says that
// they are wanted.
func marksOf[T any](r *recent, entries func() []T, mark func(T) (vigil.ResourceMark, bool)) []vigil.ResourceMark {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var out []vigil.ResourceMark
	for _, e := range entries() {
		if m, ok := mark(e); ok {
			out = append(out, m)
		}
	}
	return out
}

// inSpan returns the spans of a class between bounds, as marks of what the rows
// are kept by.
func (r *recent) inSpan(param, loMin, loMax, hiMin, hiMax int64) []vigil.ResourceMark {
	return marksOf(r, func() []spanOf { return r.spans[param] }, func(s spanOf) (vigil.ResourceMark, bool) {
		return vigil.ResourceMark{Value: s.lo, Row: s.rid}, s.lo >= loMin && s.lo <= loMax && s.hi >= hiMin && s.hi <= hiMax
	})
}

// inTimeline returns a piece of a timeline.
func (r *recent) inTimeline(line, first, last int64) []vigil.ResourceMark {
	return marksOf(r, func() []placeOf { return r.places[line] }, func(p placeOf) (vigil.ResourceMark, bool) {
		return vigil.ResourceMark{Value: p.at, Row: p.rid}, p.at >= first && p.at <= last
	})
}

// fromMemory returns a stream of marks that are in memory, behind one of them.
func fromMemory(marks []vigil.ResourceMark, after vigil.ResourceMark, desc bool) *stream {
	marks = slices.DeleteFunc(marks, func(m vigil.ResourceMark) bool { return compareMarks(&m, &after, desc) <= 0 })
	slices.SortFunc(marks, func(a, b vigil.ResourceMark) int { return compareMarks(&a, &b, desc) })
	return &stream{buf: marks, ended: true}
}

// index brings the index up to what the group has changed. As a rule the new
// entries wait in memory, where a row's were never before that row was written
// for the last time. What has to go is in the database then, or everything that
// waits is written first.
func (g *group) index(ctx context.Context, tx *sql.Tx, changes []*change) error {
	var gone, come indexChanges
	now := g.db.rd.many || g.db.recent.rows+len(changes) > recentRows
	for _, c := range changes {
		gone.add(c.base)
		come.add(c.row)
		now = now || c.rekeyed || c.base != nil && c.base.Written > g.clock.indexed
	}
	if now || len(gone.tokens) > 0 {
		come.sort()
	}
	if now {
		g.drained, g.clock.indexed = true, g.clock.written
		waiting := g.db.recent.all()
		if len(gone.tokens) == 0 {
			waiting.tokens = append(waiting.tokens, come.tokens...)
			waiting.spans = append(waiting.spans, come.spans...)
			waiting.places = append(waiting.places, come.places...)
			come = indexChanges{}
		}
		waiting.sort()
		if err := g.db.putIn(ctx, tx, waiting); err != nil {
			return err
		}
	}
	if len(gone.tokens) > 0 {
		gone.sort()
		gone.tokens, come.tokens = common(gone.tokens, come.tokens, compareTokens)
		gone.spans, come.spans = common(gone.spans, come.spans, compareSpans)
		gone.places, come.places = common(gone.places, come.places, comparePlaces)
		if err := takeOut(ctx, tx, &gone); err != nil {
			return err
		}
	}
	if now {
		return g.db.putIn(ctx, tx, &come)
	}
	g.waiting, g.waitingRows = come, len(changes)
	return nil
}

// Entries are compared as their tables sort them.
func compareTokens(a, b tokenOf) int {
	return cmp.Or(cmp.Compare(int64(a.token), int64(b.token)), cmp.Compare(a.rid, b.rid)) // #nosec G115 -- as they are kept
}

func compareSpans(a, b spanOf) int {
	return cmp.Or(cmp.Compare(a.param, b.param), cmp.Compare(a.lo, b.lo), cmp.Compare(a.rid, b.rid), cmp.Compare(a.hi, b.hi))
}

func comparePlaces(a, b placeOf) int {
	return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.at, b.at), cmp.Compare(a.rid, b.rid))
}

// drain writes the entries that wait in memory.
func (db *DB) drain(ctx context.Context) error {
	if db.recent.rows == 0 {
		return nil
	}
	g := &group{db: db}
	err := db.rd.in(ctx, func(tx *sql.Tx) error {
		if err := g.begin(ctx, tx); err != nil {
			return err
		}
		waiting := db.recent.all()
		waiting.sort()
		if err := db.putIn(ctx, tx, waiting); err != nil {
			return err
		}
		g.clock.indexed = g.clock.written
		return g.writeClock(ctx, tx)
	})
	if err != nil {
		return err
	}
	db.recent.clear()
	return nil
}

// recover indexes the rows whose entries were in memory when the process ended.
// Of a row that was replaced some entries may be in the database.
func (db *DB) recover(ctx context.Context) error {
	return db.rd.in(ctx, func(tx *sql.Tx) error {
		g := &group{db: db}
		if err := g.begin(ctx, tx); err != nil || g.clock.indexed == g.clock.written {
			return err
		}
		types, err := db.typeNumbers(ctx, nil)
		if err != nil {
			return err
		}
		var come, replaced indexChanges
		for _, no := range types {
			err := db.rd.each(ctx, func(rows scanner) error {
				var v versionRow
				if err := rows.Scan(v.dest(&v.id, &v.keys)...); err != nil {
					return fault("read resource", err)
				}
				r, err := db.row(ctx, &v)
				if err != nil {
					return err
				}
				come.add(r)
				if r.Version > 1 {
					replaced.add(r)
				}
				return nil
			}, `SELECT `+resourceColumns+`, id, keys FROM resources WHERE type = $1 AND written > $2`, no, g.clock.indexed)
			if err != nil {
				return err
			}
		}
		come.sort()
		replaced.sort()
		if err := takeOut(ctx, tx, &replaced); err != nil {
			return err
		}
		if err := db.putIn(ctx, tx, &come); err != nil {
			return err
		}
		g.clock.indexed = g.clock.written
		return g.writeClock(ctx, tx)
	})
}
