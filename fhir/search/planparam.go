package search

import (
	"strings"

	"github.com/vigil-iomt/vigil"
)

// param says what the index knows about one parameter, for all types that are
// searched: a resource passes when it passes for its own type.
func (p *planner) param(e *expr) test {
	var any []vigil.ResourceTest
	exact := true
	types := p.q.Types
	if e.of != "" {
		types = []string{e.of}
	}
	for _, t := range types {
		def := p.q.engine.model(t).params[e.code]
		if def == nil {
			continue
		}
		var tests []vigil.ResourceTest
		var ok, sure bool
		switch {
		case e.mod == "missing":
			tests, ok = p.missing(def, e)
			sure = ok && (len(types) == 1 || !hasNot(tests))
			ok = sure
		case def.kind == Composite:
			tests, ok, sure = p.composite(def, e)
		case def.kind == Reference && (e.mod == "above" || e.mod == "below"):
			tests, ok = p.hierarchy(def, e)
		default:
			tests, ok, sure = p.uses(def, e)
		}
		if !ok {
			return test{}
		}
		any = append(any, tests...)
		exact = exact && sure
	}
	return oneOf(any, exact)
}

func hasNot(tests []vigil.ResourceTest) bool {
	for _, t := range tests {
		if t.Not {
			return true
		}
	}
	return false
}

// uses goes through the alternatives of a parameter. ok is false when the index
// cannot narrow anything down; sure says that what it finds fits.
func (p *planner) uses(def *param, e *expr) (any []vigil.ResourceTest, ok, sure bool) {
	sure = true
	for i := range def.uses {
		u := &def.uses[i]
		if !u.bare.ready {
			return nil, false, false
		}
		for j := range e.vals {
			tests, is, exact := p.operand(u.bare, def, u.target, e.mod, &e.vals[j])
			if !is {
				return nil, false, false
			}
			any = append(any, tests...)
			sure = sure && exact && u.bare == u.branch
		}
	}
	return any, true, sure
}

// missing is about what the index expects.
func (p *planner) missing(def *param, e *expr) ([]vigil.ResourceTest, bool) {
	if def.silent || def.pending {
		return nil, false
	}
	var any []vigil.ResourceTest
	for i := range e.vals {
		token := def.parts[0]
		if def.usual {
			token = def.parts[1]
		}
		any = append(any, vigil.ResourceTest{Tokens: []uint64{token}, Not: e.vals[i].flag != def.usual})
	}
	return any, true
}

// composite finds resources that have all the parts somewhere; whether they are
// at one place is for Match to say.
func (p *planner) composite(def *param, e *expr) (any []vigil.ResourceTest, ok, sure bool) {
	for i := range def.places {
		for j := range e.vals {
			var all []vigil.ResourceTest
			for k := range def.places[i].parts {
				if t := p.part(def, &def.places[i].parts[k], &e.vals[j].parts[k]); len(t.all) > 0 {
					all = append(all, t.all...)
				} else if t.never {
					all = nil
					break
				}
			}
			if len(all) == 0 {
				return nil, false, false
			}
			any = append(any, every(all))
		}
	}
	return any, len(any) > 0, false
}

func (p *planner) part(def *param, t *part, o *operand) test {
	var any []vigil.ResourceTest
	for _, b := range t.index {
		if b == nil {
			return test{}
		}
		tests, ok, _ := p.operand(b, def, "", "", o)
		if !ok {
			return test{}
		}
		any = append(any, tests...)
	}
	if len(any) == 0 {
		return test{}
	}
	return oneOf(any, false)
}

// operand says which tokens or spans a value that fits has.
func (p *planner) operand(b *branch, def *param, target, mod string, o *operand) (any []vigil.ResourceTest, ok, sure bool) {
	switch b.kind {
	case Token:
		return p.token(b, mod, o)
	case String:
		return p.text(b, mod, o)
	case URI:
		return p.uri(b, mod, o)
	case Reference:
		return p.reference(b, def, target, mod, o)
	case Date:
		return ranges(b.hash, o.prefix, o.lo, o.hi), true, true
	case Number, Quantity:
		return p.number(b, o)
	case Composite, Special:
	}
	return nil, false, false
}

func (p *planner) hash(b *branch, how byte, a, c string) uint64 {
	return p.key.hash(b.hash, how, a, c)
}

func tokens(t ...uint64) []vigil.ResourceTest { return []vigil.ResourceTest{{Tokens: t}} }

func (p *planner) token(b *branch, mod string, o *operand) (any []vigil.ResourceTest, ok, sure bool) {
	switch mod {
	case "":
	case "of-type":
		return tokens(p.hash(b, byExact, o.code, ""), p.hash(b, byCode, foldCode(o.code), "")), true, false
	case "in", "below", "above":
		return p.codes(b, o)
	default:
		return nil, false, false
	}
	if o.anyCode {
		return nil, false, false
	}
	if o.anySystem {
		t := []uint64{p.hash(b, byExact, o.code, "")}
		if !b.exact {
			t = append(t, p.hash(b, byCode, foldCode(o.code), ""))
		}
		return tokens(t...), true, true
	}
	how, code := p.q.engine.cased(b, o.system, o.code)
	if b.systems() && onlyConcepts(b) {
		return tokens(p.hash(b, bySystem, o.system, code)), true, true
	}
	if b.systems() {
		return tokens(p.hash(b, bySystem, o.system, code), p.hash(b, bySystem, "", code), p.hash(b, bySystem, "", foldCode(code))), true, false
	}
	return tokens(p.hash(b, how, code, "")), true, false
}

// onlyConcepts says that all values of the branch have a system of their own.
func onlyConcepts(b *branch) bool {
	for _, e := range b.ends {
		if e.form == asCode {
			return false
		}
	}
	return true
}

// codes finds the codes of a value set.
func (p *planner) codes(b *branch, o *operand) (any []vigil.ResourceTest, ok, sure bool) {
	if o.codes == nil {
		return nil, false, false
	}
	var t []uint64
	for c := range o.codes {
		how, code := p.q.engine.cased(b, c.System, c.Value)
		if b.systems() {
			t = append(t, p.hash(b, bySystem, c.System, code))
		}
		if !b.systems() || !onlyConcepts(b) {
			t = append(t, p.hash(b, how, code, ""))
		}
	}
	if len(t) == 0 {
		return nil, true, true
	}
	return tokens(t...), true, false
}

func (p *planner) text(b *branch, mod string, o *operand) (any []vigil.ResourceTest, ok, sure bool) {
	if mod == "contains" || mod == "text" || o.prefix == "co" || o.prefix == "ew" || o.folded == "" {
		return nil, false, false
	}
	found := 0
	var start string
	for _, n := range prefixes() {
		if s, ok := cutRunes(o.folded, n); ok {
			start, found = s, n
		}
	}
	if found == 0 {
		return nil, false, false
	}
	return tokens(p.hash(b, byPrefix, start, "")), true, mod == "" && o.prefix != "eq" && start == o.folded
}

func (p *planner) uri(b *branch, mod string, o *operand) (any []vigil.ResourceTest, ok, sure bool) {
	url, _, versioned := strings.Cut(o.code, "|")
	switch {
	case mod == "above":
		var t []uint64
		ancestors(url, func(s string) { t = append(t, p.hash(b, byExact, s, "")) })
		return tokens(t...), true, false
	case mod != "" || o.prefix != "":
		return nil, false, false
	}
	return tokens(p.hash(b, byExact, url, "")), true, !versioned
}

func (p *planner) reference(b *branch, def *param, target, mod string, o *operand) (any []vigil.ResourceTest, ok, sure bool) {
	switch mod {
	case "identifier":
		if o.anyCode {
			return nil, false, false
		}
		return tokens(p.hash(b, byLogic, o.code, "")), true, o.anySystem && target == ""
	}
	r := &o.ref
	switch {
	case target != "" && r.Type != "" && r.Type != target:
		return nil, true, true
	case r.URL != "":
		return tokens(p.hash(b, byExact, r.URL, "")), true, r.Version == "" && target == ""
	case r.Type != "":
		return tokens(p.hash(b, byExact, r.String(), "")), true, r.Version == ""
	}
	t := []uint64{p.hash(b, byExact, r.ID, "")}
	for _, of := range p.q.engine.pointees(def, target) {
		t = append(t, p.hash(b, byExact, of+"/"+r.ID, ""))
	}
	return tokens(t...), true, r.Version == ""
}

// pointees are the types that a reference without one may mean: all, for
// nothing keeps references to other types out of a record.
func (e *Engine) pointees(def *param, target string) []string {
	if target != "" {
		return []string{target}
	}
	return e.c.Schema.Resources()
}

// ranges says where the spans are that fit a stretch (search.html#prefix).
func ranges(param uint64, prefix string, lo, hi int64) []vigil.ResourceTest {
	r := func(loMin, loMax, hiMin, hiMax int64) vigil.ResourceTest {
		return vigil.ResourceTest{Span: &vigil.ResourceRange{Param: param, LoMin: loMin, LoMax: loMax, HiMin: hiMin, HiMax: hiMax}}
	}
	below := func(v int64) int64 { return max(v, lowest+1) - 1 }
	within := r(lo, hi, lo, hi)
	switch prefix {
	case "ne":
		return []vigil.ResourceTest{r(lowest, below(lo), lowest, highest), r(lowest, highest, above(hi), highest)}
	case "lt":
		return []vigil.ResourceTest{r(lowest, below(lo), lowest, highest)}
	case "gt":
		return []vigil.ResourceTest{r(lowest, highest, above(hi), highest)}
	case "le":
		return []vigil.ResourceTest{r(lowest, below(lo), lowest, highest), within}
	case "ge":
		return []vigil.ResourceTest{r(lowest, highest, above(hi), highest), within}
	case "sa":
		return []vigil.ResourceTest{r(above(hi), highest, lowest, highest)}
	case "eb":
		return []vigil.ResourceTest{r(lowest, highest, lowest, below(lo))}
	case "ap":
		return []vigil.ResourceTest{r(lowest, hi, lo, highest)}
	}
	return []vigil.ResourceTest{within}
}

// number finds numbers as written or, with a unit of UCUM, in base units.
// Bounds are rounded, so that what is found may be next to what is asked for.
func (p *planner) number(b *branch, o *operand) (any []vigil.ResourceTest, ok, sure bool) {
	low, high := o.low, o.high
	if low == nil || high == nil {
		return nil, false, false
	}
	if u, is := p.q.engine.unitOf(o.system, o.code); is && b.kind == Quantity {
		lo, hi := u.bitsOf(low), u.bitsOf(high)
		return numberRanges(p.hash(b, byUnit, u.Unit, ""), o.prefix, min(lo, hi)-slack, max(lo, hi)+slack, slack), true, false
	}
	return numberRanges(b.plainSpan, o.prefix, orderedRat(low), orderedRat(high), 0), true, false
}

// numberRanges is ranges for numbers: they are compared with ≤ where the
// numbers themselves have <, since rounding may make them equal. lo and hi have
// slack already.
func numberRanges(param uint64, prefix string, lo, hi, slack int64) []vigil.ResourceTest {
	r := func(loMin, loMax, hiMin, hiMax int64) []vigil.ResourceTest {
		return []vigil.ResourceTest{{Span: &vigil.ResourceRange{Param: param, LoMin: loMin, LoMax: loMax, HiMin: hiMin, HiMax: hiMax}}}
	}
	switch prefix {
	case "ne":
		return append(r(lowest, lo+2*slack, lowest, highest), r(lowest, highest, hi-2*slack, highest)...)
	case "lt", "le":
		return r(lowest, lo+2*slack, lowest, highest)
	case "gt", "ge":
		return r(lowest, highest, hi-2*slack, highest)
	case "sa":
		return r(hi-2*slack, highest, lowest, highest)
	case "eb":
		return r(lowest, highest, lowest, lo+2*slack)
	case "ap":
		return r(lowest, hi, lo, highest)
	}
	return r(lo, hi, lo, hi)
}
