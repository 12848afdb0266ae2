package schema

import (
	_ "embed" // the definitions are part of the program
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:embed r4.pack
var r4pack []byte

// R4 is the specification itself. It is read at the first call.
func R4() *Set { return r4() }

var r4 = sync.OnceValue(func() *Set {
	s, err := load(r4pack)
	if err != nil {
		panic("schema: the definitions that are part of the program: " + err.Error())
	}
	return s
})

// A Set is a set of definitions.
type Set struct {
	types        map[string]*Type
	resources    []string
	params       map[string]map[string]*Param // resource → code
	listed       map[string][]*Param          // resource → sorted by code
	byURL        map[string]*Param
	compartments map[string]map[string][]string
	defs         library
	packages     []*Package
	made         sync.Map // *Definition → *Profile whose snapshot was generated
}

func load(b []byte) (*Set, error) {
	p, err := openPack(b)
	if err != nil {
		return nil, err
	}
	text := func(name string) string {
		s, e := p.section(name)
		if e != nil && err == nil {
			err = e
		}
		return s
	}
	types, params, compartments, index := text("types"), text("params"), text("compartments"), text("index")
	if err != nil {
		return nil, err
	}
	s := &Set{}
	if s.types, err = readTypes(types); err != nil {
		return nil, fmt.Errorf("read types: %w", err)
	}
	for name, t := range s.types {
		if t.Kind == Resource && !t.Abstract {
			s.resources = append(s.resources, name)
		}
	}
	slices.Sort(s.resources)
	if s.compartments, err = readCompartments(compartments); err != nil {
		return nil, fmt.Errorf("read compartments: %w", err)
	}
	list, err := readParams(params)
	if err != nil {
		return nil, fmt.Errorf("read parameters: %w", err)
	}
	s.setParams(list)
	s.defs, err = readIndex(index, p)
	return s, err
}

func readIndex(index string, p *packFile) (library, error) {
	lib := library{by: make(map[string][]*Definition, 4096)}
	for kind, l := range lines(index) {
		if kind != "D" {
			return lib, fmt.Errorf("line of unknown kind %q", kind)
		}
		d := &Definition{Kind: l.next(), URL: l.next(), Version: l.next(), ID: l.next(), Name: l.next(), Of: l.next(), Derived: l.next()}
		if url, version, ok := strings.Cut(d.URL, "|"); ok {
			d.URL, d.Version = url, version // some tables of HL7 v2 are published so
		}
		frame, from, size := "frame"+l.next(), l.num(), l.num()
		d.text = func() (string, error) {
			s, err := p.section(frame)
			if err != nil {
				return "", err
			}
			if from < 0 || size < 0 || from+size > len(s) {
				return "", errPack
			}
			return s[from : from+size], nil
		}
		lib.add(d)
	}
	return lib, nil
}

// setParams sorts parameters to the resources that they are for.
func (s *Set) setParams(list []*Param) {
	s.byURL = make(map[string]*Param, len(list))
	for _, p := range list {
		s.byURL[p.URL] = p
	}
	for _, p := range list {
		for i := range p.Components {
			c := &p.Components[i]
			if of := s.byURL[c.Definition]; of != nil && c.Code == "" {
				c.Code = of.Code
			}
		}
	}
	s.params = make(map[string]map[string]*Param, len(s.resources))
	s.listed = make(map[string][]*Param, len(s.resources))
	bases := map[string][]*Param{}
	for _, p := range list {
		for _, b := range p.Bases {
			bases[b] = append(bases[b], p)
		}
	}
	for name, t := range s.types {
		if t.Kind != Resource {
			continue
		}
		codes := map[string]*Param{}
		for up := t; up != nil; up = up.Base {
			for _, p := range bases[up.Name] {
				if codes[p.Code] == nil || up == t {
					codes[p.Code] = p
				}
			}
		}
		sorted := make([]*Param, 0, len(codes))
		for _, p := range codes {
			sorted = append(sorted, p)
		}
		slices.SortFunc(sorted, func(a, b *Param) int { return strings.Compare(a.Code, b.Code) })
		s.params[name], s.listed[name] = codes, sorted
	}
}

// Type finds a type by name: Patient, HumanName, string, Observation.component;
// nil if there is none.
func (s *Set) Type(name string) *Type { return s.types[name] }

// Resources returns the names of all concrete resource types, sorted. The
// caller must not change it.
func (s *Set) Resources() []string { return s.resources }

// Params returns the search parameters of a resource type sorted by code, those
// of Resource and DomainResource included. The caller must not change it.
func (s *Set) Params(resource string) []*Param { return s.listed[resource] }

// Param finds a search parameter, nil if there is none.
func (s *Set) Param(resource, code string) *Param { return s.params[resource][code] }

// ParamByURL finds a search parameter by its address.
func (s *Set) ParamByURL(url string) *Param { return s.byURL[url] }

// AllParams returns every search parameter sorted by address.
func (s *Set) AllParams() []*Param {
	out := make([]*Param, 0, len(s.byURL))
	for _, p := range s.byURL {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *Param) int { return strings.Compare(a.URL, b.URL) })
	return out
}

// Compartments returns the names of the compartments.
func (s *Set) Compartments() []string {
	return []string{"Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"}
}

// Compartment returns the codes of the parameters by which a resource is in a
// compartment (compartmentdefinition.html); nil if it never is. Some of them
// are {def}: the resource is in its own compartment.
func (s *Set) Compartment(name, resource string) []string { return s.compartments[name][resource] }

// Definition finds a conformance resource by type and canonical, which may
// carry |version; without one it is the newest. It is nil if there is none.
func (s *Set) Definition(kind, canonical string) *Definition { return s.defs.find(kind, canonical) }

// Definitions returns all conformance resources of a type, sorted by address.
func (s *Set) Definitions(kind string) []*Definition { return s.defs.all(kind) }

// StructureDefinition returns a StructureDefinition as JSON, nil if it is not
// known.
func (s *Set) StructureDefinition(canonical string) []byte {
	d := s.defs.find("StructureDefinition", canonical)
	if d == nil {
		return nil
	}
	b, err := d.JSON()
	if err != nil {
		return nil
	}
	return b
}

// Packages returns what was added to the specification.
func (s *Set) Packages() []*Package { return s.packages }
