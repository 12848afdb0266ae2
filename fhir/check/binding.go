package check

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Terms is where bindings are looked up. The system is "" for elements of type
// code, whose system the value set says. What is not known never makes a
// document wrong.
type Terms interface {
	Has(valueSet, system, code string) terms.Answer
	// Validate is asked whether a system has a code, and of its display.
	Validate(q terms.Validate) (*terms.Verdict, error)
}

// A binding is what codes are checked against.
type binding struct {
	valueSet string
	strength schema.Strength
	level    Level    // from which it is checked
	most     *binding // what not even an extensible binding may leave
	lenient  bool     // a text alone will do
}

// bind returns what is to be checked of a binding; nil when nothing is.
func (c *Checker) bind(b *schema.Binding) *binding {
	if c.terms == nil || b.ValueSet == "" || b.Strength != schema.Required && b.Strength != schema.Extensible && b.Max == "" {
		return nil
	}
	return newBinding(b)
}

func newBinding(b *schema.Binding) *binding {
	x := &binding{valueSet: b.ValueSet, strength: b.Strength, level: Profiles}
	if b.Strength == schema.Required {
		x.level = Rules
	} else if b.Max != "" {
		x.most = &binding{valueSet: b.Max, strength: schema.Required, level: Profiles, lenient: true}
	}
	return x
}

// bound checks a value against a binding (R4 terminologies.html section 4.1.5).
func (w *walk) bound(v tree.Node, s *shape, b *binding) {
	if b.strength == schema.Preferred || b.strength == schema.Example {
		w.bound(v, s, b.most)
		return
	}
	if b.most != nil {
		w.bound(v, s, b.most)
	}
	switch s.isa {
	case isConcept:
		w.concept(v, b)
	case isCoding:
		w.coding(v, b)
	case isQuantity:
		if code := v.Get("code"); code.Ok() {
			w.code(code, v.Get("system").Text(), b)
		}
	default:
		if v.Kind() == tree.String {
			w.code(v, "", b)
		}
	}
}

func (w *walk) code(v tree.Node, system string, b *binding) {
	if w.c.terms.Has(b.valueSet, system, v.Text()) == terms.No {
		w.outside(v, b, v.Text())
	}
}

func (w *walk) coding(v tree.Node, b *binding) {
	code := v.Get("code")
	if code.Ok() && w.c.terms.Has(b.valueSet, v.Get("system").Text(), code.Text()) == terms.No {
		w.outside(v, b, code.Text())
	}
}

// concept checks a CodeableConcept: one of its codings must be in the value set.
func (w *walk) concept(v tree.Node, b *binding) {
	codes, first := 0, ""
	for coding := range v.Get("coding").Items() {
		code := coding.Get("code")
		if !code.Ok() {
			continue
		}
		if w.c.terms.Has(b.valueSet, coding.Get("system").Text(), code.Text()) != terms.No {
			return
		}
		if codes == 0 {
			first = code.Text()
		}
		codes++
	}
	switch {
	case codes > 0:
		w.outside(v, b, first)
	case b.strength == schema.Required && !b.lenient && !v.Get("extension").Ok():
		w.fail(v, "code-invalid", "binding", "a code of the value set %s is required", b.valueSet)
	}
}

// outside reports a code that is not in its value set.
func (w *walk) outside(v tree.Node, b *binding, code string) {
	url, _, _ := strings.Cut(b.valueSet, "|")
	if b.strength == schema.Required {
		w.fail(v, "code-invalid", "binding", "the code %q is not in the value set %s", short([]byte(code)), url)
		return
	}
	w.report(Warning, v, "code-invalid", "binding", "the code %q is not in the value set %s, which should be used where it has a fitting one", short([]byte(code)), url)
}

// known checks a coding by its own system, where that is loaded: whether it has
// the code, and whether the display is one of the code (R4
// terminologies.html#code).
func (w *walk) known(n tree.Node) {
	c := terms.Coding{System: n.Get("system").Text(), Version: n.Get("version").Text(), Code: n.Get("code").Text()}
	if w.c.terms == nil || c.System == "" || c.Code == "" || w.silent {
		return
	}
	q := terms.Validate{Codings: []terms.Coding{c}, Abstract: true}
	if v, err := w.c.terms.Validate(q); err != nil || v.Result == terms.Unknown {
		return
	} else if v.Result == terms.No {
		w.fail(n, "code-invalid", "code", "the code system %s has no code %q", short([]byte(c.System)), short([]byte(c.Code)))
		return
	}
	display := n.Get("display")
	if q.Codings[0].Display = display.Text(); q.Codings[0].Display == "" {
		return
	}
	if v, err := w.c.terms.Validate(q); err == nil && v.Result == terms.No {
		w.report(Warning, display, "code-invalid", "display", "%s", v.Message)
	}
}
