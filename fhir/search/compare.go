package search

import (
	"math"
	"math/big"
	"net/url"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// token compares tokens (search.html#token).
func (q *Query) token(x *Value, mod string, o *operand) bool {
	switch mod {
	case "text":
		return o.conceptText(x)
	case "in", "below", "above":
		if strings.Contains(o.code, "/") && mod == "below" && x.form == asCode {
			return mimeBelow(x.Code, o.code)
		}
		return o.codes[vigil.Code{System: x.System, Value: x.Code}] ||
			!q.engine.sensitive(x.System) && o.codes[vigil.Code{System: x.System, Value: foldCode(x.Code)}] ||
			x.form == asCode && o.anyCodeIs(x.Code)
	case "of-type":
		return x.form == asIdentifier && x.Code == o.code && o.hasType(x)
	}
	if !o.anySystem && o.system != x.System {
		if x.form != asCode || o.system == "" || !q.engine.implies(x.branch, o.system) {
			return false
		}
	}
	if !o.anySystem && o.system == "" && x.form == asCode {
		return false // its system is implied, not missing
	}
	if o.anyCode {
		return true
	}
	if x.Code == o.code {
		return x.Code != ""
	}
	return !x.branch.exact && !q.engine.sensitive(x.System) && x.Code != "" && foldCode(x.Code) == foldCode(o.code)
}

// anyCodeIs looks for a code without its system.
func (o *operand) anyCodeIs(code string) bool {
	for c := range o.codes {
		if c.Value == code {
			return true
		}
	}
	return false
}

// hasType looks for the type of an identifier.
func (o *operand) hasType(x *Value) bool {
	for c := range x.Node.Get("type").Get("coding").Items() {
		if c.Get("code").Text() == o.typeCode && (o.system == "" || c.Get("system").Text() == o.system) {
			return true
		}
	}
	return false
}

// conceptText compares the text of a concept, the display of a coding or the
// text of an identifier's type.
func (o *operand) conceptText(x *Value) bool {
	if o.folded == "" {
		return false
	}
	n := x.Node
	if x.form == asIdentifier {
		n = n.Get("type")
	}
	texts := []string{n.Get("text").Text(), n.Get("display").Text()}
	for c := range n.Get("coding").Items() {
		texts = append(texts, c.Get("display").Text())
	}
	if x.form == asText || x.form == asContact {
		texts = append(texts, x.Code)
	}
	for _, t := range texts {
		if strings.HasPrefix(fold(t), o.folded) || strings.Contains(fold(t), " "+o.folded) {
			return true
		}
	}
	return false
}

// mimeBelow compares the base part of a media type
// (search.html#mimetype).
func mimeBelow(have, want string) bool {
	base, _, _ := strings.Cut(have, ";")
	base = foldCode(strings.TrimSpace(base))
	want = foldCode(want)
	return base == want || strings.HasPrefix(base, strings.TrimSuffix(want, "/")+"/")
}

// text compares strings (search.html#string).
func (o *operand) text(x *Value, mod string, v *Values) bool {
	if mod == "exact" {
		return x.Code == o.code
	}
	have := v.fold(x.Code)
	if o.folded == "" {
		// nothing but punctuation was asked for: only itself fits
		return o.code != "" && strings.HasPrefix(x.Code, o.code)
	}
	switch {
	case mod == "text":
		return strings.Contains(" "+have, " "+o.folded)
	case mod == "contains" || o.prefix == "co":
		return strings.Contains(have, o.folded)
	case o.prefix == "ew":
		return strings.HasSuffix(have, o.folded)
	case o.prefix == "eq":
		return have == o.folded
	}
	found := false
	starts(have, x.branch.words, func(s string) bool {
		found = strings.HasPrefix(s, o.folded)
		return !found
	})
	return found
}

// uri compares addresses (search.html#uri). A version behind a bar counts only
// when it was asked for.
func (o *operand) uri(have, mod string) bool {
	url, version, versioned := strings.Cut(o.code, "|")
	own, ownVersion, _ := strings.Cut(have, "|")
	switch {
	case mod == "below":
		return own == url || !strings.HasPrefix(own, "urn:") && under(own, url)
	case mod == "above":
		return own == url || !strings.HasPrefix(own, "urn:") && under(url, own)
	case o.prefix == "sw":
		return strings.HasPrefix(have, o.code)
	case o.prefix == "ew":
		return strings.HasSuffix(have, o.code)
	case o.prefix == "co":
		return strings.Contains(have, o.code)
	}
	return have == o.code || own == url && (!versioned || ownVersion == version)
}

// under says whether an address lies below another one.
func under(below, above string) bool {
	if above == "" || !strings.HasPrefix(below, above) {
		return false
	}
	return strings.HasSuffix(above, "/") || len(below) == len(above) || below[len(above)] == '/'
}

// reference compares references (search.html#reference).
func (o *operand) reference(x *Value, mod string) bool {
	switch mod {
	case "identifier":
		id := x.Node.Get("identifier")
		return id.Ok() && (o.anySystem || id.Get("system").Text() == o.system) && (o.anyCode || id.Get("value").Text() == o.code)
	case "below", "above":
		return o.uri(x.Code, mod)
	}
	if x.Code == "" {
		return false
	}
	r := &o.ref
	if r.Version != "" && r.Version != x.Text {
		return false
	}
	switch {
	case r.URL != "":
		return x.Code == r.URL
	case r.Type == "":
		typ, id, ok := cutRef(x.Code)
		return ok && id == r.ID && typ != "" || x.Code == r.ID
	}
	return len(x.Code) == len(r.Type)+1+len(r.ID) && strings.HasPrefix(x.Code, r.Type) && x.Code[len(r.Type)] == '/' && strings.HasSuffix(x.Code, r.ID)
}

// cutRef parts Type/id; ok is false for everything else.
func cutRef(s string) (typ, id string, ok bool) {
	typ, id, ok = strings.Cut(s, "/")
	return typ, id, ok && id != "" && !strings.Contains(id, "/") && !strings.Contains(typ, ":")
}

// date compares a stretch of time with that of the query
// (search.html#prefix).
func (o *operand) date(lo, hi int64) bool {
	within := lo >= o.lo && hi <= o.hi
	switch o.prefix {
	case "ne":
		return !within
	case "lt":
		return lo < o.lo
	case "gt":
		return hi > o.hi
	case "le":
		return lo < o.lo || within
	case "ge":
		return hi > o.hi || within
	case "sa":
		return lo > o.hi
	case "eb":
		return hi < o.lo
	case "ap":
		return lo <= o.hi && hi >= o.lo
	}
	return within
}

// quantity compares a number or a quantity (search.html#number, #quantity).
func (q *Query) quantity(o *operand, x *Value) bool {
	least, most, ok := x.bounds()
	if !ok || o.low == nil {
		return false
	}
	if x.branch.kind == Number || o.anyCode && o.anySystem {
		return o.between(ratOf(least), ratOf(most))
	}
	if o.anySystem {
		return (x.Code == o.code || x.Text == o.code) && o.between(ratOf(least), ratOf(most))
	}
	if o.system != x.System {
		return false
	}
	if o.anyCode || o.code == x.Code {
		return o.between(ratOf(least), ratOf(most))
	}
	return q.converted(o, x, ratOf(least), ratOf(most))
}

func ratOf(n *number) *big.Rat {
	if n == nil {
		return nil
	}
	return n.rat()
}

// converted compares in base units.
func (q *Query) converted(o *operand, x *Value, least, most *big.Rat) bool {
	own, ok := q.engine.unitOf(x.System, x.Code)
	want, fits := q.engine.unitOf(o.system, o.code)
	if !ok || !fits || own.Unit != want.Unit {
		return false
	}
	c := *o
	c.low, c.high = want.Ratio(o.low), want.Ratio(o.high)
	return c.between(own.inBase(least), own.inBase(most))
}

func (u *unit) inBase(v *big.Rat) *big.Rat {
	if v == nil {
		return nil
	}
	return u.Ratio(v)
}

// between compares a stretch of numbers with that of the query; nil is no
// bound. What a number stands for includes its lower end and not its upper one
// (search.html#number: [99.5 … 100.5)).
func (o *operand) between(least, most *big.Rat) bool {
	aboveLow := least != nil && least.Cmp(o.low) >= 0
	belowHigh := most != nil && (most.Cmp(o.high) < 0 || o.low.Cmp(o.high) == 0 && most.Cmp(o.high) == 0)
	within := aboveLow && belowHigh
	switch o.prefix {
	case "ne":
		return !within
	case "lt":
		return least == nil || least.Cmp(o.low) < 0
	case "gt":
		return most == nil || most.Cmp(o.high) > 0
	case "le":
		return least == nil || least.Cmp(o.low) <= 0
	case "ge":
		return most == nil || most.Cmp(o.high) >= 0
	case "sa":
		return least != nil && least.Cmp(o.high) > 0
	case "eb":
		return most != nil && most.Cmp(o.low) < 0
	case "ap":
		return (least == nil || least.Cmp(o.high) <= 0) && (most == nil || most.Cmp(o.low) >= 0)
	}
	return within
}

// ancestors calls f with the address and everything above it.
func ancestors(address string, f func(string)) {
	f(address)
	if u, err := url.Parse(address); err != nil || u.Host == "" {
		return
	}
	for n := 0; n < 32; n++ {
		i := strings.LastIndexByte(strings.TrimSuffix(address, "/"), '/')
		if i < 0 || strings.HasSuffix(address[:i], ":/") || strings.HasSuffix(address[:i], "//") {
			return
		}
		if !strings.HasSuffix(address, "/") {
			f(address[:i+1])
		}
		address = address[:i]
		f(address)
	}
}

const (
	lowest  = math.MinInt64
	highest = math.MaxInt64
)
