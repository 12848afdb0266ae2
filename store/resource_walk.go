package store

import (
	"context"
	"errors"

	"github.com/vigil-iomt/vigil"
)

// A ResourceWalk says over which resources to walk.
type ResourceWalk struct {
	Types []string // empty: all
	// Since leaves out what has not changed since then.
	Since vigil.Instant
	// After goes on behind a hit of an earlier walk.
	After *vigil.ResourceMark
}

// walkStep is how many resources are read at once.
const walkStep = 500

// EachResource calls f for the newest version of every resource that is not
// deleted, in the order of creation; with Since in that of the last change, so
// that what changes meanwhile comes once more. When f fails, the walk ends with
// its error.
func (db *DB) EachResource(ctx context.Context, w ResourceWalk, f func(vigil.ResourceHit) error) error {
	q := vigil.ResourceQuery{Types: w.Types, After: w.After, Limit: walkStep, Bodies: true}
	if w.Since != 0 {
		q.Order.By = vigil.ByChange
		if q.After == nil {
			q.After = &vigil.ResourceMark{Value: int64(w.Since) - 1}
		}
	}
	for {
		hits, err := db.SelectResources(ctx, q)
		if err != nil {
			return err
		}
		for _, h := range hits {
			if h.Changed < w.Since {
				continue
			}
			if err := f(h); err != nil {
				return err
			}
		}
		if len(hits) < walkStep {
			return nil
		}
		q.After = &hits[len(hits)-1].Mark
	}
}

// reindexStep is how many resources are indexed in one write.
const reindexStep = 256

// Reindex finds out anew what resources of some types are found by; of all types
// when none are named. Who writes meanwhile does not wait. It says how far it
// is: of how many resources it has done how many. What cannot be indexed keeps
// its keys, and the first error is returned at the end.
func (db *DB) Reindex(ctx context.Context, types []string, keys func(vigil.Resource) (vigil.ResourceKeys, error), progress func(done, total int64)) error {
	q := vigil.ResourceQuery{Types: types, Limit: reindexStep, Bodies: true}
	total, _, err := db.CountResources(ctx, q)
	if err != nil {
		return err
	}
	var first error
	for done := int64(0); ; {
		hits, err := db.SelectResources(ctx, q)
		if err != nil {
			return err
		}
		if len(hits) == 0 {
			return first
		}
		found := make([]vigil.Resource, 0, len(hits))
		for _, h := range hits {
			k, err := keys(h.Resource)
			if err == nil {
				k, err = tidyKeys(k)
			}
			if err != nil {
				first = firstError(first, err)
				continue
			}
			h.Keys = k
			found = append(found, h.Resource)
		}
		err = db.WriteResources(ctx, func(ctx context.Context, tx *ResourceTx) error {
			for i := range found {
				if err := tx.g.rekey(ctx, &found[i]); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		done += int64(len(hits))
		progress(done, max(done, total))
		q.After = &hits[len(hits)-1].Mark
	}
}

// firstError returns the earlier of two errors.
func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return errors.Join(b)
}

// rekey gives the newest version of a resource other keys. One that has changed
// since is left as it is: whoever changed it has found out its keys.
func (g *group) rekey(ctx context.Context, r *vigil.Resource) error {
	name := ResourceName{r.Type, r.ID}
	if g.changed[name] != nil {
		return nil
	}
	base, err := g.look(ctx, r.Type, r.ID)
	if err != nil || base == nil || base.Version != r.Version {
		return err
	}
	row := *base
	row.Keys = r.Keys
	g.record(name, &change{row: &row, base: base, rekeyed: true})
	return nil
}
