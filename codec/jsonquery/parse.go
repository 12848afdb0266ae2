package jsonquery

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// maxDepth is how deep filters may lie in each other.
const maxDepth = 16

// A parser reads an expression.
type parser struct {
	text  string
	at    int
	depth int
	err   *Error
}

// fail notes the first thing that is wrong and stops.
func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = &Error{min(p.at, len(p.text)) + 1, fmt.Sprintf(format, args...)}
	}
	p.at = len(p.text)
}

// peek returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// space passes spaces over.
func (p *parser) space() {
	for p.peek() == ' ' {
		p.at++
	}
}

// take passes a word over.
func (p *parser) take(word string) bool {
	if !strings.HasPrefix(p.text[p.at:], word) {
		return false
	}
	p.at += len(word)
	return true
}

// unexpected fails at the next character.
func (p *parser) unexpected() {
	if p.at >= len(p.text) {
		p.fail("the expression ends too early")
		return
	}
	p.fail("unexpected %q", string([]rune(p.text[p.at:])[0]))
}

// main reads a whole expression.
func (p *parser) main() []step {
	p.space()
	start := p.at
	if p.peek() == '$' {
		if p.at+1 == len(p.text) {
			return nil
		}
		if c := p.text[p.at+1]; c == '.' || c == '[' {
			p.at++
			start = p.at
		}
	}
	steps := p.path(start, false)
	if p.space(); p.at < len(p.text) {
		p.unexpected()
	}
	return steps
}

// path reads steps until the end, a closing bracket, or in a filter an operator.
func (p *parser) path(start int, query bool) []step {
	var steps []step
	scan, indexer, dot := false, false, false
	member := func(end int) {
		if end <= start {
			return
		}
		name := strings.TrimRight(p.text[start:end], " ")
		steps = append(steps, step{kind: field, names: []string{name}, every: name == "*", scan: scan})
		scan = false
	}
loop:
	for p.at < len(p.text) {
		switch c := p.text[p.at]; c {
		case '[', '(':
			member(p.at)
			steps = append(steps, p.indexer(scan))
			scan, indexer, dot = false, true, false
			start = p.at
		case ']', ')', ' ':
			break loop
		case '.':
			member(p.at)
			if p.take("..") {
				scan = true
			} else {
				p.at++
			}
			start, indexer, dot = p.at, false, true
		default:
			if query && strings.IndexByte("=<!>|&", c) >= 0 {
				break loop
			}
			if indexer {
				p.fail("unexpected %q after a bracket", string(rune(c)))
				break loop
			}
			p.at++
		}
	}
	if p.err == nil && p.at == start && dot && (query || p.at == len(p.text)) {
		p.fail("a name should follow the dot")
	}
	if p.err == nil {
		member(p.at)
	}
	return steps
}

// indexer reads what is in brackets.
func (p *parser) indexer(scan bool) step {
	end := byte(']')
	if p.text[p.at] == '(' {
		end = ')'
	}
	p.at++
	p.space()
	var s step
	switch p.peek() {
	case '\'':
		s = step{kind: field, names: p.quotedNames(end), scan: scan}
	case '?':
		s = step{kind: filter, expr: p.query(), scan: scan}
	default:
		s = p.indices(end)
	}
	p.space()
	if p.err == nil && p.peek() != end {
		p.unexpected()
	}
	p.at = min(p.at+1, len(p.text))
	return s
}

// quotedNames reads names in quotes, with commas between them.
func (p *parser) quotedNames(end byte) []string {
	var names []string
	for p.err == nil {
		if p.peek() != '\'' {
			p.unexpected()
			break
		}
		names = append(names, p.quoted())
		p.space()
		if p.peek() == end || p.peek() != ',' {
			break
		}
		p.at++
		p.space()
	}
	return names
}

// quoted reads a text in single quotes.
func (p *parser) quoted() string {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case '\'':
			p.at++
			return b.String()
		case '\\':
			p.at++
			i := strings.IndexByte(`btnfr\'"/`, p.peek())
			if i < 0 || p.at >= len(p.text) {
				p.fail("not an escape sequence")
				return ""
			}
			b.WriteByte("\b\t\n\f\r\\'\"/"[i])
		default:
			b.WriteByte(c)
		}
	}
	p.fail("the quotes are not closed")
	return ""
}

// indices reads a wildcard, indices or a slice.
func (p *parser) indices(end byte) step {
	if p.peek() == '*' {
		p.at++
		return step{kind: index, every: true}
	}
	s := step{kind: index}
	var bounds [3]*int
	colons := 0
	for {
		p.space()
		n, ok := p.integer()
		p.space()
		switch c := p.peek(); {
		case p.err != nil:
			return s
		case c == ':' && colons < 2 && len(s.indices) == 0:
			if ok {
				bounds[colons] = &n
			}
			colons++
		case c == ',' && ok && colons == 0:
			s.indices = append(s.indices, n)
		case c == end && colons > 0:
			if ok {
				bounds[colons] = &n
			}
			if bounds[2] != nil && *bounds[2] == 0 {
				p.fail("the step of a slice cannot be 0")
			}
			return step{kind: slice, bounds: bounds}
		case c == end && ok:
			s.indices = append(s.indices, n)
			return s
		case c == end:
			p.fail("want an index")
			return s
		default:
			p.unexpected()
			return s
		}
		p.at++
	}
}

// integer reads a number.
func (p *parser) integer() (int, bool) {
	start := p.at
	if p.peek() == '-' {
		p.at++
	}
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.at++
	}
	if p.at == start {
		return 0, false
	}
	n, err := strconv.ParseInt(p.text[start:p.at], 10, 32)
	if err != nil {
		p.fail("not an index")
	}
	return int(n), true
}

// query reads ?( … ).
func (p *parser) query() *condition {
	p.at++
	if p.depth++; p.depth > maxDepth {
		p.fail("filters lie more than %d deep in each other", maxDepth)
		return nil
	}
	defer func() { p.depth-- }()
	if p.peek() != '(' {
		p.unexpected()
		return nil
	}
	p.at++
	c := p.condition()
	if p.err == nil {
		p.at++ // the closing bracket
	}
	return c
}

// condition reads comparisons with && and || between them. An operator that
// differs from the one before it takes everything that follows, as in JSON.NET:
// a && b || c is a && (b || c).
func (p *parser) condition() *condition {
	var root, parent *condition
	for p.at < len(p.text) {
		c := p.comparison()
		if p.err != nil {
			return nil
		}
		if p.peek() == ')' {
			if parent == nil {
				return c
			}
			parent.parts = append(parent.parts, c)
			return root
		}
		var op operator
		switch {
		case p.take("&&"):
			op = and
		case p.take("||"):
			op = or
		default:
			p.unexpected()
			return nil
		}
		if parent == nil || parent.op != op {
			next := &condition{op: op}
			if parent != nil {
				parent.parts = append(parent.parts, next)
			} else {
				root = next
			}
			parent = next
		}
		parent.parts = append(parent.parts, c)
	}
	p.fail("the filter is not closed")
	return nil
}

// operators are the comparisons, longer words before shorter ones.
func operators() []struct {
	word string
	op   operator
} {
	return []struct {
		word string
		op   operator
	}{
		{"===", same}, {"==", equal}, {"=~", matches}, {"!==", notSame}, {"!=", notEqual}, {"<>", notEqual},
		{"<=", atMost}, {"<", below}, {">=", atLeast}, {">", above},
	}
}

// comparison reads one comparison, or a path whose existence counts.
func (p *parser) comparison() *condition {
	c := &condition{op: exists, left: p.side()}
	switch p.peek() {
	case ')', '|', '&':
		return c
	}
	for _, o := range operators() {
		if p.err == nil && p.take(o.word) {
			c.op = o.op
			c.right = p.side()
			c.prepare(p)
			return c
		}
	}
	p.unexpected()
	return nil
}

// side reads one side of a comparison.
func (p *parser) side() operand {
	p.space()
	o := operand{}
	switch c := p.peek(); {
	case c == '@' || c == '$':
		p.at++
		o.path, o.root = p.path(p.at, true), c == '$'
		o.isPath = true
	default:
		o.value = p.literal()
	}
	p.space()
	if p.at >= len(p.text) {
		p.fail("the filter is not closed")
	}
	return o
}

// literal reads a text, number, word or pattern.
func (p *parser) literal() *jsontree.Value {
	switch c := p.peek(); {
	case c == '\'':
		return jsontree.Text(p.quoted())
	case c == '-' || c >= '0' && c <= '9':
		start := p.at
		for c := p.peek(); c != 0 && strings.IndexByte(" )&|", c) < 0; c = p.peek() {
			p.at++
		}
		text := p.text[start:p.at]
		v, err := jsontree.Parse([]byte(text))
		if err != nil {
			p.at = start
			p.fail("not a number")
		}
		return v
	case c == '/':
		return jsontree.Text(p.pattern())
	case p.take("true"):
		return jsontree.Truth(true)
	case p.take("false"):
		return jsontree.Truth(false)
	case p.take("null"):
		return &jsontree.Value{}
	}
	p.unexpected()
	return nil
}

// pattern reads /regular expression/flags as it is written.
func (p *parser) pattern() string {
	start := p.at
	for p.at++; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '\\':
			p.at++
		case '/':
			p.at++
			for c := p.peek(); c >= 'a' && c <= 'z'; c = p.peek() {
				p.at++
			}
			return p.text[start:p.at]
		}
	}
	p.fail("the pattern is not closed")
	return ""
}

// compile makes a regular expression of /text/flags.
func compile(text string) (*regexp.Regexp, error) {
	end := strings.LastIndexByte(text, '/')
	if !strings.HasPrefix(text, "/") || end < 1 {
		return nil, fmt.Errorf("%q is not a pattern like /text/", text)
	}
	flags := ""
	for _, f := range text[end+1:] {
		if !strings.ContainsRune("imsx", f) {
			return nil, fmt.Errorf("a pattern has no flag %q", f)
		}
		if f != 'x' { // explicit captures: nothing is captured here
			flags += string(f)
		}
	}
	source := strings.ReplaceAll(text[1:end], `\/`, `/`)
	if flags != "" {
		source = "(?" + flags + ")" + source
	}
	re, err := regexp.Compile(source)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	return re, nil
}
