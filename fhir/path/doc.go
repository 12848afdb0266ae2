// Package path is FHIRPath (N1, ANSI/HL7 release 1) as FHIR R4 uses it
// (fhirpath.html): invariants, search parameters, patches and views are written
// in it.
//
// Compile turns a text into functions within each other; Eval runs them over
// items, which are places in a document of package tree together with what
// package schema says of their type. Nothing is copied out of the document and
// no values are made until somebody reckons with them, so that the short
// expressions of invariants cost a microsecond or less.
//
// Every run is bounded: by steps, by the size of texts and numbers, and by
// expressions within each other when they are read. Regular expressions run in
// linear time.
//
// Beside N1 there are the functions of FHIR R4 (extension, hasValue, getValue,
// resolve, memberOf, subsumes, subsumedBy, conformsTo, htmlChecks, ofType,
// elementDefinition, slice, checkModifiers) and those of the continuous build
// that the test suite for R4 asks for (lowBoundary, highBoundary, precision,
// comparable, encode, escape, sort, defineVariable and their like).
package path

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

const (
	// DefaultSteps is how many steps a run may take when the Context does not
	// say.
	DefaultSteps = 2_000_000
	// maxString bounds the texts that expressions build.
	maxString = 1 << 22
)

// ErrCost is returned, wrapped, when a run takes more steps than it may.
var ErrCost = errors.New("the expression costs too much")

// An EvalError says where in an expression something could not be evaluated.
type EvalError struct {
	Pos int // bytes from the start of the expression
	Msg string
	Err error
}

// Error returns the message with its place.
func (e *EvalError) Error() string { return fmt.Sprintf("character %d: %s", e.Pos+1, e.Msg) }

// Unwrap returns what was below.
func (e *EvalError) Unwrap() error { return e.Err }

// An Expr is a compiled expression. It may be used by many at once.
type Expr struct {
	text string
	root *node
	step step
	pred pred
	pool sync.Pool
}

// An Option changes how an expression is compiled.
type Option func(*compiler)

// Strict follows N1 to the letter where the definitions of R4 do not: `as` fails
// on more than one item (§6.3.3), though search parameters use it on many, and a
// FHIR boolean is no System.Boolean, though que-7 says `answer is Boolean`.
func Strict() Option { return func(c *compiler) { c.strict = true } }

// A Function is added by a room that knows more, such as getResourceKey() of
// SQL on FHIR. Its arguments are evaluated like those of every other function.
type Function struct {
	Name     string
	Min, Max int // arguments
	Call     func(in []Item, args [][]Item) ([]Item, error)
	// OfType is there instead of Call when the only argument, which may be
	// missing, is the name of a type.
	OfType func(in []Item, name string) ([]Item, error)
}

// With adds a function to the language.
func With(f Function) Option {
	return func(c *compiler) { c.added = append(c.added, f) }
}

// Compile reads an expression. An error in its text is a *SyntaxError.
func Compile(text string, options ...Option) (*Expr, error) {
	root, err := parse(text)
	if err != nil {
		return nil, err
	}
	c := &compiler{}
	for _, o := range options {
		o(c)
	}
	e := &Expr{text: text, root: root}
	if e.step, err = c.step(root); err != nil {
		return nil, err
	}
	if e.pred, err = c.pred(root); err != nil {
		return nil, err
	}
	if text == ele1 && len(c.added) == 0 {
		e.pred = holdsElement
	}
	e.pool.New = func() any { return &machine{} }
	return e, nil
}

// String returns the text of the expression.
func (e *Expr) String() string { return e.text }

// A Context holds what an evaluation may ask for. Its zero value is useful; nil
// means the zero value. It may be shared when its functions may.
type Context struct {
	// Resource is %resource, Root %rootResource: what the element or contained
	// resource is in. Both are the input where they are not set.
	Resource, Root Item
	// Vars are other %variables.
	Vars map[string][]Item
	// Now is when it is; without it now(), today() and timeOfDay() fail.
	Now time.Time
	// Resolve finds what a reference means, beyond what is contained and what
	// is in the same Bundle. When it is nil, resolve() gives an item that has
	// only the type that the reference names, enough for `resolve() is Patient`.
	Resolve func(reference string) (Item, bool)
	// MemberOf tells whether a code, Coding or CodeableConcept is in a value
	// set. Subsumes whether one code subsumes the other. What is not known makes
	// the result empty.
	MemberOf func(code Item, valueSet string) (is, known bool)
	Subsumes func(a, b Item) (is, known bool)
	// ConformsTo tells whether a resource follows a profile; an error means
	// that nobody knows the profile. Without it only types are known.
	ConformsTo func(resource Item, profile string) (bool, error)
	// HTML tells whether a narrative follows the rules; without it all do.
	HTML func(div string) bool
	// Trace gets what trace() sees.
	Trace func(name string, items []Item)
	// Steps bounds the run; 0 means DefaultSteps.
	Steps int
	// Budget, when it is there, holds the steps that several runs one after the
	// other may take together, and is what is left of them afterwards.
	Budget *int
	// Set is where types are looked up; without it the one of the input.
	Set *schema.Set
}

// Eval evaluates the expression on items, mostly one.
func (e *Expr) Eval(ctx *Context, in ...Item) ([]Item, error) {
	m := e.machine(ctx, in)
	out, err := e.step(m, in, nil)
	e.done(m)
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Append is Eval that appends to out, for those who evaluate much.
func (e *Expr) Append(ctx *Context, in Item, out []Item) ([]Item, error) {
	m := e.machine(ctx, nil)
	m.in[0] = in
	m.start(m.in[:])
	out, err := e.step(m, m.in[:], out)
	e.done(m)
	return out, err
}

// Bool evaluates a condition: true when the result is true, or one item that is
// no boolean (N1 §4.5). An empty result is false.
func (e *Expr) Bool(ctx *Context, in Item) (bool, error) {
	t, err := e.truth(ctx, in)
	return t == yes, err
}

// Holds evaluates an invariant: it is broken only when the result is false. An
// empty result is no breach: ref-1 of R4 gives one for each Reference that has
// only a display.
func (e *Expr) Holds(ctx *Context, in Item) (bool, error) {
	t, err := e.truth(ctx, in)
	return t != no, err
}

func (e *Expr) truth(ctx *Context, in Item) (tri, error) {
	m := e.machine(ctx, nil)
	m.in[0] = in
	m.start(m.in[:])
	t, err := e.pred(m, m.in[:])
	e.done(m)
	return t, err
}

func (e *Expr) machine(ctx *Context, in []Item) *machine {
	m := e.pool.Get().(*machine)
	m.ctx = ctx
	if ctx == nil {
		m.ctx = &m.none
	}
	m.left = m.ctx.Steps
	if m.left == 0 {
		m.left = DefaultSteps
	}
	if m.ctx.Budget != nil {
		m.left = min(*m.ctx.Budget, m.left)
		m.given = m.left
	}
	m.start(in)
	return m
}

func (e *Expr) done(m *machine) {
	if m.ctx.Budget != nil {
		*m.ctx.Budget -= m.given - m.left
	}
	m.ctx, m.set, m.context, m.vars = nil, nil, nil, m.vars[:0]
	m.in[0], m.index, m.total, m.argv = Item{}, 0, nil, m.argv[:0]
	e.pool.Put(m)
}
