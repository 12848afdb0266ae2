package path

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// An access says how the members of one name of one type are found. It is kept
// by the step that last looked there, since most look at one type only.
type access struct {
	of    *schema.Type
	typ   *schema.Type // of the children; nil when each says it itself
	name  string
	ext   string // the name of the sibling with id and extensions, "" for none
	how   accessKind
	known bool
}

type accessKind uint8

const (
	accessNone accessKind = iota
	accessPlain
	accessChoice
	accessResource
)

// accessOf finds out how.
func accessOf(of *schema.Type, name string) *access {
	a := &access{of: of, name: name}
	if of == nil {
		a.how = accessPlain
		return a
	}
	if of.Choice(name) != nil {
		a.how, a.known = accessChoice, true
		return a
	}
	f, t := of.Field(name)
	if f == nil || f.Choice {
		return a
	}
	a.how, a.typ, a.known = accessPlain, t, true
	if t != nil && t.Kind == schema.Primitive && of.Kind != schema.Primitive {
		a.ext = "_" + name
	}
	if t != nil && t.Kind == schema.Resource && t.Abstract {
		a.how = accessResource
	}
	if name == "id" && of.Kind == schema.Resource && of.Base != nil {
		a.ext = "_id"
	}
	return a
}

// member appends the children of one name.
func (m *machine) member(a *access, i *Item, out []Item) []Item {
	switch {
	case i.sys != nil:
		return infoMember(i, a.name, out)
	case i.typ != nil && i.typ.Kind == schema.Primitive:
		return m.plain(a, i.ext, i.set, out)
	case a.how == accessChoice:
		return m.choice(a, i, out)
	case a.how == accessNone:
		return out
	}
	return m.plain(a, i.node, i.set, out)
}

// infoMember gives namespace and name of what type() returned, and value and
// unit of a quantity.
func infoMember(i *Item, name string, out []Item) []Item {
	switch v := i.sys.(type) {
	case TypeInfo:
		switch name {
		case "namespace":
			return append(out, Of(v.Namespace))
		case "name":
			return append(out, Of(v.Name))
		}
	case Quantity:
		switch name {
		case "value":
			return append(out, Of(v.Value))
		case "unit":
			return append(out, Of(v.Unit))
		}
	}
	return out
}

// plain appends the values of a member, with what stands beside them.
func (m *machine) plain(a *access, n tree.Node, set *schema.Set, out []Item) []Item {
	v, ext := n.Get(a.name), tree.Node{}
	if a.ext != "" {
		ext = n.Get(a.ext)
	}
	typ := a.typ
	switch {
	case !v.Ok() && !ext.Ok():
		return out
	case ext.Ok():
		return m.paired(Item{node: v, ext: ext, typ: typ, set: set}, out)
	case v.Kind() != tree.Array:
		if v.Kind() == tree.Null {
			return out
		}
		if a.how == accessResource {
			typ = typeIn(set, v.Get("resourceType").Text())
		}
		return append(out, Item{node: v, typ: typ, set: set})
	}
	for e := range v.Items() {
		if e.Kind() == tree.Null {
			continue
		}
		if a.how == accessResource {
			typ = typeIn(set, e.Get("resourceType").Text())
		}
		out = append(out, Item{node: e, typ: typ, set: set})
	}
	return out
}

// paired appends the values of a primitive member that has a sibling with ids
// and extensions (json.html#primitive).
func (m *machine) paired(i Item, out []Item) []Item {
	if i.node.Kind() != tree.Array && i.ext.Kind() != tree.Array {
		return append(out, i)
	}
	values, exts := m.nodes(i.node), m.nodes(i.ext)
	for at := range max(len(values), len(exts)) {
		e := Item{typ: i.typ, set: i.set}
		if at < len(values) && values[at].Kind() != tree.Null {
			e.node = values[at]
		}
		if at < len(exts) && exts[at].Kind() != tree.Null {
			e.ext = exts[at]
		}
		if e.node.Ok() || e.ext.Ok() {
			out = append(out, e)
		}
	}
	return out
}

func (m *machine) nodes(n tree.Node) []tree.Node {
	all := make([]tree.Node, 0, n.Len())
	for e := range n.Items() {
		all = append(all, e)
	}
	return all
}

// choice appends the value of an element such as value[x], whose member's name
// ends in the type.
func (m *machine) choice(a *access, i *Item, out []Item) []Item {
	for name, v := range i.node.Members() {
		bare := strings.TrimPrefix(name, "_")
		if len(bare) <= len(a.name) || !strings.HasPrefix(bare, a.name) {
			continue
		}
		f, t := a.of.Field(bare)
		if f == nil || !f.Choice || f.Name != a.name {
			continue
		}
		e := Item{node: v, typ: t, set: i.set}
		if len(bare) != len(name) { // only the extensions are there
			if i.node.Get(bare).Ok() {
				continue
			}
			e.node, e.ext = tree.Node{}, v
		} else if t.Kind == schema.Primitive {
			e.ext = i.node.Get("_" + bare)
		}
		return append(out, e)
	}
	return out
}

// children appends all elements of an item in their order.
func (m *machine) children(i *Item, out []Item) []Item {
	if i.sys != nil {
		return out
	}
	n := i.node
	if i.typ != nil && i.typ.Kind == schema.Primitive {
		n = i.ext
	}
	for name, v := range n.Members() {
		switch {
		case name == "resourceType":
		case name != "" && name[0] == '_':
			if !n.Get(name[1:]).Ok() {
				out = m.child(i, n, name[1:], tree.Node{}, v, out)
			}
		default:
			ext := tree.Node{}
			if k := v.Kind(); k != tree.Object && (k != tree.Array || v.At(0).Kind() != tree.Object) {
				ext = n.Get("_" + name)
			}
			out = m.child(i, n, name, v, ext, out)
		}
	}
	return out
}

// child appends the items of one member.
func (m *machine) child(i *Item, n tree.Node, name string, v, ext tree.Node, out []Item) []Item {
	e := Item{node: v, ext: ext, set: i.set}
	if i.typ != nil {
		var f *schema.Field
		if f, e.typ = i.typ.Field(name); f == nil {
			return out
		}
	}
	if ext.Ok() {
		return m.paired(e, out)
	}
	for x := range v.Items() {
		if x.Kind() == tree.Null {
			continue
		}
		e.node = x
		if x.Kind() == tree.Object {
			if t := x.Get("resourceType"); t.Ok() && (e.typ == nil || e.typ.Kind == schema.Resource) {
				e.typ = typeIn(i.set, t.Text())
			}
		}
		out = append(out, e)
	}
	return out
}
