package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Profile is a StructureDefinition with its snapshot (profiling.html). Types
// of the specification have one, too.
type Profile struct {
	URL, Version, Name, Title, Status string
	Type                              string // Observation, Extension, …
	Kind                              string // primitive-type, complex-type, resource, logical
	Base                              string // address of what it restricts
	Derivation                        string // specialization, constraint
	Abstract                          bool
	// Context says where an extension may stand.
	Context []Context
	// ContextInvariants are conditions in FHIRPath on where it stands.
	ContextInvariants []string
	// Elements is the snapshot in order, the first is the root.
	Elements []*Element
	// Generated says that the snapshot was made here from the differential.
	Generated bool

	byID map[string]*Element
}

// A Context is a place where an extension may stand; Kind is element, extension
// or fhirpath.
type Context struct{ Kind, Expression string }

// Root is the element that stands for the whole.
func (p *Profile) Root() *Element { return p.Elements[0] }

// Element finds an element by its id, as in
// "Observation.component:systolic.value[x]"; nil if there is none.
func (p *Profile) Element(id string) *Element { return p.byID[id] }

// An Element is an element of a profile (elementdefinition.html).
type Element struct {
	ID, Path, Slice string // Slice is the sliceName
	Min, Max        int    // Max is -1 without a bound
	Types           []ElementType
	Reference       string // contentReference: id of another element
	Slicing         *Slicing
	// Fixed and Pattern are what the value has to be, or has to contain.
	Fixed, Pattern     *Value
	MinValue, MaxValue *Value
	MaxLength          int // 0: none
	Binding            *Binding
	Constraints        []*Invariant
	// Base is the element of the specification that this one comes from.
	Base                        Origin
	Modifier, Summary, MustHave bool

	// Parent, Children and Slices make a tree of the snapshot: Children are
	// without slices, which are with the element that is sliced.
	Parent   *Element
	Children []*Element
	Slices   []*Element
}

// Name is the last part of the path, without [x].
func (e *Element) Name() string {
	return strings.TrimSuffix(e.Path[strings.LastIndexByte(e.Path, '.')+1:], "[x]")
}

// Choice says whether the element is a choice of types.
func (e *Element) Choice() bool { return strings.HasSuffix(e.Path, "[x]") }

// An Origin is the path and cardinality of an element where it was defined
// first.
type Origin struct {
	Path     string
	Min, Max int
}

// An ElementType is one type that an element may have.
type ElementType struct {
	Code     string   // string for what the specification gives as a System type
	Profiles []string // one of these
	Targets  []string // profiles of what a reference may point to, as addresses
	// Aggregation is how a reference may point: contained, referenced, bundled.
	Aggregation []string
	Versioning  string // either, independent, specific
}

// Slicing says how a list is divided.
type Slicing struct {
	Discriminators []Discriminator
	Ordered        bool
	Rules          string // open, closed, openAtEnd
}

// A Discriminator says what tells slices apart; Kind is value, exists, pattern,
// type or profile.
type Discriminator struct{ Kind, Path string }

// A Value is a value in a definition, such as fixedCode; Type is code.
type Value struct {
	Type string
	Node tree.Node
}

// JSON is the value as written.
func (v *Value) JSON() string { return string(v.Node.Raw()) }

// ErrNoSnapshot says that a StructureDefinition has no snapshot and that none
// could be made.
var ErrNoSnapshot = errors.New("the definition has no snapshot")

// ParseProfile reads a StructureDefinition that has a snapshot.
func ParseProfile(b []byte) (*Profile, error) {
	n, err := resource(b, "StructureDefinition")
	if err != nil {
		return nil, err
	}
	return parseProfile(n)
}

func parseProfile(n tree.Node) (*Profile, error) {
	p := header(n)
	list := n.Get("snapshot").Get("element")
	if list.Len() == 0 {
		return nil, fmt.Errorf("read %s: %w", p.URL, ErrNoSnapshot)
	}
	ids := idMaker{}
	for v := range list.Items() {
		e := &Element{Max: -1}
		e.merge(v)
		e.ID = ids.next(e)
		p.Elements = append(p.Elements, e)
	}
	return p, p.link()
}

// An idMaker knows the id that an element has to have by its place
// (elementdefinition.html#id): older definitions lack ids.
type idMaker struct{ paths, ids []string }

func (m *idMaker) next(e *Element) string {
	if strings.Count(e.Path, ".") >= maxSteps {
		return e.Path // refused later
	}
	parts := strings.Split(e.Path, ".")
	at, id := "", ""
	for i, part := range parts {
		at, id = join(at, part), join(id, part)
		last := i == len(parts)-1
		if !last && i < len(m.paths) && m.paths[i] == at {
			id = m.ids[i] // which may name a slice
			continue
		}
		if last && e.Slice != "" {
			id += ":" + e.Slice
		}
		if last && e.ID != "" {
			id = e.ID
		}
		m.paths, m.ids = append(m.paths[:i], at), append(m.ids[:i], id)
	}
	return id
}

func join(path, part string) string {
	if path == "" {
		return part
	}
	return path + "." + part
}

func header(n tree.Node) *Profile {
	p := &Profile{
		URL: n.Get("url").Text(), Version: n.Get("version").Text(), Name: n.Get("name").Text(), Title: n.Get("title").Text(),
		Status: n.Get("status").Text(), Type: typeName(n.Get("type").Text()), Kind: n.Get("kind").Text(),
		Base: n.Get("baseDefinition").Text(), Derivation: n.Get("derivation").Text(), Abstract: n.Get("abstract").Bool(),
	}
	for c := range n.Get("context").Items() {
		p.Context = append(p.Context, Context{c.Get("type").Text(), c.Get("expression").Text()})
	}
	for c := range n.Get("contextInvariant").Items() {
		p.ContextInvariants = append(p.ContextInvariants, c.Text())
	}
	return p
}

// merge takes over what an ElementDefinition says; what it does not say stays.
// Constraints are added.
func (e *Element) merge(n tree.Node) {
	for name, v := range n.Members() {
		switch name {
		case "id":
			e.ID = v.Text()
		case "path":
			e.Path = v.Text()
		case "sliceName":
			e.Slice = v.Text()
		case "min":
			e.Min = bound(v.Text())
		case "max":
			e.Max = bound(v.Text())
		case "type":
			e.Types = nil
			for t := range v.Items() {
				e.Types = append(e.Types, elementType(t))
			}
		case "contentReference":
			_, e.Reference, _ = strings.Cut(v.Text(), "#")
		case "slicing":
			e.Slicing = slicing(v)
		case "binding":
			b := elementBinding(v)
			if b.ValueSet == "" && e.Binding != nil {
				b.ValueSet = e.Binding.ValueSet // only the strength changes
			}
			e.Binding = b
		case "constraint":
			for c := range v.Items() {
				e.constrain(c)
			}
		case "base":
			e.Base = Origin{v.Get("path").Text(), bound(v.Get("min").Text()), bound(v.Get("max").Text())}
		case "maxLength":
			e.MaxLength = bound(v.Text())
		default:
			e.flag(name, v)
			e.value(name, v)
		}
	}
	if e.Base.Path == "Resource.id" && len(e.Types) == 1 {
		e.Types[0].Code = "id" // resource.html#id; the definitions say string
	}
}

func (e *Element) flag(name string, v tree.Node) {
	switch name {
	case "isModifier":
		e.Modifier = v.Bool()
	case "isSummary":
		e.Summary = v.Bool()
	case "mustSupport":
		e.MustHave = v.Bool()
	}
}

func (e *Element) constrain(n tree.Node) {
	c := &Invariant{
		Key: n.Get("key").Text(), Warning: n.Get("severity").Text() == "warning",
		Human: n.Get("human").Text(), Expression: n.Get("expression").Text(),
	}
	for i, have := range e.Constraints {
		if have.Key == c.Key {
			if c.Expression != "" {
				e.Constraints = slices.Clone(e.Constraints)
				e.Constraints[i] = c
			}
			return
		}
	}
	e.Constraints = append(slices.Clip(e.Constraints), c)
}

// value takes fixed[x], pattern[x], minValue[x] and maxValue[x].
func (e *Element) value(name string, v tree.Node) {
	for _, at := range [...]struct {
		prefix string
		to     **Value
	}{{"fixed", &e.Fixed}, {"pattern", &e.Pattern}, {"minValue", &e.MinValue}, {"maxValue", &e.MaxValue}} {
		if kind, ok := strings.CutPrefix(name, at.prefix); ok && kind != "" {
			*at.to = &Value{primitiveName(kind), v}
		}
	}
}

// primitiveName turns the Code of fixedCode into code, and leaves
// CodeableConcept.
func primitiveName(s string) string {
	low := strings.ToLower(s[:1]) + s[1:]
	switch low {
	case "base64Binary", "boolean", "canonical", "code", "date", "dateTime", "decimal", "id", "instant", "integer", "markdown",
		"oid", "positiveInt", "string", "time", "unsignedInt", "uri", "url", "uuid":
		return low
	}
	return s
}

func elementType(n tree.Node) ElementType {
	t := ElementType{Code: typeName(n.Get("code").Text()), Versioning: n.Get("versioning").Text()}
	if strings.HasPrefix(t.Code, "System.") {
		t.Code = "string"
		for x := range n.Get("extension").Items() {
			if strings.HasSuffix(x.Get("url").Text(), "/structuredefinition-fhir-type") {
				t.Code = x.Get("valueUrl").Text() + x.Get("valueUri").Text()
			}
		}
	}
	t.Profiles = strs(n.Get("profile"))
	t.Targets = strs(n.Get("targetProfile"))
	t.Aggregation = strs(n.Get("aggregation"))
	return t
}

// typeName is the name of a type that may be given as an address.
func typeName(s string) string {
	if rest, ok := strings.CutPrefix(s, "http://hl7.org/fhir/StructureDefinition/"); ok {
		return rest
	}
	if rest, ok := strings.CutPrefix(s, "http://hl7.org/fhirpath/"); ok {
		return rest
	}
	return s
}

func strs(n tree.Node) []string {
	var out []string
	for v := range n.Items() {
		out = append(out, v.Text())
	}
	return out
}

func slicing(n tree.Node) *Slicing {
	s := &Slicing{Ordered: n.Get("ordered").Bool(), Rules: n.Get("rules").Text()}
	for d := range n.Get("discriminator").Items() {
		s.Discriminators = append(s.Discriminators, Discriminator{d.Get("type").Text(), d.Get("path").Text()})
	}
	return s
}

func elementBinding(n tree.Node) *Binding {
	b := &Binding{Strength: Strength(n.Get("strength").Text()), ValueSet: n.Get("valueSet").Text()}
	for x := range n.Get("extension").Items() {
		if strings.HasSuffix(x.Get("url").Text(), "/elementdefinition-maxValueSet") {
			b.Max = x.Get("valueCanonical").Text() + x.Get("valueUri").Text()
		}
	}
	return b
}

// link makes the tree of the elements.
func (p *Profile) link() error {
	p.byID = make(map[string]*Element, len(p.Elements))
	for i, e := range p.Elements {
		if p.byID[e.ID] == nil {
			p.byID[e.ID] = e
		}
		e.Parent, e.Children, e.Slices = nil, nil, nil
		if i == 0 {
			continue
		}
		up, of := parents(e.ID)
		e.Parent = p.byID[up]
		if e.Parent == nil {
			return fmt.Errorf("read %s: element %s stands before its parent", p.URL, e.ID)
		}
		if of == "" {
			e.Parent.Children = append(e.Parent.Children, e)
			continue
		}
		sliced := p.byID[of]
		if sliced == nil { // a slice without what is sliced stands for itself
			e.Parent.Children = append(e.Parent.Children, e)
			continue
		}
		sliced.Slices = append(sliced.Slices, e)
	}
	return nil
}

// parents gives the ids of the element that holds this one and, for a slice, of
// that which is sliced: the slice a/b is a slice of a.
func parents(id string) (up, sliced string) {
	i := strings.LastIndexByte(id, '.')
	if i < 0 {
		return "", ""
	}
	up = id[:i]
	name, slice, ok := strings.Cut(id[i+1:], ":")
	if !ok {
		return up, ""
	}
	if j := strings.LastIndexByte(slice, '/'); j >= 0 {
		return up, up + "." + name + ":" + slice[:j]
	}
	return up, up + "." + name
}
