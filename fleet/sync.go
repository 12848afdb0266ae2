package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
)

// The log of changes is one document whose versions each name the records that
// one change wrote. Every change checks its version: two processes cannot both
// accept changes that contradict each other, and each finds out what the others
// changed.
const (
	kindChanges = "registry"
	changesID   = "changes"
)

// An entry of the log.
type entry struct {
	Changed []written `json:"changed"`
}

// written names a version of a record.
type written struct {
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Version int64  `json:"version"`
}

// entryOf makes the entry of a change that replaces these versions.
func entryOf(docs []vigil.Document) entry {
	var e entry
	for _, d := range docs {
		e.Changed = append(e.Changed, written{d.Kind, d.ID, d.Version + 1})
	}
	return e
}

// syncBatch is how many changes are read at once.
const syncBatch = 1000

// Sync takes in what other processes changed, exactly as far as the log goes,
// and tells the listener as if it had been changed here.
func (r *Registry) Sync(ctx context.Context) error {
	r.syncing.Lock()
	notes, err := r.sync(ctx)
	r.syncing.Unlock()
	r.tell(notes)
	return err
}

// sync is Sync for who holds syncing. It returns what the listener is to be
// told afterwards.
func (r *Registry) sync(ctx context.Context) (notes []note, err error) {
	r.look.began = r.c.Now()
	defer func() { r.look.ended, r.look.err = r.c.Now(), err }()
	for {
		from := r.version()
		entries, err := r.c.Documents.DocumentsSince(ctx, kindChanges, changesID, from, syncBatch)
		if err != nil {
			return notes, fmt.Errorf("read changes of the registry: %w", err)
		}
		if len(entries) == 0 {
			return notes, nil
		}
		docs, err := r.readChanged(ctx, entries)
		if err != nil {
			return notes, err
		}
		more, err := r.apply(entries[len(entries)-1].Version, docs)
		if err != nil {
			return notes, err
		}
		notes = append(notes, more...)
	}
}

// readChanged reads what entries of the log name: of each record its last
// version there, so that memory becomes what the database was at the last entry
// and not half of what came later.
func (r *Registry) readChanged(ctx context.Context, entries []vigil.Document) ([]vigil.Document, error) {
	type record struct{ kind, id string }
	var order []record
	last := map[record]int64{}
	for _, doc := range entries {
		var e entry
		if err := json.Unmarshal(doc.Body, &e); err != nil {
			return nil, fmt.Errorf("read change %d of the registry: %w", doc.Version, err)
		}
		for _, w := range e.Changed {
			k := record{w.Kind, w.ID}
			if last[k] == 0 {
				order = append(order, k)
			}
			last[k] = w.Version
		}
	}
	docs := make([]vigil.Document, len(order))
	for i, k := range order {
		var err error
		if docs[i], err = r.c.Documents.DocumentVersion(ctx, k.kind, k.id, last[k]); err != nil {
			return nil, fmt.Errorf("read %s record %s: %w", k.kind, k.id, err)
		}
	}
	return docs, nil
}

// version returns up to which change of the log memory has everything.
func (r *Registry) version() int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.log
}

// apply puts the records into memory that the log names up to a version, all at
// once, and returns what the listener is to be told. When memory is as far
// already, it does nothing.
func (r *Registry) apply(version int64, docs []vigil.Document) ([]note, error) {
	puts := make([]func() []note, len(docs))
	for i, d := range docs {
		var err error
		if puts[i], err = r.reader(d); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if version <= r.log {
		return nil, nil
	}
	r.log = version
	var notes []note
	for _, put := range puts {
		for _, n := range put() {
			if !slices.Contains(notes, n) {
				notes = append(notes, n)
			}
		}
	}
	return notes, nil
}

// A note is what the listener is told of a change.
type note struct{ kind, id string }

// tell tells the listener.
func (r *Registry) tell(notes []note) {
	if r.c.Changed == nil {
		return
	}
	for _, n := range notes {
		r.c.Changed(n.kind, n.id)
	}
}

// reader returns what puts a record into memory, under mu, and says what the
// listener is to be told. A record of a kind that only a newer version of the
// program knows is left alone.
func (r *Registry) reader(d vigil.Document) (func() []note, error) {
	switch d.Kind {
	case kindDevice:
		return reading(d, r.putDevice)
	case kindPatient:
		return reading(d, r.putPatient)
	case kindLocation:
		return reading(d, r.putLocation)
	case kindAssignment:
		return reading(d, r.putAssignment)
	case kindStay:
		return reading(d, r.putStay)
	case kindToken:
		return reading(d, r.putToken)
	case kindReattribution:
		return reading(d, r.putReattribution)
	case kindMoved:
		return reading(d, r.putMoved)
	}
	return func() []note { return nil }, nil
}

// reading reads a record and returns what puts it.
func reading[T any](d vigil.Document, put func(kept[T]) []note) (func() []note, error) {
	k := kept[T]{version: d.Version}
	if err := json.Unmarshal(d.Body, &k.rec); err != nil {
		return nil, fmt.Errorf("read %s record %s: %w", d.Kind, d.ID, err)
	}
	return func() []note { return put(k) }, nil
}

const (
	// syncGap is the shortest time between two looks at the log for the sake of
	// somebody who is not known: guessing must not load the database.
	syncGap = 100 * time.Millisecond
	// syncPatience is how long somebody who is not known waits for the database.
	syncPatience = 2 * time.Second
)

// A look is one look at the log: when it was, and how it ended.
type look struct {
	began, ended time.Time
	err          error
}

// refresh looks at the log before somebody is refused who is not known here:
// another process may have registered them a moment ago. It returns when a look
// that began after the call has ended, and false when nobody else changes the
// registry.
func (r *Registry) refresh(ctx context.Context) (bool, error) {
	if !r.c.Shared {
		return false, nil
	}
	notes, err := r.lookAfter(ctx, r.c.Now())
	r.tell(notes)
	if err != nil {
		return false, &vigil.Error{Kind: vigil.Unavailable, Msg: "the registry cannot be read now", Err: err}
	}
	return true, nil
}

// lookAfter looks at the log, or finds that somebody else did after an instant.
func (r *Registry) lookAfter(ctx context.Context, asked time.Time) ([]note, error) {
	ctx, cancel := context.WithTimeout(ctx, syncPatience)
	defer cancel()
	r.syncing.Lock()
	defer r.syncing.Unlock()
	if r.look.began.After(asked) {
		return nil, r.look.err
	}
	gap := time.NewTimer(syncGap - r.c.Now().Sub(r.look.ended))
	defer gap.Stop()
	select {
	case <-gap.C:
		return r.sync(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// glance is refresh for who may not wait: it does nothing when the log was
// looked at a moment ago.
func (r *Registry) glance() bool {
	if !r.c.Shared || !r.syncing.TryLock() {
		return false
	}
	if r.c.Now().Sub(r.look.ended) < syncGap {
		r.syncing.Unlock()
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), syncGap)
	defer cancel()
	notes, err := r.sync(ctx)
	r.syncing.Unlock()
	r.tell(notes)
	return err == nil
}
