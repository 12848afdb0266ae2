package terms

import (
	"regexp"
	"strings"

	"github.com/vigil-iomt/vigil/codec/ucum"
	"github.com/vigil-iomt/vigil/fhir/schema"
)

const (
	ucumSystem     = "http://unitsofmeasure.org"
	mediaSystem    = "urn:ietf:bcp:13"
	languageSystem = "urn:ietf:bcp:47"
	currencySystem = "urn:iso:std:iso:4217"
)

// grammar returns how codes of a system are told by their form, nil for systems
// that have lists.
func grammar(system string) func(string) bool {
	switch system {
	case ucumSystem:
		return func(s string) bool { return len(s) <= 500 && ucum.Check(s) == nil }
	case mediaSystem:
		return mediaType
	case languageSystem:
		return language
	}
	return nil
}

// mediaType checks type/subtype with parameters (RFC 2045 §5.1).
func mediaType(s string) bool {
	head, _, _ := strings.Cut(s, ";")
	main, sub, ok := strings.Cut(strings.TrimSpace(head), "/")
	return ok && token(main) && token(sub)
}

func token(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// language checks the form of a tag (RFC 5646 §2.1): parts of up to eight
// letters and digits, the first of letters only.
func language(s string) bool {
	if s == "" || len(s) > 100 {
		return false
	}
	first := true
	for part := range strings.SplitSeq(s, "-") {
		if part == "" || len(part) > 8 {
			return false
		}
		for i := range len(part) {
			c := part[i] | 0x20
			if (c < 'a' || c > 'z') && (first || part[i] < '0' || part[i] > '9') {
				return false
			}
		}
		if first && len(part) == 1 && part != "x" && part != "i" {
			return false
		}
		first = false
	}
	return true
}

// A system is a code system with its hierarchy.
type system struct {
	*schema.CodeSystem
	parents, children [][]int32
	folded            map[string]int32 // only where letter case does not matter
}

func newSystem(cs *schema.CodeSystem) *system {
	s := &system{CodeSystem: cs, parents: make([][]int32, len(cs.Concepts)), children: make([][]int32, len(cs.Concepts))}
	for i := range cs.Concepts {
		c := &cs.Concepts[i]
		at := int32(i)
		s.link(c.Parent, at)
		for _, p := range c.Properties {
			switch p.Code {
			case "parent", "subsumedBy":
				s.link(int32(cs.Place(p.Value)), at)
			case "child":
				s.link(at, int32(cs.Place(p.Value)))
			}
		}
	}
	if !cs.CaseSensitive {
		s.folded = make(map[string]int32, len(cs.Concepts))
		for i := range cs.Concepts {
			s.folded[strings.ToLower(cs.Concepts[i].Code)] = int32(i)
		}
	}
	return s
}

func (s *system) link(up, down int32) {
	if up < 0 || down < 0 || up == down {
		return
	}
	for _, have := range s.parents[down] {
		if have == up {
			return
		}
	}
	s.parents[down] = append(s.parents[down], up)
	s.children[up] = append(s.children[up], down)
}

// place finds a code, -1 if it is not there.
func (s *system) place(code string) int32 {
	if i := s.Place(code); i >= 0 {
		return int32(i)
	}
	if s.folded != nil {
		if i, ok := s.folded[strings.ToLower(code)]; ok {
			return i
		}
	}
	return -1
}

// below marks a concept and everything under it.
func (s *system) below(at int32) map[int32]bool { return reach(at, s.children) }

// above marks a concept and everything over it.
func (s *system) above(at int32) map[int32]bool { return reach(at, s.parents) }

func reach(at int32, next [][]int32) map[int32]bool {
	seen := map[int32]bool{at: true}
	todo := []int32{at}
	for len(todo) > 0 {
		at, todo = todo[len(todo)-1], todo[:len(todo)-1]
		for _, n := range next[at] {
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	return seen
}

func propertyOf(c *schema.Concept, code string) (string, bool) {
	for _, p := range c.Properties {
		if p.Code == code {
			return p.Value, true
		}
	}
	return "", false
}

// inactive says whether a concept is not to be used any more
// (codesystem.html#status).
func inactive(c *schema.Concept) bool {
	if v, ok := propertyOf(c, "inactive"); ok {
		return v == "true"
	}
	v, _ := propertyOf(c, "status")
	return v == "retired" || v == "inactive"
}

// abstract says whether a concept only groups others.
func abstract(c *schema.Concept) bool {
	v, _ := propertyOf(c, "notSelectable")
	return v == "true"
}

// A filter keeps concepts. It is nil where the filter cannot be worked out.
type filter func(at int32) bool

// filter makes what a filter of a value set asks (valueset.html,
// ValueSet.compose.include.filter).
func (s *system) filter(f schema.Filter) filter {
	if f.Property == "concept" || f.Property == "code" {
		if g, known := s.hierarchy(f); known {
			return g
		}
	}
	values := map[string]bool{}
	for v := range strings.SplitSeq(f.Value, ",") {
		values[strings.TrimSpace(v)] = true
	}
	get := s.getter(f.Property)
	switch f.Op {
	case "=":
		return func(at int32) bool { return get(at, func(v string) bool { return v == f.Value }) }
	case "in":
		return func(at int32) bool { return get(at, func(v string) bool { return values[v] }) }
	case "not-in":
		return func(at int32) bool { return !get(at, func(v string) bool { return values[v] }) }
	case "exists":
		want := f.Value != "false"
		return func(at int32) bool { return get(at, func(string) bool { return true }) == want }
	case "regex":
		re, err := regexp.Compile(`^(?:` + f.Value + `)$`)
		if err != nil || len(f.Value) > 1000 {
			return nil
		}
		return func(at int32) bool { return get(at, re.MatchString) }
	}
	return nil
}

// hierarchy makes the filters on where a concept stands.
func (s *system) hierarchy(f schema.Filter) (filter, bool) {
	at := s.place(f.Value)
	none := func(int32) bool { return false }
	switch f.Op {
	case "is-a", "descendent-of", "is-not-a", "generalizes":
	default:
		return nil, false
	}
	if at < 0 {
		if f.Op == "is-not-a" {
			return func(int32) bool { return true }, true
		}
		return none, true
	}
	switch f.Op {
	case "is-a":
		m := s.below(at)
		return func(i int32) bool { return m[i] }, true
	case "descendent-of":
		m := s.below(at)
		return func(i int32) bool { return m[i] && i != at }, true
	case "is-not-a":
		m := s.below(at)
		return func(i int32) bool { return !m[i] }, true
	}
	m := s.above(at)
	return func(i int32) bool { return m[i] }, true
}

// getter returns what gives the values of a property of a concept to a test.
func (s *system) getter(property string) func(at int32, test func(string) bool) bool {
	related := func(next [][]int32) func(int32, func(string) bool) bool {
		return func(at int32, test func(string) bool) bool {
			for _, n := range next[at] {
				if test(s.Concepts[n].Code) {
					return true
				}
			}
			return false
		}
	}
	switch property {
	case "code", "concept":
		return func(at int32, test func(string) bool) bool { return test(s.Concepts[at].Code) }
	case "display":
		return func(at int32, test func(string) bool) bool { return test(s.Concepts[at].Display) }
	case "parent":
		return related(s.parents)
	case "child":
		return related(s.children)
	}
	return func(at int32, test func(string) bool) bool {
		for _, p := range s.Concepts[at].Properties {
			if p.Code == property && test(p.Value) {
				return true
			}
		}
		return false
	}
}
