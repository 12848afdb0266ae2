package search

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// filter reads _filter (search_filter.html): comparisons such as
// "given eq peter", put together with and, or, not and parentheses; and binds
// closer than or.
func (p *parser) filter(types []string, text string, depth int) *expr {
	f := &filterReader{p: p, types: types, s: text, depth: depth}
	e := f.or(0)
	f.space()
	if f.err == nil && f.s != "" {
		f.fail("%q is not understood", clip(f.s))
	}
	if f.err != nil {
		if !errors.Is(f.err, errIssue) {
			p.refuse("_filter", "invalid", "after %d characters: %v", len(text)-len(f.s), f.err)
		}
		return nil
	}
	return e
}

// errIssue says that there is an issue already.
var errIssue = errors.New("there is an issue")

type filterReader struct {
	p     *parser
	types []string
	s     string
	depth int
	err   error
}

func (f *filterReader) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

func (f *filterReader) space() { f.s = strings.TrimLeft(f.s, " \t\r\n") }

// word takes a word if it comes next.
func (f *filterReader) word(w string) bool {
	f.space()
	rest, ok := strings.CutPrefix(f.s, w)
	if !ok || rest != "" && !strings.ContainsRune(" \t\r\n(", rune(rest[0])) {
		return false
	}
	f.s = rest
	return true
}

func (f *filterReader) or(depth int) *expr {
	return f.series(depth, "or", or, f.and)
}

func (f *filterReader) and(depth int) *expr {
	return f.series(depth, "and", and, f.one)
}

// series reads conditions with a word between them.
func (f *filterReader) series(depth int, word string, o op, next func(int) *expr) *expr {
	e := next(depth)
	if f.err != nil || !f.word(word) {
		return e
	}
	all := &expr{op: o, kids: []*expr{e}}
	for {
		e := next(depth)
		if f.err != nil {
			return nil
		}
		all.kids = append(all.kids, e)
		if !f.word(word) {
			return all
		}
	}
}

// one reads a comparison, or what is in parentheses.
func (f *filterReader) one(depth int) *expr {
	if depth > f.p.limits.Depth {
		f.fail("a filter has at most %d parentheses within each other", f.p.limits.Depth)
		return nil
	}
	negated := f.word("not")
	f.space()
	if !strings.HasPrefix(f.s, "(") {
		if negated {
			f.fail("a parenthesis is missing behind not")
			return nil
		}
		return f.comparison()
	}
	f.s = f.s[1:]
	e := f.or(depth + 1)
	f.space()
	if f.err != nil {
		return nil
	}
	if !strings.HasPrefix(f.s, ")") {
		f.fail("a closing parenthesis is missing")
		return nil
	}
	f.s = f.s[1:]
	if negated {
		return &expr{op: not, kids: []*expr{e}}
	}
	return e
}

// comparison reads a path, an operator and a value.
func (f *filterReader) comparison() *expr {
	path := f.until(" \t\r\n([")
	if strings.HasPrefix(f.s, "[") {
		f.fail("filters of elements in brackets are not supported")
	}
	if path == "" {
		f.fail("a comparison is missing")
	}
	f.space()
	operator := f.until(" \t\r\n(")
	f.space()
	text, quoted := f.value()
	if f.err != nil {
		return nil
	}
	if f.p.values++; f.p.values > f.p.limits.Values {
		f.fail("a query has at most %d values", f.p.limits.Values)
		return nil
	}
	n := len(f.p.issues)
	e := f.p.compare(f.types, path, operator, text, quoted, f.depth)
	if e == nil || len(f.p.issues) > n {
		f.err = errIssue
		if len(f.p.issues) == n {
			f.err = fmt.Errorf("the operator %q is not for the parameter %s", clip(operator), clip(path))
		}
		return nil
	}
	return e
}

func (f *filterReader) until(stop string) string {
	f.space()
	i := strings.IndexAny(f.s, stop)
	if i < 0 {
		i = len(f.s)
	}
	text := f.s[:i]
	f.s = f.s[i:]
	return text
}

// value reads a text in quotes, or up to the next space or parenthesis.
func (f *filterReader) value() (text string, quoted bool) {
	if !strings.HasPrefix(f.s, `"`) {
		text = f.until(" \t\r\n)")
		if text == "" {
			f.fail("a value is missing")
		}
		return text, false
	}
	for i := 1; i < len(f.s); i++ {
		switch f.s[i] {
		case '\\':
			i++
		case '"':
			if err := json.Unmarshal([]byte(f.s[:i+1]), &text); err != nil {
				f.fail("%s is no text", clip(f.s[:i+1]))
			}
			f.s = f.s[i+1:]
			return text, true
		}
	}
	f.fail("the quotes are not closed")
	return "", true
}

// compare makes a condition of a comparison, along a chain if the path has
// points. It returns nil without an issue where the operator does not fit.
func (p *parser) compare(types []string, path, operator, text string, quoted bool, depth int) *expr {
	if p.tried++; p.tried > maxTried {
		p.refuse("_filter", "too-costly", "the filter has too many meanings: name the types that chains go through")
		return nil
	}
	head, rest, chained := strings.Cut(path, ".")
	if !chained {
		return p.operator(types, path, operator, text, quoted)
	}
	if depth+1 > p.limits.Chain {
		p.refuse("_filter", "too-costly", "a chain goes through at most %d resources", p.limits.Chain)
		return nil
	}
	code, mod, _ := strings.Cut(head, ":")
	def := p.find(types, "_filter", code)
	if def == nil {
		return nil
	}
	if def.kind != Reference {
		p.refuse("_filter", "invalid", "%s is no reference: a chain cannot go through it", code)
		return nil
	}
	e := &expr{op: byChain, code: code}
	before := len(p.issues)
	targets := p.targets(def, mod, "_filter")
	if len(p.issues) > before {
		return nil
	}
	var why *Issue
	for _, t := range targets {
		sub, issue := p.try(func() *expr { return p.compare([]string{t}, rest, operator, text, quoted, depth+1) })
		if sub != nil {
			e.links = append(e.links, &link{of: t, where: sub})
		}
		if why = worse(why, issue); why != nil && why.Code == "too-costly" {
			break
		}
	}
	return p.linked(e, why, "_filter", rest)
}

// operator makes a condition of one parameter.
func (p *parser) operator(types []string, code, operator, text string, quoted bool) *expr {
	if code == "_id" && (operator == "eq" || operator == "ne") {
		e := &expr{op: byID, code: code, vals: []operand{{code: text}}}
		return negate(e, operator == "ne")
	}
	def := p.find(types, "_filter", code)
	if def == nil {
		return nil
	}
	if operator == "pr" {
		return p.filtered(def, code, "missing", map[string]string{"true": "false", "false": "true"}[text], "")
	}
	escaped := Escape(text)
	if !quoted {
		escaped = strings.NewReplacer(`\`, `\\`, ",", `\,`, "$", `\$`).Replace(text)
	}
	switch def.kind {
	case Date, Number, Quantity:
		return p.ordered(def, code, operator, escaped)
	case String, URI:
		return p.textual(def, code, operator, escaped)
	case Token:
		mod, ok := map[string]string{"eq": "", "ne": "", "in": "in", "ni": "in", "ss": "above", "sb": "below"}[operator]
		if !ok {
			return nil
		}
		return negate(p.filtered(def, code, mod, escaped, ""), operator == "ne" || operator == "ni")
	case Reference:
		if operator == "eq" || operator == "re" || operator == "ne" {
			return negate(p.filtered(def, code, "", escaped, ""), operator == "ne")
		}
	case Composite, Special:
	}
	return nil
}

func (p *parser) ordered(def *param, code, operator, text string) *expr {
	switch operator {
	case "eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb":
		if code == "_lastUpdated" {
			return p.updated(operator + text)
		}
		return p.filtered(def, code, "", operator+text, "")
	case "po":
		if def.kind == Date {
			return p.filtered(def, code, "", "eq"+text, "ap")
		}
	}
	return nil
}

func (p *parser) textual(def *param, code, operator, text string) *expr {
	switch operator {
	case "eq", "ne", "co", "sw", "ew":
		prefix := operator
		if operator == "ne" {
			prefix = "eq"
		}
		if def.kind == URI && prefix == "eq" {
			prefix = ""
		}
		return negate(p.filtered(def, code, "", text, prefix), operator == "ne")
	}
	if def.kind == URI && operator == "sb" {
		return p.filtered(def, code, "below", text, "")
	}
	return nil
}

// filtered makes a condition with one value.
func (p *parser) filtered(def *param, code, mod, text, prefix string) *expr {
	o, err := p.operand(def, mod, text)
	if err != nil {
		p.refuse("_filter", "invalid", "%s: %v", code, err)
		return nil
	}
	if prefix != "" {
		o.prefix = prefix
	}
	return &expr{op: byParam, kind: def.kind, code: code, mod: mod, vals: []operand{o}}
}

func negate(e *expr, is bool) *expr {
	if e == nil || !is {
		return e
	}
	return &expr{op: not, kids: []*expr{e}}
}
