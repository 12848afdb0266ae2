// Package rest is the RESTful API of FHIR R4 (http.html) over the record and
// over what is projected from readings: read, write, search, history, batch and
// transaction, in JSON and XML.
//
// An address becomes a call (route.go), a call an answer, and every failure an
// OperationOutcome. Entries of Bundles are calls of the same kind. Writes are
// prepared outside of the record's transaction (reading, validation, search
// keys) and settled within it, so that conditions are exact however many
// clients ask at once.
package rest

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Record keeps resources; the store is one.
type Record interface {
	Resource(ctx context.Context, typ, id string) (vigil.Resource, error)
	ResourceVersion(ctx context.Context, typ, id string, version int64) (vigil.Resource, error)
	ResourceHistory(ctx context.Context, h vigil.ResourceHistory) ([]vigil.Resource, error)
	SelectResources(ctx context.Context, q vigil.ResourceQuery) ([]vigil.ResourceHit, error)
	CountResources(ctx context.Context, q vigil.ResourceQuery) (n int64, exact bool, err error)
}

// A Tx is the record within a transaction: nobody else writes between what is
// read by it and what is written.
type Tx interface {
	// Newest returns the newest version, deletions included; NotFound when
	// there never was one.
	Newest(ctx context.Context, typ, id string) (vigil.Resource, error)
	Select(ctx context.Context, q vigil.ResourceQuery) ([]vigil.ResourceHit, error)
	// Put writes the next version, which the resource names.
	Put(ctx context.Context, r vigil.Resource) (vigil.Resource, error)
	// At is the time of what is written now; it never goes back.
	At() vigil.Instant
}

// Config says what the API needs.
type Config struct {
	Record Record
	// Write runs f in a transaction that is on disk when Write returns nil; f
	// may be run again from its start.
	Write func(ctx context.Context, f func(ctx context.Context, tx Tx) error) error
	// Sources are where resources come from that nobody wrote.
	Sources []Source
	// Engine returns what resources are found by at this moment, and with it
	// the definitions.
	Engine func() *search.Engine
	// Check validates what is written; nil takes everything.
	Check func(ctx context.Context, doc *tree.Doc) []check.Issue
	// Shape changes what clients write of a resource before it is kept; nil keeps
	// it as it came.
	Shape func(typ string, doc *tree.Doc) *tree.Doc
	// Topics are the canonicals of what one can subscribe to, and Sockets is the
	// path at which WebSockets bring notifications; "" for none.
	Topics  []string
	Sockets string
	// Terms knows value sets for :in, :below and :above; nil when there are none.
	Terms search.Terms
	// Written is told what was written, after it is on disk; nil tells nobody.
	Written func(ctx context.Context, written []vigil.Resource)
	// Operations are those that start with a dollar.
	Operations []Operation
	// Permit is asked before anything is read or written, with one name for
	// each route: fhir.observation.search, record.patient.create, …; nil permits
	// everything.
	Permit func(ctx context.Context, action vigil.Action) error
	// CursorKey seals the cursors of pages. It is made once for an installation
	// and never changes.
	CursorKey [16]byte
	// BaseURL is the address of the base as clients see it, without a slash at
	// the end. When empty it is taken from each request.
	BaseURL string
	Version string // of the software, for the CapabilityStatement
	// MaxBody bounds what is sent, unpacked; 0 means 64 MiB. MaxDeletes bounds
	// what one conditional delete may delete; 0 means 1: it is refused when more
	// than one resource meets the condition.
	MaxBody    int64
	MaxDeletes int
	Now        func() time.Time
	Log        *slog.Logger
}

// A Server serves everything under /fhir.
type Server struct {
	c          Config
	started    vigil.Instant
	operations map[string][]*Operation
	packers    packers
	buffers    buffers
	capability statements
	seal       sealer
}

var _ http.Handler = (*Server)(nil)

// New returns the server.
func New(c Config) *Server {
	if c.MaxBody == 0 {
		c.MaxBody = 64 << 20
	}
	c.MaxDeletes = max(c.MaxDeletes, 1)
	s := &Server{c: c, started: vigil.InstantOf(c.Now()), seal: newSealer(c.CursorKey)}
	s.operations = byName(slices.Concat([]Operation{s.lastN()}, s.everything(), c.Operations))
	return s
}

// A Source is where resources come from that nobody wrote: they are shown as
// long as nobody writes on them.
type Source interface {
	Types() []string
	// Read returns a version of a resource, the newest for version 0.
	Read(ctx context.Context, typ, id string, version int64) (vigil.Resource, error)
	// History returns all versions, the newest first.
	History(ctx context.Context, typ, id string) ([]vigil.Resource, error)
	// Search gives the resources of a type that a query asks for, in its order,
	// behind a mark or from the start. A body is good until the next one.
	Search(ctx context.Context, typ string, q *search.Query, after *vigil.ResourceMark) iter.Seq2[vigil.ResourceHit, error]
	// Total counts them.
	Total(ctx context.Context, typ string, q *search.Query) (int, error)
}

func (s *Server) engine() *search.Engine { return s.c.Engine() }
func (s *Server) set() *schema.Set       { return s.engine().Schema() }

// known tells whether there is such a type of resource.
func (s *Server) known(name string) bool {
	t := s.set().Type(name)
	return t != nil && t.Kind == schema.Resource && !t.Abstract
}

// compartment tells whether a type has a compartment (compartmentdefinition.html).
func (s *Server) compartment(typ string) bool {
	switch typ {
	case "Patient", "Encounter", "Practitioner", "RelatedPerson", "Device":
		return true
	}
	return false
}
