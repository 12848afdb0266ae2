package graph

import (
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A vetter checks a query against the types before anything is read, so that a
// mistake is found whether or not there is data (GraphQL §5).
type vetter struct {
	set    *schema.Set
	doc    *document
	inside []string // fragments that are being looked into
	steps  int
}

// maxSteps bounds how many selections a query has with its fragments written
// out.
const maxSteps = 10_000

// fields checks selections on a type: nil stands for a resource whose type is
// only known when it is there. root is the query itself.
func (v *vetter) fields(list []*selection, t *schema.Type, root bool) error {
	for _, s := range list {
		if v.steps++; v.steps > maxSteps {
			return s.at.wrong("the query has more than %d fields", maxSteps)
		}
		if err := v.directives(s); err != nil {
			return err
		}
		var err error
		switch {
		case s.spread != "":
			err = v.spread(s, t, root)
		case s.inline:
			err = v.condition(s.at, s.on, s.fields, t, root)
		case root:
			err = v.search(s, false)
		default:
			err = v.field(s, t)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spread checks a named fragment.
func (v *vetter) spread(s *selection, t *schema.Type, root bool) error {
	f := v.doc.fragments[s.spread]
	if f == nil {
		return s.at.wrong("there is no fragment %q", s.spread)
	}
	if slices.Contains(v.inside, s.spread) || len(v.inside) >= maxDepth {
		return s.at.wrong("the fragment %q contains itself", s.spread)
	}
	v.inside = append(v.inside, s.spread)
	defer func() { v.inside = v.inside[:len(v.inside)-1] }()
	return v.condition(f.at, f.on, f.fields, t, root)
}

// condition checks what is selected on a type.
func (v *vetter) condition(at token, on string, list []*selection, t *schema.Type, root bool) error {
	if root || on == "" {
		return v.fields(list, t, root)
	}
	of := v.set.Type(on)
	if of == nil {
		return at.wrong("there is no type %q", on)
	}
	if of.Abstract {
		of = nil
	}
	return v.fields(list, of, false)
}

// field checks a field of an element.
func (v *vetter) field(s *selection, t *schema.Type) error {
	if s.field == "__typename" || s.field == "resourceType" && (t == nil || t.Kind == schema.Resource) {
		return bare(s)
	}
	if _, _, ok := searched(v.set, s.field); ok && (t == nil || t.Kind == schema.Resource) {
		return v.search(s, true)
	}
	if t == nil {
		return nil // seen to when the resource is there
	}
	if t.Is("Reference") && s.field == "resource" {
		return v.body(s, nil)
	}
	f, of := fieldOf(t, s.field)
	if f == nil {
		return s.at.wrong("%s has no element %q", t.Name, s.field)
	}
	if strings.HasPrefix(s.field, "_") {
		return v.body(s, of)
	}
	if of.Kind == schema.Primitive {
		return bare(s)
	}
	if of.Kind == schema.Resource {
		of = nil
	}
	return v.body(s, of)
}

// search checks a read or a search.
func (v *vetter) search(s *selection, reverse bool) error {
	if s.field == "__typename" {
		return bare(s)
	}
	resource, kind, ok := searched(v.set, s.field)
	if !ok || reverse && kind == oneResource {
		return s.at.wrong("%q is neither a type nor a search, as Patient, PatientList and PatientConnection are", s.field)
	}
	if kind != connection {
		return v.body(s, v.set.Type(resource))
	}
	if len(s.fields) == 0 {
		return s.at.wrong("%s needs to know which of its fields are wanted", s.field)
	}
	return v.connection(s.fields, v.set.Type(resource))
}

// connection checks what is asked of a connection.
func (v *vetter) connection(list []*selection, t *schema.Type) error {
	for _, s := range list {
		switch s.field {
		case "count", "offset", "pagesize", "first", "previous", "next", "last", "__typename":
			if err := bare(s); err != nil {
				return err
			}
		case "edges":
			for _, e := range s.fields {
				switch e.field {
				case "mode", "score", "__typename":
					if err := bare(e); err != nil {
						return err
					}
				case "resource":
					if err := v.body(e, t); err != nil {
						return err
					}
				default:
					return e.at.wrong("an edge has mode, score and resource, no %q", e.field)
				}
			}
		default:
			return s.at.wrong("a connection has no field %q", s.field)
		}
	}
	return nil
}

// body checks what is selected within a field that has to have something.
func (v *vetter) body(s *selection, t *schema.Type) error {
	if len(s.fields) == 0 {
		return s.at.wrong("%s needs to know which of its elements are wanted", s.field)
	}
	return v.fields(s.fields, t, false)
}

// bare checks a field that has nothing within.
func bare(s *selection) error {
	if len(s.fields) > 0 {
		return s.at.wrong("%s has no elements", s.field)
	}
	return nil
}

// directives checks names and arguments of directives.
func (v *vetter) directives(s *selection) error {
	for _, d := range s.directives {
		want := ""
		switch d.name {
		case "skip", "include":
			want = "if"
		case "slice":
			want = "path"
		case "flatten", "first", "singleton":
		default:
			return d.at.wrong("there is no directive @%s", d.name)
		}
		if want == "" && len(d.args) > 0 || want != "" && (len(d.args) != 1 || d.args[0].name != want) {
			return d.at.wrong("@%s takes %s", d.name, map[bool]string{true: "no argument", false: "the argument " + want}[want == ""])
		}
	}
	return nil
}

// fieldOf finds an element of a type; _name is what stands beside a primitive.
func fieldOf(t *schema.Type, id string) (*schema.Field, *schema.Type) {
	beside, ok := strings.CutPrefix(id, "_")
	f, of := t.Field(beside)
	if f == nil || ok && of.Kind != schema.Primitive {
		return nil, nil
	}
	return f, of
}

// A searchKind says what a name at the top asks for.
type searchKind uint8

const (
	oneResource searchKind = iota + 1
	list
	connection
)

// searched reads Patient, PatientList, PatientConnection. List itself is a
// resource type.
func searched(set *schema.Set, id string) (resource string, kind searchKind, ok bool) {
	is := func(id string) bool {
		t := set.Type(id)
		return t != nil && t.Kind == schema.Resource && !t.Abstract
	}
	if r, ok := strings.CutSuffix(id, "Connection"); ok && is(r) {
		return r, connection, true
	}
	if r, ok := strings.CutSuffix(id, "List"); ok && is(r) {
		return r, list, true
	}
	return id, oneResource, is(id)
}
