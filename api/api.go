// Package api is /api/v1: JSON for the screens, the command line and scripts.
// Every route names one action, on which policy and audit hang; the OpenAPI
// document is made from the Go types.
package api

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/fleet"
	"github.com/vigil-iomt/vigil/ingest"
)

// Prefix is where the routes are.
const Prefix = "/api/v1"

// Patients registers and finds patients.
type Patients interface {
	AddPatient(ctx context.Context, p vigil.Patient) (vigil.Patient, error)
	Patient(id vigil.PatientID) (vigil.Patient, bool)
	Patients() []vigil.Patient
}

// Devices registers and finds devices.
type Devices interface {
	AddDevice(ctx context.Context, d vigil.Device, serves vigil.Subject, during vigil.Interval) (vigil.Device, string, error)
	Device(id vigil.DeviceID) (vigil.Device, bool)
	Devices() []vigil.Device
	DeviceEditor
}

// Assignments says whom devices serve.
type Assignments interface {
	Assign(ctx context.Context, id vigil.DeviceID, s vigil.Subject, during vigil.Interval, reason string) (vigil.Assignment, error)
	Unassign(ctx context.Context, id vigil.DeviceID, during vigil.Interval, reason string) error
	Assignments(id vigil.DeviceID) []vigil.Assignment
	Reattributions(id vigil.DeviceID) []vigil.Reattribution
}

// A DeviceEditor changes devices that are registered.
type DeviceEditor interface {
	UpdateDevice(ctx context.Context, d vigil.Device) (vigil.Device, error)
	RevokeDevice(ctx context.Context, id vigil.DeviceID) error
	RenewSecret(ctx context.Context, id vigil.DeviceID) (string, error)
}

// Places registers and finds places.
type Places interface {
	AddLocation(ctx context.Context, l vigil.Location) (vigil.Location, error)
	Location(id string) (vigil.Location, bool)
	LocationNamed(unit, name string) (vigil.Location, bool)
	Locations() []vigil.Location
}

// Stays says which patient is where.
type Stays interface {
	Admit(ctx context.Context, p vigil.PatientID, location string, from vigil.Instant) (vigil.Stay, error)
	Discharge(ctx context.Context, p vigil.PatientID, at vigil.Instant) error
	Stays() []vigil.Stay
}

// Tokens makes and voids bearer tokens.
type Tokens interface {
	AddToken(ctx context.Context, name, role string) (fleet.Token, string, error)
	Tokens() []fleet.Token
	RevokeToken(ctx context.Context, id string) error
}

// A Registry knows what is out there and whom it serves.
type Registry interface {
	Patients
	Devices
	Assignments
	Places
	Stays
}

// Points reads the points of a series, all at once or run by run.
type Points interface {
	Points(ctx context.Context, q vigil.PointQuery) ([]vigil.Point, error)
	EachPoint(ctx context.Context, q vigil.PointQuery, f func([]vigil.Point) bool) error
}

// Newest reads the newest points of series, those that have one by their ids or
// all in their order.
type Newest interface {
	Latest(ctx context.Context, ids []vigil.SeriesID) (map[vigil.SeriesID]vigil.Point, error)
	Newest(ctx context.Context, ids []vigil.SeriesID) ([]vigil.Point, error)
}

// Readings reads back what was measured.
type Readings interface {
	Series(ctx context.Context, q vigil.SeriesQuery) ([]vigil.Series, error)
	Points
	Buckets(ctx context.Context, q vigil.BucketQuery) ([]vigil.Bucket, error)
	Newest
	Waves(ctx context.Context, id vigil.SeriesID, during vigil.Interval, limit int) ([]vigil.Wave, error)
}

// Events reads back what happened.
type Events interface {
	Events(ctx context.Context, q vigil.EventQuery) ([]vigil.StoredEvent, error)
}

// Quarantine keeps the messages that nobody could understand.
type Quarantine interface {
	Quarantine(ctx context.Context, q vigil.QuarantineQuery) ([]vigil.QuarantineEntry, error)
	QuarantineEntry(ctx context.Context, id string) (vigil.QuarantineEntry, error)
	CloseQuarantine(ctx context.Context, id string, state vigil.QuarantineState, at vigil.Instant) error
}

// A Check is one thing that was looked at, with advice where it is not well.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Advice string `json:"advice,omitempty"`
}

// Config says what the API needs.
type Config struct {
	Registry   Registry
	Tokens     Tokens
	Readings   Readings
	Events     Events
	Quarantine Quarantine
	// Replay puts a quarantined message through the pipeline again; ReplayAll
	// does it for every open entry of a device, of all when it is empty.
	Replay    func(ctx context.Context, entry string) (ingest.Replay, error)
	ReplayAll func(ctx context.Context, device vigil.DeviceID) ([]ingest.Replay, error)
	// Profiles is the catalogue of this moment with what is wrong in it.
	Profiles func() (*devices.Catalog, []devices.Problem)
	Health   func(ctx context.Context) []Check
	// ObservationID is the id of a reading as FHIR Observation.
	ObservationID func(s vigil.SeriesID, p vigil.Point) string
	// Permit decides whether an actor may do an action; nil permits all.
	Permit  func(vigil.Actor, vigil.Action) error
	Version string
	Demo    bool
	Started time.Time
	Now     func() time.Time
	Log     *slog.Logger
}

// A server answers the routes.
type server struct {
	c          Config
	huma       huma.API
	scribes    scribes
	columnists sync.Pool
	names      atomic.Pointer[nameOrder]
}

// New returns the handler of everything under Prefix.
func New(c Config) http.Handler {
	mux := http.NewServeMux()
	build(c, mux)
	return mux
}

// build registers every route.
func build(c Config, mux *http.ServeMux) *server {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{c: c, huma: humago.NewWithPrefix(mux, Prefix, document())}
	s.patients()
	s.devices()
	s.places()
	s.tokens()
	s.wall()
	s.series()
	s.readings()
	s.waves()
	s.events()
	s.quarantine()
	s.profiles()
	s.system()
	tidy(s.huma.OpenAPI())
	mux.HandleFunc("GET "+Prefix+"/docs", s.docs)
	return s
}

// now returns the present instant.
func (s *server) now() vigil.Instant { return vigil.InstantOf(s.c.Now()) }
