package devices

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vigil-iomt/vigil/codec/jsonbody"
)

// A condition asks something about a message. The language is small and closed:
//
//	$.worn                          is there, and neither null nor false
//	$.status == "finger-out"        == != < <= > >= with a number, text, true, false or null
//	$.flags & 4                     one of these bits is set
//	$.state in ["a", "b"]           equals one of these
//	not …, … and …, … or …, ( … )
//
// A comparison with something that is not there does not hold.
type condition struct {
	op   conditionOp
	path *jsonbody.Path
	lits []literal
	a, b *condition
}

type conditionOp uint8

const (
	isThere conditionOp = iota
	isEqual
	isNotEqual
	isLess
	isLessEqual
	isGreater
	isGreaterEqual
	hasBits
	isIn
	isNot
	isAnd
	isOr
)

// A literal is a value written in a condition.
type literal struct {
	kind jsonbody.Kind
	num  float64
	text string
}

// holds tells whether the condition holds for a message and an item of it.
func (c *condition) holds(d *jsonbody.Doc, item jsonbody.Ref) bool {
	switch c.op {
	case isNot:
		return !c.a.holds(d, item)
	case isAnd:
		return c.a.holds(d, item) && c.b.holds(d, item)
	case isOr:
		return c.a.holds(d, item) || c.b.holds(d, item)
	case isThere, isEqual, isNotEqual, isLess, isLessEqual, isGreater, isGreaterEqual, hasBits, isIn:
	}
	from := jsonbody.Root
	if c.path.OfItem() {
		from = item
	}
	r := d.Find(from, c.path)
	kind := d.Kind(r)
	switch c.op {
	case isThere:
		return kind != jsonbody.Missing && kind != jsonbody.Null && kind != jsonbody.False
	case isEqual:
		return c.lits[0].equals(d, r, kind)
	case isNotEqual:
		return kind != jsonbody.Missing && !c.lits[0].equals(d, r, kind)
	case isIn:
		for i := range c.lits {
			if c.lits[i].equals(d, r, kind) {
				return true
			}
		}
		return false
	case hasBits:
		v, ok := d.Int(r)
		return ok && v&int64(c.lits[0].num) != 0
	case isLess, isLessEqual, isGreater, isGreaterEqual, isNot, isAnd, isOr:
	}
	v, _, ok := d.Number(r)
	return ok && c.compares(v)
}

// compares tells whether a number stands to the literal as the condition asks.
func (c *condition) compares(v float64) bool {
	lit := c.lits[0].num
	return c.op == isLess && v < lit || c.op == isLessEqual && v <= lit ||
		c.op == isGreater && v > lit || c.op == isGreaterEqual && v >= lit
}

// equals tells whether a value of the message is the literal.
func (l *literal) equals(d *jsonbody.Doc, r jsonbody.Ref, kind jsonbody.Kind) bool {
	if kind != l.kind {
		return false
	}
	switch kind {
	case jsonbody.Number:
		v, _, ok := d.Number(r)
		return ok && v == l.num
	case jsonbody.String:
		s, _ := d.Str(r)
		return string(s) == l.text
	case jsonbody.Missing, jsonbody.Null, jsonbody.False, jsonbody.True, jsonbody.Array, jsonbody.Object:
	}
	return kind != jsonbody.Array && kind != jsonbody.Object
}

// ofItem tells whether the condition asks about the item.
func (c *condition) ofItem() bool {
	if c == nil {
		return false
	}
	return c.path != nil && c.path.OfItem() || c.a.ofItem() || c.b.ofItem()
}

// conditionDepth bounds parentheses and negations within each other.
const conditionDepth = 32

// A conditionParser goes through a condition.
type conditionParser struct {
	rest  string
	depth int
}

// parseCondition reads a condition.
func parseCondition(text string) (*condition, error) {
	p := conditionParser{rest: text}
	c, err := p.either()
	if err != nil {
		return nil, err
	}
	if p.space(); p.rest != "" {
		return nil, fmt.Errorf("unexpected %q", p.rest)
	}
	return c, nil
}

func (p *conditionParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\n") }

// word takes a word or sign when it is next.
func (p *conditionParser) word(w string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, w)
	if !ok || w[0] >= 'a' && w[0] <= 'z' && rest != "" && !strings.ContainsRune(" \t\n([\"'", rune(rest[0])) {
		return false
	}
	p.rest = rest
	return true
}

// either reads conditions joined by or.
func (p *conditionParser) either() (*condition, error) {
	return p.joined("or", isOr, (*conditionParser).both)
}

// both reads conditions joined by and.
func (p *conditionParser) both() (*condition, error) {
	return p.joined("and", isAnd, (*conditionParser).single)
}

// joined reads conditions joined by a word.
func (p *conditionParser) joined(word string, op conditionOp, part func(*conditionParser) (*condition, error)) (*condition, error) {
	c, err := part(p)
	for err == nil && p.word(word) {
		var b *condition
		b, err = part(p)
		c = &condition{op: op, a: c, b: b}
	}
	return c, err
}

// single reads a negation, a parenthesis or a comparison.
func (p *conditionParser) single() (*condition, error) {
	if p.depth++; p.depth > conditionDepth {
		return nil, errors.New("too many parentheses")
	}
	defer func() { p.depth-- }()
	if p.word("not") {
		a, err := p.single()
		return &condition{op: isNot, a: a}, err
	}
	if p.word("(") {
		c, err := p.either()
		if err == nil && !p.word(")") {
			err = errors.New("a closing parenthesis is missing")
		}
		return c, err
	}
	return p.comparison()
}

// comparison reads a path and what is asked about it.
func (p *conditionParser) comparison() (*condition, error) {
	p.space()
	end := pathEnd(p.rest)
	path, err := jsonbody.ParsePath(p.rest[:end])
	if err != nil {
		return nil, err
	}
	if path.Wild() {
		return nil, fmt.Errorf("path %q leads to many values", path)
	}
	p.rest = p.rest[end:]
	c := &condition{op: isThere, path: path}
	for _, o := range [...]struct {
		sign string
		op   conditionOp
	}{
		{"==", isEqual}, {"!=", isNotEqual}, {"<=", isLessEqual}, {">=", isGreaterEqual},
		{"<", isLess}, {">", isGreater}, {"&", hasBits}, {"in", isIn},
	} {
		if p.word(o.sign) {
			c.op = o.op
			return c, p.literals(c)
		}
	}
	return c, nil
}

// pathEnd returns how far a path reaches.
func pathEnd(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '[':
			n := strings.IndexByte(s[i:], ']')
			if n < 0 {
				return len(s)
			}
			i += n
		case ' ', '\t', '\n', '=', '!', '<', '>', '&', ')', '(':
			return i
		}
	}
	return len(s)
}

// literals reads what the path is compared with.
func (p *conditionParser) literals(c *condition) error {
	if c.op != isIn {
		l, err := p.literal()
		if err == nil && l.kind != jsonbody.Number && c.op != isEqual && c.op != isNotEqual {
			err = fmt.Errorf("want a number to compare %s with", c.path)
		}
		c.lits = []literal{l}
		return err
	}
	if !p.word("[") {
		return errors.New("want a list in brackets behind in")
	}
	for {
		l, err := p.literal()
		if err != nil {
			return err
		}
		c.lits = append(c.lits, l)
		if p.word("]") {
			return nil
		}
		if !p.word(",") {
			return errors.New("want a comma or a closing bracket")
		}
	}
}

// literal reads a number, a text in quotes, true, false or null.
func (p *conditionParser) literal() (literal, error) {
	p.space()
	if p.rest == "" {
		return literal{}, errors.New("want a number, a text in quotes, true, false or null at the end")
	}
	if q := p.rest[:1]; q == `"` || q == "'" {
		text, rest, ok := strings.Cut(p.rest[1:], q)
		if !ok {
			return literal{}, fmt.Errorf("no end of the text at %q", p.rest)
		}
		p.rest = rest
		return literal{kind: jsonbody.String, text: text}, nil
	}
	end := strings.IndexAny(p.rest, " \t\n),]")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	for w, kind := range map[string]jsonbody.Kind{"true": jsonbody.True, "false": jsonbody.False, "null": jsonbody.Null} {
		if word == w {
			p.rest = p.rest[end:]
			return literal{kind: kind}, nil
		}
	}
	v, _, ok := jsonbody.ParseNumber([]byte(word))
	if !ok {
		return literal{}, fmt.Errorf("want a number, a text in quotes, true, false or null at %q", p.rest)
	}
	p.rest = p.rest[end:]
	return literal{kind: jsonbody.Number, num: v}, nil
}
