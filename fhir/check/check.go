package check

import (
	"sync"
	"time"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Level says how much is checked (R4 validation.html).
type Level uint8

// The levels; each includes those before it.
const (
	Structure Level = iota // names, types, cardinality, values of primitives, form of references, narratives
	Rules                  // required bindings and invariants
	Profiles               // profiles, extensions by their definitions, extensible bindings, what references point to
)

// Options say what one check looks at.
type Options struct {
	Level Level
	// Profiles are checked of the document beside those that meta.profile names;
	// a canonical may end in |version. With any, the level is Profiles.
	Profiles []string
	// Resolver finds what a reference points to outside of the document: the
	// resource, or nil when it is not known. Without it such references are
	// checked by their form only.
	Resolver func(reference string) *tree.Doc
	Now      time.Time
	// Limit ends the check after as many errors, and leaves out more warnings
	// than that; 0 means 100.
	Limit int
}

// A Checker checks documents against one set of definitions. It is safe for
// concurrent use.
type Checker struct {
	set       *schema.Set
	terms     Terms
	shapes    map[*schema.Type]*shape
	resources map[string]*shape
	guides    guides
	walks     sync.Pool
}

// New compiles what the types of a set say; profiles are compiled when one is
// first asked for. Without terms no bindings are checked.
func New(set *schema.Set, terms Terms) *Checker {
	return build(set, terms, false)
}

// build makes a checker. When it is plain, all invariants are evaluated as
// expressions, even those that the walk checks itself: tests compare the two.
func build(set *schema.Set, terms Terms, plain bool) *Checker {
	c := &Checker{set: set, terms: terms, shapes: map[*schema.Type]*shape{}, resources: map[string]*shape{}}
	b := builder{c: c, rules: map[string]*rule{}, plain: plain}
	for _, name := range set.Resources() {
		c.resources[name] = b.shape(set.Type(name))
	}
	b.shape(set.Type("Extension"))
	return c
}

// Check returns what is wrong with a document, in the order of the document;
// nothing when it is all right. What is no error is there, too: see
// Issue.Severity and Failed.
func (c *Checker) Check(doc *tree.Doc, o Options) []Issue {
	w, ok := c.walks.Get().(*walk)
	if !ok {
		w = &walk{c: c, up: make([]place, 0, 16), frames: make([]frame, 0, 16)}
	}
	w.begin(doc.Root(), o)
	w.document()
	issues := w.finish()
	w.end()
	c.walks.Put(w)
	return issues
}

// document checks the resource that the document is.
func (w *walk) document() {
	n := w.root
	if n.Kind() != tree.Object {
		w.fail(n, "structure", "resource", "a resource must be an object")
		return
	}
	s := w.resourceShape(n)
	if s == nil {
		return
	}
	w.push(s.t.Name)
	w.resource(n, s)
	w.pop()
}

// resourceShape finds what a resource says to be.
func (w *walk) resourceShape(n tree.Node) *shape {
	of := n.Get("resourceType")
	if !of.Ok() {
		w.fail(n, "structure", "resource-type", "a resource must have a resourceType")
		return nil
	}
	s := w.c.resources[of.Text()]
	if s == nil {
		w.fail(of, "structure", "resource-type", "there is no resource type %q", short([]byte(of.Text())))
	}
	return s
}

// resource checks a resource wherever it stands: its elements, then its rules
// with itself as %resource.
func (w *walk) resource(n tree.Node, s *shape) {
	outer := w.enter(n, s)
	w.object(n, s, nil)
	if w.o.Level >= Profiles {
		w.profiles(n, s)
	}
	w.context.Resource = outer
}
