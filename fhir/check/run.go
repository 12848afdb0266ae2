package check

import (
	"errors"
	"sync"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// An expression is compiled when it is first needed: one of hundreds that a
// server never meets costs nothing.
type expression struct {
	text string
	once sync.Once
	e    *path.Expr
	err  error
}

func compile(text string) *expression { return &expression{text: text} }

func (x *expression) get() (*path.Expr, error) {
	x.once.Do(func() { x.e, x.err = path.Compile(x.text) })
	return x.e, x.err
}

// The expressions of one document may take so many steps together: some, and
// more for each value of the document. A step takes up to a microsecond.
const (
	leastSteps = 300_000
	moreSteps  = 30
)

// hold checks the rules of a type and of the element that a value stands at.
func (w *walk) hold(n tree.Node, s *shape, e *element, seen *bits) {
	for i := range s.rules {
		w.rule(&s.rules[i], n, s.t, seen)
	}
	if e == nil {
		return
	}
	if len(e.of) > 1 {
		seen = nil // the alternatives were read for the first type only
	}
	for i := range e.rules {
		w.rule(&e.rules[i], n, s.t, seen)
	}
}

func (w *walk) rule(h *held, n tree.Node, t *schema.Type, seen *bits) {
	if w.o.Level < h.level {
		return
	}
	if seen != nil {
		if h.holds(seen) {
			return
		}
		if h.whole {
			w.broken(h.rule, n)
			return
		}
	}
	w.ask(h.rule, n, path.Element(w.c.set, t, n, tree.Node{}))
}

// holdPrimitive checks the rules of a primitive, whose id and extensions stand
// beside it.
func (w *walk) holdPrimitive(n, v tree.Node, s *shape, e *element, i int) {
	ext := beside(n, e, s.t)
	if i >= 0 {
		ext = ext.At(i)
	}
	at := v
	if !at.Ok() {
		at = ext
	}
	item := path.Element(w.c.set, s.t, v, ext)
	for i := range s.rules {
		w.ask(s.rules[i].rule, at, item)
	}
	for i := range e.rules {
		w.ask(e.rules[i].rule, at, item)
	}
}

// ask evaluates a rule on an item.
func (w *walk) ask(r *rule, n tree.Node, item path.Item) {
	if w.o.Level < r.level || w.silent && r.severity < Error {
		return
	}
	e, err := r.expr.get()
	if err != nil {
		w.report(Warning, n, "not-supported", r.key, "%s: the expression of the invariant cannot be read: %v", r.key, err)
		return
	}
	if w.left <= 0 {
		w.costs(n)
		return
	}
	ok, err := e.Holds(&w.context, item)
	switch {
	case errors.Is(err, path.ErrCost):
		w.costs(n)
	case err != nil:
		w.report(Warning, n, "processing", r.key, "%s: the invariant cannot be evaluated here: %v", r.key, err)
	case !ok:
		w.broken(r, n)
	}
}

// costs reports once that expressions took too many steps: what was not checked
// is not called good.
func (w *walk) costs(n tree.Node) {
	if w.spent {
		return
	}
	w.spent = true
	silent := w.silent
	w.silent = false
	w.fail(n, "too-costly", "cost", "it costs too much to check the whole document")
	w.silent = silent
}

func (w *walk) broken(r *rule, n tree.Node) {
	w.report(r.severity, n, "invariant", r.key, "%s: %s", r.key, r.human)
}

// enter makes a resource the one that expressions call %resource, and returns
// what it was before.
func (w *walk) enter(n tree.Node, s *shape) (outer path.Item) {
	outer = w.context.Resource
	w.context.Resource = path.Element(w.c.set, s.t, n, tree.Node{})
	if n == w.root {
		w.context.Root = w.context.Resource
	}
	return outer
}

// surroundings are what expressions may ask for beyond the document.
func (w *walk) surroundings() {
	x := &w.context
	w.left = leastSteps + moreSteps*w.size()
	x.Now, x.Steps, x.Budget = w.o.Now, w.left, &w.left
	if x.HTML == nil {
		x.Set, x.HTML = w.c.set, goodHTML
	}
	switch {
	case w.o.Level < Profiles:
		x.Resolve, x.MemberOf, x.ConformsTo = nil, nil, nil
	case x.Resolve == nil:
		x.Resolve, x.ConformsTo = w.resolveItem, w.conformsTo
		if w.c.terms != nil {
			x.MemberOf = w.memberOf
		}
	}
}

// size is how many values the document has.
func (w *walk) size() int {
	if !w.doc.Ok() {
		return 0
	}
	return w.doc.Doc().Size()
}

func goodHTML(div string) bool {
	problem, _ := XHTML([]byte(div))
	return problem == ""
}

func (w *walk) resolveItem(reference string) (path.Item, bool) {
	target := w.resolve(reference)
	return path.ItemOf(w.c.set, target), target.Ok()
}

func (w *walk) memberOf(code path.Item, valueSet string) (is, known bool) {
	n := code.Node()
	answer := terms.Unknown
	switch {
	case n.Kind() == tree.String:
		answer = w.c.terms.Has(valueSet, "", n.Text())
	case n.Get("coding").Ok():
		for c := range n.Get("coding").Items() {
			if a := w.c.terms.Has(valueSet, c.Get("system").Text(), c.Get("code").Text()); a == terms.Yes || answer == terms.Unknown {
				answer = a
			}
		}
	case n.Ok():
		answer = w.c.terms.Has(valueSet, n.Get("system").Text(), n.Get("code").Text())
	}
	return answer == terms.Yes, answer != terms.Unknown
}
