// Package fleet is the register of what is out there: devices and their
// secrets, patients, places, and who was served by what, where and when. It
// answers the one question that ingest asks of every reading: whose is it?
package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-iomt/vigil"
)

// Documents is where the registry keeps its records. A save of several is one
// transaction; a stale version is refused as vigil.Conflicting. Alone lets one
// process at a time run f, as long as all go on answering: it makes the turns
// fair, and the versions make them safe.
type Documents interface {
	SaveDocuments(ctx context.Context, docs ...vigil.Document) error
	Documents(ctx context.Context, kind string) ([]vigil.Document, error)
	DocumentVersion(ctx context.Context, kind, id string, version int64) (vigil.Document, error)
	DocumentsSince(ctx context.Context, kind, id string, version int64, limit int) ([]vigil.Document, error)
	Alone(ctx context.Context, name string, f func(context.Context) error) error
}

// Config says what the registry needs.
type Config struct {
	Documents Documents
	Now       func() time.Time
	Log       *slog.Logger
	// Shared says that other processes change the same records. Sync takes
	// their changes in, and nobody is refused as unknown without a look.
	Shared bool
	// Changed is told of every change after it is on disk, whoever made it.
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

	// syncing lets one look at the log at a time.
	syncing sync.Mutex
	look    look // the last one; guarded by syncing

	mu        sync.RWMutex // guards the maps, never held during I/O
	devices   map[vigil.DeviceID]*device
	patients  map[vigil.PatientID]kept[vigil.Patient]
	byMRN     map[string]vigil.PatientID
	locations map[string]kept[vigil.Location]
	stays     map[string][]kept[vigil.Stay] // by location, in order of From
	tokens    map[string]kept[token]
	pending   map[string]kept[reattribution]
	done      map[vigil.DeviceID][]vigil.Reattribution // carried through the journal
	log       int64                                    // up to which change of the log this is

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
	// The log is read before the records and once more behind them, so that
	// memory is what the database was at one change.
	log, err := c.Documents.Documents(ctx, kindChanges)
	if err != nil {
		return nil, fmt.Errorf("read changes of the registry: %w", err)
	}
	for _, d := range log {
		r.log = d.Version
	}
	for _, kind := range []string{
		kindDevice, kindPatient, kindLocation, kindAssignment, kindStay, kindToken, kindReattribution, kindMoved,
	} {
		if err := r.load(ctx, kind); err != nil {
			return nil, err
		}
	}
	r.syncing.Lock()
	defer r.syncing.Unlock()
	_, err = r.sync(ctx)
	return r, err
}

// load reads all records of one kind.
func (r *Registry) load(ctx context.Context, kind string) error {
	docs, err := r.c.Documents.Documents(ctx, kind)
	if err != nil {
		return fmt.Errorf("read %s records: %w", kind, err)
	}
	for _, d := range docs {
		put, err := r.reader(d)
		if err != nil {
			return err
		}
		put()
	}
	return nil
}

// now returns the present instant.
func (r *Registry) now() vigil.Instant { return vigil.InstantOf(r.c.Now()) }

// sorted returns the values of m in the order of less.
func sorted[K comparable, V, T any](m map[K]V, of func(V) T, less func(a, b T) bool) []T {
	out := make([]T, 0, len(m))
	for _, v := range m {
		out = append(out, of(v))
	}
	sort.Slice(out, func(i, j int) bool { return less(out[i], out[j]) })
	return out
}
