// Package fleet is the register of what is out there: devices and their
// secrets, patients, places, and who was served by what, where and when. It
// answers the one question that ingest asks of every reading: whose is it?
package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-iomt/vigil"
)

// Documents is where the registry keeps its records. A save of several is one
// transaction; a stale version is refused.
type Documents interface {
	SaveDocuments(ctx context.Context, docs ...vigil.Document) error
	Documents(ctx context.Context, kind string) ([]vigil.Document, error)
}

// Config says what the registry needs.
type Config struct {
	Documents Documents
	Now       func() time.Time
	Log       *slog.Logger
	// Changed is told of every change after it is on disk.
	Changed func(kind, id string)
	// Move is asked to carry a reattribution through the journal; it returns
	// nil once it is durable there.
	Move func(ctx context.Context, r vigil.Reattribution) error
}

// The kinds of document.
const (
	kindDevice        = "device"
	kindPatient       = "patient"
	kindLocation      = "location"
	kindAssignment    = "assignment"
	kindStay          = "stay"
	kindToken         = "token"
	kindReattribution = "reattribution"
	kindMoved         = "reattribution-clock"
)

// ChangedSecret is the kind of change that Config.Changed is told when a device
// was given a new secret: connections that used the old one must end.
const ChangedSecret = "secret"

// A Registry holds everything in memory and every change on disk.
type Registry struct {
	c Config

	// writing lets one change at a time be checked and saved, so that two
	// overlapping assignments cannot both be accepted.
	writing sync.Mutex

	mu        sync.RWMutex // guards the maps, never held during I/O
	devices   map[vigil.DeviceID]*device
	patients  map[vigil.PatientID]kept[vigil.Patient]
	byMRN     map[string]vigil.PatientID
	locations map[string]kept[vigil.Location]
	stays     map[string][]kept[vigil.Stay] // by location, in order of From
	tokens    map[string]kept[token]
	pending   map[string]kept[reattribution]
	done      map[vigil.DeviceID][]vigil.Reattribution // carried through the journal

	// moved is when the last reattribution was decided. It is read before an
	// attribution and kept with it, so that the store knows which moves the
	// attribution could not know of.
	moved        atomic.Int64
	movedVersion int64
}

// kept is a record with the version that is on disk.
type kept[T any] struct {
	rec     T
	version int64
}

// device is a registered device with its credentials and assignments.
type device struct {
	kept[registered]
	assignments []kept[vigil.Assignment] // in order of From
}

// registered is a device as it is kept: with the hash of its secret.
type registered struct {
	vigil.Device
	Secret hashed `json:"secret"`
}

// Open reads the registry and finishes reattributions that a stop interrupted.
func Open(ctx context.Context, c Config) (*Registry, error) {
	r := &Registry{
		c:         c,
		devices:   map[vigil.DeviceID]*device{},
		patients:  map[vigil.PatientID]kept[vigil.Patient]{},
		byMRN:     map[string]vigil.PatientID{},
		locations: map[string]kept[vigil.Location]{},
		stays:     map[string][]kept[vigil.Stay]{},
		tokens:    map[string]kept[token]{},
		pending:   map[string]kept[reattribution]{},
		done:      map[vigil.DeviceID][]vigil.Reattribution{},
	}
	loads := []func(context.Context) error{
		func(ctx context.Context) error {
			return load(ctx, r, kindDevice, func(k kept[registered]) { r.devices[k.rec.ID] = &device{kept: k} })
		},
		func(ctx context.Context) error {
			return load(ctx, r, kindPatient, r.putPatient)
		},
		func(ctx context.Context) error {
			return load(ctx, r, kindLocation, func(k kept[vigil.Location]) { r.locations[k.rec.ID] = k })
		},
		func(ctx context.Context) error { return load(ctx, r, kindAssignment, r.putAssignment) },
		func(ctx context.Context) error { return load(ctx, r, kindStay, r.putStay) },
		func(ctx context.Context) error {
			return load(ctx, r, kindToken, func(k kept[token]) { r.tokens[k.rec.ID] = k })
		},
		func(ctx context.Context) error {
			return load(ctx, r, kindReattribution, r.putReattribution)
		},
	}
	loads = append(loads, func(ctx context.Context) error {
		return load(ctx, r, kindMoved, func(k kept[vigil.Instant]) {
			r.moved.Store(int64(k.rec))
			r.movedVersion = k.version
		})
	})
	for _, f := range loads {
		if err := f(ctx); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// load reads all records of one kind.
func load[T any](ctx context.Context, r *Registry, kind string, put func(kept[T])) error {
	docs, err := r.c.Documents.Documents(ctx, kind)
	if err != nil {
		return fmt.Errorf("read %s records: %w", kind, err)
	}
	for _, d := range docs {
		if d.Deleted {
			continue
		}
		k := kept[T]{version: d.Version}
		if err := json.Unmarshal(d.Body, &k.rec); err != nil {
			return fmt.Errorf("read %s record %s: %w", kind, d.ID, err)
		}
		put(k)
	}
	return nil
}

// now returns the present instant.
func (r *Registry) now() vigil.Instant { return vigil.InstantOf(r.c.Now()) }

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

// save writes one record and, when it is on disk, puts it into memory.
func save[T any](ctx context.Context, r *Registry, kind, id string, k kept[T], put func(kept[T])) error {
	doc, err := document(ctx, r, kind, id, k.version, k.rec)
	if err != nil {
		return err
	}
	if err := r.c.Documents.SaveDocuments(ctx, doc); err != nil {
		return err
	}
	k.version++
	r.mu.Lock()
	put(k)
	r.mu.Unlock()
	r.changed(kind, id)
	return nil
}

// changed tells the listener of a change.
func (r *Registry) changed(kind, id string) {
	if r.c.Changed != nil {
		r.c.Changed(kind, id)
	}
}

// sorted returns the values of m in the order of less.
func sorted[K comparable, V, T any](m map[K]V, of func(V) T, less func(a, b T) bool) []T {
	out := make([]T, 0, len(m))
	for _, v := range m {
		out = append(out, of(v))
	}
	sort.Slice(out, func(i, j int) bool { return less(out[i], out[j]) })
	return out
}
