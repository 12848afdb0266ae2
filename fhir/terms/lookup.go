package terms

import (
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A Concept is what is known of a code (codesystem-operation-lookup.html).
type Concept struct {
	System, Name, Version, Code, Display, Definition string
	Abstract, Inactive                               bool
	Designations                                     []schema.Designation
	Properties                                       []schema.Property
	Parents, Children                                []Coding
}

// Lookup tells what a code means.
func (t *Terms) Lookup(c Coding, language string) (*Concept, error) {
	s := t.system(t.now(), c.System, c.Version)
	if s == nil {
		if g := grammar(c.System); g != nil {
			if g(c.Code) {
				return &Concept{System: c.System, Name: c.System, Code: c.Code, Display: c.Code}, nil
			}
			return nil, vigil.Errorf(vigil.NotFound, "%s has no code %q", c.System, c.Code)
		}
		return nil, unknown("code system %s is not loaded", c.System)
	}
	at := s.place(c.Code)
	if at < 0 {
		return nil, vigil.Errorf(vigil.NotFound, "%s has no code %q", c.System, c.Code)
	}
	k := &s.Concepts[at]
	e := entry(s, at)
	e = e.in(language)
	out := &Concept{
		System: s.URL, Name: s.Name, Version: s.Version, Code: k.Code, Display: e.Display, Definition: k.Definition,
		Abstract: e.Abstract, Inactive: e.Inactive, Designations: k.Designations, Properties: k.Properties,
		Parents: s.codings(s.parents[at]), Children: s.codings(s.children[at]),
	}
	return out, nil
}

func (s *system) codings(at []int32) []Coding {
	var out []Coding
	for _, i := range at {
		out = append(out, Coding{System: s.URL, Code: s.Concepts[i].Code, Display: s.Concepts[i].Display})
	}
	slices.SortFunc(out, func(a, b Coding) int {
		if a.Code < b.Code {
			return -1
		}
		return 1
	})
	return out
}

// A Relation is how one code relates to another
// (codesystem-operation-subsumes.html).
type Relation string

// The relations of a first code to a second.
const (
	Equivalent  Relation = "equivalent"
	Subsumes    Relation = "subsumes"
	SubsumedBy  Relation = "subsumed-by"
	NotSubsumed Relation = "not-subsumed"
)

// Subsumes tells how a code relates to another of the same system.
func (t *Terms) Subsumes(a, b Coding) (Relation, error) {
	if a.System != b.System {
		return "", vigil.Errorf(vigil.Invalid, "the codes are of two systems, %s and %s", a.System, b.System)
	}
	s := t.system(t.now(), a.System, a.Version)
	if s == nil {
		return "", unknown("code system %s is not loaded", a.System)
	}
	i, j := s.place(a.Code), s.place(b.Code)
	for _, c := range [...]struct {
		at   int32
		code string
	}{{i, a.Code}, {j, b.Code}} {
		if c.at < 0 {
			return "", vigil.Errorf(vigil.NotFound, "%s has no code %q", a.System, c.code)
		}
	}
	switch {
	case i == j:
		return Equivalent, nil
	case s.below(i)[j]:
		return Subsumes, nil
	case s.above(i)[j]:
		return SubsumedBy, nil
	}
	return NotSubsumed, nil
}
