// Package tree holds documents: JSON read strictly in one pass into an arena,
// so that every value knows its bytes as written and its place. What was not
// changed is written back byte for byte: decimals keep their text, unknown
// members their order.
//
// It knows nothing of FHIR but that strings hold no control characters
// (FHIR R4 §2.24.0.1) and that documents have a resourceType, an id and a meta
// in front (Stamp). It takes the JSON form of FHIR R4 §2.6.2; XML is the room
// xmlform.
package tree

import (
	"fmt"
	"iter"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects may lie within each other.
const MaxDepth = 100

// A Kind says what a value is.
type Kind uint8

// The kinds of JSON. None is the kind of a value that is not there.
const (
	None Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// String returns the word for the kind in messages.
func (k Kind) String() string {
	return [...]string{"nothing", "null", "boolean", "number", "string", "array", "object"}[min(k, Object)]
}

// An Error says where a document is no document.
type Error struct {
	Line, Col int    // 1-based, in characters
	Path      string // of the innermost value that was being read, as in name[0].given
	Msg       string
}

// Error returns the message with its place.
func (e *Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Col, e.Msg)
	}
	return fmt.Sprintf("line %d, column %d: %s: %s", e.Line, e.Col, e.Path, e.Msg)
}

// A Doc is one document. It does not change, and many goroutines may read it.
type Doc struct {
	src  []byte
	text string // the same bytes: texts without escapes are parts of it
	tape []entry
	once sync.Once
	line []uint32 // where lines start, made when somebody asks
}

// An entry is one value on the tape; the values within follow it.
type entry struct {
	off, end uint32 // the bytes of the value
	next     uint32 // the entry behind this value and all within
	count    uint32 // members or elements
	key, len uint32 // the name without its quotes, when it is a member's value
	kind     Kind
	escaped  bool // the string has escapes
	escKey   bool // the name has escapes
}

// Root returns the value that the document is.
func (d *Doc) Root() Node {
	if d == nil || len(d.tape) == 0 {
		return Node{}
	}
	return Node{d, 0}
}

// Bytes returns the document as written.
func (d *Doc) Bytes() []byte { return d.src }

// Size returns how many values the document has.
func (d *Doc) Size() int { return len(d.tape) }

// A Node is one value in a document; the zero Node is a value that is not
// there. Nodes can be compared: equal ones are the same place.
type Node struct {
	doc *Doc
	at  uint32
}

func (n Node) entry() *entry { return &n.doc.tape[n.at] }

// Ok reports whether there is a value.
func (n Node) Ok() bool { return n.doc != nil }

// Doc returns the document that the value is in.
func (n Node) Doc() *Doc { return n.doc }

// Kind returns what the value is.
func (n Node) Kind() Kind {
	if n.doc == nil {
		return None
	}
	return n.entry().kind
}

// Raw returns the bytes of the value as written. They must not be changed.
func (n Node) Raw() []byte {
	if n.doc == nil {
		return nil
	}
	e := n.entry()
	return n.doc.src[e.off:e.end:e.end]
}

// Offset returns where the value starts in the document.
func (n Node) Offset() int {
	if n.doc == nil {
		return 0
	}
	return int(n.entry().off)
}

// Text returns the text of a string, the digits of a number, true or false;
// "" for everything else.
func (n Node) Text() string {
	switch n.Kind() {
	case String:
		e := n.entry()
		s := n.doc.text[e.off+1 : e.end-1]
		if e.escaped {
			return unescape(s)
		}
		return s
	case Number, Bool:
		e := n.entry()
		return n.doc.text[e.off:e.end]
	default:
		return ""
	}
}

// Bool reports whether the value is true.
func (n Node) Bool() bool {
	return n.Kind() == Bool && n.doc.src[n.entry().off] == 't'
}

// Name returns the name of a member; "" for everything else.
func (n Node) Name() string {
	if n.doc == nil {
		return ""
	}
	return n.doc.name(n.entry())
}

func (d *Doc) name(e *entry) string {
	s := d.text[e.key : e.key+e.len]
	if e.escKey {
		return unescape(s)
	}
	return s
}

// Get returns the member of an object with the name.
func (n Node) Get(name string) Node {
	if n.Kind() != Object {
		return Node{}
	}
	d, end := n.doc, n.entry().next
	for i := n.at + 1; i < end; i = d.tape[i].next {
		e := &d.tape[i]
		if !e.escKey {
			if int(e.len) == len(name) && d.text[e.key:e.key+e.len] == name {
				return Node{d, i}
			}
		} else if d.name(e) == name {
			return Node{d, i}
		}
	}
	return Node{}
}

// Len returns how many elements or members there are.
func (n Node) Len() int {
	if n.doc == nil {
		return 0
	}
	return int(n.entry().count)
}

// At returns an element of an array. To go through all of them, Items is
// faster.
func (n Node) At(i int) Node {
	if n.Kind() != Array || i < 0 || i >= n.Len() {
		return Node{}
	}
	at := n.at + 1
	for ; i > 0; i-- {
		at = n.doc.tape[at].next
	}
	return Node{n.doc, at}
}

// Members goes through the members of an object in order.
func (n Node) Members() iter.Seq2[string, Node] {
	return func(yield func(string, Node) bool) {
		if n.Kind() != Object {
			return
		}
		d, end := n.doc, n.entry().next
		for i := n.at + 1; i < end; i = d.tape[i].next {
			if !yield(d.name(&d.tape[i]), Node{d, i}) {
				return
			}
		}
	}
}

// Items goes through the elements of an array in order. A value that is no
// array counts as the one element of itself, a value that is not there as none.
func (n Node) Items() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		switch n.Kind() {
		case None:
		case Array:
			d, end := n.doc, n.entry().next
			for i := n.at + 1; i < end; i = d.tape[i].next {
				if !yield(Node{d, i}) {
					return
				}
			}
		default:
			yield(n)
		}
	}
}

// All goes through the value and everything within, in the order of the
// document.
func (n Node) All() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.doc == nil {
			return
		}
		for i := n.at; i < n.entry().next; i++ {
			if !yield(Node{n.doc, i}) {
				return
			}
		}
	}
}

// Pos returns the line and column where the value starts, counted from 1, in
// characters.
func (n Node) Pos() (line, col int) {
	if n.doc == nil {
		return 0, 0
	}
	return n.doc.pos(int(n.entry().off))
}

func (d *Doc) pos(off int) (line, col int) {
	d.once.Do(func() {
		d.line = append(d.line, 0)
		for i := 0; ; {
			j := strings.IndexByte(d.text[i:], '\n')
			if j < 0 {
				return
			}
			i += j + 1
			d.line = append(d.line, uint32(i))
		}
	})
	line = sort.Search(len(d.line), func(i int) bool { return int(d.line[i]) > off })
	return line, utf8.RuneCountInString(d.text[d.line[line-1]:off]) + 1
}

// Parent returns the array or object that holds the value; the zero Node for
// the root.
func (n Node) Parent() Node {
	if n.doc == nil {
		return Node{}
	}
	parent := Node{}
	n.doc.descend(n.at, func(at uint32, _ int) { parent = Node{n.doc, at} })
	return parent
}

// descend calls visit with each array or object on the way from the root down
// to a value, and with which of its elements or members the way goes on.
func (d *Doc) descend(to uint32, visit func(at uint32, index int)) {
	at := uint32(0)
	for at < to {
		child, i := at+1, 0
		for d.tape[child].next <= to {
			child, i = d.tape[child].next, i+1
		}
		visit(at, i)
		at = child
	}
}

// Path returns the way from the root to the value, such as name[0].given[1];
// "" for the root.
func (n Node) Path() string {
	if n.doc == nil {
		return ""
	}
	d, at, b := n.doc, uint32(0), []byte(nil)
	for at < n.at {
		child, i := at+1, 0
		for d.tape[child].next <= n.at {
			child, i = d.tape[child].next, i+1
		}
		b = appendStep(b, d, &d.tape[at], &d.tape[child], i)
		at = child
	}
	return string(b)
}

func appendStep(b []byte, d *Doc, outer, inner *entry, i int) []byte {
	if outer.kind == Array {
		return fmt.Appendf(b, "[%d]", i)
	}
	if len(b) > 0 {
		b = append(b, '.')
	}
	return append(b, d.name(inner)...)
}
