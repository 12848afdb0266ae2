package rest

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// An Operation is an interaction whose name starts with a dollar
// (operations.html).
type Operation struct {
	Name       string // without the dollar
	Definition string // canonical of its OperationDefinition
	// Where it is invoked: at the base, at types, at instances.
	System, Type, Instance bool
	Types                  []string // which types; all of them when empty
	// Affects says that it may change something: it is not for GET.
	Affects bool
	// Methods are those it takes beside POST and, unless it affects something,
	// GET.
	Methods []string
	// Raw says that the operation reads the body itself, whatever it is.
	Raw bool
	// Foreign says that it answers in forms that are none of FHIR: it looks at
	// Accept and at _format itself.
	Foreign bool
	Handle  func(ctx context.Context, in *Invocation) (*Result, error)
	// Serve is there instead of Handle for operations that speak HTTP
	// themselves, such as those that take more than fits into memory. The body
	// has not been read. They are no entries of Bundles.
	Serve func(w http.ResponseWriter, r *http.Request, in *Invocation) error
}

// An Invocation is one use of an operation.
type Invocation struct {
	Method   string
	Type, ID string // "" where it was not invoked at a type, or not at an instance
	// Query are the parameters of the address; RawQuery is how they came.
	Query    url.Values
	RawQuery string
	// Body is the resource that was sent, mostly Parameters; nil without one.
	Body   *tree.Doc
	Base   string      // address of the base, as the client sees it
	Strict bool        // Prefer: handling=strict
	Async  bool        // Prefer: respond-async
	Accept string      // what the client takes, for answers that are no resources
	Header http.Header // of the request; nil where it is an entry of a Bundle
	Now    vigil.Instant
	Actor  vigil.Actor
	Path   []string // what follows the name in the address, for operations that Serve
	// Raw is the body of a Raw operation, of the type Media.
	Raw   []byte
	Media string

	server *Server  // carries out what the operation needs, see inside.go
	origin *xmlBody // of a body that came as XML
}

// A Result is what an operation gives back.
type Result struct {
	Status int    // 200 when 0
	Body   []byte // a resource as JSON
	Header http.Header
	// Stream writes something that is no resource, of the type Media.
	Stream func(io.Writer) error
	Media  string

	parts [][]byte // Body in pieces, see answer
	done  func()
}

// byName arranges operations; several may have one name at different types.
func byName(list []Operation) map[string][]*Operation {
	m := map[string][]*Operation{}
	for i := range list {
		m[list[i].Name] = append(m[list[i].Name], &list[i])
	}
	return m
}

// at tells whether an operation is there at a level, for a type.
func (o *Operation) at(level, typ string) bool {
	switch level {
	case "system":
		return o.System
	case "type":
		return o.Type && (len(o.Types) == 0 || slices.Contains(o.Types, typ))
	}
	return o.Instance && (len(o.Types) == 0 || slices.Contains(o.Types, typ))
}

// named tells whether there are operations at a type that is none of FHIR R4,
// such as ViewDefinition.
func (s *Server) named(typ string) bool {
	for _, list := range s.operations {
		for _, o := range list {
			if slices.Contains(o.Types, typ) {
				return true
			}
		}
	}
	return false
}

// operate finds the operation that an address names.
func (s *Server) operate(c *call, level, name string) (step, error) {
	for _, o := range s.operations[strings.TrimPrefix(name, "$")] {
		if !o.at(level, c.typ) || level == "system" && len(c.path) > 1 && o.Serve == nil {
			continue
		}
		if o.Foreign {
			c.unspoken = nil
		}
		run := func(ctx context.Context, c *call) (*answer, error) { return s.invoke(ctx, c, o) }
		scope := "system"
		if c.typ != "" {
			scope = strings.ToLower(c.typ)
		}
		st := step{scope + "." + o.Name, run, o.Affects}
		t := table{http.MethodPost: st}
		if !o.Affects {
			t[http.MethodGet] = st
		}
		for _, m := range o.Methods {
			t[m] = st
		}
		return c.pick(t)
	}
	return step{}, notSupported(http.StatusNotFound, "the operation %s is not supported here", clip(name))
}

// invoke runs an operation.
func (s *Server) invoke(ctx context.Context, c *call, o *Operation) (*answer, error) {
	in := &Invocation{
		Method: c.method, Type: c.typ, ID: c.id, RawQuery: c.query, Base: c.base, Strict: c.prefer.strict, Async: c.prefer.async,
		Now: c.now, Actor: c.actor, Media: c.media, server: s,
	}
	if c.http != nil {
		in.Accept, in.Header = c.http.Header.Get("Accept"), c.http.Header
	}
	if o.Serve != nil {
		return s.handOver(ctx, c, o, in)
	}
	if err := s.takeBody(c, o, in); err != nil {
		return nil, err
	}
	var err error
	if in.Query, err = url.ParseQuery(in.RawQuery); err != nil {
		return nil, bad("the parameters are not encoded rightly")
	}
	r, err := o.Handle(ctx, in)
	if err != nil {
		return nil, err
	}
	if c.nested() && r.Stream != nil {
		return nil, notSupported(http.StatusBadRequest, "$%s answers with what is no resource; it is no entry of a Bundle", o.Name).at("request.url")
	}
	a := &answer{status: r.Status, body: r.Body, header: r.Header, stream: r.Stream, media: r.Media, parts: r.parts, done: r.done}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a, nil
}

// takeBody reads what was sent to an operation: a resource, a form, or what the
// operation reads itself.
func (s *Server) takeBody(c *call, o *Operation, in *Invocation) error {
	if c.method == http.MethodGet || c.method == http.MethodHead {
		return nil
	}
	if strings.HasPrefix(c.media, "application/x-www-form-urlencoded") {
		raw, err := c.parameters()
		in.RawQuery = raw
		return err
	}
	if err := c.load(); err != nil || len(c.body) == 0 {
		return err
	}
	if o.Raw {
		in.Raw = c.body
		return nil
	}
	var err error
	in.Body, _, err = s.resource(c, "")
	in.origin = c.origin
	return err
}

// handOver lets an operation answer by itself.
func (s *Server) handOver(ctx context.Context, c *call, o *Operation, in *Invocation) (*answer, error) {
	if c.nested() {
		return nil, notSupported(http.StatusBadRequest, "$%s is no entry of a Bundle", o.Name).at("request.url")
	}
	var err error
	if in.Query, err = url.ParseQuery(in.RawQuery); err != nil {
		return nil, bad("the parameters are not encoded rightly")
	}
	if c.typ == "" {
		in.Path = c.path[1:]
	}
	if err := o.Serve(c.w, c.http.WithContext(ctx), in); err != nil {
		return nil, err
	}
	return nil, nil
}
