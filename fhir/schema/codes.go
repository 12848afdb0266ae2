package schema

import (
	"fmt"
	"strconv"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A CodeSystem is the codes of a system as a table (codesystem.html).
type CodeSystem struct {
	URL, Version, Name, Title, Status string
	// Content says how much of the system is here: complete, fragment, example,
	// not-present, supplement.
	Content          string
	Supplements      string // address of the system that a supplement adds to
	ValueSet         string // address of the implicit value set of all its codes
	HierarchyMeaning string
	CaseSensitive    bool
	Filters          []string // codes of filters that are declared
	Properties       []CodeProperty
	// Concepts come in the order of the definition, each before its children.
	Concepts []Concept

	at map[string]int32
}

// A CodeProperty is a property that the concepts of a system may have.
type CodeProperty struct{ Code, URI, Kind string }

// A Concept is one code.
type Concept struct {
	Code, Display string
	Definition    string // only of systems that somebody added
	Parent        int32  // place among Concepts, -1 at the top
	Designations  []Designation
	Properties    []Property
}

// A Designation is another name of a concept.
type Designation struct {
	Language, Value          string
	UseSystem, Use, UseLabel string // code, system and display of use
}

// A Property is a value of a concept's property; Kind is the FHIR type without
// its value[x] (code, string, Coding, boolean, integer, dateTime, decimal).
type Property struct {
	Code, Kind string
	Value      string // the text of it, the code of a Coding
	JSON       string // the value as written
}

// Place returns where a code is among Concepts, -1 if it is not there. It takes
// letter case as it is.
func (c *CodeSystem) Place(code string) int {
	if i, ok := c.at[code]; ok {
		return int(i)
	}
	return -1
}

// Concept returns a code's concept, nil if there is none.
func (c *CodeSystem) Concept(code string) *Concept {
	if i, ok := c.at[code]; ok {
		return &c.Concepts[i]
	}
	return nil
}

// Complete says whether what is not here is not in the system.
func (c *CodeSystem) Complete() bool { return c.Content == "complete" }

// CodeSystem finds a code system, nil if there is none.
func (s *Set) CodeSystem(canonical string) *CodeSystem {
	d := s.defs.find("CodeSystem", canonical)
	if d == nil {
		return nil
	}
	cs, err := read(d, func(text string) (*CodeSystem, error) { return ParseCodeSystem([]byte(text)) })
	if err != nil {
		return nil
	}
	return cs
}

// ParseCodeSystem reads a CodeSystem.
func ParseCodeSystem(b []byte) (*CodeSystem, error) {
	n, err := resource(b, "CodeSystem")
	if err != nil {
		return nil, err
	}
	c := &CodeSystem{
		URL: n.Get("url").Text(), Version: n.Get("version").Text(), Name: n.Get("name").Text(), Title: n.Get("title").Text(),
		Status: n.Get("status").Text(), Content: n.Get("content").Text(), Supplements: n.Get("supplements").Text(),
		ValueSet: n.Get("valueSet").Text(), HierarchyMeaning: n.Get("hierarchyMeaning").Text(),
		CaseSensitive: !n.Get("caseSensitive").Ok() || n.Get("caseSensitive").Bool(),
	}
	for f := range n.Get("filter").Items() {
		c.Filters = append(c.Filters, f.Get("code").Text())
	}
	for p := range n.Get("property").Items() {
		c.Properties = append(c.Properties, CodeProperty{p.Get("code").Text(), p.Get("uri").Text(), p.Get("type").Text()})
	}
	c.concepts(n.Get("concept"), -1)
	c.at = make(map[string]int32, len(c.Concepts))
	for i := range c.Concepts {
		if code := c.Concepts[i].Code; code != "" {
			if _, twice := c.at[code]; !twice {
				c.at[code] = int32(i)
			}
		}
	}
	return c, nil
}

// concepts reads children; the depth of documents is bounded.
func (c *CodeSystem) concepts(list tree.Node, parent int32) {
	for n := range list.Items() {
		k := Concept{Code: n.Get("code").Text(), Display: n.Get("display").Text(), Definition: n.Get("definition").Text(), Parent: parent}
		k.Designations = designations(n)
		for p := range n.Get("property").Items() {
			k.Properties = append(k.Properties, property(p))
		}
		c.Concepts = append(c.Concepts, k)
		if sub := n.Get("concept"); sub.Ok() {
			c.concepts(sub, int32(len(c.Concepts)-1))
		}
	}
}

func designations(n tree.Node) []Designation {
	var out []Designation
	for d := range n.Get("designation").Items() {
		use := d.Get("use")
		out = append(out, Designation{
			d.Get("language").Text(), d.Get("value").Text(),
			use.Get("system").Text(), use.Get("code").Text(), use.Get("display").Text(),
		})
	}
	return out
}

func property(n tree.Node) Property {
	p := Property{Code: n.Get("code").Text()}
	for name, v := range n.Members() {
		if len(name) > 5 && name[:5] == "value" {
			p.Kind, p.Value, p.JSON = name[5:], v.Text(), string(v.Raw())
			if p.Kind != "Coding" {
				p.Kind = string(p.Kind[0]|0x20) + p.Kind[1:]
			} else {
				p.Value = v.Get("code").Text()
			}
		}
	}
	return p
}

// resource parses a document and requires its resource type.
func resource(b []byte, kind string) (tree.Node, error) {
	d, err := tree.Parse(b)
	if err != nil {
		return tree.Node{}, fmt.Errorf("read %s: %w", kind, err)
	}
	n := d.Root()
	if got := n.Get("resourceType").Text(); got != kind {
		return tree.Node{}, fmt.Errorf("read %s: resourceType is %q", kind, got)
	}
	return n, nil
}

// bound reads the max of an element: -1 for *.
func bound(s string) int {
	if s == "*" {
		return -1
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
