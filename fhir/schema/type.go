package schema

import "strings"

// A Kind says what sort of type it is.
type Kind uint8

// The sorts of types.
const (
	Primitive Kind = iota + 1 // boolean, string, dateTime, xhtml, …
	Complex                   // HumanName, Quantity, Extension, …
	Backbone                  // an element with children of its own: Observation.component
	Resource                  // Patient, Bundle, …
)

// A Type is one type of the specification.
type Type struct {
	Name     string // Patient, HumanName, string, Observation.component
	URL      string // of its StructureDefinition, "" for a Backbone
	Kind     Kind
	Base     *Type // nil for Element and Resource
	Abstract bool
	// Fields are all elements, inherited ones too, in the order of the
	// definition. Those of a primitive type are id and extension, which stand
	// beside its value (json.html#primitive).
	Fields []*Field
	// Invariants hold for every value of this type; inherited ones are here,
	// too.
	Invariants []*Invariant
	// Pattern is the regular expression of a primitive type; it is anchored at
	// both ends by meaning, not by text.
	Pattern string

	names  names
	choice map[string]*Field
}

// Field finds the element that a member of a JSON object means, and its type:
// for "valueQuantity" the element value[x] and the type Quantity, for
// "component" its Backbone type. It is nil where there is none. The member
// names of primitives that start with an underscore are not known here.
func (t *Type) Field(name string) (*Field, *Type) {
	return t.names.find(name)
}

// Choice returns the element value[x] for "value", nil if there is none.
func (t *Type) Choice(name string) *Field { return t.choice[name] }

// Named returns the element with this name as FHIRPath knows it: "value" for
// value[x], "component" for component.
func (t *Type) Named(name string) *Field {
	if f := t.choice[name]; f != nil {
		return f
	}
	f, _ := t.names.find(name)
	if f != nil && f.Choice {
		return nil
	}
	return f
}

// Is says whether this is the named type or a specialization of it.
func (t *Type) Is(name string) bool {
	for ; t != nil; t = t.Base {
		if t.Name == name {
			return true
		}
	}
	return false
}

// A Field is one element of a type.
type Field struct {
	Name   string // without [x]
	Path   string // Observation.value[x]
	Choice bool
	// Types are the possible types, more than one only with Choice.
	Types []*Type
	// Targets are what a Reference or canonical may point to, as type names;
	// profiles of other guides stay addresses. Empty means anything.
	Targets []string
	// Profiles restrict the types, such as Quantity to SimpleQuantity.
	Profiles []TypeProfile
	Min, Max int // Max is -1 without a bound
	Binding  *Binding
	// Invariants hold here in addition to those of the type.
	Invariants []*Invariant
	Summary    bool // part of _summary=true
	Modifier   bool // changes the meaning of what holds it
	Attribute  bool // an attribute in XML
	Index      int  // place among the fields of its type
}

// Repeats says whether the element is an array in JSON.
func (f *Field) Repeats() bool { return f.Max < 0 || f.Max > 1 }

// Member returns the JSON name under which a value of this type stands.
func (f *Field) Member(t *Type) string {
	if !f.Choice {
		return f.Name
	}
	return f.Name + strings.ToUpper(t.Name[:1]) + t.Name[1:]
}

// A TypeProfile says that a value of a type has to follow a profile.
type TypeProfile struct{ Type, URL string }

// A Strength says how binding a value set is (terminologies.html#strength).
type Strength string

// The strengths.
const (
	Required   Strength = "required"
	Extensible Strength = "extensible"
	Preferred  Strength = "preferred"
	Example    Strength = "example"
)

// A Binding says from which value set a code is to be taken.
type Binding struct {
	Strength Strength
	ValueSet string // canonical, perhaps with |version
	Max      string // what not even an extensible binding may leave, or ""
}

// An Invariant is a constraint in FHIRPath.
type Invariant struct {
	Key        string
	Warning    bool // severity is warning, not error
	Human      string
	Expression string // "" where the definition has none
}

// names is a hash table with linear probing from JSON names to fields: it is
// asked for every member of every resource.
type names struct {
	mask uint32
	tab  []named
}

type named struct {
	name string
	f    *Field
	t    *Type
}

func hashName(s string) uint32 {
	n := len(s)
	if n == 0 {
		return 0
	}
	h := uint32(n)*0x9E3779B1 ^ uint32(s[0])*0x85EBCA6B ^ uint32(s[n-1])*0xC2B2AE35 ^
		uint32(s[n/2])*0x27D4EB2F ^ uint32(s[n/3])*0x165667B1 ^ uint32(s[n-1-n/4])*0xD3A2646C
	return h ^ h>>15
}

func (m *names) find(name string) (*Field, *Type) {
	if m.tab == nil {
		return nil, nil
	}
	for i := hashName(name); ; i++ {
		e := &m.tab[i&m.mask]
		if e.f == nil || e.name == name {
			return e.f, e.t
		}
	}
}

// index fills the table, at most half full.
func (t *Type) index() {
	n := 0
	for _, f := range t.Fields {
		n += max(1, len(f.Types))
	}
	size := 4
	for size < 2*n {
		size *= 2
	}
	t.names = names{mask: uint32(size - 1), tab: make([]named, size)}
	for i, f := range t.Fields {
		f.Index = i
		if !f.Choice {
			var of *Type
			if len(f.Types) > 0 {
				of = f.Types[0]
			}
			t.names.add(f.Name, f, of)
			continue
		}
		if t.choice == nil {
			t.choice = map[string]*Field{}
		}
		t.choice[f.Name] = f
		for _, of := range f.Types {
			t.names.add(f.Member(of), f, of)
		}
	}
}

func (m *names) add(name string, f *Field, t *Type) {
	i := hashName(name)
	for m.tab[i&m.mask].f != nil {
		i++
	}
	m.tab[i&m.mask] = named{name, f, t}
}
