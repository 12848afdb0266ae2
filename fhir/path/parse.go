package path

import (
	"fmt"
	"strconv"
	"sync/atomic"
)

// maxDepth bounds expressions within each other.
const maxDepth = 100

// An op says what a node of the syntax tree does.
type op uint8

const (
	opLiteral op = iota // value; {} is the literal without one
	opThis              // $this, $index, $total by text
	opConst             // %text
	opName              // text: a member or type, of left or of what is looked at
	opCall              // function text of left with args
	opIndex             // left[right]
	opSign              // - or + of left
	opBinary            // text between left and right
	opType              // left is/as the type in args[0]
)

// A node is a part of an expression.
type node struct {
	op          op
	pos         int
	text        string
	quoted      bool // the name was in quotes
	value       any  // of a literal; nil for {}
	left, right *node
	args        []*node
	spec        typeSpec
	last        atomic.Pointer[pattern] // of a call with a regular expression
}

// A typeSpec names a type: System.String, FHIR.Patient, or without namespace.
type typeSpec struct{ space, name string }

// A parser goes through the tokens of an expression from left to right.
type parser struct {
	tokens []token
	at     int
	depth  int
}

// parse reads an expression (FHIRPath N1, appendix B).
func parse(s string) (*node, error) {
	tokens, err := lex(s)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	n, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != tokenEnd {
		return nil, p.unexpected()
	}
	return n, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) take() token {
	t := p.tokens[p.at]
	if t.kind != tokenEnd {
		p.at++
	}
	return t
}

func (p *parser) fail(pos int, format string, args ...any) error {
	return &SyntaxError{pos, fmt.Sprintf(format, args...)}
}

func (p *parser) unexpected() error {
	t := p.peek()
	if t.kind == tokenEnd {
		return p.fail(t.pos, "the expression has no end")
	}
	return p.fail(t.pos, "unexpected %q", t.text)
}

// accept takes the symbol when it is next.
func (p *parser) accept(symbol string) bool {
	if t := p.peek(); t.kind == tokenSymbol && t.text == symbol {
		p.at++
		return true
	}
	return false
}

func (p *parser) expect(symbol string) error {
	if !p.accept(symbol) {
		return p.unexpected()
	}
	return nil
}

// binding is how strongly an operator binds; 0 for what is none.
func binding(t token) int {
	switch t.kind {
	case tokenSymbol:
		switch t.text {
		case "*", "/":
			return 10
		case "+", "-", "&":
			return 9
		case "|":
			return 7
		case "<", ">", "<=", ">=":
			return 6
		case "=", "~", "!=", "!~":
			return 5
		}
	case tokenName:
		switch t.text {
		case "div", "mod":
			return 10
		case "is", "as":
			return 8
		case "in", "contains":
			return 4
		case "and":
			return 3
		case "or", "xor":
			return 2
		case "implies":
			return 1
		}
	default:
	}
	return 0
}

// enter counts the depth of what is being read.
func (p *parser) enter() error {
	if p.depth++; p.depth > maxDepth {
		return p.fail(p.peek().pos, "more than %d expressions within each other", maxDepth)
	}
	return nil
}

// expression reads operators that bind more strongly than the given one.
func (p *parser) expression(least int) (*node, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	left, err := p.signed()
	if err != nil {
		return nil, err
	}
	for count := 0; ; count++ {
		t := p.peek()
		b := binding(t)
		if b <= least {
			return left, nil
		}
		if count > 1000 {
			return nil, p.fail(t.pos, "more than 1000 operators in a row")
		}
		p.take()
		if b == binding(token{kind: tokenName, text: "is"}) {
			spec, err := p.typeSpec()
			if err != nil {
				return nil, err
			}
			left = &node{op: opType, pos: t.pos, text: t.text, left: left, spec: spec}
			continue
		}
		right, err := p.expression(b)
		if err != nil {
			return nil, err
		}
		left = &node{op: opBinary, pos: t.pos, text: t.text, left: left, right: right}
	}
}

// signed reads + or - in front of a term with its invocations.
func (p *parser) signed() (*node, error) {
	t := p.peek()
	if t.kind != tokenSymbol || t.text != "+" && t.text != "-" {
		return p.chain()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	p.take()
	n, err := p.signed()
	if err != nil {
		return nil, err
	}
	return &node{op: opSign, pos: t.pos, text: t.text, left: n}, nil
}

// chain reads a term and what is invoked on it.
func (p *parser) chain() (*node, error) {
	n, err := p.term()
	if err != nil {
		return nil, err
	}
	for count := 0; ; count++ {
		if count > maxDepth*2 {
			return nil, p.fail(p.peek().pos, "more than %d steps in a row", maxDepth*2)
		}
		switch pos := p.peek().pos; {
		case p.accept("."):
			if n, err = p.invocation(n); err != nil {
				return nil, err
			}
		case p.accept("["):
			i, err := p.expression(0)
			if err != nil {
				return nil, err
			}
			if err := p.expect("]"); err != nil {
				return nil, err
			}
			n = &node{op: opIndex, pos: pos, left: n, right: i}
		default:
			return n, nil
		}
	}
}

// invocation reads a name, a function with its arguments, or $this.
func (p *parser) invocation(left *node) (*node, error) {
	t := p.peek()
	switch t.kind {
	case tokenThis:
		p.take()
		if t.text != "$this" && t.text != "$index" && t.text != "$total" {
			return nil, p.fail(t.pos, "there is no %q", t.text)
		}
		return &node{op: opThis, pos: t.pos, text: t.text, left: left}, nil
	case tokenName, tokenQuoted:
		p.take()
	default:
		return nil, p.unexpected()
	}
	n := &node{op: opName, pos: t.pos, text: t.text, quoted: t.kind == tokenQuoted, left: left}
	if !p.accept("(") {
		return n, nil
	}
	n.op = opCall
	if p.accept(")") {
		return n, nil
	}
	for {
		a, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		if n.args = append(n.args, a); len(n.args) > 20 {
			return nil, p.fail(t.pos, "a function has at most 20 arguments")
		}
		if p.accept(",") {
			continue
		}
		return n, p.expect(")")
	}
}

// term reads what stands by itself.
func (p *parser) term() (*node, error) {
	switch t := p.peek(); t.kind {
	case tokenSymbol:
		switch {
		case p.accept("("):
			n, err := p.expression(0)
			if err != nil {
				return nil, err
			}
			return n, p.expect(")")
		case p.accept("{"):
			return &node{op: opLiteral, pos: t.pos}, p.expect("}")
		}
		return nil, p.unexpected()
	case tokenEnd:
		return nil, p.unexpected()
	case tokenConst:
		p.take()
		return &node{op: opConst, pos: t.pos, text: t.text}, nil
	case tokenName:
		if next := p.tokens[p.at+1]; (t.text == "true" || t.text == "false") && (next.kind != tokenSymbol || next.text != "(") {
			p.take()
			return &node{op: opLiteral, pos: t.pos, value: t.text == "true"}, nil
		}
		return p.invocation(nil)
	case tokenThis, tokenQuoted:
		return p.invocation(nil)
	default:
		return p.literal()
	}
}

// literal reads a text, number, quantity, date or time.
func (p *parser) literal() (*node, error) {
	t := p.take()
	n := &node{op: opLiteral, pos: t.pos}
	ok := true
	switch t.kind {
	case tokenString:
		n.value = t.text
	case tokenDate:
		var v Temporal
		if v, ok = ParseDate(t.text); !ok {
			v, ok = ParseDateTime(t.text)
		}
		n.value = v
	case tokenTime:
		n.value, ok = ParseTime(t.text)
	default:
		return p.number(t, n)
	}
	if !ok {
		return nil, p.fail(t.pos, "%q is no date or time", t.text)
	}
	return n, nil
}

// number reads a number, or a quantity when a unit stands behind it.
func (p *parser) number(t token, n *node) (*node, error) {
	d, ok := ParseDecimal(t.text)
	if !ok {
		return nil, p.fail(t.pos, "%q has too many digits", t.text)
	}
	switch next := p.peek(); {
	case next.kind == tokenString:
		p.take()
		n.value = literalQuantity(d, next.text)
		return n, nil
	case next.kind == tokenName && calendarUnit(next.text) != "":
		p.take()
		n.value = Quantity{Value: d, Unit: calendarUnit(next.text), Calendar: true}
		return n, nil
	}
	if d.Scale() > 0 {
		n.value = d
		return n, nil
	}
	i, err := strconv.ParseInt(t.text, 10, 64)
	if err != nil {
		return nil, p.fail(t.pos, "%q is too large for an integer", t.text)
	}
	n.value = i
	return n, nil
}

// literalQuantity makes a quantity; a calendar word in quotes is one, too.
func literalQuantity(d Decimal, unit string) Quantity {
	if c := calendarUnit(unit); c != "" {
		return Quantity{Value: d, Unit: c, Calendar: true}
	}
	return Quantity{Value: d, Unit: unit}
}

// typeSpec reads a name with or without a namespace.
func (p *parser) typeSpec() (typeSpec, error) {
	t := p.take()
	if t.kind != tokenName && t.kind != tokenQuoted {
		return typeSpec{}, p.fail(t.pos, "a type is missing")
	}
	if !p.accept(".") {
		return typeSpec{name: t.text}, nil
	}
	u := p.take()
	if u.kind != tokenName && u.kind != tokenQuoted {
		return typeSpec{}, p.fail(u.pos, "a type is missing")
	}
	return typeSpec{t.text, u.text}, nil
}

// specOf reads a type out of an argument such as FHIR.Patient.
func specOf(n *node) (typeSpec, bool) {
	switch {
	case n.op != opName:
		return typeSpec{}, false
	case n.left == nil:
		return typeSpec{name: n.text}, true
	case n.left.op == opName && n.left.left == nil:
		return typeSpec{n.left.text, n.text}, true
	}
	return typeSpec{}, false
}
