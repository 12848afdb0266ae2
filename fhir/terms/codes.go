package terms

import (
	"errors"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
)

// Codes is a value set worked out: most are lists, some have parts that are
// decided code by code. It does not change.
type Codes struct {
	URL, Version string
	entries      []Entry
	at           map[key]int32
	bare         map[string]int32 // code alone → the first entry
	folded       map[key]int32    // lower case, of systems where case does not matter; without a system, too
	rules        []rule
	except       *Codes // what is left out
}

type key struct{ system, code string }

// An Entry is one code of a value set.
type Entry struct {
	System, Version, Code, Display string
	Abstract, Inactive             bool
	Designations                   []schema.Designation
}

// A rule decides codes of a system that are in no list here.
type rule struct {
	system string
	match  func(code string) bool // nil: nobody knows
	known  *system                // codes here are decided, only others are unknown
	within []*Codes               // all of these have to contain it
	why    string                 // why it cannot be listed
}

// Has says whether a code is in the value set, of any system if none is given.
func (c *Codes) Has(system, code string) Answer {
	if c == nil {
		return Unknown
	}
	if c.listed(system, code) {
		return c.unless(system, code, Yes)
	}
	answer := No
	for i := range c.rules {
		switch c.rules[i].has(system, code) {
		case Yes:
			return c.unless(system, code, Yes)
		case Unknown:
			answer = Unknown
		case No:
		}
	}
	return c.unless(system, code, answer)
}

func (c *Codes) listed(system, code string) bool {
	if system == "" {
		if _, ok := c.bare[code]; ok {
			return true
		}
	} else if _, ok := c.at[key{system, code}]; ok {
		return true
	}
	if c.folded == nil {
		return false
	}
	_, ok := c.folded[key{system, strings.ToLower(code)}]
	return ok
}

// unless takes out what is excluded.
func (c *Codes) unless(system, code string, a Answer) Answer {
	if c.except == nil || a == No {
		return a
	}
	switch c.except.Has(system, code) {
	case Yes:
		return No
	case Unknown:
		return Unknown
	case No:
	}
	return a
}

func (r *rule) has(system, code string) Answer {
	if system != "" && r.system != "" && system != r.system {
		return No
	}
	answer := Yes
	switch {
	case r.match != nil:
		if !r.match(code) {
			return No
		}
	case r.known != nil && r.known.place(code) >= 0:
		return No // decided by the list
	case r.system != "":
		answer = Unknown
	}
	for _, w := range r.within {
		switch w.Has(system, code) {
		case No:
			return No
		case Unknown:
			answer = Unknown
		case Yes:
		}
	}
	return answer
}

// Entry finds a code of the list, nil if it is not in it.
func (c *Codes) Entry(system, code string) *Entry {
	i, ok := c.at[key{system, code}]
	if !ok && system == "" {
		i, ok = c.bare[code]
	}
	if !ok && c.folded != nil {
		i, ok = c.folded[key{system, strings.ToLower(code)}]
	}
	if !ok {
		return nil
	}
	return &c.entries[i]
}

// Listed says whether all of its codes can be listed; if not, why.
func (c *Codes) Listed() (why string, ok bool) {
	if len(c.rules) > 0 {
		return c.rules[0].why, false
	}
	if c.except != nil && len(c.except.rules) > 0 {
		return c.except.rules[0].why, false
	}
	return "", true
}

// maxEntries bounds a list.
const maxEntries = 500_000

var (
	errTooMany = vigil.Errorf(vigil.TooLarge, "the value set has more than %d codes", maxEntries)
	errCircle  = vigil.Errorf(vigil.Invalid, "the value set is made of itself")
)

func isUnknown(err error) bool { return errors.Is(err, ErrUnknown) }

// A builder works out a value set.
type builder struct {
	t      *Terms
	c      *cache
	inner  map[string]*schema.ValueSet
	active map[string]bool
	made   map[string]*Codes // contained ones
	steps  int
}

// maxSteps bounds the work on one value set, contained ones included.
const maxSteps = 2_000_000

func (b *builder) spend(n int) error {
	if b.steps += n + 500; b.steps > maxSteps {
		return errTooMany
	}
	return nil
}

func (b *builder) build(vs *schema.ValueSet) (*Codes, error) {
	out, err := b.side(vs.Include)
	if err != nil {
		return nil, err
	}
	out.URL, out.Version = vs.URL, vs.Version
	if len(vs.Contains) > 0 && (len(out.rules) > 0 || len(vs.Include) == 0) {
		// What cannot be worked out here, somebody has worked out before.
		if !vs.Partial {
			out.rules = nil
		}
		b.expansion(out, vs.Contains)
		vs = &schema.ValueSet{URL: vs.URL, Version: vs.Version, Inactive: true}
	}
	if !vs.Inactive {
		out.drop(func(e *Entry) bool { return e.Inactive })
	}
	if len(vs.Exclude) > 0 {
		if out.except, err = b.side(vs.Exclude); err != nil {
			return nil, err
		}
		out.drop(func(e *Entry) bool { return out.except.Has(e.System, e.Code) == Yes })
		if len(out.rules) == 0 && len(out.except.rules) == 0 {
			out.except = nil
		}
	}
	return out, nil
}

func (b *builder) side(includes []schema.Include) (*Codes, error) {
	out := &Codes{at: map[key]int32{}, bare: map[string]int32{}}
	for i := range includes {
		if err := b.include(out, &includes[i]); err != nil {
			return nil, err
		}
		if len(out.entries) > maxEntries {
			return nil, errTooMany
		}
	}
	return out, nil
}

// expansion takes the codes of an expansion that came without a definition.
func (b *builder) expansion(out *Codes, list []schema.Contained) {
	for _, c := range list {
		if c.Code != "" {
			out.add(Entry{System: c.System, Version: c.Version, Code: c.Code, Display: c.Display, Abstract: c.Abstract, Inactive: c.Inactive}, false)
		}
		b.expansion(out, c.Contains)
	}
}

func (b *builder) include(out *Codes, in *schema.Include) error {
	if err := b.spend(len(in.Concepts) * (1 + len(in.ValueSets))); err != nil {
		return err
	}
	within, unknownSet, err := b.imports(in.ValueSets)
	if err != nil {
		return err
	}
	if unknownSet != "" {
		out.rules = append(out.rules, rule{system: in.System, why: "value set " + unknownSet + " is not loaded"})
		if in.System == "" {
			out.rules[len(out.rules)-1].known = nil
			out.rules[len(out.rules)-1].within = []*Codes{nil}
		}
		return nil
	}
	switch {
	case in.System == "":
		return b.all(out, within)
	case len(in.Concepts) > 0:
		b.listed(out, in, within)
		return nil
	}
	return b.whole(out, in, within)
}

// imports works out the value sets that an include names.
func (b *builder) imports(urls []string) (within []*Codes, missing string, err error) {
	for _, url := range urls {
		if id, ok := strings.CutPrefix(url, "#"); ok && b.inner[id] != nil && len(b.active) < maxImports {
			if codes := b.made[id]; codes != nil {
				within = append(within, codes)
				continue
			}
			if b.active[url] {
				return nil, "", errCircle
			}
			b.active[url] = true
			codes, err := b.build(b.inner[id])
			delete(b.active, url)
			if err != nil {
				return nil, "", err
			}
			if b.made == nil {
				b.made = map[string]*Codes{}
			}
			b.made[id] = codes
			within = append(within, codes)
			continue
		}
		codes, err := b.t.compile(b.c, url, b.active)
		if isUnknown(err) {
			return nil, url, nil
		}
		if err != nil {
			return nil, "", err
		}
		within = append(within, codes)
	}
	return within, "", nil
}

// all takes what is in all of some value sets.
func (b *builder) all(out *Codes, within []*Codes) error {
	if len(within) == 0 {
		return nil
	}
	first := within[0]
	if err := b.spend(len(first.entries) * len(within)); err != nil {
		return err
	}
	for _, e := range first.entries {
		if inAll(within[1:], e.System, e.Code) {
			out.add(e, first.folds(e.System))
		}
	}
	for i := range within {
		if why, ok := within[i].Listed(); !ok {
			out.rules = append(out.rules, rule{within: within, why: why})
			return nil
		}
	}
	return nil
}

func inAll(within []*Codes, system, code string) bool {
	for _, w := range within {
		if w.Has(system, code) != Yes {
			return false
		}
	}
	return true
}

// take adds the candidates that all value sets contain, and a rule for those of
// which nobody knows.
func (c *Codes) take(candidates []Entry, folds bool, within []*Codes) {
	var open map[string]bool
	why := ""
	for i := range candidates {
		e := &candidates[i]
		if inAll(within, e.System, e.Code) {
			c.add(*e, folds)
			continue
		}
		for _, w := range within {
			if w.Has(e.System, e.Code) == Unknown {
				if open == nil {
					open = map[string]bool{}
				}
				open[e.Code] = true
				why, _ = w.Listed()
			}
		}
	}
	if open != nil {
		c.rules = append(c.rules, rule{
			system: candidates[0].System, within: within, why: why, match: func(code string) bool { return open[code] },
		})
	}
}

// listed takes the concepts that an include lists.
func (b *builder) listed(out *Codes, in *schema.Include, within []*Codes) {
	s := b.t.system(b.c, in.System, in.Version)
	candidates := make([]Entry, 0, len(in.Concepts))
	for i := range in.Concepts {
		c := &in.Concepts[i]
		e := Entry{System: in.System, Version: in.Version, Code: c.Code, Display: c.Display, Designations: c.Designations}
		if s != nil {
			if at := s.place(c.Code); at >= 0 {
				full := entry(s, at)
				e.Abstract, e.Inactive, e.Version = full.Abstract, full.Inactive, full.Version
				if e.Display == "" {
					e.Display = full.Display
				}
				e.Designations = slices.Concat(e.Designations, full.Designations)
			}
		}
		candidates = append(candidates, e)
	}
	out.take(candidates, s != nil && s.folded != nil, within)
}

// whole takes all codes of a system that pass the filters.
func (b *builder) whole(out *Codes, in *schema.Include, within []*Codes) error {
	s := b.t.system(b.c, in.System, in.Version)
	if s == nil || s.Content == "not-present" {
		r := rule{system: in.System, within: within, why: "code system " + in.System + " is not loaded"}
		if len(in.Filters) == 0 {
			if r.match = grammar(in.System); r.match != nil {
				r.why = "code system " + in.System + " has codes without end"
			}
		}
		out.rules = append(out.rules, r)
		return nil
	}
	if err := b.spend(len(s.Concepts) * (1 + len(in.Filters) + len(within))); err != nil {
		return err
	}
	filters := make([]filter, 0, len(in.Filters))
	for _, f := range in.Filters {
		g := s.filter(f)
		if g == nil {
			out.rules = append(out.rules, rule{system: in.System, within: within, why: "filter " + f.Property + " " + f.Op + " is not supported"})
			return nil
		}
		filters = append(filters, g)
	}
	candidates := make([]Entry, 0, len(s.Concepts))
next:
	for i := range s.Concepts {
		at := int32(i)
		for _, f := range filters {
			if !f(at) {
				continue next
			}
		}
		candidates = append(candidates, entry(s, at))
	}
	out.take(candidates, s.folded != nil, within)
	if !s.Complete() {
		out.rules = append(out.rules, rule{system: in.System, known: s, within: within, why: "code system " + in.System + " is only here in part"})
	}
	return nil
}

func entry(s *system, at int32) Entry {
	c := &s.Concepts[at]
	return Entry{
		System: s.URL, Version: s.Version, Code: c.Code, Display: c.Display,
		Abstract: abstract(c), Inactive: inactive(c), Designations: c.Designations,
	}
}

func (c *Codes) add(e Entry, folds bool) {
	k := key{e.System, e.Code}
	if _, twice := c.at[k]; twice {
		return
	}
	at := int32(len(c.entries))
	c.entries = append(c.entries, e)
	c.index(at, folds)
}

func (c *Codes) index(at int32, folds bool) {
	e := &c.entries[at]
	c.at[key{e.System, e.Code}] = at
	if _, twice := c.bare[e.Code]; !twice {
		c.bare[e.Code] = at
	}
	if folds {
		if c.folded == nil {
			c.folded = map[key]int32{}
		}
		low := strings.ToLower(e.Code)
		c.folded[key{e.System, low}], c.folded[key{"", low}] = at, at
	}
}

func (c *Codes) folds(system string) bool {
	for k := range c.folded {
		if k.system == system {
			return true
		}
	}
	return false
}

// drop takes entries out of the list.
func (c *Codes) drop(which func(*Entry) bool) {
	old, folded := c.entries, c.folded
	c.entries, c.at, c.bare, c.folded = nil, map[key]int32{}, map[string]int32{}, nil
	for i := range old {
		if !which(&old[i]) {
			_, folds := folded[key{old[i].System, strings.ToLower(old[i].Code)}]
			c.add(old[i], folds)
		}
	}
}
