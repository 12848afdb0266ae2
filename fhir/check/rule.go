package check

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A rule is an invariant, compiled.
type rule struct {
	key      string
	severity Severity
	human    string
	text     string
	level    Level
	expr     *expression
}

// A held is a rule as it stands on a type. Many rules only ask which members
// there are, wholly or in one of their alternatives; what the walk has seen
// answers that without an expression.
type held struct {
	*rule
	any   []term // one of these is enough
	whole bool   // there are no other alternatives
}

// A term asks whether a field is there or is not there.
type term struct {
	index int
	want  bool
}

// practice are invariants that only recommend something to authors. Reporting
// them for each resource that a device writes would help nobody.
var practice = map[string]bool{"dom-6": true}

// repaired are invariants whose expressions do not say what their texts say: the
// type of a FHIR boolean is boolean, not Boolean.
var repaired = map[string]string{
	"operator = 'exists' implies (answer is Boolean)": "operator = 'exists' implies (answer is boolean)",
}

func newRule(i *schema.Invariant) *rule {
	r := &rule{key: i.Key, severity: Error, human: i.Human, text: i.Expression, level: Rules}
	if i.Warning {
		r.severity = Warning
	}
	if practice[i.Key] {
		r.level = Profiles
	}
	if text := repaired[i.Expression]; text != "" {
		r.text = text
	}
	r.expr = compile(r.text)
	return r
}

// on reads the alternatives of a rule that the members of a type answer.
func (r *rule) on(t *schema.Type) held {
	parts := alternatives(r.text)
	h := held{rule: r, whole: len(parts) > 0}
	for _, part := range parts {
		x, ok := termOf(part, t)
		if !ok {
			h.whole = false
			x, ok = headOf(part, t)
		}
		if ok {
			h.any = append(h.any, x)
		}
	}
	return h
}

// alternatives cuts an expression at each "or" that stands outside of
// parentheses and quotes; nothing where another operator stands there, whose
// precedence would come into it.
func alternatives(text string) []string {
	var parts []string
	depth, start := 0, 0
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '\'' || c == '`':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case depth > 0:
		case strings.HasPrefix(text[i:], " or "):
			parts = append(parts, text[start:i])
			i += len(" or ") - 1
			start = i + 1
		case strings.HasPrefix(text[i:], " xor "), strings.HasPrefix(text[i:], " implies "):
			return nil
		}
	}
	return append(parts, text[start:])
}

// termOf reads name.exists(), name.empty() and their negation by .not().
func termOf(part string, t *schema.Type) (term, bool) {
	part = strings.TrimSpace(part)
	for strings.HasPrefix(part, "(") && strings.HasSuffix(part, ")") && strings.Count(part, "(") == strings.Count(part, "()")+1 {
		part = part[1 : len(part)-1]
	}
	part, negated := strings.CutSuffix(part, ".not()")
	name, want := strings.CutSuffix(part, ".exists()")
	if !want {
		var ok bool
		if name, ok = strings.CutSuffix(part, ".empty()"); !ok {
			return term{}, false
		}
	}
	f := t.Named(name)
	if f == nil {
		return term{}, false
	}
	return term{f.Index, want != negated}, true
}

// headOf reads component.code.where(…).empty(): without a component it holds,
// whatever follows.
func headOf(part string, t *schema.Type) (term, bool) {
	path, ok := strings.CutSuffix(strings.TrimSpace(part), ".empty()")
	if !ok {
		return term{}, false
	}
	var f *schema.Field
	for i, name := range steps(path) {
		if i == 0 {
			f = t.Named(name)
		}
		if f == nil || strings.ContainsAny(name, " ()") && !strings.HasPrefix(name, "where(") {
			return term{}, false
		}
	}
	return term{f.Index, false}, true
}

// steps cuts a path at its points.
func steps(path string) []string {
	var out []string
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c == '\\' && quoted:
			i++
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '.' && depth == 0:
			out = append(out, path[start:i])
			start = i + 1
		}
	}
	return append(out, path[start:])
}

// holds tells whether the members that were seen make the rule hold.
func (h *held) holds(seen *bits) bool {
	for _, x := range h.any {
		if seen.has(x.index) == x.want {
			return true
		}
	}
	return false
}
