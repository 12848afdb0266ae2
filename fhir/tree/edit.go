package tree

import (
	"cmp"
	"slices"
)

// An Edit collects changes to a document; Bytes applies them and keeps every
// other byte. Changes within a value that is itself replaced or removed are
// lost.
type Edit struct {
	d    *Doc
	acts []act
}

// An act is one change. Those to the same value come in the order of the calls.
type act struct {
	at    uint32 // the value, or what a new one is put into
	does  doing
	index int    // of the child that a new one comes before
	name  string // of a new member
	raw   []byte
}

type doing uint8

const (
	replaces doing = iota
	removes
	inserts
)

// NewEdit begins changes to a document.
func NewEdit(d *Doc) *Edit { return &Edit{d: d} }

// Replace puts another value in a value's place; a member keeps its name.
func (e *Edit) Replace(n Node, raw []byte) {
	e.acts = append(e.acts, act{at: n.at, does: replaces, raw: raw})
}

// Remove takes a member or an element out; the root stays.
func (e *Edit) Remove(n Node) {
	e.acts = append(e.acts, act{at: n.at, does: removes})
}

// Insert puts a new element before the element i of an array, counted as before
// the changes; at its end when there are not so many.
func (e *Edit) Insert(array Node, i int, raw []byte) {
	e.acts = append(e.acts, act{at: array.at, does: inserts, index: i, raw: raw})
}

// Add puts a new member at the end of an object. That there is none of the name
// is for the caller to know.
func (e *Edit) Add(object Node, name string, raw []byte) {
	e.acts = append(e.acts, act{at: object.at, does: inserts, index: object.Len(), name: name, raw: raw})
}

// Put replaces the member of the name, or adds it.
func (e *Edit) Put(object Node, name string, raw []byte) {
	if old := object.Get(name); old.Ok() {
		e.Replace(old, raw)
		return
	}
	e.Add(object, name, raw)
}

// Bytes returns the changed document.
func (e *Edit) Bytes() []byte {
	slices.SortStableFunc(e.acts, func(a, b act) int { return cmp.Compare(a.at, b.at) })
	size := len(e.d.src)
	for i := range e.acts {
		size += len(e.acts[i].raw) + len(e.acts[i].name) + 4
	}
	root := &e.d.tape[0]
	c := copier{d: e.d, acts: e.acts, b: make([]byte, 0, size)}
	c.b = append(c.b, e.d.src[:root.off]...)
	c.value(0)
	return append(c.b, e.d.src[root.end:]...)
}

// A copier writes a document with its changes, from front to back.
type copier struct {
	d    *Doc
	acts []act // what is still to come
	b    []byte
}

// of takes the changes of one value off the list.
func (c *copier) of(at uint32) []act {
	n := 0
	for n < len(c.acts) && c.acts[n].at == at {
		n++
	}
	mine := c.acts[:n]
	c.acts = c.acts[n:]
	return mine
}

// skip drops the changes within a value.
func (c *copier) skip(at uint32) {
	for len(c.acts) > 0 && c.acts[0].at < c.d.tape[at].next {
		c.acts = c.acts[1:]
	}
}

// removed reports whether the value goes.
func (c *copier) removed(at uint32) bool {
	gone := false
	for i := 0; i < len(c.acts) && c.acts[i].at == at; i++ {
		gone = c.acts[i].does == removes
	}
	return gone
}

// value writes one value that stays.
func (c *copier) value(at uint32) {
	e := &c.d.tape[at]
	if len(c.acts) == 0 || c.acts[0].at >= e.next {
		c.b = append(c.b, c.d.src[e.off:e.end]...)
		return
	}
	mine := c.of(at)
	for i := len(mine) - 1; i >= 0; i-- {
		if mine[i].does == replaces {
			c.b = append(c.b, mine[i].raw...)
			c.skip(at)
			return
		}
	}
	if e.kind != Array && e.kind != Object {
		c.b = append(c.b, c.d.src[e.off:e.end]...)
		return
	}
	mine = slices.DeleteFunc(mine, func(a act) bool { return a.does != inserts })
	slices.SortStableFunc(mine, func(a, b act) int { return cmp.Compare(a.index, b.index) })
	c.within(at, mine)
}

// within writes an array or object that changes inside. White space before an
// element stays with it, that before the end stays at the end.
func (c *copier) within(at uint32, news []act) {
	d, e := c.d, &c.d.tape[at]
	p := pieces{d: d, child: at + 1, end: e.next, from: e.off + 1}
	c.b = append(c.b, d.src[e.off])
	first, tail, lead := true, []byte(nil), []byte(nil)
	comma := func() {
		if !first {
			c.b = append(c.b, ',')
		}
		first = false
	}
	put := func(upTo int) {
		for len(news) > 0 && news[0].index <= upTo {
			comma()
			c.b = append(c.b, lead...)
			if e.kind == Object {
				c.b = append(AppendString(c.b, news[0].name), ':')
			}
			c.b = append(c.b, news[0].raw...)
			news = news[1:]
		}
	}
	for i := 0; p.next(); i++ {
		if i == 0 {
			lead = p.lead
		}
		put(i)
		if c.removed(p.at) {
			c.skip(p.at)
		} else {
			comma()
			c.b = append(append(c.b, p.lead...), p.name...)
			c.value(p.at)
			if !p.last() {
				c.b = append(c.b, p.tail...)
			}
		}
		tail = p.tail
	}
	put(int(e.count))
	put(1 << 62)
	if !first {
		c.b = append(c.b, tail...)
	}
	c.b = append(c.b, d.src[e.end-1])
}

// pieces goes through the children of an array or object with the white space
// around them.
type pieces struct {
	d          *Doc
	child, end uint32 // the next child and the entry behind all of them
	from       uint32 // where the next piece starts
	at         uint32 // the child of this piece
	lead       []byte // what is before the child
	name       []byte // its name up to the value, for a member
	tail       []byte // what is behind it up to the comma or bracket
}

func (p *pieces) next() bool {
	if p.child >= p.end {
		return false
	}
	src, e := p.d.src, &p.d.tape[p.child]
	start := e.off
	if e.key != 0 {
		start = e.key - 1
	}
	p.lead, p.name = src[p.from:start], src[start:e.off]
	end := e.end
	for src[end] == ' ' || src[end] == '\n' || src[end] == '\r' || src[end] == '\t' {
		end++
	}
	p.tail = src[e.end:end]
	p.at, p.child, p.from = p.child, e.next, end+1
	return true
}

func (p *pieces) last() bool { return p.child >= p.end }

// whole returns the piece with the white space before it.
func (p *pieces) whole() []byte {
	e := &p.d.tape[p.at]
	return p.d.src[int(e.off)-len(p.name)-len(p.lead) : e.end]
}
