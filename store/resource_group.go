package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A clock is the last numbers that the record has given.
type clock struct {
	rid, written, word int64
	lag                int64 // the greatest of all writes
	indexed            int64 // what was written up to here is in the index of the database
}

// next returns the number of a write: one more than the last, and not less than
// the time of the change in microseconds, so that writes are in the order of
// their times, too.
func (c *clock) next(changed vigil.Instant) int64 {
	c.written = max(c.written+1, int64(changed))
	c.lag = max(c.lag, c.written-int64(changed))
	return c.written
}

// A change is what a group made of one resource. It is never changed itself.
type change struct {
	row   *resourceRow     // the newest version
	base  *resourceRow     // what the database holds; nil when it holds none
	older []vigil.Resource // versions of this group before the newest
	// rekeyed: the newest version is that of base, with other keys.
	rekeyed bool
	// assumed: that the resource is new is what its writer says.
	assumed bool
}

// A group is requests that are written in one transaction, one after another.
type group struct {
	db       *DB
	careful  bool // everything is looked up, and nobody's word is taken
	requests []*request
	clock    clock
	began    int64 // the last write before
	changed  map[ResourceName]*change
	log      []undo
	bytes    int
	assumed  int                           // resources that are new as their writers say
	looked   map[ResourceName]*resourceRow // what the database holds, nil where that is none
	words    map[string]int64              // that are new
	sealed   map[int64][]byte              // bodies of what is written, by its number

	drained     bool         // nothing waits in memory any more
	waiting     indexChanges // what is to wait there
	waitingRows int

	byToken map[uint64][]ResourceName // what was changed, by what it is found by
	indexed int                       // entries of log that are in byToken
}

// An undo is how one change is taken back.
type undo struct {
	name   ResourceName
	before *change
}

// A savepoint is where a group was before a request.
type savepoint struct {
	log, bytes int
	clock      clock
}

func (g *group) save() savepoint { return savepoint{len(g.log), g.bytes, g.clock} }

// restore takes back everything since a savepoint.
func (g *group) restore(s savepoint) {
	for i := len(g.log) - 1; i >= s.log; i-- {
		if u := g.log[i]; u.before == nil {
			delete(g.changed, u.name)
		} else {
			g.changed[u.name] = u.before
		}
	}
	g.log, g.bytes, g.clock = g.log[:s.log], s.bytes, s.clock
	g.indexed = min(g.indexed, s.log)
}

func (g *group) empty() bool { return len(g.log) == 0 }

// look returns the newest version of a resource as the database holds it, nil
// when it holds none. Nobody else writes while the group runs.
func (g *group) look(ctx context.Context, typ, id string) (*resourceRow, error) {
	name := ResourceName{typ, id}
	if row, ok := g.looked[name]; ok {
		return row, nil
	}
	row, err := g.db.newest(ctx, typ, id, true)
	if err != nil {
		return nil, err
	}
	if g.looked == nil {
		g.looked = map[ResourceName]*resourceRow{}
	}
	g.looked[name] = row
	return row, nil
}

// put adds the next version of a resource.
func (g *group) put(ctx context.Context, r vigil.Resource) (vigil.Resource, error) {
	name := ResourceName{r.Type, r.ID}
	next := &change{row: &resourceRow{}}
	before := g.changed[name]
	_, known := g.looked[name]
	switch {
	case before != nil:
		if next.base, next.older = before.base, before.older; !before.rekeyed {
			next.older = append(slices.Clip(before.older), before.row.Resource)
		}
		next.row.rid, next.row.Version = before.row.rid, before.row.Version
	case r.Version == 1 && !known && !g.careful:
		g.assumed++
		next.assumed = true
	default:
		base, err := g.look(ctx, r.Type, r.ID)
		if err != nil {
			return r, err
		}
		if base != nil {
			next.base, next.row.rid, next.row.Version = base, base.rid, base.Version
		}
	}
	next.row.Version++
	if r.Version != 0 && r.Version != next.row.Version {
		return r, vigil.Errorf(vigil.Conflicting, "this %s was changed by somebody else; read it again", r.Type)
	}
	if next.row.rid == 0 {
		g.clock.rid++
		next.row.rid = g.clock.rid
	}
	r.Version, r.Written = next.row.Version, g.clock.next(r.Changed)
	next.row.Resource = r
	g.record(name, next)
	g.bytes += len(r.Body) + 256
	return r, nil
}

// record notes a change.
func (g *group) record(name ResourceName, c *change) {
	if g.changed == nil {
		g.changed = map[ResourceName]*change{}
	}
	g.log = append(g.log, undo{name, g.changed[name]})
	g.changed[name] = c
}

// selects returns what a query selects, with what the group has changed.
func (g *group) selects(ctx context.Context, q vigil.ResourceQuery) ([]vigil.ResourceHit, error) {
	limit := cmp.Or(q.Limit, defaultLimit)
	q.Limit = limit + len(g.changed)
	hits, err := g.db.SelectResources(ctx, q)
	if err != nil || len(g.changed) == 0 {
		return hits[:min(len(hits), limit)], err
	}
	hits = slices.DeleteFunc(hits, func(h vigil.ResourceHit) bool { return g.changed[ResourceName{h.Type, h.ID}] != nil })
	q.Order = plainOrder(q.Order)
	for _, name := range g.candidates(&q) {
		c := g.changed[name]
		if c == nil || !c.row.passes(&q) {
			continue
		}
		m := c.row.mark(&q)
		if q.Order.By == vigil.ByLine && lineTest(&q) != nil && m.Last || q.After != nil && compareMarks(&m, q.After, q.Order.Desc) <= 0 {
			continue
		}
		hits = append(hits, vigil.ResourceHit{Resource: c.row.Resource, Mark: m})
	}
	slices.SortFunc(hits, func(a, b vigil.ResourceHit) int { return compareMarks(&a.Mark, &b.Mark, q.Order.Desc) })
	hits = slices.CompactFunc(hits, func(a, b vigil.ResourceHit) bool { return a.Mark.Row == b.Mark.Row })
	return hits[:min(len(hits), limit)], nil
}

// candidates returns the changed resources that a query may select.
func (g *group) candidates(q *vigil.ResourceQuery) []ResourceName {
	for i := range q.All {
		t := &q.All[i]
		if t.Tokens == nil || t.Not {
			continue
		}
		g.indexLog()
		var out []ResourceName
		for _, k := range t.Tokens {
			out = append(out, g.byToken[k]...)
		}
		return out
	}
	return slices.Collect(maps.Keys(g.changed))
}

// indexLog brings byToken up to date. What was taken back stays in it: whoever
// finds a name there looks what the resource says now.
func (g *group) indexLog() {
	if g.byToken == nil {
		g.byToken = map[uint64][]ResourceName{}
	}
	for _, u := range g.log[g.indexed:] {
		if c := g.changed[u.name]; c != nil {
			for _, k := range c.row.Keys.Tokens {
				g.byToken[k] = append(g.byToken[k], u.name)
			}
		}
	}
	g.indexed = len(g.log)
}

// settle makes known what was committed.
func (g *group) settle() {
	for word, no := range g.words {
		g.db.words.learn(no, word)
	}
	if g.drained {
		g.db.recent.clear()
	}
	if g.waitingRows > 0 {
		g.db.recent.add(&g.waiting, g.waitingRows)
	}
	if !g.db.rd.many && !g.empty() {
		g.db.shelf.end(g)
		g.db.tail.add(g)
	}
}

// begin takes the lock of the clock and reads it.
func (g *group) begin(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, `UPDATE resource_clock SET rid = rid WHERE one = 0`); err != nil {
		return fault("lock clock of resources", err)
	}
	c := &g.clock
	err := tx.QueryRowContext(ctx, `SELECT rid, written, lag, word, indexed FROM resource_clock WHERE one = 0`).
		Scan(&c.rid, &c.written, &c.lag, &c.word, &c.indexed)
	if err != nil {
		return fault("read clock of resources", err)
	}
	return nil
}
