package store

import (
	"context"
	"slices"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// shelfBytes is about how much memory each half of a shelf takes.
const shelfBytes = 12 << 20

// A shelf keeps rows in memory that were written or read a short while ago, with
// their bodies sealed: who may not open them any more finds nothing here either.
// It has two halves; when one is full the other one is forgotten. Where several
// processes use the database, it keeps nothing.
type shelf struct {
	mu         sync.Mutex
	epoch      uint64 // grows whenever rows are about to change, and when they have
	young, old map[ResourceName]*resourceRow
	size       int // of young
}

// get returns the newest version of a resource without its body, nil when it is
// not here, and the epoch.
func (s *shelf) get(name ResourceName) (*resourceRow, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row := s.young[name]
	if row == nil {
		if row = s.old[name]; row != nil {
			s.keep(name, row)
		}
	}
	return row, s.epoch
}

// put keeps a row that was read since an epoch, unless something has been
// written meanwhile.
func (s *shelf) put(name ResourceName, row *resourceRow, epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch == s.epoch {
		s.keep(name, row)
	}
}

func (s *shelf) keep(name ResourceName, row *resourceRow) {
	if s.size > shelfBytes {
		s.old, s.young, s.size = s.young, nil, 0
	}
	if s.young == nil {
		s.young = map[ResourceName]*resourceRow{}
	}
	s.young[name] = row
	s.size += 512 + len(row.sealed) + 8*len(row.Keys.Tokens) + 24*len(row.Keys.Spans) + 16*len(row.Keys.Lines)
}

// begin forgets what a group is about to change.
func (s *shelf) begin(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	for name := range g.changed {
		delete(s.young, name)
		delete(s.old, name)
	}
}

// end keeps what a group has written.
func (s *shelf) end(g *group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	for name, c := range g.changed {
		if !c.rekeyed {
			row := *c.row
			row.Body, row.sealed = nil, g.sealed[row.Written]
			s.keep(name, &row)
		}
	}
}

// clear forgets everything: it is not known what is on disk.
func (s *shelf) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	s.young, s.old, s.size = nil, nil, 0
}

// How much a tail keeps.
const (
	tailRows  = 16384
	tailBytes = 16 << 20
)

// A tail is the latest versions in the order of their writes, bodies sealed, so
// that those who follow the record need not read back what was just written.
// Where several processes use the database, it keeps nothing.
type tail struct {
	mu    sync.Mutex
	known bool
	from  int64 // everything written behind this is here
	of    []resourceRow
	size  int
	// none says of types between which writes there is nothing of them: who
	// follows what nobody writes asks the same again and again.
	none map[string]stretch
}

// A stretch is everything behind one write up to another.
type stretch struct{ after, upTo int64 }

// add adds what a group has written.
func (t *tail) add(g *group) {
	var some []resourceRow
	for _, c := range g.changed {
		for i := range c.older {
			some = append(some, resourceRow{Resource: c.older[i]})
		}
		if !c.rekeyed {
			some = append(some, *c.row)
		}
	}
	slices.SortFunc(some, func(a, b resourceRow) int { return int(a.Written - b.Written) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known {
		t.known, t.from, t.of, t.size = true, g.began, nil, 0
	}
	for i := range some {
		some[i].sealed = g.sealed[some[i].Written]
		some[i].Body, some[i].Keys = nil, vigil.ResourceKeys{}
		t.size += len(some[i].sealed)
	}
	t.of = append(t.of, some...)
	for len(t.of) > tailRows || t.size > tailBytes {
		t.size -= len(t.of[0].sealed)
		t.from = t.of[0].Written
		t.of[0] = resourceRow{}
		t.of = t.of[1:]
	}
}

// clear forgets everything.
func (t *tail) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known, t.of, t.size, t.none = false, nil, 0, nil
}

// behind returns versions of some types behind a write, with their bodies
// sealed; false when not all of them are here.
func (t *tail) behind(types []string, after int64, limit int) ([]resourceRow, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := after
	if empty, ok := t.empty(types, after); ok {
		from = empty
	}
	if !t.known || from < t.from {
		return nil, false
	}
	i, _ := slices.BinarySearchFunc(t.of, from+1, func(r resourceRow, w int64) int { return int(r.Written - w) })
	var out []resourceRow
	for ; i < len(t.of) && len(out) < limit; i++ {
		if slices.Contains(types, t.of[i].Type) {
			out = append(out, t.of[i])
		}
	}
	if len(out) == 0 {
		t.note(types, after, t.end())
	}
	return out, true
}

// empty returns up to which write there is nothing of some types behind another.
func (t *tail) empty(types []string, after int64) (upTo int64, ok bool) {
	for i, typ := range types {
		s, ok := t.none[typ]
		if !ok || s.after > after {
			return 0, false
		}
		if i == 0 || s.upTo < upTo {
			upTo = s.upTo
		}
	}
	return upTo, upTo > after
}

func (t *tail) note(types []string, after, upTo int64) {
	if t.none == nil {
		t.none = map[string]stretch{}
	}
	for _, typ := range types {
		s, ok := t.none[typ]
		if !ok || s.after > after || s.upTo < after {
			s.after = after
		}
		t.none[typ] = stretch{s.after, max(s.upTo, upTo)}
	}
}

// end is the last write that is known here.
func (t *tail) end() int64 {
	if n := len(t.of); n > 0 {
		return t.of[n-1].Written
	}
	return t.from
}

// last is end, 0 when nothing is known.
func (t *tail) last() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.known {
		return 0
	}
	return t.end()
}

// quiet notes that there is nothing of some types between two writes.
func (t *tail) quiet(types []string, after, upTo int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known && upTo > after {
		t.note(types, after, upTo)
	}
}

// newest returns the newest version of a resource; nil when there never was one.
func (db *DB) newest(ctx context.Context, typ, id string, body bool) (*resourceRow, error) {
	name := ResourceName{typ, id}
	row, epoch := db.shelf.get(name)
	if row == nil {
		var err error
		if row, err = db.readNewest(ctx, typ, id); err != nil || row == nil {
			return nil, err
		}
		if !db.rd.many {
			db.shelf.put(name, row, epoch)
		}
	}
	out := *row
	out.sealed = nil
	if body {
		if err := db.openBody(&out.Resource, row.sealed); err != nil {
			return nil, err
		}
	}
	return &out, nil
}
