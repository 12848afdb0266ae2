package patch

import (
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A content is what a part of a FHIRPath Patch gives as value: one value, or
// the parts of an object that has no type of its own.
type content struct {
	item
	as    string    // the type that the value was given as: Quantity, Code; "" for an object
	parts tree.Node // of the object
}

// contentOf reads value[x], resource or part of a part.
func contentOf(n tree.Node) (content, bool) {
	var c content
	for name, v := range n.Members() {
		base, extra := strings.CutPrefix(name, "_")
		as, isValue := strings.CutPrefix(base, "value")
		switch {
		case isValue && extra:
			c.as, c.extra = as, v.Raw()
		case isValue:
			c.as, c.value = as, v.Raw()
		case name == "resource":
			c.as, c.value = "Resource", v.Raw()
		case name == "part":
			c.parts = v
		}
	}
	return c, c.value != nil || c.extra != nil || c.parts.Ok()
}

// member returns the JSON name of an element for a value: that of a choice
// depends on the value's type (json.html §2.6.2.4).
func (c *content) member(of *schema.Type, name string) (string, error) {
	f, _ := of.Field(name)
	if f != nil && !f.Choice {
		return name, nil
	}
	choice := of.Choice(name)
	if choice == nil {
		choice = f
	}
	if choice == nil {
		return "", unfit("there is no element %.60q in %s", name, of.Name)
	}
	for _, t := range choice.Types {
		if member := choice.Member(t); strings.EqualFold(t.Name, c.as) {
			return member, nil
		}
	}
	if f != nil { // named with its type, as in valueQuantity
		return name, nil
	}
	return "", unfit("%.60q in %s cannot be of the type %.60s", name, of.Name, c.as)
}

// build returns the value as an element of the type.
func (c *content) build(set *schema.Set, t *schema.Type) (item, error) {
	if !c.parts.Ok() {
		return c.item, nil
	}
	if t == nil || t.Kind == schema.Primitive {
		return item{}, unfit("parts where a primitive value should be")
	}
	type group struct {
		name  string
		items []item
	}
	var groups []*group
	for part := range c.parts.Items() {
		inner, ok := contentOf(part)
		if !ok {
			return item{}, malformed(0, "the part %.60q has no value", part.Get("name").Text())
		}
		name, err := inner.member(t, part.Get("name").Text())
		if err != nil {
			return item{}, err
		}
		_, inside := t.Field(name)
		it, err := inner.build(set, inside)
		if err != nil {
			return item{}, err
		}
		i := slices.IndexFunc(groups, func(g *group) bool { return g.name == name })
		if i < 0 {
			i = len(groups)
			groups = append(groups, &group{name: name})
		}
		groups[i].items = append(groups[i].items, it)
	}
	w := tree.NewWriter(nil).Object()
	for _, g := range groups {
		f, _ := t.Field(g.name)
		if !f.Repeats() && len(g.items) > 1 {
			return item{}, unfit("%.60q is given %d times, but only once allowed", g.name, len(g.items))
		}
		write(w, f, g.name, g.items)
	}
	return item{value: w.End().Bytes()}, nil
}

// write writes the members of an element.
func write(w *tree.Writer, f *schema.Field, name string, items []item) {
	for _, member := range []struct {
		name string
		of   func(it item) []byte
	}{
		{name, func(it item) []byte { return it.value }},
		{"_" + name, func(it item) []byte { return it.extra }},
	} {
		if !slices.ContainsFunc(items, func(it item) bool { return member.of(it) != nil }) {
			continue
		}
		w.Name(member.name)
		if f.Repeats() {
			w.Array()
		}
		for _, it := range items {
			if raw := member.of(it); raw != nil {
				w.Raw(raw)
			} else {
				w.Word("null")
			}
		}
		if f.Repeats() {
			w.End()
		}
	}
}
