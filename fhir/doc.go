// Package fhir is the FHIR R4 (4.0.1) face of Vigil: read, history and search
// of Patient, Device and Observation, the operation $lastn, and the
// CapabilityStatement.
//
// Observations are not stored: they are projected from series when somebody
// asks, with ids that name the reading itself (see docs/adr/0003), so that a
// reading costs three bytes and still behaves like a resource with versions,
// ETag and search.
//
// The parts are rooms of their own, each of which imports only those before it:
//
//	tree    documents: JSON read in one pass, every value with its place
//	markup  documents: XML, the same way
//	schema  what the definitions say: types, parameters, value sets, profiles
//	xmlform resources in XML and JSON, both ways
//	path    FHIRPath
//	terms   terminology: expand, validate, look up, translate
//	check   validation
//	search  parameters: what a resource is found by, what a query asks for
//	patch   JSON Patch, FHIRPath Patch, XML Patch
//	view    SQL on FHIR
//	graph   GraphQL
//	topic   subscriptions
//	bulk    export and import
//	reading readings as resources
//	roster  patients and devices of the registry as resources
package fhir

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices/iomt"
	"github.com/vigil-iomt/vigil/fhir/reading"
)

// Readings is where Observations come from; the store is one.
type Readings = reading.Readings

// Registry is where Patients and Devices come from; the fleet's is one.
type Registry interface {
	reading.Registry
	Assignments(id vigil.DeviceID) []vigil.Assignment
}

// Events is where events come from; the store is one.
type Events = reading.Events

// Config says what the FHIR face needs.
type Config struct {
	Readings Readings
	Registry Registry
	// DeviceType returns what a profile says about a type of device: its title
	// and codes; nil when nobody knows.
	DeviceType func(profile string) (title string, codes []vigil.Code)
	// Shapes returns what mappings say about the Observations of readings that
	// came through them; nil when there are no mappings.
	Shapes func() *iomt.Shapes
	// Events is where Observations come from whose values are no numbers; nil
	// when there is nowhere.
	Events Events
	// Permit is asked before anything is read, with one name for each route:
	// fhir.observation.search, fhir.patient.read, …; nil permits everything.
	Permit func(ctx context.Context, action vigil.Action) error
	// IDKey keys the ids of Observations. It is made once for an installation
	// and never changes.
	IDKey [16]byte
	// BaseURL is the address of the base as clients see it, without a slash at
	// the end: https://vigil.example.org/fhir. When empty it is taken from each
	// request.
	BaseURL string
	Version string // of the software, for the CapabilityStatement
	Now     func() time.Time
	Log     *slog.Logger
}

// A Handler serves everything under /fhir.
type Handler struct {
	c       Config
	source  *reading.Source
	started vigil.Instant
}

var _ http.Handler = (*Handler)(nil)

// New returns the handler.
func New(c Config) *Handler {
	return &Handler{
		c: c, started: vigil.InstantOf(c.Now()),
		source: reading.New(reading.Config{
			Readings: c.Readings, Registry: c.Registry, Shapes: c.Shapes, Events: c.Events, IDKey: c.IDKey, Now: c.Now,
		}),
	}
}
