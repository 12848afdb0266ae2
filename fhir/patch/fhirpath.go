package patch

import (
	"slices"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// allSteps is how many steps the paths of a patch may take together, each having
// its share and a little more.
const allSteps = 500_000

// FHIRPath applies a FHIRPath Patch (fhirpatch.html), given as Parameters. All
// operations are applied, or none. What becomes empty is removed.
func FHIRPath(set *schema.Set, doc *tree.Doc, parameters tree.Node) (*tree.Doc, error) {
	if parameters.Get("resourceType").Text() != "Parameters" {
		return nil, malformed(-1, "a FHIRPath Patch is a Parameters resource")
	}
	list := parameters.Get("parameter")
	if list.Len() > maxOperations {
		return nil, malformed(-1, "more than %d operations", maxOperations)
	}
	var changes []change
	for n := range list.Items() {
		c, err := readChange(n)
		if err != nil {
			return nil, at(err, len(changes), "")
		}
		changes = append(changes, c)
	}
	work := newBudget(len(doc.Bytes()))
	for i := range changes {
		c := &changes[i]
		edit, err := c.apply(set, doc, 10_000+allSteps/len(changes))
		if err == nil && edit != nil {
			doc, err = work.parse(edit.Bytes())
		}
		if err == nil {
			err = work.spend(1 << 10)
		}
		if err != nil {
			return nil, at(err, i, c.does+" "+c.path)
		}
	}
	after, err := pruned(doc)
	if err != nil {
		return nil, at(err, -1, "")
	}
	return after, nil
}

// A change is one operation of a FHIRPath Patch.
type change struct {
	does, path, name           string
	value                      content
	index, source, destination int
}

func readChange(n tree.Node) (change, error) {
	c := change{index: -1, source: -1, destination: -1}
	if n.Get("name").Text() != "operation" {
		return c, malformed(0, "a parameter that is no operation")
	}
	seen := map[string]bool{}
	for part := range n.Get("part").Items() {
		name := part.Get("name").Text()
		if seen[name] {
			return c, malformed(0, "the part %.60q is there twice", name)
		}
		seen[name] = true
		if err := c.read(name, part); err != nil {
			return c, err
		}
	}
	wants, ok := map[string][]string{
		"add":     {"path", "name", "value"},
		"insert":  {"path", "value", "index"},
		"delete":  {"path"},
		"replace": {"path", "value"},
		"move":    {"path", "source", "destination"},
	}[c.does]
	if !ok {
		return c, malformed(0, "the type %.60q is none of add, insert, delete, replace, move", c.does)
	}
	for _, name := range wants {
		if !seen[name] {
			return c, malformed(0, "no part %q", name)
		}
	}
	return c, nil
}

func (c *change) read(name string, part tree.Node) error {
	text := func(into *string, kinds ...string) error {
		for _, kind := range append(kinds, "valueString") {
			if v := part.Get(kind); v.Kind() == tree.String {
				*into = v.Text()
				return nil
			}
		}
		return malformed(0, "the part %q has no text", name)
	}
	number := func(into *int) error {
		for _, kind := range []string{"valueInteger", "valueUnsignedInt", "valuePositiveInt"} {
			if v := part.Get(kind); v.Ok() {
				*into = whole(v)
			}
		}
		if *into < 0 {
			return malformed(0, "the part %q has no number from 0", name)
		}
		return nil
	}
	switch name {
	case "type":
		return text(&c.does, "valueCode")
	case "path":
		return text(&c.path)
	case "name":
		return text(&c.name, "valueCode", "valueId")
	case "index":
		return number(&c.index)
	case "source":
		return number(&c.source)
	case "destination":
		return number(&c.destination)
	case "value":
		var ok bool
		if c.value, ok = contentOf(part); !ok {
			return malformed(0, "the part value has no value")
		}
		return nil
	default:
		return malformed(0, "the part %.60q is unknown", name)
	}
}

// apply returns what has to be changed, nil for nothing.
func (c *change) apply(set *schema.Set, doc *tree.Doc, steps int) (*tree.Edit, error) {
	items, err := evaluate(set, doc, c.path, steps)
	if err != nil {
		return nil, err
	}
	switch {
	case len(items) == 0 && c.does == "delete":
		return nil, nil // deleting what is not there is no error
	case len(items) == 0:
		return nil, unfit("there is nothing at the path")
	case len(items) > 1 && (c.does == "add" || c.does == "delete" || c.does == "replace"):
		return nil, unfit("there are %d elements at the path, not one", len(items))
	}
	edit := tree.NewEdit(doc)
	switch c.does {
	case "add":
		return edit, c.add(set, edit, items[0])
	case "delete":
		return edit, c.remove(set, edit, items[0])
	case "replace":
		return edit, c.replace(set, edit, items[0])
	case "insert":
		return edit, c.insert(set, edit, items)
	default:
		return edit, c.move(set, edit, items)
	}
}

// add puts a value into an element: at the end, when there are some already.
func (c *change) add(set *schema.Set, edit *tree.Edit, to path.Item) error {
	owner, of := to.Node(), to.Type()
	switch {
	case of != nil && of.Kind == schema.Primitive:
		return c.addBeside(set, edit, to)
	case to.Computed() || owner.Kind() != tree.Object:
		return unfit("the path leads to a value that can have no elements")
	}
	if t := typeOf(set, owner); t != nil {
		of = t
	}
	if of == nil {
		return unfit("the path leads to an element that the definitions do not know")
	}
	l, err := c.grow(set, owner, of)
	if err == nil {
		l.save(edit)
	}
	return err
}

// grow returns the list of an object with the value at its end.
func (c *change) grow(set *schema.Set, owner tree.Node, of *schema.Type) (*list, error) {
	name, err := c.value.member(of, c.name)
	if err != nil {
		return nil, err
	}
	l := listOf(owner, of, name)
	if l.field.Choice {
		for _, t := range l.field.Types {
			if other := l.field.Member(t); owner.Get(other).Ok() || owner.Get("_"+other).Ok() {
				return nil, unfit("there is a %.60q already; use replace", other)
			}
		}
	}
	if !l.many && len(l.items) > 0 {
		return nil, unfit("there is a %.60q already; use replace", name)
	}
	_, t := of.Field(name)
	it, err := c.value.build(set, t)
	if err != nil {
		return nil, err
	}
	l.items = append(l.items, it)
	return l, nil
}

// addBeside adds an id or an extension to a primitive value.
func (c *change) addBeside(set *schema.Set, edit *tree.Edit, to path.Item) error {
	s, err := locate(set, to)
	if err != nil {
		return err
	}
	it := &s.list.items[s.index]
	if it.extra == nil {
		it.extra = []byte("{}")
	}
	extra, err := tree.Parse(it.extra)
	if err != nil {
		return err
	}
	l, err := c.grow(set, extra.Root(), to.Type())
	if err != nil {
		return err
	}
	inner := tree.NewEdit(extra)
	l.save(inner)
	it.extra = inner.Bytes()
	s.list.save(edit)
	return nil
}

func (c *change) remove(set *schema.Set, edit *tree.Edit, what path.Item) error {
	s, err := locate(set, what)
	if err != nil {
		return err
	}
	s.list.items = slices.Delete(s.list.items, s.index, s.index+1)
	s.list.save(edit)
	return nil
}

// replace puts another value in an element's place; a choice may get another
// type.
func (c *change) replace(set *schema.Set, edit *tree.Edit, what path.Item) error {
	s, err := locate(set, what)
	if err != nil {
		return err
	}
	l := s.list
	name := l.name
	if l.field.Choice && c.value.as != "" {
		if name, err = c.value.member(l.of, l.field.Name); err != nil {
			return err
		}
	}
	_, t := l.of.Field(name)
	it, err := c.value.build(set, t)
	if err != nil {
		return err
	}
	if name == l.name {
		l.items[s.index] = it
		l.save(edit)
		return nil
	}
	l.items = nil
	l.save(edit)
	(&list{owner: l.owner, of: l.of, field: l.field, many: l.many, name: name, items: []item{it}}).save(edit)
	return nil
}

// all returns the one list that the items of a path are.
func all(set *schema.Set, items []path.Item) (*list, error) {
	first, err := locate(set, items[0])
	if err != nil {
		return nil, err
	}
	l := first.list
	if !l.many {
		return nil, unfit("the path leads to an element that does not repeat")
	}
	values := slices.Collect(l.owner.Get(l.name).Items())
	extras := slices.Collect(l.owner.Get("_" + l.name).Items())
	for i, it := range items {
		in := i < len(values) && values[i] == it.Node() || i < len(extras) && extras[i] == it.Extra()
		if !in || it.Computed() {
			return nil, unfit("the path leads to more or to less than one list")
		}
	}
	if len(items) != len(l.items) {
		return nil, unfit("the path leads to a part of a list only")
	}
	return l, nil
}

func (c *change) insert(set *schema.Set, edit *tree.Edit, items []path.Item) error {
	l, err := all(set, items)
	if err != nil {
		return err
	}
	if c.index > len(l.items) {
		return unfit("a list of %d elements has no place %d", len(l.items), c.index)
	}
	_, t := l.of.Field(l.name)
	it, err := c.value.build(set, t)
	if err != nil {
		return err
	}
	l.items = slices.Insert(l.items, c.index, it)
	l.save(edit)
	return nil
}

func (c *change) move(set *schema.Set, edit *tree.Edit, items []path.Item) error {
	l, err := all(set, items)
	if err != nil {
		return err
	}
	if c.source >= len(l.items) || c.destination >= len(l.items) {
		return unfit("a list of %d elements has no places %d and %d", len(l.items), c.source, c.destination)
	}
	it := l.items[c.source]
	l.items = slices.Insert(slices.Delete(l.items, c.source, c.source+1), c.destination, it)
	l.save(edit)
	return nil
}
