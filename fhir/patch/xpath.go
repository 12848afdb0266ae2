package patch

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/markup"
	"github.com/vigil-iomt/vigil/fhir/xmlform"
)

// A selector is the part of XPath that RFC 5261 §4.1 selects nodes with: steps
// of names or *, with predicates, and at the end perhaps an attribute, a text, a
// comment, an instruction or a namespace declaration.
type selector struct {
	steps []step
}

type axis uint8

const (
	axisElement axis = iota
	axisAttribute
	axisText
	axisComment
	axisInstruction
	axisNamespace
	axisSelf
)

type step struct {
	axis  axis
	space string // of a name
	name  string // * for any; the prefix of a declaration, the target of an instruction
	tests []predicate
}

// A predicate is [3], [last()], or [path='text'].
type predicate struct {
	position int // 0: none; -1: the last
	path     []step
	equals   string
	exists   bool // there need only be something at the path
}

// A target is what was selected: a node, and of an element perhaps an attribute
// or a declaration.
type target struct {
	node   markup.Node
	attr   *markup.Attr
	prefix string // of a declaration
	isDecl bool
}

type xpath struct {
	s      string
	i      int
	spaces func(prefix string) (string, bool)
	depth  int
}

// readSelector reads a selector; names without a prefix are in the namespace
// that spaces knows for "" (RFC 5261 §4.2.2).
func readSelector(s string, spaces func(prefix string) (string, bool)) (selector, error) {
	if len(s) > 10_000 {
		return selector{}, malformed(0, "a selector of more than 10,000 characters")
	}
	x := xpath{s: strings.TrimSpace(s), spaces: spaces}
	x.take("/")
	steps, err := x.steps()
	if err == nil && x.i < len(x.s) {
		err = x.fail("something that is no step")
	}
	return selector{steps}, err
}

func (x *xpath) fail(msg string) error {
	return malformed(0, "the selector at character %d: %s", x.i+1, msg)
}

func (x *xpath) space() {
	for x.i < len(x.s) && strings.IndexByte(" \t\r\n", x.s[x.i]) >= 0 {
		x.i++
	}
}

func (x *xpath) take(word string) bool {
	x.space()
	if strings.HasPrefix(x.s[x.i:], word) {
		x.i += len(word)
		return true
	}
	return false
}

func (x *xpath) steps() ([]step, error) {
	var steps []step
	for {
		if len(steps) == 2*markup.MaxDepth {
			return nil, x.fail("too many steps")
		}
		s, err := x.step()
		if err != nil {
			return nil, err
		}
		steps = append(steps, s)
		if !x.take("/") {
			return steps, nil
		}
		if s.axis != axisElement && s.axis != axisSelf {
			return nil, x.fail("a step below something that is no element")
		}
	}
}

func (x *xpath) step() (step, error) {
	var s step
	var err error
	switch {
	case x.take("text()"):
		s.axis = axisText
	case x.take("comment()"):
		s.axis = axisComment
	case x.take("processing-instruction("):
		s.axis = axisInstruction
		if !x.take(")") {
			if s.name, err = x.literal(); err == nil && !x.take(")") {
				err = x.fail("a bracket without an end")
			}
		}
	case x.take("namespace::"):
		s.axis = axisNamespace
		s.name, err = x.word()
	case x.take("@"), x.take("attribute::"):
		s.axis = axisAttribute
		err = x.name(&s, false)
	case x.take("."):
		s.axis = axisSelf
	case x.take("*"):
		s.name = "*"
	default:
		x.take("child::")
		err = x.name(&s, true)
	}
	for err == nil && x.take("[") {
		err = x.predicates(&s)
	}
	return s, err
}

// word reads a name without a prefix.
func (x *xpath) word() (string, error) {
	x.space()
	start := x.i
	for x.i < len(x.s) && strings.IndexByte("/[]()@='\":,|*<>! \t\r\n", x.s[x.i]) < 0 {
		x.i++
	}
	if x.i == start {
		return "", x.fail("a name is missing")
	}
	return x.s[start:x.i], nil
}

func (x *xpath) name(s *step, element bool) error {
	word, err := x.word()
	if err != nil {
		return err
	}
	prefix := ""
	if x.i < len(x.s) && x.s[x.i] == ':' {
		x.i++
		prefix = word
		if x.take("*") {
			word = "*"
		} else if word, err = x.word(); err != nil {
			return err
		}
	}
	s.name = word
	if prefix == "" && !element {
		return nil
	}
	var ok bool
	if s.space, ok = x.spaces(prefix); !ok {
		return x.fail("the prefix " + prefix + " is not declared")
	}
	return nil
}

func (x *xpath) literal() (string, error) {
	x.space()
	if x.i >= len(x.s) || x.s[x.i] != '"' && x.s[x.i] != '\'' {
		return "", x.fail("a text in quotes is missing")
	}
	end := strings.IndexByte(x.s[x.i+1:], x.s[x.i])
	if end < 0 {
		return "", x.fail("a text without an end")
	}
	text := x.s[x.i+1 : x.i+1+end]
	x.i += end + 2
	return text, nil
}

// predicates reads what is in brackets; parts with and are predicates of their
// own.
func (x *xpath) predicates(s *step) error {
	if x.depth++; x.depth > 10 {
		return x.fail("predicates within each other")
	}
	defer func() { x.depth-- }()
	for more := false; ; more = true {
		p, err := x.predicate()
		if err != nil {
			return err
		}
		s.tests = append(s.tests, p)
		end := x.take("]")
		switch {
		case !end && !x.take("and "):
			return x.fail("a bracket without an end")
		case p.position != 0 && (more || !end):
			return x.fail("a position beside another condition")
		case end:
			return nil
		}
	}
}

func (x *xpath) predicate() (predicate, error) {
	x.space()
	if x.take("position()") && !x.take("=") {
		return predicate{}, x.fail("position() without =")
	}
	if x.take("last()") {
		return predicate{position: -1}, nil
	}
	start := x.i
	for x.i < len(x.s) && x.s[x.i] >= '0' && x.s[x.i] <= '9' {
		x.i++
	}
	if x.i > start {
		n := index(x.s[start:x.i])
		if n < 1 {
			return predicate{}, x.fail("positions count from 1")
		}
		return predicate{position: n}, nil
	}
	path, err := x.steps()
	if err != nil {
		return predicate{}, err
	}
	p := predicate{path: path}
	if !x.take("=") {
		p.exists = true
		return p, nil
	}
	p.equals, err = x.literal()
	return p, err
}

// A finder looks for what a selector means, with a bound.
type finder struct {
	left int
}

// one returns the one target of a selector (RFC 5261 §4.1: there is exactly
// one).
func (s selector) one(doc *markup.Doc) (target, error) {
	f := finder{left: 5_000_000}
	targets := f.step(&s.steps[0], []markup.Node{doc.Root()})
	for i := 1; i < len(s.steps); i++ {
		var children []target
		for _, t := range targets {
			children = append(children, f.below(&s.steps[i], t.node)...)
		}
		targets = children
	}
	switch {
	case f.left < 0:
		return target{}, &Error{Fault: Costly, Msg: "the selector is too much work"}
	case len(targets) == 0:
		return target{}, unfit("the selector finds nothing")
	case len(targets) > 1:
		return target{}, unfit("the selector finds %d nodes, not one", len(targets))
	}
	return targets[0], nil
}

// below takes a step from an element.
func (f *finder) below(s *step, n markup.Node) []target {
	switch s.axis {
	case axisSelf:
		return f.step(s, []markup.Node{n})
	case axisAttribute:
		for a := range n.Attrs() {
			if a.Space == s.space && (a.Name == s.name || s.name == "*") {
				return []target{{node: n, attr: &a}}
			}
		}
		return nil
	case axisNamespace:
		for prefix := range n.Declarations() {
			if prefix == s.name {
				return []target{{node: n, prefix: prefix, isDecl: true}}
			}
		}
		return nil
	default:
	}
	var children []markup.Node
	for c := range n.Children() {
		f.left--
		children = append(children, c)
	}
	return f.step(s, children)
}

// step takes those of some nodes that a step means.
func (f *finder) step(s *step, nodes []markup.Node) []target {
	var found []markup.Node
	for _, n := range nodes {
		if f.left--; f.left < 0 {
			return nil
		}
		if s.means(n) {
			found = append(found, n)
		}
	}
	for i := range s.tests {
		found = f.filter(&s.tests[i], found)
	}
	targets := make([]target, len(found))
	for i, n := range found {
		targets[i] = target{node: n}
	}
	return targets
}

func (s *step) means(n markup.Node) bool {
	switch s.axis {
	case axisSelf:
		return true
	case axisText:
		return n.Kind() == markup.Text
	case axisComment:
		return n.Kind() == markup.Comment
	case axisInstruction:
		name, _, _ := strings.Cut(n.Text(), " ")
		return n.Kind() == markup.Instruction && (s.name == "" || s.name == name)
	case axisElement:
		return n.Kind() == markup.Element && (s.name == "*" || n.Name() == s.name && n.Space() == s.space)
	default:
		return false
	}
}

func (f *finder) filter(p *predicate, nodes []markup.Node) []markup.Node {
	switch {
	case p.position > len(nodes), len(nodes) == 0:
		return nil
	case p.position > 0:
		return nodes[p.position-1 : p.position]
	case p.position < 0:
		return nodes[len(nodes)-1:]
	}
	var found []markup.Node
	for _, n := range nodes {
		if f.holds(p, n) {
			found = append(found, n)
		}
	}
	return found
}

// holds reports whether one of the nodes at the path has the text.
func (f *finder) holds(p *predicate, n markup.Node) bool {
	targets := []target{{node: n}}
	for i := range p.path {
		var next []target
		for _, t := range targets {
			next = append(next, f.below(&p.path[i], t.node)...)
		}
		targets = next
	}
	for _, t := range targets {
		text := ""
		if t.attr != nil {
			text = t.attr.Value()
		} else if !p.exists {
			text = t.node.Text()
			f.left -= len(text) / 16
		}
		if p.exists || text == p.equals {
			return true
		}
	}
	return false
}

// usual is what prefixes mean that a patch does not declare: FHIR's own examples
// write f and h.
func usual(prefix string) (string, bool) {
	switch prefix {
	case "f", "fhir":
		return xmlform.Space, true
	case "h", "xhtml":
		return xmlform.XHTML, true
	case "xml":
		return "http://www.w3.org/XML/1998/namespace", true
	}
	return "", prefix == ""
}
