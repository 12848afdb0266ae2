package reindex

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// again is how long the background waits after a failure.
const again = 30 * time.Second

// Run indexes in the background, until ctx is done.
func (b *Book) Run(ctx context.Context) error {
	b.Engine()
	b.poke()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.wake:
		}
		if err := b.forget(ctx); err != nil && ctx.Err() == nil {
			b.fail(ctx, err)
		}
		for b.waits() && ctx.Err() == nil {
			if !sleep(ctx, b.c.Grace) {
				return nil
			}
			if err := b.catchUp(ctx); err != nil && ctx.Err() == nil {
				b.fail(ctx, err)
			}
		}
	}
}

// sleep waits; false when ctx is done.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// fail notes what went wrong, and waits.
func (b *Book) fail(ctx context.Context, err error) {
	b.c.Log.ErrorContext(ctx, "resources cannot be indexed anew", "error", err)
	b.mu.Lock()
	b.trouble, b.work = err.Error(), nil
	b.mu.Unlock()
	sleep(ctx, again)
}

// waits tells whether there is something to do.
func (b *Book) waits() bool {
	b.Engine()
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.all || len(b.pending()) > 0
}

// catchUp indexes everything anew that parameters that are pending find. Those
// that come meanwhile have their turn afterwards.
func (b *Book) catchUp(ctx context.Context) error {
	engine := b.Engine()
	b.mu.Lock()
	all := b.all
	prints := map[string]string{}
	var bases []string
	for _, p := range b.extra {
		if all || b.done[p.URL] != printOf(p) {
			prints[p.URL] = printOf(p)
			bases = append(bases, p.Bases...)
		}
	}
	b.work = &progress{urls: slices.Collect(maps.Keys(prints))}
	b.mu.Unlock()
	types := typesOf(engine.Schema(), bases)
	if all {
		types = nil
	}
	if !all && len(types) == 0 {
		return b.finish(ctx, prints)
	}
	keys := func(r vigil.Resource) (vigil.ResourceKeys, error) {
		doc, err := tree.Parse(r.Body)
		if err != nil {
			return vigil.ResourceKeys{}, err
		}
		return b.Engine().Extract(doc.Root()).Keys(), nil
	}
	err := b.c.Record.Reindex(ctx, types, keys, func(done, total int64) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.work.done, b.work.total = done, total
	})
	if err != nil {
		return err
	}
	if all {
		b.mu.Lock()
		b.all = false
		b.mu.Unlock()
	}
	return b.finish(ctx, prints)
}

// finish remembers what the index knows now.
func (b *Book) finish(ctx context.Context, prints map[string]string) error {
	err := b.remember(ctx, func(done map[string]string) { maps.Copy(done, prints) })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.work, b.of = nil, nil
	if err == nil {
		b.trouble = ""
	}
	return err
}

// forget takes back what is said of parameters that are there no longer:
// resources are written without keys for them from now on.
func (b *Book) forget(ctx context.Context) error {
	b.Engine()
	b.mu.RLock()
	var gone []string
	for url := range b.done {
		if !slices.ContainsFunc(b.extra, func(p *schema.Param) bool { return p.URL == url }) {
			gone = append(gone, url)
		}
	}
	b.mu.RUnlock()
	if len(gone) == 0 {
		return nil
	}
	return b.remember(ctx, func(done map[string]string) {
		for _, url := range gone {
			delete(done, url)
		}
	})
}

// remember changes what is kept over a start. Who was slower than another process
// reads what that one said and tries again.
func (b *Book) remember(ctx context.Context, change func(map[string]string)) error {
	for try := 0; ; try++ {
		b.mu.RLock()
		done, version := maps.Clone(b.done), b.version
		b.mu.RUnlock()
		change(done)
		body, err := json.Marshal(done)
		if err != nil {
			return err
		}
		err = b.c.Record.SaveDocuments(ctx, vigil.Document{
			Kind: Kind, ID: "parameters", Version: version, Body: body, Changed: vigil.InstantOf(b.c.Now()),
			Actor: vigil.Actor{Kind: vigil.System, ID: "index"},
		})
		if err == nil {
			b.mu.Lock()
			b.done, b.version, b.of = done, version+1, nil
			b.mu.Unlock()
			return nil
		}
		if vigil.KindOf(err) != vigil.Conflicting || try == 5 {
			return errors.Join(err)
		}
		if err := b.loadDone(ctx); err != nil {
			return err
		}
	}
}
