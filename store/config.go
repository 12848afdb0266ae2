package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/internal/seal"
)

// Config says where a store keeps things and how.
type Config struct {
	Path       string // folder of the SQLite database
	DSN        string // postgres://…; "" keeps everything in Path
	Partitions int    // of the journal
	Sealer     seal.Sealer
	Now        func() time.Time
	Log        *slog.Logger
	// Checkpoint is the time between checkpoints; 0 means a minute, a negative
	// time that only calls of Checkpoint and full memory make one.
	Checkpoint time.Duration
	// QuarantinePerDevice is how many open entries of a device are kept one by
	// one; 0 means 10,000. More are folded into counted groups by reason.
	QuarantinePerDevice int
	// Shared: several processes use the database, and each writes the partitions
	// that it was given by Take. The others' it follows: it takes their frames in,
	// and builds on what their holders wrote. It needs PostgreSQL and Frames.
	Shared bool
	// Frames hands on the frames after+1 to upTo of a partition once more.
	Frames func(ctx context.Context, partition int, after, upTo uint64, handle func(context.Context, vigil.Frame) error) error
}

// The defaults of Config.
const (
	defaultCheckpoint = time.Minute
	defaultQuarantine = 10_000
)

// systemKey names the key of what belongs to no subject.
const systemKey = "system"

// A DB is an open store. Consume is called by one goroutine for each partition,
// everything else by any.
type DB struct {
	c      Config
	d      *database
	shards []*shard
	dict   dictionary
	events eventLog
	quar   quarantine
	moves  moveLog
	counts counters

	// checkpointing lets one cut of the memory be on its way to disk.
	checkpointing sync.Mutex
	jobs          []job           // series to be compacted; guarded by checkpointing
	usual         int             // series in the last cut; guarded by checkpointing
	epoch         uint32          // number of the present checkpoint; guarded by all shards' locks
	positions     []atomic.Uint64 // committed, by partition
	lastErr       atomic.Pointer[error]
	wake          chan struct{} // memory is full, make a checkpoint
	stop          context.CancelFunc
	keeper        sync.WaitGroup
	heard         atomic.Int64 // what was written for no partition by others, as far as it is known
	use           *use         // of the database, beside or without others
	words         words        // that resources name by number
	record        recorder     // writes resources
	recent        recent       // what finds the latest resources
	shelf         shelf        // of latest resources
	tail          tail         // of the record
	rd            *database    // of resources; on PostgreSQL the same as d
}

// Open opens the store, creating or migrating its database, and reads the
// dictionary, the summary of each head, and the positions.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Partitions < 1 {
		return nil, vigil.Errorf(vigil.Invalid, "a store needs at least one partition")
	}
	if c.Checkpoint == 0 {
		c.Checkpoint = defaultCheckpoint
	}
	if c.Shared && (c.DSN == "" || c.Frames == nil) {
		return nil, vigil.Errorf(vigil.Invalid, "several processes share a store only on PostgreSQL, and with a journal to read again")
	}
	if c.QuarantinePerDevice == 0 {
		c.QuarantinePerDevice = defaultQuarantine
	}
	var d *database
	var err error
	if c.DSN != "" {
		d, err = openPostgres(ctx, c.DSN)
	} else {
		d, err = openSQLite(ctx, c.Path)
	}
	if err != nil {
		return nil, err
	}
	db := &DB{c: c, d: d, positions: make([]atomic.Uint64, c.Partitions), wake: make(chan struct{}, 1)}
	db.record.wake = make(chan struct{}, 1)
	db.rd = d
	if c.DSN == "" {
		if db.rd, err = openRecord(ctx, c.Path); err != nil {
			return nil, d.fail(err)
		}
	}
	if db.use, err = d.claim(ctx, c.Shared); err != nil {
		return nil, db.fail(err)
	}
	if !c.Shared { // one that shares checks at each checkpoint that nobody else wrote
		if err := d.settled(ctx); err != nil {
			return nil, db.fail(err)
		}
	}
	if err := d.alone(ctx, "format", db.prepare); err != nil {
		return nil, db.fail(err)
	}
	db.makeRoom()
	for _, load := range []func(context.Context) error{
		db.loadPositions, db.loadSeries, db.loadHeads, db.loadMoves, db.loadQuarantine, db.recover,
	} {
		if err := load(ctx); err != nil {
			return nil, db.fail(err)
		}
	}
	for _, sh := range db.shards {
		if c.Shared {
			sh.base.cut = unbuilt
		}
	}
	if err := db.Follow(ctx); err != nil {
		return nil, db.fail(err)
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	db.stop = stop
	db.keeper.Go(func() { db.keep(run) })
	db.keeper.Go(func() { db.keepRecord(run) })
	if c.Shared && c.Checkpoint > 0 {
		db.keeper.Go(func() { db.keepFollowing(run) })
	}
	return db, nil
}

// makeRoom makes the memory of each partition.
func (db *DB) makeRoom() {
	slots := 1
	if db.c.Shared {
		slots = db.c.Partitions
	}
	for i := range db.c.Partitions {
		db.shards = append(db.shards, newShard(i, !db.c.Shared))
	}
	db.events.list = make([]slot[keptEvent], slots)
	db.quar.list = make([]slot[keptEntry], slots)
	db.moves.slots = make([]moveSlot, slots)
	db.quar.limit = db.c.QuarantinePerDevice
}

// fail closes what was opened and returns err.
func (db *DB) fail(err error) error { return errors.Join(err, db.use.end(), db.closeAll()) }

// closeAll closes the databases.
func (db *DB) closeAll() error {
	err := db.d.close()
	if db.rd != db.d {
		err = errors.Join(err, db.rd.close())
	}
	return err
}

// prepare takes the databases to the present format.
func (db *DB) prepare(ctx context.Context) error {
	return errors.Join(db.d.prepare(ctx), db.rd.prepareRecord(ctx))
}

// keep makes checkpoints when it is time or when memory is full.
func (db *DB) keep(ctx context.Context) {
	var tick <-chan time.Time
	if db.c.Checkpoint > 0 {
		t := time.NewTicker(db.c.Checkpoint)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		case <-db.wake:
		}
		if err := db.Checkpoint(ctx); err != nil && ctx.Err() == nil {
			db.c.Log.Error("checkpoint failed; the journal keeps everything until one succeeds", "error", err)
		}
	}
}

// Close makes a last checkpoint and closes the database. Consume must have
// returned everywhere.
func (db *DB) Close(ctx context.Context) error {
	db.stop()
	db.keeper.Wait()
	return errors.Join(db.Checkpoint(ctx), db.use.end(), db.closeAll())
}

// loadPositions reads how far each partition has been taken in.
func (db *DB) loadPositions(ctx context.Context) error {
	return db.d.each(ctx, func(rows scanner) error {
		var part int
		var seq, items int64
		var b base
		if err := rows.Scan(&part, &seq, &items, &b.cut, &b.at); err != nil {
			return fault("read position", err)
		}
		if part == outside {
			return nil
		}
		if part >= len(db.shards) {
			return fmt.Errorf("the store was made with more than %d partitions", len(db.shards))
		}
		sh := db.shards[part]
		sh.seq, sh.items, sh.base = uint64(seq), uint64(items), b // #nosec G115 -- written from these types
		sh.applied.Store(sh.seq)
		db.positions[part].Store(sh.seq)
		return nil
	}, `SELECT part, seq, items, cut, at FROM positions`)
}

// Position returns the committed position of a partition: every frame up to it
// is on disk here, and the journal may forget it.
func (db *DB) Position(partition int) uint64 { return db.positions[partition].Load() }

// Applied returns the position up to which readers see a partition. It is never
// less than Position.
func (db *DB) Applied(partition int) uint64 { return db.shards[partition].applied.Load() }

// SkipTo makes seq the applied position of a partition whose journal does not
// reach back to it any more. What the frames between held is lost here, which
// is logged.
func (db *DB) SkipTo(partition int, seq uint64) {
	sh := db.shards[partition]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if seq <= sh.seq {
		return
	}
	db.c.Log.Error("frames of the journal are missing and were skipped", "partition", partition,
		"first", sh.seq+1, "last", seq)
	sh.seq, sh.items = seq, 0
	sh.applied.Store(seq)
}

// LastError returns why the last checkpoint failed, nil when it did not.
func (db *DB) LastError() error {
	if err := db.lastErr.Load(); err != nil {
		return *err
	}
	return nil
}

// Describe says in words where the store is and how much it knows.
func (db *DB) Describe() string {
	return fmt.Sprintf("%s, %d series", db.d.name, db.dict.len())
}
