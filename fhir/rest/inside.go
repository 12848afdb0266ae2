package rest

import (
	"context"
	"net/http"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Step is another interaction that an operation needs, with an address
// relative to the base.
type Step struct {
	Method  string // GET when empty
	Address string // Patient/1, Observation?code=…
	Body    []byte // a resource as JSON
	IfMatch string
}

// A Reply is what a step gave.
type Reply struct {
	Status  int
	Body    []byte // a resource as JSON
	Version string
	Changed vigil.Instant
}

// Do carries out another interaction for whoever invoked the operation, with
// what they may do.
func (in *Invocation) Do(ctx context.Context, st Step) (*Reply, error) {
	c := in.call()
	if st.Method != "" {
		c.method = st.Method
	}
	c.body, c.media, c.ifMatch = st.Body, jsonForm.mediaType(), st.IfMatch
	c.prefer.give = "representation"
	if err := c.goTo(st.Address); err != nil {
		return nil, err
	}
	if c.method == http.MethodGet {
		values, err := c.values()
		if err != nil {
			return nil, err
		}
		if c.shape, err = shapeOf(values); err != nil {
			return nil, err
		}
	}
	a, err := in.server.do(ctx, c)
	if err == nil {
		err = in.server.shaped(c, a)
	}
	if err != nil {
		return nil, err
	}
	return &Reply{Status: a.status, Body: a.whole(), Version: a.version, Changed: a.changed}, nil
}

// Read returns a resource, or one version of it.
func (in *Invocation) Read(ctx context.Context, typ, id, version string) (vigil.Resource, error) {
	if !in.server.known(typ) {
		return vigil.Resource{}, notFound("there is no type %s", clip(typ))
	}
	if err := in.server.permit(ctx, in.call(), step{action: strings.ToLower(typ) + ".read"}); err != nil {
		return vigil.Resource{}, err
	}
	r, err := in.server.fetch(ctx, typ, id, version)
	if err == nil && r.Deleted {
		err = Refuse(http.StatusGone, "deleted", "this %s was deleted", typ)
	}
	return r, err
}

// Find calls f with each resource that a search finds, those that nobody wrote
// included, until f fails. A body is good until the next one.
func (in *Invocation) Find(ctx context.Context, address string, f func(vigil.Resource) error) error {
	return in.find(ctx, address, true, f)
}

// FindStored is Find without those that nobody wrote.
func (in *Invocation) FindStored(ctx context.Context, address string, f func(vigil.Resource) error) error {
	return in.find(ctx, address, false, f)
}

func (in *Invocation) find(ctx context.Context, address string, shown bool, f func(vigil.Resource) error) error {
	c := in.call()
	if err := c.goTo(address); err != nil {
		return err
	}
	st, err := in.server.route(c)
	if err != nil {
		return err
	}
	if err := in.server.permit(ctx, c, st); err != nil {
		return err
	}
	c.prefer.strict = true // there is nobody to tell what was left out
	h, err := in.server.hunt(ctx, c)
	if err != nil {
		return err
	}
	defer h.end()
	h.count, h.q.Sort = most, nil // in order of creation, which costs nothing
	h.plan = h.q.Plan()
	if !shown {
		h.origins = nil
	}
	all, err := h.open(ctx, &turn{})
	if err != nil {
		return costly(err)
	}
	for {
		m, err := all.next(ctx)
		if m == nil || err != nil {
			return costly(err)
		}
		r := vigil.Resource{Type: m.typ, ID: m.id, Body: m.body}
		if err := f(r); err != nil {
			return err
		}
	}
}

// Check validates a resource as it is validated when it is written.
func (in *Invocation) Check(ctx context.Context, doc *tree.Doc) error {
	return in.server.check(ctx, in.call(), doc)
}

// Place says where an issue of what was sent is, as the client sent it: in the
// XML when it came as XML.
func (in *Invocation) Place(i Issue) Issue { return in.origin.locate(i) }

// Engine is what resources are found by while the operation runs.
func (in *Invocation) Engine() *search.Engine { return in.server.engine() }

// Shown tells whether a resource is one that a source shows and nobody wrote.
func (in *Invocation) Shown(ctx context.Context, typ, id string) bool {
	_, err := in.server.c.Record.Resource(ctx, typ, id)
	return vigil.KindOf(err) == vigil.NotFound && err != nil
}

// call is a call without an address.
func (in *Invocation) call() *call {
	return &call{method: http.MethodGet, base: in.Base, now: in.Now, actor: in.Actor, form: jsonForm, prefer: preference{strict: in.Strict}}
}

// goTo takes an address that is relative to the base.
func (c *call) goTo(address string) error {
	path, query, _ := strings.Cut(address, "?")
	var err error
	c.path, err = segments(path)
	c.query = query
	return err
}
