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
	Handle  func(ctx context.Context, in *Invocation) (*Result, error)
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
	Base   string // address of the base, as the client sees it
	Strict bool   // Prefer: handling=strict
	Async  bool   // Prefer: respond-async
	Accept string // what the client takes, for answers that are no resources
	Now    vigil.Instant
	Actor  vigil.Actor
}

// A Result is what an operation gives back.
type Result struct {
	Status int    // 200 when 0
	Body   []byte // a resource as JSON
	Header http.Header
	// Stream writes something that is no resource, of the type Media.
	Stream func(io.Writer) error
	Media  string
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

// operate finds the operation that an address names.
func (s *Server) operate(c *call, level, name string) (step, error) {
	for _, o := range s.operations[strings.TrimPrefix(name, "$")] {
		if !o.at(level, c.typ) {
			continue
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
		Now: c.now, Actor: c.actor,
	}
	if c.http != nil {
		in.Accept = c.http.Header.Get("Accept")
	}
	form := strings.HasPrefix(c.media, "application/x-www-form-urlencoded")
	if c.method == http.MethodPost && !form {
		if err := c.load(); err != nil {
			return nil, err
		}
		if len(c.body) > 0 {
			var err error
			if in.Body, _, err = s.resource(c, ""); err != nil {
				return nil, err
			}
		}
	} else if form {
		raw, err := c.parameters()
		if err != nil {
			return nil, err
		}
		in.RawQuery = raw
	}
	var err error
	if in.Query, err = url.ParseQuery(in.RawQuery); err != nil {
		return nil, bad("the parameters are not encoded rightly")
	}
	r, err := o.Handle(ctx, in)
	if err != nil {
		return nil, err
	}
	a := &answer{status: r.Status, body: r.Body, header: r.Header, stream: r.Stream, media: r.Media}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a, nil
}
