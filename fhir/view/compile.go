package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A compiler reads a ViewDefinition.
type compiler struct {
	v       *View
	options []path.Option
	columns int
}

// Compile reads a ViewDefinition. An error in it is an *Error.
func Compile(set *schema.Set, n tree.Node) (*View, error) {
	v := &View{Name: n.Get("name").Text(), set: set, consts: map[string][]path.Item{}}
	c := compiler{v: v, options: []path.Option{path.With(resourceKey()), path.With(referenceKey()), path.With(join())}}
	if n.Kind() != tree.Object {
		return nil, &Error{"", "a ViewDefinition is an object"}
	}
	r := n.Get("resource")
	if v.Resource = r.Text(); !r.Ok() || v.Resource == "" {
		return nil, &Error{"resource", "is missing"}
	}
	if t := set.Type(v.Resource); t == nil || t.Kind != schema.Resource || t.Abstract {
		return nil, &Error{"resource", fmt.Sprintf("there is no resource %q", v.Resource)}
	}
	if err := c.constants(n); err != nil {
		return nil, err
	}
	for w, at := range each(n, "", "where") {
		e, err := c.expression(w, at, "path", true)
		if err != nil {
			return nil, err
		}
		v.where = append(v.where, e)
	}
	root := &selection{}
	for s, at := range each(n, "", "select") {
		sub, err := c.selection(s, at)
		if err != nil {
			return nil, err
		}
		root.selects = append(root.selects, sub)
	}
	if len(root.selects) == 0 {
		return nil, &Error{"select", "is missing"}
	}
	v.root = root
	v.Columns = columnsOf(root)
	return v, distinctNames(v.Columns)
}

// each goes through a list of objects with their places.
func each(n tree.Node, at, name string) func(yield func(tree.Node, string) bool) {
	return func(yield func(tree.Node, string) bool) {
		i := 0
		for e := range n.Get(name).Items() {
			if !yield(e, fmt.Sprintf("%s%s[%d]", at, name, i)) {
				return
			}
			i++
		}
	}
}

// constants reads what expressions know as %name.
func (c *compiler) constants(n tree.Node) error {
	for k, at := range each(n, "", "constant") {
		name := k.Get("name").Text()
		if !isName(name) {
			return &Error{at + ".name", "is not a name of letters, digits and underscores"}
		}
		if _, twice := c.v.consts[name]; twice || name == "rowIndex" {
			return &Error{at + ".name", fmt.Sprintf("%%%s is there already", name)}
		}
		var found []path.Item
		for member, v := range k.Members() {
			kind, ok := strings.CutPrefix(member, "value")
			if !ok || kind == "" {
				continue
			}
			t := c.v.set.Type(strings.ToLower(kind[:1]) + kind[1:])
			if t == nil || t.Kind != schema.Primitive {
				return &Error{at + "." + member, "is not of a primitive type"}
			}
			found = append(found, path.Element(c.v.set, t, v, tree.Node{}))
		}
		if len(found) != 1 || found[0].Value() == nil {
			return &Error{at, "a constant has one value"}
		}
		c.v.consts[name] = found
	}
	return nil
}

// isName tells whether a name may stand in SQL.
func isName(s string) bool {
	for i, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || i > 0 && (r >= '0' && r <= '9' || r == '_')) {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// expression reads a member that is FHIRPath.
func (c *compiler) expression(n tree.Node, at, name string, root bool) (*path.Expr, error) {
	m := n.Get(name)
	if m.Kind() != tree.String {
		return nil, &Error{at + "." + name, "is not a FHIRPath expression"}
	}
	return c.compile(m, at+"."+name, root)
}

func (c *compiler) compile(m tree.Node, at string, root bool) (*path.Expr, error) {
	if m.Kind() != tree.String {
		return nil, &Error{at, "is not a FHIRPath expression"}
	}
	e, err := path.Compile(m.Text(), c.options...)
	if err != nil {
		return nil, &Error{at, err.Error()}
	}
	if root {
		if err := e.Check(c.v.set, c.v.Resource); err != nil {
			c.v.Doubts = append(c.v.Doubts, at+": "+err.Error())
		}
	}
	return e, nil
}

// selection reads a select.
func (c *compiler) selection(n tree.Node, at string) (*selection, error) {
	if n.Kind() != tree.Object {
		return nil, &Error{at, "is not an object"}
	}
	s := &selection{}
	if err := c.iteration(s, n, at); err != nil {
		return nil, err
	}
	root := s.each == nil && s.repeat == nil && !strings.Contains(at, ".")
	for k, at := range each(n, at+".", "column") {
		col, err := c.column(k, at, root)
		if err != nil {
			return nil, err
		}
		s.columns = append(s.columns, col)
	}
	for k, at := range each(n, at+".", "select") {
		sub, err := c.selection(k, at)
		if err != nil {
			return nil, err
		}
		s.selects = append(s.selects, sub)
	}
	for k, at := range each(n, at+".", "unionAll") {
		sub, err := c.selection(k, at)
		if err != nil {
			return nil, err
		}
		if len(s.unions) > 0 {
			if err := sameColumns(columnsOf(s.unions[0]), columnsOf(sub), at); err != nil {
				return nil, err
			}
		}
		s.unions = append(s.unions, sub)
	}
	s.width = len(columnsOf(s))
	return s, nil
}

// iteration reads forEach, forEachOrNull or repeat, of which one may be there.
func (c *compiler) iteration(s *selection, n tree.Node, at string) (err error) {
	count := 0
	for _, name := range [...]string{"forEach", "forEachOrNull"} {
		if n.Get(name).Ok() {
			count++
			s.orNull = name == "forEachOrNull"
			if s.each, err = c.expression(n, at, name, !strings.Contains(at, ".")); err != nil {
				return err
			}
		}
	}
	for m, at := range each(n, at+".", "repeat") {
		e, err := c.compile(m, at, false)
		if err != nil {
			return err
		}
		s.repeat = append(s.repeat, e)
	}
	if s.repeat != nil {
		count++
	}
	if count > 1 {
		return &Error{at, "has more than one of forEach, forEachOrNull and repeat"}
	}
	return nil
}

// column reads a column.
func (c *compiler) column(n tree.Node, at string, root bool) (column, error) {
	if c.columns++; c.columns > MaxColumns {
		return column{}, &Error{at, fmt.Sprintf("a view has at most %d columns", MaxColumns)}
	}
	col := column{Column: Column{
		Name: n.Get("name").Text(), Description: n.Get("description").Text(), Collection: n.Get("collection").Bool(),
		Type: strings.TrimPrefix(n.Get("type").Text(), "http://hl7.org/fhir/StructureDefinition/"),
	}}
	if !isName(col.Name) {
		return column{}, &Error{at + ".name", "is not a name of letters, digits and underscores"}
	}
	if t := c.v.set.Type(col.Type); col.Type != "" && (t == nil || t.Kind != schema.Primitive) && !strings.HasPrefix(col.Type, "http://hl7.org/fhirpath/System.") {
		return column{}, &Error{at + ".type", fmt.Sprintf("%q is not a primitive type", col.Type)}
	}
	var err error
	col.path, err = c.expression(n, at, "path", root)
	return col, err
}

// columnsOf lists the columns of a selection in the order of the specification.
func columnsOf(s *selection) []Column {
	var all []Column
	for _, c := range s.columns {
		all = append(all, c.Column)
	}
	for _, sub := range s.selects {
		all = append(all, columnsOf(sub)...)
	}
	if len(s.unions) > 0 {
		all = append(all, columnsOf(s.unions[0])...)
	}
	return all
}

// sameColumns checks the parts of a union.
func sameColumns(a, b []Column, at string) error {
	same := slices.EqualFunc(a, b, func(x, y Column) bool {
		return x.Name == y.Name && x.Type == y.Type && x.Collection == y.Collection
	})
	if !same {
		return &Error{at, "its columns are not those of the first part of the union, in the same order"}
	}
	return nil
}

func distinctNames(all []Column) error {
	seen := map[string]bool{}
	for _, c := range all {
		if seen[c.Name] {
			return &Error{"select", fmt.Sprintf("there are two columns %q", c.Name)}
		}
		seen[c.Name] = true
	}
	return nil
}

// resourceKey is getResourceKey(): what rows about a resource are joined by.
func resourceKey() path.Function {
	return path.Function{Name: "getResourceKey", Call: func(in []path.Item, _ [][]path.Item) ([]path.Item, error) {
		var out []path.Item
		for _, i := range in {
			if id := i.Node().Get("id").Text(); id != "" && i.Type() != nil && i.Type().Kind == schema.Resource {
				out = append(out, path.Of(id))
			}
		}
		return out, nil
	}}
}

// referenceKey is getReferenceKey(type): the key of what a Reference means, so
// that it is equal to the getResourceKey() there.
func referenceKey() path.Function {
	return path.Function{Name: "getReferenceKey", Max: 1, OfType: func(in []path.Item, want string) ([]path.Item, error) {
		var out []path.Item
		for _, i := range in {
			kind, id := splitReference(i.Node().Get("reference").Text())
			if id != "" && (want == "" || kind == want) {
				out = append(out, path.Of(id))
			}
		}
		return out, nil
	}}
}

// splitReference takes type and id out of Patient/1, also within an address and
// before a version.
func splitReference(ref string) (kind, id string) {
	if strings.HasPrefix(ref, "#") || strings.Contains(ref, "?") {
		return "", ""
	}
	parts := strings.Split(ref, "/")
	if n := len(parts); n >= 4 && parts[n-2] == "_history" {
		parts = parts[:n-2]
	}
	if len(parts) < 2 {
		return "", ""
	}
	return parts[len(parts)-2], parts[len(parts)-1]
}

// join is FHIRPath's, but that it makes an empty text of nothing, as the suite
// of SQL on FHIR has it.
func join() path.Function {
	return path.Function{Name: "join", Max: 1, Call: func(in []path.Item, args [][]path.Item) ([]path.Item, error) {
		by := ""
		if len(args) == 1 && len(args[0]) == 1 {
			by = args[0][0].String()
		}
		var parts []string
		size := 0
		for _, i := range in {
			s, ok := i.Value().(string)
			if !ok && i.Value() != nil {
				return nil, fmt.Errorf("join() joins texts")
			}
			if size += len(s) + len(by); size > maxText {
				return nil, fmt.Errorf("join() would make more than %d bytes", maxText)
			}
			if ok {
				parts = append(parts, s)
			}
		}
		return []path.Item{path.Of(strings.Join(parts, by))}, nil
	}}
}
