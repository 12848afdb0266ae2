package rest

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A call is one interaction that somebody asks for, over HTTP or as an entry of
// a Bundle.
type call struct {
	method string
	path   []string // behind the base, decoded
	query  string   // as it came
	base   string   // address of the base as the client sees it
	now    vigil.Instant
	actor  vigil.Actor

	ifMatch, ifNoneMatch, ifNoneExist, ifModifiedSince string
	prefer                                             preference
	form                                               form // of the answer
	shape                                              shape
	unspoken                                           error // no form that is asked for is spoken here

	media string // of the body
	body  []byte
	open  func() ([]byte, error) // reads the body, when it has not been read

	origin *xmlBody // of a body that came as XML
	hints  []Issue  // what validation says of a body that is good enough

	// What the address names, filled in by route.
	typ, id, version string

	// http is the request that the call came as; nil for entries of Bundles.
	http *http.Request
	w    http.ResponseWriter
}

// nested tells whether the call is an entry of a Bundle.
func (c *call) nested() bool { return c.http == nil }

// An answer is what a call gives back.
type answer struct {
	status   int
	typ      string   // of the body, when it is a resource that can be cut down
	body     []byte   // a resource as JSON
	parts    [][]byte // the same in pieces, instead
	done     func()   // gives back the memory of parts
	version  string
	changed  vigil.Instant
	location string // of what was made, with its version
	header   http.Header
	media    string                // of what stream writes
	stream   func(io.Writer) error // writes something that is no resource
	outcome  []byte                // what there is to say beside the body
}

// whole is the resource in one piece.
func (a *answer) whole() []byte {
	if a.parts != nil {
		a.body, a.parts = slices.Concat(a.parts...), nil
		if a.done != nil {
			a.done()
			a.done = nil
		}
	}
	return a.body
}

// load reads the body that came with the call.
func (c *call) load() error {
	if c.open == nil {
		return nil
	}
	body, err := c.open()
	if err != nil {
		return err
	}
	c.body, c.open = body, nil
	return nil
}

// values are the parameters of the address and, for POST, of the form that was
// sent.
func (c *call) values() (url.Values, error) {
	raw, err := c.parameters()
	if err != nil {
		return nil, err
	}
	v, err := url.ParseQuery(raw)
	if err != nil {
		return nil, bad("the query part of the address is not encoded rightly")
	}
	return v, nil
}

// parameters are the parameters of the address and those of a posted form, in
// that order, as they came.
func (c *call) parameters() (string, error) {
	if c.method != http.MethodPost || c.nested() {
		return c.query, nil
	}
	if kind, _, _ := strings.Cut(c.media, ";"); strings.TrimSpace(kind) != "application/x-www-form-urlencoded" {
		return "", notSupported(http.StatusUnsupportedMediaType, "a posted search is application/x-www-form-urlencoded")
	}
	if err := c.load(); err != nil {
		return "", err
	}
	switch {
	case len(c.body) > maxForm:
		return "", vigil.Errorf(vigil.TooLarge, "a posted search has at most %d bytes", maxForm)
	case c.query == "":
		return string(c.body), nil
	case len(c.body) == 0:
		return c.query, nil
	}
	return c.query + "&" + string(c.body), nil
}

// maxForm bounds a posted search.
const maxForm = 1 << 20

// resource reads the body as a resource of a type; any type when it is "".
func (s *Server) resource(c *call, typ string) (*tree.Doc, string, error) {
	if err := c.load(); err != nil {
		return nil, "", err
	}
	src, err := s.asJSON(c)
	if err != nil {
		return nil, "", err
	}
	doc, err := tree.Parse(src)
	if err != nil {
		return nil, "", s.unreadable(err)
	}
	got, err := s.typeOf(doc.Root())
	if err != nil {
		return nil, "", err
	}
	if typ != "" && got != typ {
		return nil, "", bad("a %s was sent to the address of %s", got, typ).at("resourceType")
	}
	return doc, got, nil
}

// typeOf is the type that a resource says it has.
func (s *Server) typeOf(n tree.Node) (string, error) {
	t := n.Get("resourceType")
	if n.Kind() != tree.Object || t.Kind() != tree.String {
		return "", Refuse(http.StatusBadRequest, "structure", "a resource is an object with a resourceType")
	}
	name := t.Text()
	if !s.known(name) {
		return "", Refuse(http.StatusBadRequest, "structure", "%s is no type of resource in FHIR R4", clip(name)).at("resourceType")
	}
	return name, nil
}

// asJSON returns the body as JSON.
func (s *Server) asJSON(c *call) ([]byte, error) {
	f := jsonForm
	if c.isContent() {
		return c.asBinary(), nil
	}
	if strings.TrimSpace(c.media) != "" {
		f = formOf(c.media)
	} else if looksLikeXML(c.body) {
		f = xmlForm
	}
	switch {
	case f == noForm:
		return nil, notSupported(http.StatusUnsupportedMediaType, "resources are application/fhir+json or application/fhir+xml, not %s", clip(c.media))
	case len(c.body) == 0:
		return nil, Refuse(http.StatusBadRequest, "required", "there is no body")
	case f == xmlForm:
		return s.fromXML(c)
	}
	return c.body, nil
}

// looksLikeXML tells what a body is that came without a Content-Type.
func looksLikeXML(b []byte) bool {
	for _, x := range b {
		switch x {
		case ' ', '\t', '\r', '\n', 0xef, 0xbb, 0xbf:
		default:
			return x == '<'
		}
	}
	return false
}
