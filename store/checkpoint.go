package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/chunk"
)

// A cut is the memory at one moment, as far as the database does not have it
// yet: what one checkpoint writes, all of it or nothing.
type cut struct {
	series    []seriesCut
	positions []positionCut
	seen      []map[messageHash]seenAt
	events    []*keptEvent
	entries   []*keptEntry
	moves     []move
	at        vigil.Instant
}

// seriesCut is what a checkpoint writes of one series.
type seriesCut struct {
	s                   *series
	part                int
	describe            bool // write the row of the dictionary
	metric              *vigil.Metric
	kmax, kspan         uint64
	tmax, tspan, sealed vigil.Instant
	chunks              int64
	latest              vigil.Point
	hasLatest           bool
	open, late          []block
	pending             []block
	openTail, lateTail  []vigil.Point
	crowded             bool
}

// A slab gives room to copies of many short runs of points.
type slab struct{ free []vigil.Point }

// copy returns a copy of points.
func (b *slab) copy(pts []vigil.Point) []vigil.Point {
	n := len(pts)
	if n == 0 {
		return nil
	}
	if len(b.free) < n {
		b.free = make([]vigil.Point, max(n, 1<<14))
	}
	out := b.free[:n:n]
	b.free = b.free[n:]
	copy(out, pts)
	return out
}

// positionCut is how far a partition was taken in.
type positionCut struct {
	part       int
	seq, items uint64
	lease      uint64
	cut        int64 // how often the partition was written before
	idle       bool  // nothing of it is to be written
}

// unloadAfter is how many checkpoints a head stays in memory that nothing is
// added to.
const unloadAfter = 5

// Checkpoint writes everything that was taken in, with the positions it stands
// for, in one transaction that is on disk when it returns.
func (db *DB) Checkpoint(ctx context.Context) error {
	db.checkpointing.Lock()
	defer db.checkpointing.Unlock()
	c, err := db.commit(ctx)
	if err != nil {
		db.lastErr.Store(&err)
		return err
	}
	db.lastErr.Store(nil)
	db.counts.checkpoints.Add(1)
	db.settle(c)
	db.crowd(c)
	if err := db.compact(ctx); err != nil && ctx.Err() == nil {
		db.c.Log.Error("chunks could not be compacted; they are read as they are", "error", err)
	}
	return nil
}

// commit writes a cut. A partition whose lease was lost is followed from then
// on, and the rest is written without it. The caller holds checkpointing.
func (db *DB) commit(ctx context.Context) (*cut, error) {
	if err := db.use.check(ctx); err != nil {
		return nil, err
	}
	for {
		c, err := db.cut()
		if err == nil && !c.empty(db) {
			c.at = vigil.InstantOf(db.c.Now())
			err = db.d.in(ctx, func(tx *sql.Tx) error { return db.write(ctx, tx, c) })
		}
		if err == nil {
			return c, nil
		}
		db.giveBack(c)
		var gone *lostLease
		if !errors.As(err, &gone) {
			return nil, err
		}
		db.lose(gone.part)
	}
}

// cut takes everything that is to be written. Consumers wait meanwhile: plain
// points are copied here and encoded later.
func (db *DB) cut() (*cut, error) {
	// About as many series as the last time, taken from memory before anyone
	// has to wait.
	c := &cut{series: make([]seriesCut, 0, db.usual+db.usual/8)}
	defer func() { db.usual = len(c.series) }()
	db.lockAll()
	defer db.unlockAll()
	db.epoch++
	var room slab
	for _, sh := range db.shards {
		if !sh.held {
			continue
		}
		c.positions = append(c.positions, positionCut{sh.no, sh.seq, sh.items, sh.lease, sh.base.cut, db.idle(sh)})
		sh.bytes = 0
		dirty := sh.dirty
		sh.dirty = nil
		for i, s := range dirty {
			s.dirty = false
			sc, err := db.cutSeries(sh, s, &room)
			if err != nil {
				s.dirty = true
				sh.dirty = append(sh.dirty, dirty[i:]...)
				return c, err
			}
			c.series = append(c.series, sc)
		}
		if len(sh.writing) == 0 {
			sh.writing, sh.seen = sh.seen, map[messageHash]seenAt{}
		} else {
			for h, at := range sh.seen {
				sh.writing[h] = at
			}
			clear(sh.seen)
		}
		c.seen = append(c.seen, sh.writing)
	}
	held := func(slot int) bool { return db.shards[slot].held }
	c.events = db.events.cut(held)
	c.entries = db.quar.cut(held)
	c.moves = db.moves.cut(held)
	return c, nil
}

// idle tells whether nothing of a partition is to be written. The caller holds
// every lock.
func (db *DB) idle(sh *shard) bool {
	i := db.slotOf(sh.no)
	return db.c.Shared && len(sh.dirty)+len(sh.seen)+len(sh.writing) == 0 && sh.items == 0 &&
		sh.seq == db.positions[sh.no].Load() && len(db.events.list[i].pending) == 0 &&
		len(db.quar.list[i].pending) == 0 && len(db.moves.slots[i].pending) == 0
}

// cutSeries takes what is to be written of one series.
func (db *DB) cutSeries(sh *shard, s *series, room *slab) (seriesCut, error) {
	if s.late.n > 0 && s.lateAt+1 < db.epoch {
		if err := sh.seal(s, &s.late); err != nil {
			return seriesCut{}, err
		}
	}
	if s.late.n > 0 {
		sh.mark(s, s.touched) // to be sealed when nothing more comes
	}
	sc := seriesCut{
		s: s, part: sh.no, describe: !s.known, metric: s.metric.Load(), kmax: s.kmax, kspan: s.kspan,
		tmax: s.tmax, tspan: s.tspan, sealed: s.sealed, chunks: s.chunks, latest: s.latest,
		hasLatest: s.hasLatest && !s.stale, open: s.open.runs, late: s.late.runs, pending: s.pending,
		openTail: room.copy(s.open.tail), lateTail: room.copy(s.late.tail), crowded: s.crowded,
	}
	s.crowded = false
	return sc, nil
}

// empty tells whether the database has all of it already.
func (c *cut) empty(db *DB) bool {
	for _, p := range c.positions {
		if db.positions[p.part].Load() != p.seq || p.items > 0 {
			return false
		}
	}
	return len(c.series)+len(c.events)+len(c.entries)+len(c.moves) == 0
}

// write puts a cut into a transaction.
func (db *DB) write(ctx context.Context, tx *sql.Tx, c *cut) error {
	for _, f := range []func(context.Context, *sql.Tx, *cut) error{
		db.writePositions, db.writeSeries, db.writeChunks, db.writeHeads, db.writeSeen,
	} {
		if err := f(ctx, tx, c); err != nil {
			return err
		}
	}
	if err := db.writeEvents(ctx, tx, c.events); err != nil {
		return err
	}
	if err := db.writeEntries(ctx, tx, c.entries); err != nil {
		return err
	}
	return db.writeMoves(ctx, tx, c.moves)
}

// writeSeries writes what is new in the dictionary.
func (db *DB) writeSeries(ctx context.Context, tx *sql.Tx, c *cut) error {
	in := db.d.insert(tx, "series", "id, part, subject, device, channel, metric",
		"ON CONFLICT (id) DO UPDATE SET part = excluded.part, metric = excluded.metric")
	for i := range c.series {
		sc := &c.series[i]
		if !sc.describe {
			continue
		}
		metric, err := json.Marshal(sc.metric)
		if err != nil {
			return fmt.Errorf("write metric: %w", err)
		}
		s := sc.s
		if err := in.row(ctx, int64(s.id), sc.part, s.subject.String(), string(s.device), s.channel, string(metric)); err != nil {
			return err
		}
	}
	return in.end(ctx)
}

// writeChunks writes sealed blocks.
func (db *DB) writeChunks(ctx context.Context, tx *sql.Tx, c *cut) error {
	const columns = "series, t0, t1, no, kmin, kmax, n, data"
	points, waves := db.d.insert(tx, "chunks", columns, ""), db.d.insert(tx, "waves", columns, "")
	for i := range c.series {
		sc := &c.series[i]
		in := points
		if sc.s.wave {
			in = waves
		}
		for _, b := range sc.pending {
			if err := in.row(ctx, db.chunkRow(sc.s, b)...); err != nil {
				return err
			}
		}
	}
	if err := points.end(ctx); err != nil {
		return err
	}
	return waves.end(ctx)
}

// chunkRow is the row of one sealed block.
func (db *DB) chunkRow(s *series, b block) []any {
	return []any{
		int64(s.id), int64(b.t0), int64(b.t1), b.no, keyColumn(b.kmin), keyColumn(b.kmax), b.n,
		db.c.Sealer.Seal(make([]byte, 0, len(b.data)+64), s.subject.String(), b.data),
	}
}

// writeHeads writes the open ends.
func (db *DB) writeHeads(ctx context.Context, tx *sql.Tx, c *cut) error {
	in := db.d.insert(tx, "heads", "series, kmax, kspan, tmax, tspan, sealed, chunks, latest, data",
		`ON CONFLICT (series) DO UPDATE SET kmax = excluded.kmax, kspan = excluded.kspan, tmax = excluded.tmax,
		tspan = excluded.tspan, sealed = excluded.sealed, chunks = excluded.chunks, latest = excluded.latest,
		data = excluded.data`)
	var plain []byte
	for i := range c.series {
		sc := &c.series[i]
		subject := sc.s.subject.String()
		var latest []byte
		if sc.hasLatest {
			latest = db.c.Sealer.Seal(nil, subject, chunk.AppendPoints(nil, []vigil.Point{sc.latest}))
		}
		plain = appendHeads(plain[:0], withTail(sc.open, sc.openTail), withTail(sc.late, sc.lateTail))
		err := in.row(ctx, int64(sc.s.id), keyColumn(sc.kmax), keyColumn(sc.kspan), int64(sc.tmax), int64(sc.tspan),
			int64(sc.sealed), sc.chunks, latest, db.c.Sealer.Seal(nil, subject, plain))
		if err != nil {
			return err
		}
	}
	return in.end(ctx)
}

// withTail returns runs with one more for plain points.
func withTail(runs []block, tail []vigil.Point) []block {
	if len(tail) == 0 {
		return runs
	}
	return append(slices.Clip(runs), encode(tidy(tail)))
}

// writeSeen writes message ids.
func (db *DB) writeSeen(ctx context.Context, tx *sql.Tx, c *cut) error {
	in := db.d.insert(tx, "seen", "hash, position, arrived", "ON CONFLICT (hash) DO NOTHING")
	for _, m := range c.seen {
		for h, at := range m {
			if err := in.row(ctx, slices.Clone(h[:]), int64(at.position), int64(at.arrived)); err != nil { // #nosec G115 -- read back as it was
				return err
			}
		}
	}
	return in.end(ctx)
}

// writePositions writes how far each partition was taken in.
func (db *DB) writePositions(ctx context.Context, tx *sql.Tx, c *cut) error {
	if db.c.Shared {
		return db.fence(ctx, tx, c)
	}
	in := db.d.insert(tx, "positions", "part, seq, items, cut, at", `ON CONFLICT (part) DO UPDATE SET
		seq = excluded.seq, items = excluded.items, cut = positions.cut + 1, at = excluded.at`)
	for _, p := range c.positions {
		if err := in.row(ctx, p.part, int64(p.seq), int64(p.items), 1, int64(c.at)); err != nil { // #nosec G115 -- read back as it was
			return err
		}
	}
	return in.end(ctx)
}

// giveBack lists again what could not be written.
func (db *DB) giveBack(c *cut) {
	db.lockAll()
	defer db.unlockAll()
	for i := range c.series {
		sc := &c.series[i]
		s := sc.s
		s.crowded = s.crowded || sc.crowded
		s.home.Load().mark(s, s.touched)
		for _, b := range sc.pending {
			s.home.Load().bytes += len(b.data)
		}
	}
	db.events.giveBack()
	db.quar.giveBack()
	db.moves.giveBack()
}

// settle takes from memory what was written.
func (db *DB) settle(c *cut) {
	db.lockAll()
	defer db.unlockAll()
	for i := range c.series {
		sc := &c.series[i]
		s := sc.s
		s.stored = true
		if s.home.Load().no == sc.part && s.metric.Load() == sc.metric {
			s.known = true
		}
		if len(sc.pending) > 0 {
			s.home.Load().forget(s)
			s.pending = slices.Clone(s.pending[len(sc.pending):])
		}
	}
	for _, p := range c.positions {
		db.positions[p.part].Store(p.seq)
		if c.at != 0 && !p.idle {
			db.shards[p.part].base = base{p.cut + 1, c.at}
		}
	}
	for _, sh := range db.shards {
		sh.writing = nil
		sh.loaded = slices.DeleteFunc(sh.loaded, func(s *series) bool {
			if s.dirty || len(s.pending) > 0 || !s.stored || s.touched+unloadAfter > db.epoch {
				return false
			}
			s.open, s.late, s.loaded = head{}, head{}, false
			return true
		})
	}
	db.events.settle()
	db.quar.settle()
	db.moves.settle()
}
