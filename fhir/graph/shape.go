package graph

import (
	"strconv"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// An object is a part of the answer while it is made. Its members keep the order
// in which they came first.
type object struct {
	names []string
	slots map[string]*slot
	path  []string // of the object in the answer
}

// A slot is one member of an object.
type slot struct {
	list   bool // written as an array
	single bool // @singleton: never an array, and no second value
	leaf   bool // holds values of a primitive
	items  [][]byte
}

// A sink is where the fields of an element go: an object, or with @flatten that
// of an element further out.
type sink struct {
	*object
	flat   bool   // elements do not make objects of their own, so all are lists
	suffix string // of @slice, behind each name
}

// put adds a value of a field.
func (o sink) put(s *selection, how shape, leaf bool, raw []byte) error {
	id := s.answered() + o.suffix
	if o.slots == nil {
		o.object.slots = map[string]*slot{}
	}
	m := o.slots[id]
	if m == nil {
		m = &slot{list: how.list || o.flat, leaf: leaf}
		o.slots[id], o.names = m, append(o.names, id)
	}
	if how.singleton {
		m.list, m.single = false, true
	}
	if len(m.items) > 0 && m.single {
		p := s.at.wrong("%s is to be a single value, and there are several", id)
		p.Path = append(o.path, id)
		return p
	}
	m.items = append(m.items, raw)
	return nil
}

// again tells whether a leaf is there already: the same leaf twice in a query is
// one member of the answer (GraphQL §5.3.2).
func (o sink) again(s *selection) bool {
	m := o.slots[s.answered()+o.suffix]
	return m != nil && m.leaf
}

// write appends the object as JSON.
func (o *object) write(w *tree.Writer) {
	w.Object()
	for _, id := range o.names {
		m := o.slots[id]
		w.Name(id)
		// Asked for twice, what is one element has two answers.
		list := m.list || len(m.items) > 1
		if list {
			w.Array()
		}
		for _, raw := range m.items {
			w.Raw(raw)
		}
		if list {
			w.End()
		}
	}
	w.End()
}

// json returns the object as JSON.
func (o *object) json() []byte {
	w := tree.NewWriter(nil)
	o.write(w)
	return w.Bytes()
}

// A shape is what the directives of a field and its type say of its values.
type shape struct {
	list, first, flatten, singleton bool
	slice                           string // FHIRPath, or $index
}

// within returns the sink for what lies in a value of a field.
func (o sink) within(s *selection, how shape, suffix string) sink {
	if how.flatten {
		return sink{object: o.object, flat: true, suffix: o.suffix + suffix}
	}
	return sink{object: &object{path: append(o.path[:len(o.path):len(o.path)], s.answered()+o.suffix+suffix)}}
}

// integer is a number as JSON.
func integer(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }
