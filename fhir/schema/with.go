package schema

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// With returns a set that knows packages, too. Where a package defines a search
// parameter with the code of one that is there already, that one stays. A
// package that is there already, in whatever version, is replaced by none: both
// versions can be asked for, and without a version the newer one is meant.
func (s *Set) With(packages ...*Package) (*Set, error) {
	out := s.copy()
	var params []*Param
	for _, p := range packages {
		for _, have := range out.packages {
			if have.Name == p.Name && have.Version == p.Version {
				return nil, fmt.Errorf("package %s#%s is there twice", p.Name, p.Version)
			}
		}
		out.packages = append(out.packages, p)
		for _, d := range p.defs {
			out.defs.add(d)
		}
		params = append(params, p.params...)
	}
	out.addParams(params)
	return out, nil
}

// WithDefinitions returns a set that knows definitions, too; one with the same
// address and version takes the place of that which is there.
func (s *Set) WithDefinitions(defs ...*Definition) *Set {
	out := s.copy()
	for _, d := range defs {
		k := d.Kind + "\n" + d.URL
		out.defs.by[k] = slices.DeleteFunc(slices.Clone(out.defs.by[k]), func(o *Definition) bool { return o.Version == d.Version })
		out.defs.add(d)
	}
	return out
}

// WithParams returns a set that knows search parameters, too.
func (s *Set) WithParams(params ...*Param) *Set {
	out := s.copy()
	out.addParams(params)
	return out
}

// copy shares what does not change. What was generated is forgotten, since it
// may depend on what is added.
func (s *Set) copy() *Set {
	out := &Set{
		types: s.types, resources: s.resources, params: s.params, listed: s.listed, byURL: s.byURL,
		compartments: s.compartments, packages: slices.Clone(s.packages),
	}
	out.defs.by = make(map[string][]*Definition, len(s.defs.by)+256)
	for k, v := range s.defs.by {
		out.defs.by[k] = slices.Clip(v)
	}
	return out
}

// addParams copies the tables of parameters and adds to them.
func (s *Set) addParams(list []*Param) {
	if len(list) == 0 {
		return
	}
	s.byURL, s.params, s.listed = maps.Clone(s.byURL), maps.Clone(s.params), maps.Clone(s.listed)
	for _, p := range list {
		if s.byURL[p.URL] == nil {
			s.byURL[p.URL] = p
		}
	}
	for _, p := range list {
		for i := range p.Components {
			if of := s.byURL[p.Components[i].Definition]; of != nil && p.Components[i].Code == "" {
				p.Components[i].Code = of.Code
			}
		}
	}
	touched := map[string]bool{}
	for _, p := range list {
		for name, t := range s.types {
			if t.Kind != Resource || s.params[name][p.Code] != nil || !slices.ContainsFunc(p.Bases, t.Is) {
				continue
			}
			if !touched[name] {
				touched[name] = true
				s.params[name] = maps.Clone(s.params[name])
			}
			s.params[name][p.Code] = p
		}
	}
	for name := range touched {
		s.listed[name] = slices.SortedFunc(maps.Values(s.params[name]), func(a, b *Param) int { return strings.Compare(a.Code, b.Code) })
	}
}
