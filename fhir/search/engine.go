package search

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// Config says what an Engine works with.
type Config struct {
	Schema *schema.Set
	Key    Key
	// Bases are addresses of this server, without a slash at the end: references
	// to them are references to resources of our own.
	Bases []string
	// Params are parameters besides those of the schema: SearchParameter
	// resources that somebody has stored. One with the code of a parameter of
	// the schema takes its place.
	Params []*schema.Param
	// Pending are the addresses of parameters that the index does not know of all
	// resources, because they were added and not all resources were indexed anew
	// since. New keys are written for them; searches look at the resources
	// themselves, so that they find everything at some cost.
	Pending []string
}

// An Engine knows what resources are found by. It does not change, and many
// goroutines may use it.
type Engine struct {
	c       Config
	extra   map[string]map[string]*schema.Param // type → code
	byURL   map[string]*schema.Param
	systems sync.Map // code system → bool: its case counts
	units   sync.Map // code → *unit
	bound   sync.Map // value set → []string, its code systems
	kept    atomic.Int64
	mu      sync.Mutex
	types   atomic.Pointer[map[string]*model]
}

// New returns an engine. It fails when one of the parameters cannot be used.
func New(c Config) (*Engine, error) {
	e := &Engine{c: c, extra: map[string]map[string]*schema.Param{}, byURL: map[string]*schema.Param{}}
	e.types.Store(&map[string]*model{})
	for _, p := range c.Params {
		e.byURL[p.URL] = p
	}
	for _, p := range c.Params {
		if err := e.Check(p); err != nil {
			return nil, err
		}
		for _, of := range e.reach(p.Bases) {
			if e.extra[of] == nil {
				e.extra[of] = map[string]*schema.Param{}
			}
			e.extra[of][p.Code] = p
		}
	}
	return e, nil
}

// With returns an engine that knows more parameters.
func (e *Engine) With(params ...*schema.Param) (*Engine, error) {
	c := e.c
	c.Params = slices.Concat(c.Params, params)
	return New(c)
}

// Schema returns the definitions that the engine works with.
func (e *Engine) Schema() *schema.Set { return e.c.Schema }

// reach returns the concrete types that parameters of these bases are for.
func (e *Engine) reach(bases []string) []string {
	var out []string
	for _, r := range e.c.Schema.Resources() {
		if slices.ContainsFunc(bases, e.c.Schema.Type(r).Is) {
			out = append(out, r)
		}
	}
	return out
}

// Params returns all parameters of a type sorted by code. The caller must not
// change them.
func (e *Engine) Params(resource string) []*schema.Param {
	extra := e.extra[resource]
	if len(extra) == 0 {
		return e.c.Schema.Params(resource)
	}
	var out []*schema.Param
	for _, p := range e.c.Schema.Params(resource) {
		if extra[p.Code] == nil {
			out = append(out, p)
		}
	}
	for _, p := range extra {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *schema.Param) int { return strings.Compare(a.Code, b.Code) })
	return out
}

// Param finds a parameter, nil if there is none.
func (e *Engine) Param(resource, code string) *schema.Param {
	if p := e.extra[resource][code]; p != nil {
		return p
	}
	return e.c.Schema.Param(resource, code)
}

func (e *Engine) paramByURL(url string) *schema.Param {
	if p := e.byURL[url]; p != nil {
		return p
	}
	return e.c.Schema.ParamByURL(url)
}

// model returns what is known about a resource type, nil if there is none.
func (e *Engine) model(resource string) *model {
	if k := (*e.types.Load())[resource]; k != nil {
		return k
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	old := *e.types.Load()
	if k := old[resource]; k != nil {
		return k
	}
	t := e.c.Schema.Type(resource)
	if t == nil || t.Kind != schema.Resource || t.Abstract {
		return nil
	}
	k := e.compile(t)
	all := make(map[string]*model, len(old)+1)
	for name, o := range old {
		all[name] = o
	}
	all[resource] = k
	e.types.Store(&all)
	return k
}

// Check says why a parameter cannot be used, nil if it can.
func (e *Engine) Check(p *schema.Param) error {
	k := kindOf(p.Kind)
	if p.Code == "" || strings.ContainsAny(p.Code, ":.$|, ") {
		return fmt.Errorf("parameter %s: the code %q is no name of a parameter", p.URL, clip(p.Code))
	}
	if k == 0 {
		return fmt.Errorf("parameter %s: there is no type %q", p.URL, clip(p.Kind))
	}
	if len(p.Expression) == 0 || len(p.Expression) > maxExpression {
		return fmt.Errorf("parameter %s: the expression has from 1 to %d bytes", p.URL, maxExpression)
	}
	bases := e.reach(p.Bases)
	if len(bases) == 0 {
		return fmt.Errorf("parameter %s: it has no base that is a resource type", p.URL)
	}
	c := &compiler{e: e}
	for _, of := range bases {
		c.start(e.c.Schema.Type(of))
		c.param(p)
		if c.err != nil {
			return fmt.Errorf("parameter %s: %w", p.URL, c.err)
		}
	}
	return nil
}
