package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vigil-iomt/vigil"
)

// How much one group of writes may hold.
const (
	groupRows  = 8192
	groupBytes = 16 << 20
)

// A recorder gathers those who write resources into groups: one transaction of
// the database carries many, and they share one sync of the disk.
type recorder struct {
	mu      sync.Mutex
	waiting []*request
	closed  bool
	wake    chan struct{} // of capacity 1
	clock   clock         // of the committer
	known   bool          // the clock is what the database holds
}

// A request is one who writes.
type request struct {
	ctx      context.Context
	f        func(context.Context, *ResourceTx) error
	state    atomic.Int32 // of a request: waiting, taken or gone
	done     chan struct{}
	err      error
	panicked any
}

const (
	requestWaits = iota
	requestTaken
	requestGone
)

// WriteResources runs f, which writes by its ResourceTx, and returns when that
// is on disk. When f fails nothing of it is kept. It runs alone: no other write
// of resources, in no process that uses the database, comes between what it
// reads by its ResourceTx and what it writes. Everything that takes time has to
// be done before. F may be run once more from its start, and must not keep its
// ResourceTx.
func (db *DB) WriteResources(ctx context.Context, f func(ctx context.Context, tx *ResourceTx) error) error {
	r := &request{ctx: ctx, f: f, done: make(chan struct{})}
	if err := db.record.ask(r); err != nil {
		return err
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		if r.state.CompareAndSwap(requestWaits, requestGone) {
			return fmt.Errorf("wait to write: %w", ctx.Err())
		}
		<-r.done // it may be on its way to disk already
	}
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.err
}

// ask lists a request.
func (rec *recorder) ask(r *request) error {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.closed {
		return vigil.Errorf(vigil.Unavailable, "the store is closed")
	}
	rec.waiting = append(rec.waiting, r)
	select {
	case rec.wake <- struct{}{}:
	default:
	}
	return nil
}

// take returns the next request; nil when there is none.
func (rec *recorder) take() *request {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for len(rec.waiting) > 0 {
		r := rec.waiting[0]
		rec.waiting[0] = nil
		rec.waiting = rec.waiting[1:]
		if r.state.CompareAndSwap(requestWaits, requestTaken) {
			return r
		}
	}
	rec.waiting = nil
	return nil
}

// empty tells whether nobody waits; with closing, nobody may any more.
func (rec *recorder) empty(closing bool) bool {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if len(rec.waiting) == 0 && closing {
		rec.closed = true
	}
	return len(rec.waiting) == 0
}

// keepRecord carries out requests until ctx ends, and then those that wait.
func (db *DB) keepRecord(ctx context.Context) {
	for {
		select {
		case <-db.record.wake:
		case <-ctx.Done():
		}
		for !db.record.empty(ctx.Err() != nil) {
			db.carryOut(context.WithoutCancel(ctx))
		}
		if ctx.Err() != nil {
			if err := db.drain(context.WithoutCancel(ctx)); err != nil {
				db.c.Log.Error("what finds the latest resources is written when the store is opened again", "error", err)
			}
			return
		}
	}
}

// carryOut carries out one group of requests.
func (db *DB) carryOut(ctx context.Context) {
	g := &group{db: db}
	err := db.commitGroup(ctx, g, db.record.take)
	if err != nil && g.assumed > 0 {
		// Perhaps a resource was there of which a request said that it was new:
		// now everything is looked up.
		again := &group{db: db, careful: true}
		rest := slices.Clone(g.requests)
		err = db.commitGroup(ctx, again, func() *request {
			if len(rest) == 0 {
				return nil
			}
			r := rest[0]
			rest = rest[1:]
			return r
		})
		g.requests = append(again.requests, rest...)
	}
	for r := db.record.take; err != nil && len(g.requests) == 0; { // not even begun
		next := r()
		if next == nil {
			return
		}
		g.requests = append(g.requests, next)
	}
	for _, r := range g.requests {
		if err != nil && r.err == nil && r.panicked == nil {
			r.err = err
		}
		close(r.done)
	}
}

// commitGroup runs requests and writes what they wrote. Where several processes
// use the database, it holds the lock of the clock meanwhile.
func (db *DB) commitGroup(ctx context.Context, g *group, take func() *request) (err error) {
	rec := &db.record
	if db.rd.many || !rec.known {
		err = db.rd.in(ctx, func(tx *sql.Tx) error {
			if err := g.begin(ctx, tx); err != nil {
				return err
			}
			g.began = g.clock.written
			g.run(take)
			return g.flush(ctx, tx)
		})
	} else {
		g.clock, g.began = rec.clock, rec.clock.written
		g.run(take)
		if !g.empty() {
			err = db.rd.in(ctx, func(tx *sql.Tx) error { return g.flush(ctx, tx) })
		}
	}
	if rec.known = err == nil; err != nil {
		db.shelf.clear()
		db.tail.clear()
		return err
	}
	rec.clock = g.clock
	g.settle()
	return nil
}

// run runs requests until nobody waits or the group is full.
func (g *group) run(take func() *request) {
	for g.careful || len(g.log) < groupRows && g.bytes < groupBytes {
		r := take()
		if r == nil {
			return
		}
		g.requests = append(g.requests, r)
		g.try(r)
	}
}

// try runs one request. Nothing of it is left when it fails or panics.
func (g *group) try(r *request) {
	before := g.save()
	r.err, r.panicked = nil, nil
	tx := &ResourceTx{g: g}
	defer func() {
		tx.g = nil
		if p := recover(); p != nil {
			r.panicked = p
		}
		if r.err != nil || r.panicked != nil {
			g.restore(before)
		}
	}()
	if r.err = r.ctx.Err(); r.err == nil {
		r.err = r.f(r.ctx, tx)
	}
}

// A ResourceTx is a write of resources under way. It belongs to the goroutine
// that it was given to.
type ResourceTx struct{ g *group }

// ended says so when the request of a ResourceTx has ended.
func (tx *ResourceTx) ended() error {
	if tx.g == nil {
		return vigil.Errorf(vigil.Internal, "this write of resources has ended")
	}
	return nil
}

// At returns the time of what is written now. It never goes back.
func (tx *ResourceTx) At() vigil.Instant {
	if tx.g == nil {
		return 0
	}
	return max(vigil.InstantOf(tx.g.db.c.Now()), vigil.Instant(tx.g.clock.written))
}

// Newest returns the newest version of a resource, deletions included; one that
// never was is vigil.NotFound.
func (tx *ResourceTx) Newest(ctx context.Context, typ, id string) (vigil.Resource, error) {
	if err := tx.ended(); err != nil {
		return vigil.Resource{}, err
	}
	if c := tx.g.changed[ResourceName{typ, id}]; c != nil {
		return c.row.Resource, nil
	}
	row, err := tx.g.look(ctx, typ, id)
	if err == nil && row == nil {
		err = notThere(typ)
	}
	if err != nil {
		return vigil.Resource{}, err
	}
	return row.Resource, nil // its body is open
}

// Select returns what a query selects, what was written before in this request
// and by others among it.
func (tx *ResourceTx) Select(ctx context.Context, q vigil.ResourceQuery) ([]vigil.ResourceHit, error) {
	if err := tx.ended(); err != nil {
		return nil, err
	}
	return tx.g.selects(ctx, q)
}

// Lock keeps others from trying the same condition at once. As one request runs
// at a time, there is nothing to do.
func (tx *ResourceTx) Lock(context.Context, uint64) error { return tx.ended() }

// Put writes the next version of a resource and returns it with its Version and
// Written. A version that the caller names has to be the next one; otherwise it
// is vigil.Conflicting. Who names version 1 spares the record to look whether
// there is one already: should that be so, the conflict shows when all requests
// of the group are run again. A resource without an actor is vigil.Invalid.
// Changed is the present when it is 0. The record keeps Body and Keys as they
// are: they must not change any more.
func (tx *ResourceTx) Put(ctx context.Context, r vigil.Resource) (vigil.Resource, error) {
	if err := tx.ended(); err != nil {
		return r, err
	}
	switch {
	case r.Actor.ID == "":
		return r, vigil.Errorf(vigil.Invalid, "a resource without an author is not written")
	case r.Type == "" || r.ID == "" || len(r.ID) > 64 || r.ID[0] <= ' ':
		return r, vigil.Errorf(vigil.Invalid, "a resource needs a type and an id of at most 64 characters")
	}
	keys, err := tidyKeys(r.Keys)
	if err != nil {
		return r, err
	}
	if r.Keys = keys; r.Deleted {
		r.Body, r.Keys = nil, vigil.ResourceKeys{}
	}
	if _, err := stateOf(&r); err != nil {
		return r, err
	}
	if r.Changed == 0 {
		r.Changed = tx.At()
	}
	return tx.g.put(ctx, r)
}
