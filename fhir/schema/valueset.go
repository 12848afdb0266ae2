package schema

import (
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A ValueSet says which codes belong to it (valueset.html).
type ValueSet struct {
	URL, Version, Name, Title, Status string
	Include, Exclude                  []Include
	// Inactive says whether inactive codes belong to it; they do unless the
	// definition says otherwise.
	Inactive bool
	// Contains is the expansion that came with it. Partial says that it is known
	// not to be all.
	Contains []Contained
	Partial  bool
	// Inner are contained value sets by id.
	Inner map[string]*ValueSet
}

// An Include is one part of a value set: what is in the system, in the listed
// concepts if there are some, passes all filters, and is in all value sets.
type Include struct {
	System, Version string
	Concepts        []Concept
	Filters         []Filter
	ValueSets       []string
}

// A Filter selects concepts by a property.
type Filter struct{ Property, Op, Value string }

// A Contained is one entry of an expansion.
type Contained struct {
	System, Version, Code, Display string
	Abstract, Inactive             bool
	Contains                       []Contained
}

// ValueSet finds a value set, nil if there is none.
func (s *Set) ValueSet(canonical string) *ValueSet {
	d := s.defs.find("ValueSet", canonical)
	if d == nil {
		return nil
	}
	vs, err := read(d, func(text string) (*ValueSet, error) { return ParseValueSet([]byte(text)) })
	if err != nil {
		return nil
	}
	return vs
}

// ParseValueSet reads a ValueSet.
func ParseValueSet(b []byte) (*ValueSet, error) {
	n, err := resource(b, "ValueSet")
	if err != nil {
		return nil, err
	}
	return valueSet(n), nil
}

func valueSet(n tree.Node) *ValueSet {
	compose := n.Get("compose")
	vs := &ValueSet{
		URL: n.Get("url").Text(), Version: n.Get("version").Text(), Name: n.Get("name").Text(),
		Title: n.Get("title").Text(), Status: n.Get("status").Text(),
		Include: includes(compose.Get("include")), Exclude: includes(compose.Get("exclude")),
		Inactive: !compose.Get("inactive").Ok() || compose.Get("inactive").Bool(),
	}
	expansion := n.Get("expansion")
	vs.Contains = contained(expansion.Get("contains"))
	vs.Partial = partial(expansion, vs.Contains)
	for c := range n.Get("contained").Items() {
		if c.Get("resourceType").Text() != "ValueSet" {
			continue
		}
		if vs.Inner == nil {
			vs.Inner = map[string]*ValueSet{}
		}
		vs.Inner[c.Get("id").Text()] = valueSet(c)
	}
	return vs
}

// partial says whether an expansion is a page, or was cut off
// (valueset.html, ValueSet.expansion.total).
func partial(expansion tree.Node, list []Contained) bool {
	for x := range expansion.Get("extension").Items() {
		if strings.HasSuffix(x.Get("url").Text(), "/valueset-toocostly") || strings.HasSuffix(x.Get("url").Text(), "/valueset-unclosed") {
			return true
		}
	}
	total, err := strconv.Atoi(expansion.Get("total").Text())
	return err == nil && total > count(list)
}

func count(list []Contained) int {
	n := 0
	for i := range list {
		if list[i].Code != "" {
			n++
		}
		n += count(list[i].Contains)
	}
	return n
}

func includes(list tree.Node) []Include {
	var out []Include
	for n := range list.Items() {
		in := Include{System: n.Get("system").Text(), Version: n.Get("version").Text()}
		for c := range n.Get("concept").Items() {
			in.Concepts = append(in.Concepts, Concept{
				Code: c.Get("code").Text(), Display: c.Get("display").Text(), Parent: -1, Designations: designations(c),
			})
		}
		for f := range n.Get("filter").Items() {
			in.Filters = append(in.Filters, Filter{f.Get("property").Text(), f.Get("op").Text(), f.Get("value").Text()})
		}
		for v := range n.Get("valueSet").Items() {
			in.ValueSets = append(in.ValueSets, v.Text())
		}
		out = append(out, in)
	}
	return out
}

func contained(list tree.Node) []Contained {
	var out []Contained
	for n := range list.Items() {
		out = append(out, Contained{
			System: n.Get("system").Text(), Version: n.Get("version").Text(), Code: n.Get("code").Text(),
			Display: n.Get("display").Text(), Abstract: n.Get("abstract").Bool(), Inactive: n.Get("inactive").Bool(),
			Contains: contained(n.Get("contains")),
		})
	}
	return out
}

// A ConceptMap maps codes of one value set to those of another (conceptmap.html).
type ConceptMap struct {
	URL, Version, Name, Title, Status string
	Source, Target                    string // value sets
	Groups                            []MapGroup
}

// A MapGroup maps the codes of one system.
type MapGroup struct {
	Source, SourceVersion, Target, TargetVersion string
	Elements                                     []MapElement
	Unmapped                                     *Unmapped
}

// A MapElement is the source of mappings.
type MapElement struct {
	Code, Display string
	Targets       []MapTarget
}

// A MapTarget is what a code is mapped to.
type MapTarget struct {
	Code, Display, Equivalence string
	DependsOn, Product         []MapOther
}

// A MapOther is a further condition or result of a mapping.
type MapOther struct{ Property, System, Value, Display string }

// Unmapped says what is done with codes that have no element: mode is provided,
// fixed or other-map.
type Unmapped struct{ Mode, Code, Display, URL string }

// ConceptMap finds a concept map, nil if there is none.
func (s *Set) ConceptMap(canonical string) *ConceptMap {
	d := s.defs.find("ConceptMap", canonical)
	if d == nil {
		return nil
	}
	m, err := read(d, func(text string) (*ConceptMap, error) { return ParseConceptMap([]byte(text)) })
	if err != nil {
		return nil
	}
	return m
}

// ParseConceptMap reads a ConceptMap.
func ParseConceptMap(b []byte) (*ConceptMap, error) {
	n, err := resource(b, "ConceptMap")
	if err != nil {
		return nil, err
	}
	m := &ConceptMap{
		URL: n.Get("url").Text(), Version: n.Get("version").Text(), Name: n.Get("name").Text(),
		Title: n.Get("title").Text(), Status: n.Get("status").Text(),
		Source: n.Get("sourceUri").Text() + n.Get("sourceCanonical").Text(),
		Target: n.Get("targetUri").Text() + n.Get("targetCanonical").Text(),
	}
	for g := range n.Get("group").Items() {
		m.Groups = append(m.Groups, mapGroup(g))
	}
	return m, nil
}

func mapGroup(g tree.Node) MapGroup {
	out := MapGroup{
		Source: g.Get("source").Text(), SourceVersion: g.Get("sourceVersion").Text(),
		Target: g.Get("target").Text(), TargetVersion: g.Get("targetVersion").Text(),
	}
	for e := range g.Get("element").Items() {
		me := MapElement{Code: e.Get("code").Text(), Display: e.Get("display").Text()}
		for t := range e.Get("target").Items() {
			me.Targets = append(me.Targets, MapTarget{
				Code: t.Get("code").Text(), Display: t.Get("display").Text(), Equivalence: t.Get("equivalence").Text(),
				DependsOn: mapOthers(t.Get("dependsOn")), Product: mapOthers(t.Get("product")),
			})
		}
		out.Elements = append(out.Elements, me)
	}
	if u := g.Get("unmapped"); u.Ok() {
		out.Unmapped = &Unmapped{u.Get("mode").Text(), u.Get("code").Text(), u.Get("display").Text(), u.Get("url").Text()}
	}
	return out
}

func mapOthers(list tree.Node) []MapOther {
	var out []MapOther
	for n := range list.Items() {
		out = append(out, MapOther{n.Get("property").Text(), n.Get("system").Text(), n.Get("value").Text(), n.Get("display").Text()})
	}
	return out
}
