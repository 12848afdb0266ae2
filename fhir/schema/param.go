package schema

import "strings"

// A Param is a search parameter (searchparameter.html).
type Param struct {
	Code, URL, Name string
	Kind            string   // number, date, string, token, reference, composite, quantity, uri, special
	Bases           []string // resource types it is for
	// Expression is FHIRPath; it may hold alternatives for several types, see
	// For. It is empty where the meaning is not an expression (_text, _content,
	// _query).
	Expression  string
	Targets     []string    // types that a reference parameter may point to
	Components  []Component // of a composite
	Comparators []string
	Modifiers   []string
	Usage       string // xpathUsage: normal, phonetic, nearby, distance, other
}

// A Component is one part of a composite parameter.
type Component struct {
	Definition string // address of the parameter
	Code       string // of that parameter, "" if it is not known
	Expression string // relative to what the composite's expression gives
}

// For returns the alternatives of the expression that can give something for a
// type of resource, joined by " | "; "" if there are none.
func (p *Param) For(resource string) string {
	var out []string
	for _, alt := range splitUnion(p.Expression) {
		switch h := head(alt); {
		case h == resource, h == "Resource", h == "DomainResource":
			out = append(out, alt)
		case h != "" && h[0] >= 'a':
			out = append(out, alt) // a plain element, of whatever it is asked of
		}
	}
	return strings.Join(out, " | ")
}

// head is the first name of an expression: Patient of (Patient.deceased as
// boolean).
func head(expr string) string {
	expr = strings.TrimLeft(expr, "( ")
	for i := range len(expr) {
		c := expr[i]
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return expr[:i]
		}
	}
	return expr
}

// splitUnion cuts an expression at those bars that are not inside parentheses,
// brackets or quotes.
func splitUnion(expr string) []string {
	var (
		out   []string
		depth int
		quote byte
		start int
	)
	for i := 0; i < len(expr); i++ {
		c := expr[i]
		switch {
		case quote != 0:
			if c == '\\' {
				i++
			} else if c == quote {
				quote = 0
			}
		case c == '\'' || c == '`' || c == '"':
			quote = c
		case c == '(' || c == '[' || c == '{':
			depth++
		case c == ')' || c == ']' || c == '}':
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
