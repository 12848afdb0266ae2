package terms

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// A Translate asks what codes are called elsewhere
// (conceptmap-operation-translate.html).
type Translate struct {
	URL        string             // canonical of the map; all maps are asked without
	Map        *schema.ConceptMap // or the map itself
	Codings    []Coding
	Source     string // value set that the codes are of
	Target     string // value set into which to translate
	TargetCode string // or code system
	Reverse    bool
}

// A Match is one translation.
type Match struct {
	Equivalence string
	Coding
	Map      string // canonical of the map that says so
	Products []schema.MapOther
}

// Translate finds translations. Those with the equivalence unmatched or disjoint
// say that there is none.
func (t *Terms) Translate(q Translate) ([]Match, error) {
	maps := []*schema.ConceptMap{q.Map}
	if q.Map == nil {
		var err error
		if maps, err = t.mapsFor(q); err != nil {
			return nil, err
		}
	}
	var out []Match
	for _, m := range maps {
		for _, c := range q.Codings {
			if q.Reverse {
				out = append(out, backward(m, c, q)...)
			} else {
				out = append(out, t.forward(m, c, q, map[*schema.ConceptMap]bool{})...)
			}
			if len(out) > maxPage {
				return nil, errTooMany
			}
		}
	}
	return out, nil
}

// Matched says whether one of the matches is a translation.
func Matched(ms []Match) bool {
	for _, m := range ms {
		if m.Equivalence != "unmatched" && m.Equivalence != "disjoint" {
			return true
		}
	}
	return false
}

func (t *Terms) mapsFor(q Translate) ([]*schema.ConceptMap, error) {
	all := t.maps()
	for _, s := range t.more {
		all = append(all[:len(all):len(all)], s.ConceptMaps()...)
	}
	if q.URL == "" {
		return all, nil
	}
	url, version, _ := strings.Cut(q.URL, "|")
	for _, m := range all {
		if m.URL == url && (version == "" || m.Version == version) {
			return []*schema.ConceptMap{m}, nil
		}
	}
	return nil, unknown("concept map %s is not loaded", q.URL)
}

// fits says whether a map goes from and to what is asked for.
func fits(asked, have string) bool {
	if asked == "" {
		return true
	}
	a, _, _ := strings.Cut(asked, "|")
	h, _, _ := strings.Cut(have, "|")
	return a == h
}

// forward asks a map, and those to which it refers; each of them once.
func (t *Terms) forward(m *schema.ConceptMap, c Coding, q Translate, seen map[*schema.ConceptMap]bool) []Match {
	if !fits(q.Source, m.Source) || !fits(q.Target, m.Target) || seen[m] {
		return nil
	}
	seen[m] = true
	var out []Match
	for i := range m.Groups {
		g := &m.Groups[i]
		if c.System != "" && g.Source != "" && g.Source != c.System || q.TargetCode != "" && g.Target != q.TargetCode {
			continue
		}
		found := false
		for _, e := range g.Elements {
			if e.Code != c.Code {
				continue
			}
			found = true
			for _, to := range e.Targets {
				out = append(out, Match{equivalence(to.Equivalence), Coding{g.Target, g.TargetVersion, to.Code, to.Display}, m.URL, to.Product})
			}
		}
		if !found && g.Unmapped != nil {
			out = append(out, t.unmapped(m, g, c, q, seen)...)
		}
	}
	return out
}

func equivalence(s string) string {
	if s == "" {
		return "equivalent"
	}
	return s
}

// unmapped does what a group says of codes that it does not list.
func (t *Terms) unmapped(m *schema.ConceptMap, g *schema.MapGroup, c Coding, q Translate, seen map[*schema.ConceptMap]bool) []Match {
	switch g.Unmapped.Mode {
	case "provided":
		return []Match{{"equal", Coding{g.Target, g.TargetVersion, c.Code, c.Display}, m.URL, nil}}
	case "fixed":
		return []Match{{"inexact", Coding{g.Target, g.TargetVersion, g.Unmapped.Code, g.Unmapped.Display}, m.URL, nil}}
	case "other-map":
		maps, err := t.mapsFor(Translate{URL: g.Unmapped.URL})
		if err != nil {
			return nil
		}
		q.Source, q.Target = "", ""
		return t.forward(maps[0], c, q, seen)
	}
	return nil
}

// turned is the equivalence read from the other end.
func turned(equivalence string) string {
	switch equivalence {
	case "wider":
		return "narrower"
	case "narrower":
		return "wider"
	case "subsumes":
		return "specializes"
	case "specializes":
		return "subsumes"
	case "":
		return "equivalent"
	}
	return equivalence
}

// backward finds what is translated into a code.
func backward(m *schema.ConceptMap, c Coding, q Translate) []Match {
	if !fits(q.Source, m.Target) || !fits(q.Target, m.Source) {
		return nil
	}
	var out []Match
	for i := range m.Groups {
		g := &m.Groups[i]
		if c.System != "" && g.Target != "" && g.Target != c.System || q.TargetCode != "" && g.Source != q.TargetCode {
			continue
		}
		for _, e := range g.Elements {
			for _, to := range e.Targets {
				if to.Code == c.Code && to.Code != "" {
					out = append(out, Match{turned(to.Equivalence), Coding{g.Source, g.SourceVersion, e.Code, e.Display}, m.URL, nil})
				}
			}
		}
	}
	return out
}
