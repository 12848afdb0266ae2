package fleet

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/vigil-iomt/vigil"
)

// A draft is a change as it was checked against the registry of this moment:
// the records to write, and the reattributions that they cause.
type draft struct {
	docs  []vigil.Document
	moves []vigil.Reattribution
}

// tries is how often a change is checked anew because another process was
// faster. Processes take turns, so that the second time nearly always succeeds.
const tries = 64

// change checks a change and writes it in one transaction, puts it into memory,
// and carries its reattributions through the journal. When another process
// changed the registry meanwhile, prepare is asked again, about what is true
// now. What a stop interrupts after the transaction is finished by Resume.
func (r *Registry) change(ctx context.Context, prepare func() (draft, error)) error {
	moves, err := r.decide(ctx, prepare)
	if err != nil {
		return err
	}
	return r.carry(ctx, moves)
}

// decide is the part of change that lets nobody else change anything.
func (r *Registry) decide(ctx context.Context, prepare func() (draft, error)) (moves []vigil.Reattribution, err error) {
	r.writing.Lock()
	defer r.writing.Unlock()
	if !r.c.Shared {
		return r.attempts(ctx, prepare)
	}
	err = r.c.Documents.Alone(ctx, kindChanges, func(ctx context.Context) (err error) {
		moves, err = r.attempts(ctx, prepare)
		return err
	})
	return moves, err
}

// attempts tries a change until no other process is faster.
func (r *Registry) attempts(ctx context.Context, prepare func() (draft, error)) ([]vigil.Reattribution, error) {
	for try := 1; ; try++ {
		if r.c.Shared || try > 1 {
			if err := r.Sync(ctx); err != nil {
				return nil, err
			}
		}
		moves, stale, err := r.attempt(ctx, prepare)
		if !stale || try == tries {
			return moves, err
		}
	}
}

// attempt tries a change once. It was stale when another process changed the
// registry after it had been checked.
func (r *Registry) attempt(ctx context.Context, prepare func() (draft, error)) (_ []vigil.Reattribution, stale bool, err error) {
	base := r.version()
	d, err := prepare()
	if err == nil {
		err = r.addMoves(ctx, &d)
	}
	if err != nil || len(d.docs) == 0 {
		return nil, false, err
	}
	entry, err := document(ctx, r, kindChanges, changesID, base, entryOf(d.docs))
	if err != nil {
		return nil, false, err
	}
	// The log comes first: processes queue for it and for nothing else, so that
	// their transactions cannot block each other.
	err = r.c.Documents.SaveDocuments(ctx, append([]vigil.Document{entry}, d.docs...)...)
	if err != nil {
		return nil, vigil.KindOf(err) == vigil.Conflicting, err
	}
	for i := range d.docs {
		d.docs[i].Version++
	}
	notes, err := r.apply(base+1, d.docs)
	r.tell(notes)
	return d.moves, false, err
}

// addMoves settles when the reattributions of a change were decided and adds
// their records.
func (r *Registry) addMoves(ctx context.Context, d *draft) error {
	if len(d.moves) == 0 {
		return nil
	}
	decided := max(r.now(), r.MovedAt()+1)
	for i := range d.moves {
		d.moves[i].At = decided
		doc, err := document(ctx, r, kindReattribution, d.moves[i].ID, 0, reattribution{Reattribution: d.moves[i]})
		if err != nil {
			return err
		}
		d.docs = append(d.docs, doc)
	}
	r.mu.RLock()
	version := r.movedVersion
	r.mu.RUnlock()
	doc, err := document(ctx, r, kindMoved, "last", version, decided)
	d.docs = append(d.docs, doc)
	return err
}

// document makes the next version of a record, by whoever acts in ctx.
func document[T any](ctx context.Context, r *Registry, kind, id string, old int64, rec T) (vigil.Document, error) {
	actor, ok := vigil.ActorFrom(ctx)
	if !ok {
		return vigil.Document{}, vigil.Errorf(vigil.Unknown, "nobody is named as the author of this change")
	}
	body, err := json.Marshal(rec)
	if err != nil {
		return vigil.Document{}, fmt.Errorf("write %s record: %w", kind, err)
	}
	return vigil.Document{Kind: kind, ID: id, Version: old, Body: body, Changed: r.now(), Actor: actor}, nil
}

// only is the draft of a change of one record.
func only[T any](ctx context.Context, r *Registry, kind, id string, old int64, rec T) (draft, error) {
	doc, err := document(ctx, r, kind, id, old, rec)
	return draft{docs: []vigil.Document{doc}}, err
}
