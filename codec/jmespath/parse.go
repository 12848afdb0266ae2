package jmespath

import (
	"fmt"
	"strconv"

	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// A nodeKind tells what a node does.
type nodeKind uint8

const (
	nCurrent    nodeKind = iota
	nField               // name
	nLiteral             // value
	nIndex               // index
	nSub                 // left, then right
	nPipe                // left, then right; ends a projection
	nProject             // right for each element of left
	nValues              // right for each value of the object left
	nFlatten             // left flattened by one level
	nFilter              // right for each element of left that cond holds for
	nSlice               // bounds
	nList                // parts
	nHash                // names and parts
	nOr                  //
	nAnd                 //
	nNot                 // left
	nCompare             // name is the operator
	nCall                // function and parts
	nExpression          // &left
)

// A node is a part of an expression.
type node struct {
	kind        nodeKind
	name        string
	names       []string
	index       int
	bounds      [3]*int
	value       *jsontree.Value
	left, right *node
	cond        *node
	parts       []*node
	function    *function
}

// A parser reads tokens by their binding power (a Pratt parser).
type parser struct {
	tokens    []token
	at        int
	depth     int
	functions map[string]*function
	err       *Error
}

// peek returns the next token.
func (p *parser) peek() token { return p.tokens[p.at] }

// take returns the next token and goes on.
func (p *parser) take() token {
	t := p.tokens[p.at]
	if t.kind != tEnd {
		p.at++
	}
	return t
}

// skip passes a token of a kind over.
func (p *parser) skip(k tokenKind) bool {
	if p.peek().kind != k {
		return false
	}
	p.take()
	return true
}

// want passes a token of a kind over, or fails.
func (p *parser) want(k tokenKind) {
	if !p.skip(k) {
		p.unexpected()
	}
}

// fail notes the first thing that is wrong and stops.
func (p *parser) fail(at int, format string, args ...any) *node {
	if p.err == nil {
		p.err = &Error{at + 1, fmt.Sprintf(format, args...)}
	}
	p.at = len(p.tokens) - 1
	return &node{}
}

// unexpected fails at the next token.
func (p *parser) unexpected() *node {
	t := p.peek()
	if t.kind == tEnd {
		return p.fail(t.at, "the expression ends too early")
	}
	return p.fail(t.at, "unexpected %q", t.text)
}

// power returns how strongly a token binds what is left of it.
func power(k tokenKind) int {
	switch k {
	case tPipe:
		return 1
	case tOr:
		return 2
	case tAnd:
		return 3
	case tCompare:
		return 5
	case tFlatten:
		return 9
	case tStar:
		return 20
	case tFilter:
		return 21
	case tDot:
		return 40
	case tNot:
		return 45
	case tBraceOpen:
		return 50
	case tOpen:
		return 55
	case tLeft:
		return 60
	default:
		return 0
	}
}

// projectionStop is the power below which a projection ends.
const projectionStop = 10

// expression reads an expression that binds stronger than a power.
func (p *parser) expression(than int) *node {
	if p.depth++; p.depth > maxDepth {
		return p.fail(p.peek().at, "more than %d levels deep", maxDepth)
	}
	defer func() { p.depth-- }()
	left := p.prefix()
	for p.err == nil && power(p.peek().kind) > than {
		left = p.infix(left)
	}
	return left
}

// prefix reads what an expression can begin with.
func (p *parser) prefix() *node {
	t := p.take()
	switch t.kind {
	case tLiteral:
		return &node{kind: nLiteral, value: t.value}
	case tName:
		if p.peek().kind == tLeft {
			return p.call(t)
		}
		return &node{kind: nField, name: t.text}
	case tQuoted:
		if p.peek().kind == tLeft {
			return p.fail(t.at, "the name of a function has no quotes")
		}
		return &node{kind: nField, name: t.text}
	case tStar:
		return &node{kind: nValues, left: &node{}, right: p.projected(power(tStar))}
	case tNot:
		return &node{kind: nNot, left: p.expression(power(tNot))}
	case tFlatten:
		return p.flatten(&node{})
	case tFilter:
		return p.filter(&node{})
	case tOpen:
		if k := p.peek().kind; k == tNumber || k == tColon {
			return p.indexed(&node{})
		}
		if p.peek().kind == tStar && p.tokens[p.at+1].kind == tClose {
			return p.wild(&node{})
		}
		return p.list()
	case tBraceOpen:
		return p.hash()
	case tAt:
		return &node{kind: nCurrent}
	case tAmp:
		return &node{kind: nExpression, left: p.expression(0)}
	case tLeft:
		n := p.expression(0)
		p.want(tRight)
		return n
	default:
		if t.kind != tEnd {
			p.at--
		}
		return p.unexpected()
	}
}

// infix reads what can follow an expression.
func (p *parser) infix(left *node) *node {
	t := p.take()
	switch t.kind {
	case tDot:
		if p.skip(tStar) {
			return &node{kind: nValues, left: left, right: p.projected(power(tStar))}
		}
		return &node{kind: nSub, left: left, right: p.afterDot(power(tDot))}
	case tPipe:
		return &node{kind: nPipe, left: left, right: p.expression(power(tPipe))}
	case tOr:
		return &node{kind: nOr, left: left, right: p.expression(power(tOr))}
	case tAnd:
		return &node{kind: nAnd, left: left, right: p.expression(power(tAnd))}
	case tCompare:
		return &node{kind: nCompare, name: t.text, left: left, right: p.expression(power(tCompare))}
	case tFlatten:
		return p.flatten(left)
	case tFilter:
		return p.filter(left)
	case tOpen:
		switch k := p.peek().kind; {
		case k == tNumber || k == tColon:
			return p.indexed(left)
		case k == tStar:
			return p.wild(left)
		}
		return p.unexpected()
	default:
		p.at--
		return p.unexpected()
	}
}

// afterDot reads what may stand behind a dot.
func (p *parser) afterDot(than int) *node {
	switch p.peek().kind {
	case tName, tQuoted, tStar:
		return p.expression(than)
	case tOpen:
		p.take()
		return p.list()
	case tBraceOpen:
		p.take()
		return p.hash()
	default:
		return p.unexpected()
	}
}

// projected reads what is done with each element of a projection.
func (p *parser) projected(than int) *node {
	switch k := p.peek().kind; {
	case power(k) < projectionStop:
		return &node{}
	case k == tOpen || k == tFilter:
		return p.expression(than)
	case k == tDot:
		p.take()
		return p.afterDotProjected(than)
	default:
		return p.unexpected()
	}
}

// afterDotProjected reads what stands behind a dot within a projection.
func (p *parser) afterDotProjected(than int) *node {
	switch p.peek().kind {
	case tName, tQuoted, tStar:
		return p.expression(than)
	default:
		return p.afterDot(than)
	}
}

// flatten reads what follows [].
func (p *parser) flatten(left *node) *node {
	return &node{kind: nProject, left: &node{kind: nFlatten, left: left}, right: p.projected(power(tFlatten))}
}

// filter reads [? … ].
func (p *parser) filter(left *node) *node {
	cond := p.expression(0)
	p.want(tClose)
	if p.err != nil {
		return left
	}
	right := &node{}
	if p.peek().kind != tFlatten {
		right = p.projected(power(tFilter))
	}
	return &node{kind: nFilter, left: left, cond: cond, right: right}
}

// wild reads [*].
func (p *parser) wild(left *node) *node {
	p.want(tStar)
	p.want(tClose)
	if p.err != nil {
		return left
	}
	return &node{kind: nProject, left: left, right: p.projected(power(tStar))}
}

// indexed reads an index or a slice in brackets.
func (p *parser) indexed(left *node) *node {
	var bounds [3]*int
	colons := 0
	for p.err == nil && p.peek().kind != tClose {
		t := p.take()
		switch {
		case t.kind == tColon && colons < 2:
			colons++
		case t.kind == tNumber && bounds[colons] == nil:
			n, err := strconv.Atoi(t.text)
			if err != nil || n > 1<<31 || n < -1<<31 {
				return p.fail(t.at, "not an index")
			}
			bounds[colons] = &n
		default:
			if t.kind != tEnd {
				p.at--
			}
			return p.unexpected()
		}
	}
	p.want(tClose)
	if p.err != nil {
		return left
	}
	if colons == 0 {
		return &node{kind: nSub, left: left, right: &node{kind: nIndex, index: *bounds[0]}}
	}
	if bounds[2] != nil && *bounds[2] == 0 {
		return p.fail(p.peek().at, "the step of a slice cannot be 0")
	}
	cut := &node{kind: nSub, left: left, right: &node{kind: nSlice, bounds: bounds}}
	return &node{kind: nProject, left: cut, right: p.projected(power(tStar))}
}

// list reads the rest of [a, b].
func (p *parser) list() *node {
	n := &node{kind: nList}
	for p.err == nil {
		n.parts = append(n.parts, p.expression(0))
		if !p.skip(tComma) {
			break
		}
	}
	p.want(tClose)
	return n
}

// hash reads the rest of {a: b, c: d}.
func (p *parser) hash() *node {
	n := &node{kind: nHash}
	for p.err == nil {
		t := p.take()
		if t.kind != tName && t.kind != tQuoted {
			return p.fail(t.at, "want the name of a member")
		}
		p.want(tColon)
		n.names = append(n.names, t.text)
		n.parts = append(n.parts, p.expression(0))
		if !p.skip(tComma) {
			break
		}
	}
	p.want(tBraceClose)
	return n
}

// call reads the arguments of a function.
func (p *parser) call(name token) *node {
	n := &node{kind: nCall, name: name.text, function: p.functions[name.text]}
	p.want(tLeft)
	for p.err == nil && p.peek().kind != tRight {
		n.parts = append(n.parts, p.expression(0))
		if !p.skip(tComma) {
			break
		}
		if p.peek().kind == tRight {
			return p.unexpected()
		}
	}
	p.want(tRight)
	if p.err != nil {
		return n
	}
	if n.function == nil {
		return p.fail(name.at, "there is no function %q", name.text)
	}
	if msg := n.function.count(len(n.parts)); msg != "" {
		return p.fail(name.at, "%s", msg)
	}
	for i, part := range n.parts {
		if (part.kind == nExpression) != n.function.expects(i) {
			return p.fail(name.at, "argument %d of %s: an expression (&…) is wanted or not wanted here", i+1, name.text)
		}
	}
	return n
}
