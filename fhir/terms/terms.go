// Package terms answers questions of terminology on what is loaded: whether a
// code is in a value set, which codes are, what a code means, whether one means
// more than another, and what it is called elsewhere (FHIR R4
// terminology-service.html).
//
// What is not loaded is unknown, never wrong: a SNOMED CT code is neither in a
// value set nor outside it as long as nobody has loaded SNOMED CT. Units are
// known by their grammar (UCUM), and so are media types and languages.
package terms

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
)

// An Answer says whether something holds.
type Answer uint8

// The answers. Unknown is that of a code system or value set that is not
// loaded.
const (
	Unknown Answer = iota
	Yes
	No
)

// A Source is where more definitions come from, such as those that clients
// stored as resources.
type Source interface {
	CodeSystem(canonical string) *schema.CodeSystem
	ValueSet(canonical string) *schema.ValueSet
	ConceptMaps() []*schema.ConceptMap
	// Generation changes whenever one of them does.
	Generation() uint64
}

// Terms answers questions. It is safe for concurrent use.
type Terms struct {
	set   *schema.Set
	more  []Source
	cache atomic.Pointer[cache]

	implicit func() map[string]string // value set → the code system that it is all of
	maps     func() []*schema.ConceptMap
}

// cache holds what was worked out of one generation of the sources.
type cache struct {
	generation uint64
	systems    sync.Map // *schema.CodeSystem → *system
	mu         sync.Mutex
	codes      atomic.Pointer[map[string]*Codes] // by canonical; copied when one is added, since it is read so much more often
}

func (c *cache) load(canonical string) *Codes {
	if m := c.codes.Load(); m != nil {
		return (*m)[canonical]
	}
	return nil
}

func (c *cache) store(canonical string, codes *Codes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := map[string]*Codes{}
	if old := c.codes.Load(); old != nil {
		maps.Copy(m, *old)
	}
	m[canonical] = codes
	c.codes.Store(&m)
}

// New answers questions on a set of definitions and more sources; what the set
// defines comes first.
func New(set *schema.Set, more ...Source) *Terms {
	t := &Terms{set: set, more: more}
	t.cache.Store(&cache{})
	t.implicit = sync.OnceValue(t.implicitSets)
	t.maps = sync.OnceValue(func() []*schema.ConceptMap {
		var out []*schema.ConceptMap
		for _, d := range set.Definitions("ConceptMap") {
			if m := set.ConceptMap(d.URL + "|" + d.Version); m != nil {
				out = append(out, m)
			}
		}
		return out
	})
	return t
}

// now returns the cache of this generation.
func (t *Terms) now() *cache {
	var g uint64
	for _, s := range t.more {
		g = g*31 + s.Generation()
	}
	c := t.cache.Load()
	if c.generation != g {
		c = &cache{generation: g}
		t.cache.Store(c)
	}
	return c
}

// codeSystem finds a code system. One that only supplements another is none.
func (t *Terms) codeSystem(url, version string) *schema.CodeSystem {
	for _, canonical := range [...]string{url + "|" + version, url} {
		if version == "" && canonical != url {
			continue
		}
		if cs := t.set.CodeSystem(canonical); cs != nil && cs.Content != "supplement" {
			return cs
		}
		for _, s := range t.more {
			if cs := s.CodeSystem(canonical); cs != nil && cs.Content != "supplement" {
				return cs
			}
		}
	}
	if strings.TrimSuffix(url, "/") == currencySystem {
		return currencies()
	}
	return nil
}

func (t *Terms) system(c *cache, url, version string) *system {
	cs := t.codeSystem(url, version)
	if cs == nil {
		return nil
	}
	if s, ok := c.systems.Load(cs); ok {
		s, _ := s.(*system)
		return s
	}
	s := newSystem(cs)
	c.systems.Store(cs, s)
	return s
}

func (t *Terms) valueSet(canonical string) *schema.ValueSet {
	if vs := t.set.ValueSet(canonical); vs != nil {
		return vs
	}
	for _, s := range t.more {
		if vs := s.ValueSet(canonical); vs != nil {
			return vs
		}
	}
	return nil
}

// implicitSets finds the value sets that code systems define for all of their
// codes (codesystem.html, CodeSystem.valueSet).
func (t *Terms) implicitSets() map[string]string {
	out := map[string]string{}
	for _, d := range t.set.Definitions("CodeSystem") {
		if cs := t.set.CodeSystem(d.URL); cs != nil && cs.ValueSet != "" {
			out[cs.ValueSet] = cs.URL
		}
	}
	return out
}

// Defined returns a definition that is part of the specification or of a package
// by its id, as in ValueSet/administrative-gender; nil if there is none.
func (t *Terms) Defined(kind, id string) []byte {
	for _, d := range t.set.Definitions(kind) {
		if d.ID == id {
			b, err := d.JSON()
			if err != nil {
				return nil
			}
			return b
		}
	}
	return nil
}

// ErrUnknown says that something is asked about what is not loaded.
var ErrUnknown = errors.New("not loaded")

func unknown(format string, args ...any) error {
	return &vigil.Error{Kind: vigil.NotFound, Msg: fmt.Sprintf(format, args...), Err: ErrUnknown}
}

// Has says whether a code is in a value set, named by its canonical. Without a
// system it says whether the value set has such a code of any system: that is
// what an element of type code asks.
func (t *Terms) Has(valueSet, system, code string) Answer {
	c := t.now()
	if codes := c.load(valueSet); codes != nil {
		return codes.Has(system, code)
	}
	codes, err := t.compile(c, valueSet, nil)
	if err != nil {
		return Unknown
	}
	return codes.Has(system, code)
}

// Codes returns a value set that can be asked again and again.
func (t *Terms) Codes(valueSet string) (*Codes, error) {
	return t.compile(t.now(), valueSet, nil)
}

// In works out a value set that is given, not named.
func (t *Terms) In(vs *schema.ValueSet) (*Codes, error) {
	b := builder{t: t, c: t.now(), inner: vs.Inner, active: map[string]bool{}}
	return b.build(vs)
}

// maxImports bounds how deep value sets may be made of others.
const maxImports = 16

func (t *Terms) compile(c *cache, canonical string, active map[string]bool) (*Codes, error) {
	if codes := c.load(canonical); codes != nil {
		return codes, nil
	}
	if active[canonical] || len(active) >= maxImports {
		return nil, vigil.Errorf(vigil.Invalid, "value set %s is made of itself", canonical)
	}
	vs := t.valueSet(canonical)
	if vs == nil {
		vs = t.madeUp(canonical)
	}
	if vs == nil {
		return nil, unknown("value set %s is not loaded", canonical)
	}
	if active == nil {
		active = map[string]bool{}
	}
	active[canonical] = true
	defer delete(active, canonical)
	b := builder{t: t, c: c, inner: vs.Inner, active: active}
	codes, err := b.build(vs)
	if err != nil {
		return nil, err
	}
	c.store(canonical, codes)
	return codes, nil
}

// madeUp returns the value sets that exist without a definition: all codes of a
// system, and those of systems whose addresses say what is in them
// (snomedct.html, loinc.html).
func (t *Terms) madeUp(canonical string) *schema.ValueSet {
	url, _, _ := strings.Cut(canonical, "|")
	system := ""
	switch {
	case strings.HasPrefix(url, "http://snomed.info/sct") && strings.Contains(url, "fhir_vs"):
		system = "http://snomed.info/sct"
	case url == "http://loinc.org/vs" || strings.HasPrefix(url, "http://loinc.org/vs/"):
		system = "http://loinc.org"
	case url == "http://unitsofmeasure.org/vs":
		system = ucumSystem
	default:
		system = t.implicit()[url]
	}
	if system == "" {
		return nil
	}
	return &schema.ValueSet{URL: url, Status: "active", Include: []schema.Include{{System: system}}, Inactive: true}
}
