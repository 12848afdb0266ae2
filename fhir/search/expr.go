package search

import (
	"strings"
)

// A way is one plain alternative of a parameter's expression: a path of
// elements from the resource, with what the FHIRPath says of them. Nearly all
// parameters of R4 are such; the others are evaluated as FHIRPath.
type way struct {
	steps []step
	as    []string // types that the last element is restricted to; empty: none
	of    string   // type that a reference has to point to
	root  bool     // starts at %resource
}

// A step goes to an element.
type step struct {
	name string
	as   string // type of a choice in the middle of a way
	nth  int    // which element, from 1; 0: all
	// field and value are a condition on the element: where(field = 'value').
	field, value string
}

// maxExpression bounds the text of an expression.
const maxExpression = 16 << 10

// parseWay reads one alternative. ok is false where it is not plain. relative
// expressions do not start with the type of a resource.
func parseWay(alt string, relative bool) (w way, ok bool) {
	p := wayParser{s: alt}
	if !relative {
		// the head is the type
		p.head = true
	}
	w = p.expression(0)
	p.space()
	return w, !p.bad && p.s == ""
}

type wayParser struct {
	s    string
	bad  bool
	head bool // the name of a type is still to come
}

func (p *wayParser) space() { p.s = strings.TrimLeft(p.s, " \t\r\n") }

// take goes over a text if it comes next.
func (p *wayParser) take(text string) bool {
	p.space()
	if !strings.HasPrefix(p.s, text) {
		return false
	}
	p.s = p.s[len(text):]
	return true
}

func (p *wayParser) must(text string) {
	if !p.take(text) {
		p.bad = true
	}
}

func (p *wayParser) name() string {
	p.space()
	n := 0
	for n < len(p.s) && isName(p.s[n]) {
		n++
	}
	if n == 0 {
		p.bad = true
	}
	name := p.s[:n]
	p.s = p.s[n:]
	return name
}

func isName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// quoted reads a text in single quotes without escapes.
func (p *wayParser) quoted() string {
	p.must("'")
	text, rest, ok := strings.Cut(p.s, "'")
	if !ok || strings.Contains(text, `\`) {
		p.bad = true
		return ""
	}
	p.s = rest
	return text
}

// expression reads a path, perhaps with "as Type" behind it.
func (p *wayParser) expression(depth int) way {
	var w way
	if depth > 8 {
		p.bad = true
		return w
	}
	switch {
	case p.take("("):
		w = p.expression(depth + 1)
		p.must(")")
	case p.head:
		p.head = false
		p.name()
	case p.take("%resource"):
		w.root = true
	default:
		p.element(&w, p.name())
	}
	for !p.bad {
		switch {
		case p.take("."):
			p.element(&w, p.name())
		case p.take("["):
			p.index(&w)
		case strings.HasPrefix(p.s, " as "):
			p.must("as")
			p.restrict(&w, p.name())
		default:
			return w
		}
	}
	return w
}

// element goes on to an element or calls a function.
func (p *wayParser) element(w *way, name string) {
	if p.bad {
		return
	}
	if !p.take("(") {
		p.settle(w)
		w.steps = append(w.steps, step{name: name})
		return
	}
	switch name {
	case "as", "ofType":
		p.restrict(w, p.name())
	case "where":
		p.where(w)
	case "extension":
		p.settle(w)
		w.steps = append(w.steps, step{name: name, field: "url", value: p.quoted()})
	default:
		p.bad = true
	}
	p.must(")")
}

// settle makes the restriction of the last element one of a way that goes on.
func (p *wayParser) settle(w *way) {
	if len(w.as) > 0 {
		w.steps[len(w.steps)-1].as = w.as[0]
		w.as = nil
	}
	if w.of != "" {
		p.bad = true // beyond resolve() there is another resource
	}
}

func (p *wayParser) restrict(w *way, to string) {
	to = strings.TrimPrefix(to, "FHIR.")
	if len(w.steps) == 0 || len(w.as) > 0 {
		p.bad = true
		return
	}
	w.as = []string{to}
}

func (p *wayParser) index(w *way) {
	n, ok := smallInt(p.name())
	p.must("]")
	if !ok || len(w.steps) == 0 || w.steps[len(w.steps)-1].nth > 0 {
		p.bad = true
		return
	}
	w.steps[len(w.steps)-1].nth = n + 1
}

// where reads resolve() is Type or field = 'value'.
func (p *wayParser) where(w *way) {
	field := p.name()
	if p.bad || len(w.steps) == 0 {
		p.bad = true
		return
	}
	if field == "resolve" {
		p.must("(")
		p.must(")")
		p.must("is")
		w.of = p.name()
		return
	}
	last := &w.steps[len(w.steps)-1]
	p.must("=")
	if last.field != "" || last.nth > 0 || len(w.as) > 0 {
		p.bad = true
		return
	}
	last.field, last.value = field, p.quoted()
}

// path is the name of the elements that a way leads to, restrictions of the
// last one left out.
func (w *way) path(base string) string {
	b := []byte(base)
	for _, s := range w.steps {
		b = append(append(b, '.'), s.name...)
		if s.as != "" {
			b = append(append(append(b, '('), s.as...), ')')
		}
		if s.nth > 0 {
			b = append(append(b, '#'), byte('0'+min(s.nth, 9)))
		}
		if s.field != "" {
			b = append(append(append(append(append(b, '['), s.field...), '='), s.value...), ']')
		}
	}
	return string(b)
}

// bare is the way without its conditions: the index holds values by bare ways.
func (w *way) bare() way {
	b := *w
	b.steps = append([]step(nil), w.steps...)
	for i := range b.steps {
		b.steps[i].field, b.steps[i].value, b.steps[i].nth = "", "", 0
	}
	return b
}

// alternatives cuts an expression at its bars outside of parentheses and
// quotes.
func alternatives(expr string) []string {
	var out []string
	depth, start := 0, 0
	var quote byte
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; {
		case quote != 0:
			if c == '\\' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '\'' || c == '`':
			quote = c
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case c == '|' && depth == 0:
			out = append(out, strings.TrimSpace(expr[start:i]))
			start = i + 1
		}
	}
	if s := strings.TrimSpace(expr[start:]); s != "" {
		out = append(out, s)
	}
	return out
}
