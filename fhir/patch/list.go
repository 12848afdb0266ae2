package patch

import (
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A list is an element of a resource with all its repetitions: the member of
// its name, and the one with an underscore that holds ids and extensions.
type list struct {
	owner tree.Node // the object that has the members
	of    *schema.Type
	field *schema.Field
	name  string // of the member
	many  bool   // the members are arrays
	items []item
}

// An item is one repetition as JSON: what stands in the member and what stands
// beside it; nil for what is not there.
type item struct{ value, extra []byte }

func (it item) hasValue() bool { return it.value != nil }
func (it item) hasExtra() bool { return it.extra != nil }

// listOf reads an element of an object.
func listOf(owner tree.Node, of *schema.Type, name string) *list {
	l := &list{owner: owner, of: of, name: name}
	if l.field, _ = of.Field(name); l.field != nil {
		l.many = l.field.Repeats()
	}
	l.read()
	return l
}

// read reads the repetitions.
func (l *list) read() {
	for v := range l.owner.Get(l.name).Items() {
		l.items = append(l.items, item{value: present(v)})
	}
	i := 0
	for v := range l.owner.Get("_" + l.name).Items() {
		if i == len(l.items) {
			l.items = append(l.items, item{})
		}
		l.items[i].extra = present(v)
		i++
	}
}

func present(n tree.Node) []byte {
	if n.Kind() == tree.Null {
		return nil
	}
	return n.Raw()
}

// save writes the list back.
func (l *list) save(edit *tree.Edit) {
	var values, extras []byte
	for i, it := range l.items {
		values, extras = appendItem(values, i, it.value), appendItem(extras, i, it.extra)
	}
	put := func(name string, members []byte, any bool) {
		switch {
		case !any:
			if old := l.owner.Get(name); old.Ok() {
				edit.Remove(old)
			}
		case l.many:
			edit.Put(l.owner, name, append(members, ']'))
		default:
			edit.Put(l.owner, name, members[1:])
		}
	}
	put(l.name, values, slices.ContainsFunc(l.items, item.hasValue))
	put("_"+l.name, extras, slices.ContainsFunc(l.items, item.hasExtra))
}

func appendItem(b []byte, i int, raw []byte) []byte {
	if i == 0 {
		b = append(b, '[')
	} else {
		b = append(b, ',')
	}
	if raw == nil {
		return append(b, "null"...)
	}
	return append(b, raw...)
}

// A spot is where an item of a path lies: in a list, at an index.
type spot struct {
	list  *list
	index int
}

// locate finds where in its document an item lies.
func locate(set *schema.Set, it path.Item) (spot, error) {
	n := it.Node()
	extra := !n.Ok() || n.Kind() == tree.Null
	if extra {
		n = it.Extra()
	}
	switch {
	case it.Computed() || !n.Ok():
		return spot{}, unfit("the path leads to a value that is no element")
	case !n.Parent().Ok():
		return spot{}, unfit("the path leads to the resource itself")
	}
	member, i := n, 0
	if p := n.Parent(); p.Kind() == tree.Array {
		for sibling := range p.Items() {
			if sibling == n {
				break
			}
			i++
		}
		member = p
	}
	name := member.Name()
	if extra {
		name = strings.TrimPrefix(name, "_")
	}
	owner := member.Parent()
	of := typeOf(set, owner)
	if of == nil {
		return spot{}, unfit("the path leads to an element that the definitions do not know")
	}
	l := listOf(owner, of, name)
	if l.field == nil || i >= len(l.items) {
		return spot{}, unfit("the path leads to an element that the definitions do not know")
	}
	return spot{l, i}, nil
}

// typeOf returns the type of an object in a resource; nil when nobody knows.
func typeOf(set *schema.Set, n tree.Node) *schema.Type {
	if kind := n.Get("resourceType"); kind.Ok() {
		if t := set.Type(kind.Text()); t != nil && t.Kind == schema.Resource {
			return t
		}
	}
	member := n
	if p := n.Parent(); p.Kind() == tree.Array {
		member = p
	}
	owner := member.Parent()
	if !owner.Ok() {
		return nil
	}
	of := typeOf(set, owner)
	if of == nil {
		return nil
	}
	_, t := of.Field(strings.TrimPrefix(member.Name(), "_"))
	return t
}
