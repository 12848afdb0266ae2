// Package reading shows readings as FHIR R4 resources: Observations of
// numerics, panels, waves and events, a DeviceMetric for each metric of a
// device, and a Provenance for each Observation. Nothing of this is stored. It
// is projected from series when somebody asks, with ids that name the reading
// itself (docs/adr/0003), so that a reading costs three bytes and still behaves
// like a resource with versions and search.
//
// Whoever amends such a resource stores a document with its id and the next
// version, and hides the projected one from searches (Hide). The versions
// before stay here, to be read.
package reading

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base32"
	"strings"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices/iomt"
)

// Readings is where Observations come from; the store is one.
type Readings interface {
	Series(ctx context.Context, q vigil.SeriesQuery) ([]vigil.Series, error)
	Points(ctx context.Context, q vigil.PointQuery) ([]vigil.Point, error)
	PointByKey(ctx context.Context, id vigil.SeriesID, kind vigil.KeyKind, key uint64, conflict uint8) ([]vigil.Point, error)
	Latest(ctx context.Context, ids []vigil.SeriesID) (map[vigil.SeriesID]vigil.Point, error)
	Waves(ctx context.Context, id vigil.SeriesID, during vigil.Interval, limit int) ([]vigil.Wave, error)
}

// Registry is who the ids of FHIR name; the fleet's is one.
type Registry interface {
	Patient(id vigil.PatientID) (vigil.Patient, bool)
	Patients() []vigil.Patient
	Device(id vigil.DeviceID) (vigil.Device, bool)
	Devices() []vigil.Device
}

// Events is where events come from; the store is one.
type Events interface {
	Events(ctx context.Context, q vigil.EventQuery) ([]vigil.StoredEvent, error)
}

// Config says what the projection needs.
type Config struct {
	Readings Readings
	Registry Registry
	// Shapes returns what mappings say about the Observations of readings that
	// came through them; nil when there are no mappings.
	Shapes func() *iomt.Shapes
	// Events is where Observations come from whose values are no numbers; nil
	// when there is nowhere.
	Events Events
	// IDKey keys the ids of Observations. It is made once for an installation
	// and never changes.
	IDKey [16]byte
	Now   func() time.Time
}

// A Source gives readings as resources.
type Source struct {
	c      Config
	ids    cipher.Block
	text   *base32.Encoding
	panels panels

	mu     sync.RWMutex
	hidden map[string]struct{}
}

// New returns a source.
func New(c Config) *Source {
	block, err := aes.NewCipher(c.IDKey[:])
	if err != nil {
		panic("reading: " + err.Error()) // the key has the only length there is
	}
	return &Source{
		c: c, ids: block, text: idText(), hidden: map[string]struct{}{},
		panels: panels{of: map[vigil.SeriesID]vigil.SeriesID{}, in: map[vigil.SeriesID]vigil.SeriesID{}, periods: map[vigil.SeriesID]vigil.Instant{}},
	}
}

// The types of resource that are projected.
const (
	Observation  = "Observation"
	DeviceMetric = "DeviceMetric"
	Provenance   = "Provenance"
)

// Types lists the types of resource that are projected.
func (s *Source) Types() []string { return []string{DeviceMetric, Observation, Provenance} }

// Hide leaves resources out of searches from now on, because a document with
// their id is kept. They are read here as before: theirs are the versions
// before the document's first.
func (s *Source) Hide(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.hidden[id] = struct{}{}
	}
}

// hides tells whether a resource is hidden. The caller holds mu.
func (s *Source) hides(id []byte) bool {
	_, ok := s.hidden[string(id)]
	return ok
}

func (s *Source) isHidden(id string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, ok := s.hidden[id]
	return ok
}

// Named tells whether an id has the form of a projected resource's. A document
// with such an id hides what is projected under it.
func (s *Source) Named(id string) bool {
	if metric, ok := strings.CutPrefix(id, metricMark); ok && len(metric) == shortID {
		return true
	}
	_, ok := s.parseID(trimMarks(id))
	return ok
}
