// Package markup reads XML documents (XML 1.0, Namespaces in XML 1.0) strictly
// and within bounds: UTF-8 only, no document type declarations and so no
// entities but the five, no more than MaxDepth elements within each other. What
// was read knows its bytes as written and its place.
package markup

import (
	"iter"
	"sort"
	"strings"
	"unicode/utf8"
)

// What a document may have at most.
const (
	MaxDepth      = 100 // elements within each other
	maxAttributes = 50  // of one element
	maxSpaces     = 50  // namespace declarations in force at once
)

// A Kind says what a node is.
type Kind uint8

// The kinds of nodes.
const (
	None Kind = iota
	Element
	Text // with CDATA sections and references resolved
	Comment
	Instruction
)

// A Doc is one document. It does not change.
type Doc struct {
	src    string
	nodes  []node
	attrs  []attribute
	spaces []string // namespaces by number; the first is none
	root   uint32
	lines  []uint32
}

type node struct {
	kind         Kind
	plain        bool   // a text without references, sections and carriage returns
	space        uint16 // number of the namespace
	off, end     uint32 // the node as written
	in, inEnd    uint32 // what is between the tags, or the text as written
	next, parent uint32 // the node behind all within; the element around
	attr         uint32 // the first attribute
	attrs        uint16
	prefix       uint16 // length of the prefix with its colon
	name         uint32
	nameLen      uint16
}

type attribute struct {
	space      uint16
	prefix     uint16
	name       uint32 // of the name with its prefix
	nameLen    uint16
	value, end uint32 // between the quotes
}

// An Attr is one attribute; declarations of namespaces are none.
type Attr struct {
	Space, Prefix, Name string
	// Off is where the attribute starts, ValueOff where its value does, behind
	// the quote, and End what is behind the other quote.
	Off, ValueOff, End int

	raw string
}

// Value returns the value of the attribute.
func (a Attr) Value() string { return resolve(a.raw, true) }

// A Node is one node in a document; the zero Node is one that is not there.
type Node struct {
	d  *Doc
	at uint32
}

// Root returns the element that the document is.
func (d *Doc) Root() Node { return Node{d, d.root} }

// Source returns the document as written.
func (d *Doc) Source() string { return d.src }

func (n Node) node() *node { return &n.d.nodes[n.at] }

// Ok reports whether there is a node.
func (n Node) Ok() bool { return n.d != nil }

// Kind returns what the node is.
func (n Node) Kind() Kind {
	if n.d == nil {
		return None
	}
	return n.node().kind
}

// Name returns the local name of an element.
func (n Node) Name() string {
	if n.Kind() != Element {
		return ""
	}
	e := n.node()
	return n.d.src[e.name+uint32(e.prefix) : e.name+uint32(e.nameLen)]
}

// Prefix returns the prefix of an element's name, without the colon.
func (n Node) Prefix() string {
	if n.Kind() != Element {
		return ""
	}
	e := n.node()
	return strings.TrimSuffix(n.d.src[e.name:e.name+uint32(e.prefix)], ":")
}

// Space returns the namespace of an element.
func (n Node) Space() string {
	if n.Kind() != Element {
		return ""
	}
	return n.d.spaces[n.node().space]
}

// Raw returns the node as written.
func (n Node) Raw() string {
	if n.d == nil {
		return ""
	}
	return n.d.src[n.node().off:n.node().end]
}

// Span returns where the node starts and ends.
func (n Node) Span() (off, end int) { return int(n.node().off), int(n.node().end) }

// Inner returns where the content of an element starts and ends; both are its
// end when it is written as one tag.
func (n Node) Inner() (off, end int) { return int(n.node().in), int(n.node().inEnd) }

// Text returns the text of a text, comment or instruction, for an element that
// of all texts within.
func (n Node) Text() string {
	switch n.Kind() {
	case None:
		return ""
	case Element:
		var b strings.Builder
		for i := n.at + 1; i < n.node().next; i++ {
			if n.d.nodes[i].kind == Text {
				b.WriteString(n.d.text(&n.d.nodes[i]))
			}
		}
		return b.String()
	case Text:
		return n.d.text(n.node())
	default:
		return n.d.src[n.node().in:n.node().inEnd]
	}
}

func (d *Doc) text(e *node) string {
	if e.plain {
		return d.src[e.in:e.inEnd]
	}
	return resolve(d.src[e.in:e.inEnd], false)
}

// Blank reports whether the node is a text of nothing but white space.
func (n Node) Blank() bool {
	return n.Kind() == Text && strings.Trim(n.Text(), " \t\r\n") == ""
}

// Children goes through what is directly within an element, in order.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.Kind() != Element {
			return
		}
		for i := n.at + 1; i < n.node().next; i = n.d.nodes[i].next {
			if !yield(Node{n.d, i}) {
				return
			}
		}
	}
}

// Elements goes through the elements directly within an element, in order.
func (n Node) Elements() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for c := range n.Children() {
			if c.Kind() == Element && !yield(c) {
				return
			}
		}
	}
}

// Attrs goes through the attributes of an element in order.
func (n Node) Attrs() iter.Seq[Attr] {
	return func(yield func(Attr) bool) {
		if n.Kind() != Element {
			return
		}
		e := n.node()
		for i := e.attr; i < e.attr+uint32(e.attrs); i++ {
			if a := &n.d.attrs[i]; a.space != declares && !yield(n.d.attribute(a)) {
				return
			}
		}
	}
}

// Attr returns the value of an attribute without a namespace.
func (n Node) Attr(name string) (value string, ok bool) {
	for a := range n.Attrs() {
		if a.Space == "" && a.Name == name {
			return a.Value(), true
		}
	}
	return "", false
}

// Has reports whether there is an attribute without a namespace.
func (n Node) Has(name string) bool {
	for a := range n.Attrs() {
		if a.Space == "" && a.Name == name {
			return true
		}
	}
	return false
}

// Declarations goes through the namespace declarations of an element: prefix,
// "" for the default, and namespace.
func (n Node) Declarations() iter.Seq2[string, string] {
	return func(yield func(prefix, space string) bool) {
		if n.Kind() != Element {
			return
		}
		e := n.node()
		for i := e.attr; i < e.attr+uint32(e.attrs); i++ {
			if a := &n.d.attrs[i]; a.space == declares && !yield(n.d.declared(a), resolve(n.d.src[a.value:a.end], true)) {
				return
			}
		}
	}
}

// declared returns the prefix that an attribute declares.
func (d *Doc) declared(a *attribute) string {
	return strings.TrimPrefix(strings.TrimPrefix(d.src[a.name:a.name+uint32(a.nameLen)], "xmlns"), ":")
}

func (d *Doc) attribute(a *attribute) Attr {
	full := d.src[a.name : a.name+uint32(a.nameLen)]
	return Attr{
		Space: d.spaces[a.space], Prefix: strings.TrimSuffix(full[:a.prefix], ":"), Name: full[a.prefix:],
		raw: d.src[a.value:a.end], Off: int(a.name), ValueOff: int(a.value), End: int(a.end) + 1,
	}
}

// Alone reports whether an element means the same when it stands alone: all
// names within are of the default namespace, which it declares itself.
func (n Node) Alone() bool {
	if n.Kind() != Element {
		return false
	}
	own := false
	for prefix := range n.Declarations() {
		own = own || prefix == ""
	}
	e := n.node()
	for i := n.at; i < e.next; i++ {
		own = own && n.d.nodes[i].prefix == 0
	}
	last := uint32(len(n.d.attrs))
	for i := e.next; i < uint32(len(n.d.nodes)); i++ {
		if n.d.nodes[i].kind == Element {
			last = n.d.nodes[i].attr
			break
		}
	}
	for i := e.attr; i < last; i++ {
		a := &n.d.attrs[i]
		own = own && (a.prefix == 0 || a.space == declares || a.space == 1)
	}
	return own
}

// Parent returns the element around a node; the zero Node for the root.
func (n Node) Parent() Node {
	if n.d == nil || n.at == n.d.root || n.node().parent == none {
		return Node{}
	}
	return Node{n.d, n.node().parent}
}

// Pos returns the line and column where the node starts, counted from 1, in
// characters.
func (n Node) Pos() (line, col int) {
	if n.d == nil {
		return 0, 0
	}
	return n.d.Pos(int(n.node().off))
}

// Pos returns the line and column of a place in the document.
func (d *Doc) Pos(off int) (line, col int) {
	line = sort.Search(len(d.lines), func(i int) bool { return int(d.lines[i]) > off })
	return line, utf8.RuneCountInString(d.src[d.lines[line-1]:off]) + 1
}

// Path returns the names of the elements from the root to the node, such as
// Patient.name.given.
func (n Node) Path() string {
	var names []string
	for ; n.Ok(); n = n.Parent() {
		if n.Kind() == Element {
			names = append(names, n.Name())
		}
	}
	var b strings.Builder
	for i := len(names) - 1; i >= 0; i-- {
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(names[i])
	}
	return b.String()
}

// Doc returns the document that the node is in.
func (n Node) Doc() *Doc { return n.d }
