package search

import (
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// How a token is to be compared is part of its hash.
const (
	byCode   = 'c' // a code without case, whatever its system
	byExact  = 'C' // the same with case; an address
	bySystem = 's' // system and code
	byPrefix = 'p' // the folded start of a text
	byLogic  = 'i' // the identifier of a logical reference
	byNumber = 'n' // the parameter of a span: numbers as written
	byUnit   = 'u' // the parameter of a span: quantities in base units
)

// prefixes are how many letters of a text the index knows.
func prefixes() [3]int { return [...]int{1, 3, 6} }

// Keys returns what the index holds of the resource.
func (v *Values) Keys() vigil.ResourceKeys {
	if v.model == nil {
		return vigil.ResourceKeys{}
	}
	w := keyWriter{v: v, key: &v.engine.c.Key}
	w.keys.Tokens = make([]uint64, 0, 2*len(v.all))
	w.keys.Spans = make([]vigil.ResourceSpan, 0, 4)
	for i := range v.all {
		if x := &v.all[i]; x.branch.indexed {
			w.value(x)
		}
	}
	w.presence()
	w.lines()
	if v.root.Get("contained").Ok() {
		w.contained()
	}
	slices.Sort(w.keys.Tokens)
	w.keys.Tokens = slices.Compact(w.keys.Tokens)
	slices.SortFunc(w.keys.Spans, compareSpans)
	w.keys.Spans = slices.Compact(w.keys.Spans)
	return w.keys
}

func compareSpans(a, b vigil.ResourceSpan) int {
	if a.Param != b.Param {
		if a.Param < b.Param {
			return -1
		}
		return 1
	}
	if a.Lo != b.Lo {
		return cmpInt(a.Lo, b.Lo)
	}
	return cmpInt(a.Hi, b.Hi)
}

type keyWriter struct {
	v    *Values
	key  *Key
	keys vigil.ResourceKeys
}

// hash makes a token: the branch, how it is to be compared, and texts.
func (k *Key) hash(branch uint64, how byte, a, b string) uint64 {
	var room [128]byte
	buf := append(room[:0], byte(branch), byte(branch>>8), byte(branch>>16), byte(branch>>24),
		byte(branch>>32), byte(branch>>40), byte(branch>>48), byte(branch>>56), how)
	buf = append(append(append(buf, a...), 0), b...)
	return k.sum(buf)
}

func (w *keyWriter) token(b *branch, how byte, a, c string) {
	w.keys.Tokens = append(w.keys.Tokens, w.key.hash(b.hash, how, a, c))
}

func (w *keyWriter) span(param uint64, lo, hi int64) {
	w.keys.Spans = append(w.keys.Spans, vigil.ResourceSpan{Param: param, Lo: lo, Hi: hi})
}

func (w *keyWriter) value(x *Value) {
	b := x.branch
	switch b.kind {
	case Token:
		if x.Code == "" {
			return
		}
		how, code := w.v.engine.cased(b, x.System, x.Code)
		w.token(b, how, code, "")
		if b.systems() {
			w.token(b, bySystem, x.System, code)
		}
	case String:
		w.text(x)
	case URI:
		if x.Code != "" {
			url, _, _ := strings.Cut(x.Code, "|")
			w.token(b, byExact, url, "")
		}
	case Reference:
		w.reference(x)
	case Date:
		w.span(b.hash, x.Lo, x.Hi)
	case Number, Quantity:
		w.number(x)
	case Composite, Special: // not in the index
	}
}

// systems says whether the index holds codes together with their systems:
// identifiers are found by their value, which is rarely shared.
func (b *branch) systems() bool {
	for _, e := range b.ends {
		if e.form == asCoding || e.form == asConcept {
			return true
		}
	}
	return false
}

func (w *keyWriter) reference(x *Value) {
	if x.Code != "" {
		w.token(x.branch, byExact, x.Code, "")
	}
	if x.form == asReference {
		if value := x.Node.Get("identifier").Get("value").Text(); value != "" {
			w.token(x.branch, byLogic, value, "")
		}
	}
}

func (w *keyWriter) text(x *Value) {
	starts(w.v.fold(x.Code), x.branch.words, func(s string) bool {
		for _, n := range prefixes() {
			start, ok := cutRunes(s, n)
			if !ok {
				break
			}
			w.token(x.branch, byPrefix, start, "")
		}
		return true
	})
}

// number puts a number into the index as it was written and, if it has a unit
// of UCUM, in base units.
func (w *keyWriter) number(x *Value) {
	least, most, ok := x.bounds()
	if !ok {
		return
	}
	lo, hi := int64(lowest), int64(highest)
	if least != nil {
		lo = least.ordered()
	}
	if most != nil {
		hi = most.ordered()
	}
	b := x.branch
	w.span(b.plainSpan, lo, hi)
	if b.kind != Quantity {
		return
	}
	u, ok := w.v.engine.unitOf(x.System, x.Code)
	if !ok {
		return
	}
	if least != nil {
		lo = u.bits(least)
	}
	if most != nil {
		hi = u.bits(most)
	}
	w.span(w.key.hash(b.hash, byUnit, u.Unit, ""), min(lo, hi), max(lo, hi))
}

// bounds reads the bounds of a number, nil where there is none; ok is false if
// there is no number.
func (v *Value) bounds() (least, most *number, ok bool) {
	if v.Least == "" && v.Most == "" {
		return nil, nil, false
	}
	if v.Least != "" {
		n, err := parseNumber(v.Least)
		if err != nil {
			return nil, nil, false
		}
		least = &n
	}
	if v.Most == v.Least {
		return least, least, true
	}
	if v.Most != "" {
		n, err := parseNumber(v.Most)
		if err != nil {
			return nil, nil, false
		}
		most = &n
	}
	return least, most, true
}

// presence tells of the parameters whether there is a value, where that is not
// what one expects.
func (w *keyWriter) presence() {
	var seen [4]uint64
	few := len(w.v.model.branches) <= 64*len(seen)
	for i := range w.v.all {
		if id := w.v.all[i].branch.id; few {
			seen[id/64] |= 1 << (id % 64)
		}
	}
	for _, p := range w.v.model.list {
		if p.silent {
			continue
		}
		there := false
		for i := range p.uses {
			u := &p.uses[i]
			if few && seen[u.id/64]>>(u.id%64)&1 == 0 {
				continue
			}
			if there = few && u.target == "" || w.v.has(p); there {
				break
			}
		}
		switch {
		case there && !p.usual:
			w.keys.Tokens = append(w.keys.Tokens, p.parts[0])
		case !there && p.usual:
			w.keys.Tokens = append(w.keys.Tokens, p.parts[1])
		}
	}
}

// contained tells which types of resources are contained.
func (w *keyWriter) contained() {
	for c := range w.v.root.Get("contained").Items() {
		if t := c.Get("resourceType").Text(); t != "" {
			w.keys.Tokens = append(w.keys.Tokens, w.key.sum([]byte("contains "+w.v.model.name+" "+t)))
		}
	}
}

// fold folds a text once.
func (v *Values) fold(s string) string {
	if plain(s) {
		return s
	}
	if f, ok := v.folded[s]; ok {
		return f
	}
	f := fold(s)
	if v.folded == nil {
		v.folded = map[string]string{}
	}
	v.folded[s] = f
	return f
}
