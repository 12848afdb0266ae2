package check

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// An Answer says whether a code is in a value set.
type Answer uint8

// The answers. Unknown is one where a code system or a value set is not
// loaded: it never makes a document wrong.
const (
	Unknown Answer = iota
	Yes
	No
)

// Terms is where bindings are looked up. The system is "" for elements of type
// code, whose system the value set says.
type Terms interface {
	Has(valueSet, system, code string) Answer
}

// A binding is what codes are checked against.
type binding struct {
	valueSet string
	strength schema.Strength
	most     string // what not even an extensible binding may leave
}

// bind returns what is to be checked of a binding at the level of rules; nil
// when nothing is.
func (c *Checker) bind(b *schema.Binding) *binding {
	if c.terms == nil || b.ValueSet == "" || b.Strength != schema.Required {
		return nil
	}
	return &binding{valueSet: b.ValueSet, strength: b.Strength, most: b.Max}
}

// bound checks a value against a binding (R4 terminologies.html section 4.1.5).
func (w *walk) bound(v tree.Node, s *shape, b *binding) {
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
	if w.c.terms.Has(b.valueSet, system, v.Text()) == No {
		w.outside(v, b, v.Text())
	}
}

func (w *walk) coding(v tree.Node, b *binding) {
	code := v.Get("code")
	if code.Ok() && w.c.terms.Has(b.valueSet, v.Get("system").Text(), code.Text()) == No {
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
		if w.c.terms.Has(b.valueSet, coding.Get("system").Text(), code.Text()) != No {
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
	case b.strength == schema.Required && !v.Get("extension").Ok():
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
