package xmlform

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/markup"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// XML writes a resource as XML, its elements in the order of their definition;
// pretty puts each on a line of its own. It fails where the document is not what
// the definitions say, and where XML does not have a character. The error is a
// *tree.Error.
func XML(set *schema.Set, n tree.Node, pretty bool) ([]byte, error) {
	w := writer{set: set, pretty: pretty, b: make([]byte, 0, len(n.Raw())+len(n.Raw())/4)}
	if err := w.resource(n); err != nil {
		return nil, err
	}
	if pretty {
		w.b = append(w.b, '\n')
	}
	return w.b, nil
}

type writer struct {
	set    *schema.Set
	b      []byte
	pretty bool
	depth  int
}

func failJSON(n tree.Node, format string, a ...any) error {
	e := &tree.Error{Path: n.Path(), Msg: fmt.Sprintf(format, a...)}
	e.Line, e.Col = n.Pos()
	return e
}

// line begins a new line when the output is for people.
func (w *writer) line() {
	if w.pretty && len(w.b) > 0 {
		w.b = append(w.b, '\n')
		for range w.depth {
			w.b = append(w.b, ' ', ' ')
		}
	}
}

func (w *writer) resource(n tree.Node) error {
	name := n.Get("resourceType").Text()
	t := w.set.Type(name)
	if t == nil || t.Kind != schema.Resource || t.Abstract {
		return failJSON(n, "%.60q is no type of resource", name)
	}
	w.line()
	w.b = append(append(w.b, '<'), name...)
	if w.depth == 0 {
		w.b = append(w.b, ` xmlns="`+Space+`"`...)
	}
	return w.body(name, n, t)
}

// A slot is one element: the member of its name and the one with an underscore.
type slot struct {
	name   string
	field  *schema.Field
	of     *schema.Type
	value  tree.Node
	extras tree.Node
}

// slots returns the members of an object in the order of their definition.
func slots(n tree.Node, t *schema.Type) ([]slot, error) {
	if n.Kind() != tree.Object {
		return nil, failJSON(n, "%s where an object should be", n.Kind())
	}
	list := make([]slot, 0, n.Len())
next:
	for member, v := range n.Members() {
		if member == "resourceType" && t.Kind == schema.Resource {
			continue
		}
		name, extras := strings.CutPrefix(member, "_")
		for i := range list {
			if list[i].name == name {
				if extras {
					list[i].extras = v
				} else {
					list[i].value = v
				}
				continue next
			}
		}
		f, of := t.Field(name)
		if f == nil || extras && (of.Kind != schema.Primitive || f.Attribute) {
			return nil, failJSON(v, "the member %.60q is unknown in %s", member, t.Name)
		}
		s := slot{name: name, field: f, of: of, value: v}
		if extras {
			s.value, s.extras = tree.Node{}, v
		}
		list = append(list, s)
	}
	slices.SortStableFunc(list, func(a, b slot) int { return cmp.Compare(a.field.Index, b.field.Index) })
	return list, nil
}

// body writes the attributes of the element that was begun, its children and
// its end.
func (w *writer) body(name string, n tree.Node, t *schema.Type) error {
	list, err := slots(n, t)
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.field.Attribute {
			if err := w.attribute(s.name, s.value); err != nil {
				return err
			}
		}
	}
	return w.children(name, list)
}

func (w *writer) children(name string, list []slot) error {
	start := len(w.b)
	w.b = append(w.b, '>')
	w.depth++
	for i := range list {
		if list[i].field.Attribute {
			continue
		}
		if err := w.slot(&list[i]); err != nil {
			return err
		}
	}
	w.depth--
	if len(w.b) == start+1 {
		w.b = append(w.b[:start], "/>"...)
		return nil
	}
	w.line()
	w.b = append(append(append(w.b, "</"...), name...), '>')
	return nil
}

func (w *writer) attribute(name string, v tree.Node) error {
	switch v.Kind() {
	case tree.String, tree.Number, tree.Bool:
	default:
		return failJSON(v, "%s where a primitive value should be", v.Kind())
	}
	ok := false
	w.b, ok = markup.AppendValue(append(append(append(w.b, ' '), name...), '='), v.Text())
	if !ok {
		return failJSON(v, "a character that XML does not have")
	}
	return nil
}

func (w *writer) slot(s *slot) error {
	for _, n := range []tree.Node{s.value, s.extras} {
		if n.Kind() == tree.Array && !s.field.Repeats() {
			return failJSON(n, "an array where one value should be")
		}
	}
	switch {
	case s.of.Name == "xhtml":
		return w.narrative(s)
	case s.of.Kind == schema.Primitive:
		return w.primitives(s)
	}
	for item := range s.value.Items() {
		w.line()
		w.b = append(append(w.b, '<'), s.name...)
		if s.of.Kind != schema.Resource {
			if err := w.body(s.name, item, s.of); err != nil {
				return err
			}
			continue
		}
		w.b = append(w.b, '>')
		w.depth++
		if err := w.resource(item); err != nil {
			return err
		}
		w.depth--
		w.line()
		w.b = append(append(append(w.b, "</"...), s.name...), '>')
	}
	return nil
}

func (w *writer) narrative(s *slot) error {
	if s.extras.Ok() || s.value.Kind() != tree.String {
		return failJSON(cmp.Or(s.extras, s.value), "a narrative that is no string")
	}
	text, err := div(s.value)
	if err != nil {
		return err
	}
	w.line()
	w.b = append(w.b, text...)
	return nil
}

// primitives writes values together with their ids and extensions.
func (w *writer) primitives(s *slot) error {
	values, extras := slices.Collect(s.value.Items()), slices.Collect(s.extras.Items())
	for i := range max(len(values), len(extras)) {
		var value, extra tree.Node
		if i < len(values) && values[i].Kind() != tree.Null {
			value = values[i]
		}
		if i < len(extras) && extras[i].Kind() != tree.Null {
			extra = extras[i]
		}
		if err := w.primitive(s, value, extra); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) primitive(s *slot, value, extra tree.Node) error {
	if !value.Ok() && !extra.Ok() {
		return failJSON(cmp.Or(s.value, s.extras), "null that has no extension")
	}
	w.line()
	w.b = append(append(w.b, '<'), s.name...)
	var list []slot
	if extra.Ok() {
		var err error
		if list, err = slots(extra, s.of); err != nil {
			return err
		}
		for _, s := range list {
			if s.field.Attribute {
				if err := w.attribute(s.name, s.value); err != nil {
					return err
				}
			}
		}
	}
	if value.Ok() {
		if err := w.attribute("value", value); err != nil {
			return err
		}
	}
	return w.children(s.name, list)
}
