package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// statements keeps the CapabilityStatement, as long as nothing changes of what
// it says.
type statements struct {
	mu   sync.Mutex
	of   *search.Engine
	base string
	body []byte
	etag string
}

// metadata is GET /metadata (http.html#capabilities).
func (s *Server) metadata(_ context.Context, c *call) (*answer, error) {
	body, version := s.statement(c.base)
	if hasTag(c.ifNoneMatch, version) {
		return &answer{status: http.StatusNotModified, version: version}, nil
	}
	return &answer{status: http.StatusOK, typ: "CapabilityStatement", body: body, version: version}, nil
}

// statement returns the CapabilityStatement and what its version is called.
func (s *Server) statement(base string) ([]byte, string) {
	k, engine := &s.capability, s.engine()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.of != engine || k.base != base {
		k.of, k.base, k.body = engine, base, s.capabilities(base, engine)
		sum := sha256.Sum256(k.body)
		k.etag = hex.EncodeToString(sum[:8])
	}
	return k.body, k.etag
}

// capabilities writes what this server can do, from what it does it with
// (capabilitystatement.html).
func (s *Server) capabilities(base string, engine *search.Engine) []byte {
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "CapabilityStatement").Text("name", "Vigil").Text("title", "Vigil, patient monitoring").Text("status", "active")
	w.Text("date", string(appendTime(nil, s.started-s.started%1_000_000))).Text("kind", "instance")
	w.Name("software").Object().Text("name", "Vigil")
	if s.c.Version != "" {
		w.Text("version", s.c.Version)
	}
	w.End()
	w.Name("implementation").Object().Text("description", "Vigil, patient monitoring").Text("url", base).End()
	w.Text("fhirVersion", "4.0.1")
	texts(w, "format", "application/fhir+json", "application/fhir+xml", "json", "xml")
	texts(w, "patchFormat", "application/json-patch+json", "application/xml-patch+xml", "application/fhir+json", "application/fhir+xml")
	w.Name("rest").Array().Object()
	s.socketCapability(w, base)
	w.Text("mode", "server")
	w.Text("documentation", "Observations, DeviceMetrics and Provenances of readings are projected from series; what is written on one becomes a stored version of it. Parameters that are not known are reported in an OperationOutcome entry, or refused with Prefer: handling=strict.")
	w.Name("resource").Array()
	for _, typ := range engine.Schema().Resources() {
		s.typeCapability(w, typ, engine)
	}
	w.End()
	w.Name("interaction").Array()
	for _, code := range [...]string{"transaction", "batch", "search-system", "history-system"} {
		w.Object().Text("code", code).End()
	}
	w.End()
	w.Name("searchParam").Array()
	for _, p := range engine.Params("Resource") {
		parameter(w, p)
	}
	w.End()
	s.operationCapability(w, "")
	texts(w, "compartment", compartments()...)
	w.End().End().End()
	return w.Bytes()
}

func compartments() []string {
	const prefix = "http://hl7.org/fhir/CompartmentDefinition/"
	return []string{prefix + "device", prefix + "encounter", prefix + "patient", prefix + "practitioner", prefix + "relatedPerson"}
}

// typeCapability writes what can be done with one type.
func (s *Server) typeCapability(w *tree.Writer, typ string, engine *search.Engine) {
	w.Object()
	if typ == "Subscription" {
		s.topicCapability(w)
	}
	w.Text("type", typ).Text("profile", "http://hl7.org/fhir/StructureDefinition/"+typ)
	w.Name("interaction").Array()
	for _, code := range [...]string{"read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"} {
		w.Object().Text("code", code).End()
	}
	w.End()
	w.Text("versioning", "versioned-update").Name("readHistory").Word("true").Name("updateCreate").Word("true")
	w.Name("conditionalCreate").Word("true").Text("conditionalRead", "full-support").Name("conditionalUpdate").Word("true")
	if s.c.MaxDeletes > 1 {
		w.Text("conditionalDelete", "multiple")
	} else {
		w.Text("conditionalDelete", "single")
	}
	texts(w, "referencePolicy", "literal", "logical", "local")
	params := engine.Params(typ)
	var includes []string
	for _, p := range params {
		if p.Kind == "reference" {
			includes = append(includes, typ+":"+p.Code)
		}
	}
	slices.Sort(includes)
	texts(w, "searchInclude", slices.Compact(includes)...)
	texts(w, "searchRevInclude", revIncludes(engine, typ)...)
	w.Name("searchParam").Array()
	for _, p := range params {
		parameter(w, p)
	}
	w.End()
	s.operationCapability(w, typ)
	w.End()
}

// revIncludes lists the references of other types that may lead to a type.
func revIncludes(engine *search.Engine, typ string) []string {
	var out []string
	for _, other := range engine.Schema().Resources() {
		for _, p := range engine.Params(other) {
			if p.Kind == "reference" && slices.Contains(p.Targets, typ) {
				out = append(out, other+":"+p.Code)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// parameter writes a search parameter. There are no named queries.
func parameter(w *tree.Writer, p *schema.Param) {
	if p.Code == "_query" {
		return
	}
	w.Object().Text("name", p.Code)
	if p.URL != "" {
		w.Text("definition", p.URL)
	}
	w.Text("type", p.Kind).End()
}

// operationCapability writes the operations of a type, or with "" those at the
// base.
func (s *Server) operationCapability(w *tree.Writer, typ string) {
	begun := false
	for _, name := range slices.Sorted(maps.Keys(s.operations)) {
		for _, o := range s.operations[name] {
			fits := o.at("type", typ) || o.at("instance", typ)
			if typ == "" {
				fits = o.System
			}
			if !fits || o.Definition == "" {
				continue
			}
			if !begun {
				begun = true
				w.Name("operation").Array()
			}
			w.Object().Text("name", o.Name).Text("definition", o.Definition).End()
		}
	}
	if begun {
		w.End()
	}
}

// texts writes a list of strings, unless it is empty.
func texts(w *tree.Writer, name string, list ...string) {
	if len(list) == 0 {
		return
	}
	w.Name(name).Array()
	for _, t := range list {
		w.String(t)
	}
	w.End()
}

// The extensions that tell of subscriptions: one of R4
// (extension-capabilitystatement-websocket.html), and one of the Subscriptions R5
// Backport guide.
const (
	socketExtension = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"
	topicExtension  = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/capabilitystatement-subscriptiontopic-canonical"
	topicProfile    = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription"
)

// socketCapability says where WebSockets bring notifications.
func (s *Server) socketCapability(w *tree.Writer, base string) {
	if s.c.Sockets == "" {
		return
	}
	w.Name("extension").Array().Object().Text("url", socketExtension).Text("valueUri", socketURL(base, s.c.Sockets)).End().End()
}

// socketURL is a path beside the base, as the address of a WebSocket.
func socketURL(base, path string) string {
	u, err := url.Parse(base)
	if err != nil {
		return path
	}
	u.Path = path
	u.Scheme = strings.Replace(u.Scheme, "http", "ws", 1)
	return u.String()
}

// topicCapability lists what one can subscribe to.
func (s *Server) topicCapability(w *tree.Writer) {
	if len(s.c.Topics) == 0 {
		return
	}
	w.Name("extension").Array()
	for _, t := range s.c.Topics {
		w.Object().Text("url", topicExtension).Text("valueCanonical", t).End()
	}
	w.End()
	texts(w, "supportedProfile", topicProfile)
}
