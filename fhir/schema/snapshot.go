package schema

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Bounds of generated snapshots.
const (
	maxElements = 50_000 // of one snapshot
	maxSteps    = 64     // parts of an element's id
	maxChain    = 32     // profiles that build on each other
)

var (
	errCircle = errors.New("profiles build on each other in a circle")
	errLarge  = errors.New("snapshot is too large")
)

// Profile finds a StructureDefinition with its snapshot, nil if there is none.
// Where the snapshot is missing it is made from the differential.
func (s *Set) Profile(canonical string) *Profile {
	p, err := s.ReadProfile(canonical)
	if err != nil {
		return nil
	}
	return p
}

// ReadProfile is Profile with the reason why there is none.
func (s *Set) ReadProfile(canonical string) (*Profile, error) {
	g := generator{set: s, active: map[*Definition]bool{}}
	return g.profile(canonical)
}

// A generator makes snapshots (profiling.html#snapshot). One is used for one
// question, so that it knows what is being made.
type generator struct {
	set    *Set
	active map[*Definition]bool
	size   int
}

func (g *generator) profile(canonical string) (*Profile, error) {
	d := g.set.defs.find("StructureDefinition", canonical)
	if d == nil {
		return nil, fmt.Errorf("profile %s is not known", canonical)
	}
	p, err := read(d, func(text string) (*Profile, error) { return ParseProfile([]byte(text)) })
	if !errors.Is(err, ErrNoSnapshot) {
		return p, err
	}
	if made, ok := g.set.made.Load(d); ok {
		p, _ := made.(*Profile)
		return p, nil
	}
	if g.active[d] || len(g.active) > maxChain {
		return nil, fmt.Errorf("make a snapshot of %s: %w", canonical, errCircle)
	}
	g.active[d] = true
	defer delete(g.active, d)
	b, err := d.JSON()
	if err != nil {
		return nil, err
	}
	n, err := resource(b, "StructureDefinition")
	if err != nil {
		return nil, err
	}
	p, err = g.generate(n)
	if err != nil {
		return nil, fmt.Errorf("make a snapshot of %s: %w", canonical, err)
	}
	g.set.made.Store(d, p)
	return p, nil
}

// Snapshot makes the snapshot of a StructureDefinition from its differential
// and the snapshot of what it builds on.
func (s *Set) Snapshot(b []byte) (*Profile, error) {
	n, err := resource(b, "StructureDefinition")
	if err != nil {
		return nil, err
	}
	g := generator{set: s, active: map[*Definition]bool{}}
	return g.generate(n)
}

func (g *generator) generate(n tree.Node) (*Profile, error) {
	p := header(n)
	p.Generated = true
	base, err := g.profile(p.Base)
	if err != nil {
		return nil, err
	}
	if p.Type == "" {
		p.Type = base.Type
	}
	root, err := g.grow(base.Root(), base.Root().Path, base.Root().ID)
	if err != nil {
		return nil, err
	}
	if p.Derivation == "specialization" {
		root.rename(p.Type, p.Type)
	}
	t := sapling{g: g, root: root, grows: p.Derivation == "specialization"}
	ids := idMaker{}
	for v := range n.Get("differential").Get("element").Items() {
		var e Element
		e.merge(v)
		e.ID = ids.next(&e)
		if err := t.apply(&e, v); err != nil {
			return nil, err
		}
	}
	root.list(&p.Elements)
	return p, p.link()
}

// A twig is an element of a snapshot that is being made.
type twig struct {
	e        *Element
	from     *Element // what it was grown from, in a finished snapshot
	of       *twig    // what it is a slice of
	children []*twig
	slices   []*twig
}

// grow copies an element with its children and slices to another place.
func (g *generator) grow(e *Element, path, id string) (*twig, error) {
	if g.size++; g.size > maxElements {
		return nil, errLarge
	}
	c := *e
	c.Parent, c.Children, c.Slices = nil, nil, nil
	c.Path, c.ID = path, id
	t := &twig{e: &c, from: e}
	for _, k := range e.Children {
		sub, err := g.grow(k, path+"."+last(k.Path), id+"."+last(k.ID))
		if err != nil {
			return nil, err
		}
		t.children = append(t.children, sub)
	}
	for _, k := range e.Slices {
		sub, err := g.grow(k, path, id+strings.TrimPrefix(k.ID, e.ID))
		if err != nil {
			return nil, err
		}
		sub.of = t
		t.slices = append(t.slices, sub)
	}
	return t, nil
}

func last(s string) string { return s[strings.LastIndexByte(s, '.')+1:] }

func (t *twig) rename(path, id string) {
	for _, k := range t.children {
		k.rename(path+"."+last(k.e.Path), id+"."+last(k.e.ID))
	}
	for _, k := range t.slices {
		k.rename(path, id+strings.TrimPrefix(k.e.ID, t.e.ID))
	}
	t.e.Path, t.e.ID = path, id
}

// list writes the tree in the order of snapshots: an element, what is in it,
// then its slices.
func (t *twig) list(out *[]*Element) {
	*out = append(*out, t.e)
	for _, k := range t.children {
		k.list(out)
	}
	for _, k := range t.slices {
		k.list(out)
	}
}

// A sapling is the tree to which a differential is applied.
type sapling struct {
	g     *generator
	root  *twig
	grows bool // new elements may be added
}

func (s *sapling) apply(e *Element, n tree.Node) error {
	steps := strings.Split(e.ID, ".")
	if len(steps) > maxSteps {
		return fmt.Errorf("element %s: %w", e.ID, errLarge)
	}
	at := s.root
	for i, step := range steps[1:] {
		next, err := s.step(at, step, i == len(steps)-2)
		if err != nil {
			return fmt.Errorf("element %s: %w", e.ID, err)
		}
		at = next
	}
	id, path, slice := at.e.ID, at.e.Path, at.e.Slice
	at.e.merge(n)
	at.e.ID, at.e.Path = id, path
	at.e.Slice = slice
	if at.of != nil && at.of.e.Choice() && at.e.Min > 0 && len(at.e.Types) == 1 && at.of.e.Max == 1 {
		// One value at most and this type at least: there is no other.
		at.of.e.Min, at.of.e.Types = at.e.Min, at.e.Types
		if at.of.e.Slicing != nil {
			closed := *at.of.e.Slicing
			closed.Rules = "closed"
			at.of.e.Slicing = &closed
		}
	}
	return nil
}

// step goes down by one part of an id, such as component:systolic.
func (s *sapling) step(t *twig, step string, end bool) (*twig, error) {
	name, slice, _ := strings.Cut(step, ":")
	if len(t.children) == 0 {
		if err := s.unfold(t); err != nil {
			return nil, err
		}
	}
	child := t.child(name)
	if child == nil {
		child, slice = t.shortcut(name, slice)
	}
	if child == nil && s.grows && end {
		child = &twig{e: &Element{ID: t.e.ID + "." + name, Path: t.e.Path + "." + name, Max: -1}}
		child.from = child.e
		t.children = append(t.children, child)
	}
	if child == nil {
		return nil, fmt.Errorf("%s has no element %s", t.e.Path, name)
	}
	for slice != "" {
		// the slice a/b is a slice of a
		part, rest, deeper := nextSlice(slice, child.e.Slice)
		next, err := s.slice(child, part)
		if err != nil {
			return nil, err
		}
		child = next
		if !deeper {
			break
		}
		slice = rest
	}
	return child, nil
}

// nextSlice gives the name of the next slice on the way to a slice: a, then
// a/b.
func nextSlice(slice, have string) (part, rest string, deeper bool) {
	from := 0
	if have != "" && strings.HasPrefix(slice, have+"/") {
		from = len(have) + 1
	}
	if i := strings.IndexByte(slice[from:], '/'); i >= 0 {
		return slice[:from+i], slice, true
	}
	return slice, "", false
}

func (t *twig) child(name string) *twig {
	for _, k := range t.children {
		if last(k.e.Path) == name {
			return k
		}
	}
	return nil
}

// shortcut finds value[x] for valueQuantity, which stands for the slice of that
// type; for a choice that has only that type it is the element itself.
func (t *twig) shortcut(name, slice string) (*twig, string) {
	for _, k := range t.children {
		stem, ok := strings.CutSuffix(last(k.e.Path), "[x]")
		if !ok || !strings.HasPrefix(name, stem) {
			continue
		}
		for _, of := range k.e.Types {
			if name == stem+strings.ToUpper(of.Code[:1])+of.Code[1:] {
				switch {
				case len(k.slices) > 0 || slice != "":
					return k, name
				case len(k.e.Types) == 1:
					return k, ""
				case strings.Contains(t.e.ID, ":"):
					// Within a slice it is not a slice again, but the type.
					k.e.Types = []ElementType{of}
					return k, ""
				}
				return k, name
			}
		}
	}
	return nil, slice
}

// slice finds or makes a slice.
func (s *sapling) slice(t *twig, name string) (*twig, error) {
	for _, k := range t.slices {
		if k.e.Slice == name {
			return k, nil
		}
	}
	id := t.e.ID + ":" + name
	if t.e.Slice != "" {
		id = strings.TrimSuffix(t.e.ID, t.e.Slice) + name
	}
	// A slice begins as what the profile builds on: what this profile says of
	// the whole list holds for the slice anyway.
	whole := *t.from
	whole.Slices = nil
	k, err := s.g.grow(&whole, t.e.Path, id)
	if err != nil {
		return nil, err
	}
	k.e.Slice, k.e.Slicing, k.e.Min = name, nil, 0
	name = last(t.e.Path)
	if t.e.Slicing == nil && (name == "extension" || name == "modifierExtension") {
		t.e.Slicing = &Slicing{Discriminators: []Discriminator{{"value", "url"}}, Rules: "open"}
	}
	if stem, ok := strings.CutSuffix(name, "[x]"); ok {
		s.sliceByType(t, k, strings.TrimPrefix(k.e.Slice, stem))
	}
	k.of = t
	t.slices = append(t.slices, k)
	return k, nil
}

// sliceByType narrows the slice valueQuantity of value[x] to its type; that a
// choice is sliced by type needs no word in the differential.
func (s *sapling) sliceByType(t, k *twig, suffix string) {
	if t.e.Slicing == nil {
		t.e.Slicing = &Slicing{Discriminators: []Discriminator{{"type", "$this"}}, Rules: "open"}
	}
	for _, of := range t.e.Types {
		if suffix == strings.ToUpper(of.Code[:1])+of.Code[1:] {
			k.e.Types = []ElementType{of}
			return
		}
	}
}

// unfold gives an element the children of its type.
func (s *sapling) unfold(t *twig) error {
	from, err := s.origin(t)
	if err != nil {
		return err
	}
	for _, k := range from {
		sub, err := s.g.grow(k, t.e.Path+"."+last(k.Path), t.e.ID+"."+last(k.ID))
		if err != nil {
			return err
		}
		t.children = append(t.children, sub)
	}
	return nil
}

// origin returns the children that an element has by its type.
func (s *sapling) origin(t *twig) ([]*Element, error) {
	if t.e.Reference != "" {
		of := s.find(t.e.Reference)
		if of == nil {
			return nil, fmt.Errorf("there is no element %s to take the content from", t.e.Reference)
		}
		t.e.Types, t.e.Reference = of.e.Types, ""
		return of.from.Children, nil
	}
	name := "Element"
	if len(t.e.Types) == 1 {
		name = t.e.Types[0].Code
		for _, url := range t.e.Types[0].Profiles {
			if p, err := s.g.profile(url); err == nil && len(t.e.Types[0].Profiles) == 1 {
				return p.Root().Children, nil
			}
		}
	}
	p, err := s.g.profile("http://hl7.org/fhir/StructureDefinition/" + name)
	if err != nil {
		return nil, err
	}
	return p.Root().Children, nil
}

func (s *sapling) find(id string) *twig {
	at := s.root
	for step := range strings.SplitSeq(id, ".") {
		if at == s.root && step == last(s.root.e.Path) {
			continue
		}
		if at = at.child(step); at == nil {
			return nil
		}
	}
	return at
}
