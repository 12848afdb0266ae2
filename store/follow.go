package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
)

// followEvery is how often the store looks what other processes wrote.
const followEvery = time.Second

// keepFollowing looks again and again.
func (db *DB) keepFollowing(ctx context.Context) {
	t := time.NewTicker(followEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := db.Follow(ctx); err != nil && ctx.Err() == nil {
			db.c.Log.Error("what other processes wrote cannot be read; trying again", "error", err)
		}
	}
}

// unbuilt is the cut that the memory of a store builds on that was just opened:
// reattributions are still to be carried again.
const unbuilt = -1

// Follow looks which partitions were written by other processes, and builds
// those anew on what the database has now. A store that is shared does so once a
// second by itself.
func (db *DB) Follow(ctx context.Context) error {
	if !db.c.Shared {
		return nil
	}
	cuts, some := make([]int64, len(db.shards)), false
	err := db.d.each(ctx, func(rows scanner) error {
		var part int
		var cut int64
		if err := rows.Scan(&part, &cut); err != nil {
			return fault("read position", err)
		}
		switch {
		case part == outside:
			some = db.heard.Swap(cut) != cut
		case part >= 0 && part < len(cuts):
			cuts[part] = cut
		}
		return nil
	}, `SELECT part, cut FROM positions`)
	if err != nil {
		return err
	}
	var errs []error
	for _, sh := range db.shards {
		sh.mu.RLock()
		due := sh.base.cut < cuts[sh.no] && !sh.held || sh.lease != 0 && !sh.held
		sh.mu.RUnlock()
		if due {
			some = true
			errs = append(errs, db.followOne(ctx, sh))
		}
	}
	if some {
		errs = append(errs, db.recount(ctx))
	}
	return errors.Join(errs...)
}

// followOne builds one partition anew.
func (db *DB) followOne(ctx context.Context, sh *shard) error {
	if err := sh.enter(ctx); err != nil {
		return err
	}
	defer sh.leave()
	db.checkpointing.Lock()
	defer db.checkpointing.Unlock()
	if db.Holds(sh.no) {
		return nil
	}
	return db.renew(ctx, sh)
}

// recount counts the quarantine anew.
func (db *DB) recount(ctx context.Context) error {
	db.lockAll()
	defer db.unlockAll()
	return db.loadQuarantine(ctx)
}

// A snapshot is what the database had of one partition at one moment.
type snapshot struct {
	seq, items uint64
	epoch      uint64
	base       base
	series     []storedSeries
	moves      []move
}

// storedSeries is one series of a snapshot.
type storedSeries struct {
	id              vigil.SeriesID
	subject         vigil.Subject
	device, channel string
	metric          *vigil.Metric
	head            bool // there is a row of heads; the rest is from it
	kmax, kspan     uint64
	tmax, tspan     vigil.Instant
	sealed          vigil.Instant
	chunks          int64
	latest, data    []byte
}

// moveMargin is by how much longer than the database says reattributions are
// carried again: processes are never that far apart.
const moveMargin = vigil.Instant(10 * 60 * 1e6)

// renew brings a partition to what the database has of it and the journal
// behind, and holds it when its lease is the one the database knows. The caller
// has the partition's turn and holds checkpointing. Readers see the partition as
// far as it was taken in, before and after.
func (db *DB) renew(ctx context.Context, sh *shard) error {
	snap, err := db.snapshot(ctx, sh)
	if err != nil {
		return err
	}
	applied := sh.applied.Load()
	var frames []vigil.Frame
	if snap.base.cut != sh.base.cut && snap.seq < applied {
		err := db.c.Frames(ctx, sh.no, snap.seq, applied, func(_ context.Context, f vigil.Frame) error {
			frames = append(frames, f)
			return nil
		})
		if err != nil {
			return err
		}
		if len(frames) == 0 || frames[len(frames)-1].Seq != applied {
			return vigil.Errorf(vigil.Unavailable, "the journal did not give frames %d to %d of partition %d", snap.seq+1, applied, sh.no)
		}
	}
	db.lockAll()
	defer db.unlockAll()
	if snap.base.cut != sh.base.cut {
		if err := db.rebase(ctx, sh, snap, frames); err != nil {
			return err
		}
	}
	sh.held = sh.lease != 0 && sh.lease == snap.epoch
	if sh.lease < snap.epoch {
		sh.lease = 0
	}
	select {
	case sh.moved <- struct{}{}:
	default:
	}
	return nil
}

// rebase puts a snapshot in the place of a partition's memory and takes in the
// frames behind it. When it fails, memory is as it was. The caller holds every
// lock.
func (db *DB) rebase(ctx context.Context, sh *shard, snap *snapshot, frames []vigil.Frame) error {
	undo := db.strip(sh)
	err := db.lay(sh, snap)
	if err == nil {
		err = db.learn(ctx, sh, snap)
	}
	for i := range frames {
		if err != nil {
			break
		}
		t := taking{db: db, sh: sh, frame: &frames[i], alone: true, epoch: db.epoch}
		if err = t.frameAll(ctx); err == nil {
			sh.seq, sh.items = frames[i].Seq, 0
		}
	}
	if err == nil {
		err = db.carryRecent(ctx, sh, snap)
	}
	if err != nil {
		undo()
		return err
	}
	sh.base = snap.base
	db.positions[sh.no].Store(snap.seq)
	sh.applied.Store(sh.seq)
	return nil
}

// strip empties the memory of a partition and returns how to undo that. Series
// stay the same, so that whoever looks at one goes on doing so.
func (db *DB) strip(sh *shard) (undo func()) {
	taken, mine := sh.intake, db.dict.all(func(s *series) bool { return s.home.Load() == sh })
	old := make([]memory, len(mine))
	for i, s := range mine {
		old[i] = s.memory
		s.memory = memory{changes: s.changes + 1, touched: db.epoch, loaded: s.loaded}
	}
	sh.intake = intake{seen: map[messageHash]seenAt{}}
	i := db.slotOf(sh.no)
	events := db.events.swap(i, slot[keptEvent]{})
	entries := db.quar.swap(i, slot[keptEntry]{})
	moves := db.moves.swap(i, moveSlot{})
	return func() {
		for _, s := range db.dict.all(func(s *series) bool { return s.home.Load() == sh }) {
			s.memory = memory{changes: s.changes + 1, touched: db.epoch, stored: true}
		}
		for i, s := range mine {
			old[i].changes = s.changes
			s.memory = old[i]
		}
		sh.intake = taken
		db.events.swap(i, events)
		db.quar.swap(i, entries)
		db.moves.swap(i, moves)
	}
}

// lay puts the series of a snapshot into memory. The heads of those that had
// theirs in memory are there again.
func (db *DB) lay(sh *shard, snap *snapshot) error {
	sh.seq, sh.items = snap.seq, snap.items
	var room newest
	for i := range snap.series {
		r := &snap.series[i]
		s := db.dict.get(r.id)
		if s == nil {
			s = db.create(sh, r.id, r.subject, vigil.DeviceID(r.device), r.channel, r.metric)
		}
		if s.home.Load() != sh {
			continue
		}
		s.describe(r.metric)
		s.known = true
		if !r.head {
			continue
		}
		s.kmax, s.kspan, s.tmax, s.tspan, s.sealed, s.chunks = r.kmax, r.kspan, r.tmax, r.tspan, r.sealed, r.chunks
		if err := db.setHead(s, r.latest, &room); err != nil {
			return err
		}
		if !s.loaded {
			continue
		}
		plain, err := db.c.Sealer.Open(nil, r.data)
		if err == nil {
			s.open, s.late, err = readHeads(plain)
		}
		if err != nil {
			return damaged("head of a series", err)
		}
	}
	sh.loaded = append(sh.loaded, db.dict.all(func(s *series) bool { return s.loaded && s.home.Load() == sh })...)
	return nil
}

// learn takes in the reattributions of a snapshot that are not known here.
func (db *DB) learn(ctx context.Context, sh *shard, snap *snapshot) error {
	for _, m := range snap.moves {
		list := db.moves.of(m.device)
		i := slices.IndexFunc(list, func(o move) bool { return o.id == m.id })
		switch {
		case i < 0:
			m.carried = max(m.carried, vigil.InstantOf(db.c.Now()))
			db.moves.add(m)
			if err := db.carryAgain(ctx, sh, m); err != nil {
				return err
			}
		case list[i].carried < m.carried:
			db.moves.add(m)
		}
	}
	return nil
}

// carryRecent carries again what the database may not have of reattributions
// that touch a partition.
func (db *DB) carryRecent(ctx context.Context, sh *shard, snap *snapshot) error {
	byDevice := db.moves.byDevice.Load()
	if byDevice == nil {
		return nil
	}
	var due []move
	for d, list := range *byDevice {
		touched := db.slotOfDevice(d) == sh.no ||
			len(db.dict.all(func(s *series) bool { return s.device == d && s.home.Load() == sh })) > 0
		for _, m := range list {
			if m.carried > snap.base.at-moveMargin && (touched || m.part == sh.no) {
				due = append(due, m)
			}
		}
	}
	slices.SortFunc(due, inTurn)
	for _, m := range due {
		if err := db.carryAgain(ctx, sh, m); err != nil {
			return err
		}
	}
	return nil
}

// snapshot reads what the database has of a partition; no more than the position
// when memory builds on it already.
func (db *DB) snapshot(ctx context.Context, sh *shard) (*snapshot, error) {
	tx, err := db.d.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return nil, fault("begin snapshot", err)
	}
	defer func() { _ = tx.Rollback() }()
	snap := &snapshot{}
	var seq, items, epoch int64
	err = tx.QueryRowContext(ctx, `SELECT seq, items, epoch, cut, at FROM positions WHERE part = $1`, sh.no).
		Scan(&seq, &items, &epoch, &snap.base.cut, &snap.base.at)
	if err != nil && !errors.Is(err, sql.ErrNoRows) { // none: nobody held it ever
		return nil, fault("read position", err)
	}
	snap.seq, snap.items, snap.epoch = uint64(seq), uint64(items), uint64(epoch) // #nosec G115 -- written from these types
	if snap.base.cut == sh.base.cut {
		return snap, nil
	}
	if err := db.snapSeries(ctx, tx, sh.no, snap); err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, `SELECT `+moveColumns+` FROM moves WHERE carried > $1`, int64(sh.base.at-moveMargin))
	if err != nil {
		return nil, fault("read reattributions", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var m move
		if err := m.scan(rows); err != nil {
			return nil, err
		}
		snap.moves = append(snap.moves, m)
	}
	if err := rows.Err(); err != nil {
		return nil, fault("read reattributions", err)
	}
	return snap, nil
}

// snapSeries reads the series of a partition, with their heads.
func (db *DB) snapSeries(ctx context.Context, tx *sql.Tx, part int, snap *snapshot) error {
	rows, err := tx.QueryContext(ctx, `SELECT s.id, s.subject, s.device, s.channel, s.metric, h.series IS NOT NULL,
		coalesce(h.kmax, 0), coalesce(h.kspan, 0), coalesce(h.tmax, 0), coalesce(h.tspan, 0), coalesce(h.sealed, 0),
		coalesce(h.chunks, 0), h.latest, h.data
		FROM series s LEFT JOIN heads h ON h.series = s.id WHERE s.part = $1`, part)
	if err != nil {
		return fault("read series", err)
	}
	defer func() { _ = rows.Close() }()
	metrics := map[string]*vigil.Metric{}
	for rows.Next() {
		var r storedSeries
		var subject, text string
		var kmax, kspan int64
		if err := rows.Scan(&r.id, &subject, &r.device, &r.channel, &text, &r.head, &kmax, &kspan, &r.tmax, &r.tspan,
			&r.sealed, &r.chunks, &r.latest, &r.data); err != nil {
			return fault("read series", err)
		}
		r.kmax, r.kspan = keyOf(kmax), keyOf(kspan)
		if r.subject, err = vigil.ParseSubject(subject); err != nil {
			return damaged("series", fmt.Errorf("series %d of partition %d: %w", r.id, part, err))
		}
		if r.metric = metrics[text]; r.metric == nil {
			r.metric = new(vigil.Metric)
			if err := json.Unmarshal([]byte(text), r.metric); err != nil {
				return damaged("metric of a series", err)
			}
			metrics[text] = r.metric
		}
		snap.series = append(snap.series, r)
	}
	if err := rows.Err(); err != nil {
		return fault("read series", err)
	}
	return nil
}

// storedSpan returns the longest time that a written chunk of a series spans.
func (db *DB) storedSpan(ctx context.Context, id vigil.SeriesID) (vigil.Instant, error) {
	var span vigil.Instant
	err := db.d.each(ctx, func(rows scanner) error {
		if err := rows.Scan(&span); err != nil {
			return fault("read head", err)
		}
		return nil
	}, `SELECT tspan FROM heads WHERE series = $1`, int64(id))
	return span, err
}
