package search

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// pick draws one of some texts.
func pick(t *rapid.T, of ...string) string { return rapid.SampledFrom(of).Draw(t, "pick") }

func drawDate(t *rapid.T) string {
	return pick(t, "2026", "2026-02", "2026-02-28", "2026-03-01", "2026-03-01T10:00:00Z", "2026-03-01T10:00:00.5Z", "2026-03-01T11:00:00+01:00", "2027", "2024-02-29")
}

func drawNumber(t *rapid.T) string {
	return pick(t, "5", "5.0", "5.04", "5.05", "4.95", "-5", "0", "0.0", "5e0", "5000", "0.005", "1e2", "100", "95", "105")
}

func drawQuantity(t *rapid.T) map[string]any {
	q := map[string]any{"value": json.Number(drawNumber(t))}
	if u := pick(t, "", "mg", "g", "ug", "Cel", "K", "x"); u != "" {
		q["code"], q["unit"] = u, u
		q["system"] = pick(t, vigil.UCUM, vigil.UCUM, "urn:other")
	}
	if c := pick(t, "", "", "", "<", ">="); c != "" {
		q["comparator"] = c
	}
	return q
}

func drawConcept(t *rapid.T) map[string]any {
	c := map[string]any{}
	for range rapid.IntRange(0, 2).Draw(t, "codings") {
		coding := map[string]any{"code": pick(t, "a", "A", "b")}
		if s := pick(t, "", "urn:s", vigil.UCUM); s != "" {
			coding["system"] = s
		}
		list, _ := c["coding"].([]any)
		c["coding"] = append(list, coding)
	}
	if len(c) == 0 {
		c["text"] = "only text"
	}
	return c
}

func drawObservation(t *rapid.T) string {
	o := map[string]any{"resourceType": "Observation", "id": pick(t, "1", "2"), "status": pick(t, "final", "amended"), "code": drawConcept(t)}
	maybe := func(f func()) {
		if rapid.Bool().Draw(t, "maybe") {
			f()
		}
	}
	maybe(func() {
		o["subject"] = map[string]any{"reference": pick(t, "Patient/1", "Patient/2", "Device/1", "https://vigil.example.org/fhir/Patient/1", "http://x.example.org/Patient/1", "urn:uuid:1")}
	})
	maybe(func() { o["effectiveDateTime"] = drawDate(t) })
	if o["effectiveDateTime"] == nil {
		maybe(func() {
			p := map[string]any{}
			maybe(func() { p["start"] = drawDate(t) })
			maybe(func() { p["end"] = drawDate(t) })
			o["effectivePeriod"] = p
		})
	}
	maybe(func() { o["valueQuantity"] = drawQuantity(t) })
	if o["valueQuantity"] == nil {
		maybe(func() { o["valueString"] = pick(t, "Some text", "some-text here", "ÄÖ!") })
	}
	maybe(func() {
		o["component"] = []any{map[string]any{"code": drawConcept(t), "valueQuantity": drawQuantity(t)}, map[string]any{"code": drawConcept(t), "valueQuantity": drawQuantity(t)}}
	})
	maybe(func() {
		o["identifier"] = []any{map[string]any{"system": pick(t, "urn:s", "urn:t"), "value": pick(t, "a", "A")}}
	})
	b, _ := json.Marshal(o)
	return string(b)
}

func drawCriterion(t *rapid.T) string {
	prefix := pick(t, "", "", "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
	token := func() string { return pick(t, "", "", "urn:s|", "|", vigil.UCUM+"|") + pick(t, "a", "A", "b") }
	quantity := func() string {
		return prefix + drawNumber(t) + pick(t, "", "", "||mg", "|"+vigil.UCUM+"|mg", "|"+vigil.UCUM+"|g", "|"+vigil.UCUM+"|K", "|urn:other|x")
	}
	switch rapid.IntRange(0, 12).Draw(t, "criterion") {
	case 0:
		return "date=" + prefix + drawDate(t)
	case 1:
		return pick(t, "code", "combo-code", "component-code") + pick(t, "", "", ":not") + "=" + token()
	case 2:
		return pick(t, "value-quantity", "combo-value-quantity", "component-value-quantity") + "=" + quantity()
	case 3:
		return pick(t, "code-value-quantity", "component-code-value-quantity", "combo-code-value-quantity") + "=" + token() + "$" + quantity()
	case 4:
		return pick(t, "patient", "subject") + "=" + pick(t, "1", "Patient/1", "Patient/2", "https://vigil.example.org/fhir/Patient/2")
	case 5:
		return "subject" + pick(t, ":Patient=1", ":Device=1", ":not=Patient/1", "=http://x.example.org/Patient/1", "=urn:uuid:1", "=Device/1")
	case 6:
		return pick(t, "date", "value-quantity", "patient", "code", "component-code", "value-string", "identifier", "status", "device", "combo-code-value-quantity") + ":missing=" + pick(t, "true", "false")
	case 7:
		return "value-string" + pick(t, "", ":exact", ":contains") + "=" + pick(t, "s", "so", "some", "some t", "text", "some-text", "äö", "Some text")
	case 8:
		return "status" + pick(t, "", ":not") + "=" + pick(t, "final", "amended,final", "FINAL", "http://hl7.org/fhir/observation-status|final", "urn:s|final")
	case 9:
		return "identifier=" + pick(t, "", "urn:s|", "|") + pick(t, "a", "A")
	case 10:
		return "_id" + pick(t, "", ":not") + "=" + pick(t, "1", "2", "1,2")
	case 11:
		return "code:text=" + pick(t, "only", "text", "zz")
	}
	return "_filter=" + pick(t, "", "not ") + "(code eq " + pick(t, "a", "urn:s|a") + pick(t, " and ", " or ") + "date " + pick(t, "ge ", "lt ", "po ") + drawDate(t) + ")"
}

// Whatever is asked, the plan finds what matches, and what needs no check
// matches.
func TestThePlanFindsWhatMatches(t *testing.T) {
	e := testEngine()
	rapid.Check(t, func(rt *rapid.T) {
		src := drawObservation(rt)
		d, err := tree.Parse([]byte(src))
		if err != nil {
			rt.Fatal(err)
		}
		var list []pair
		for range rapid.IntRange(1, 3).Draw(rt, "criteria") {
			name, value, _ := strings.Cut(drawCriterion(rt), "=")
			list = append(list, pair{name, value})
		}
		if rapid.Bool().Draw(rt, "sorted") {
			list = append(list, pair{"_sort", "-date"})
		}
		raw := join(list)
		q, issues := e.Parse(Request{Types: []string{"Observation"}, Raw: raw, Now: now})
		if len(issues) > 0 {
			rt.Fatalf("%s: %+v", raw, issues)
		}
		v := e.Extract(d.Root())
		is := q.MatchValues(v)
		if is != q.Match(d.Root()) {
			rt.Errorf("%s on %s: two answers", raw, src)
		}
		p := q.Plan()
		passes := !p.Nothing && holdsAll(p.Query.All, v.Keys(), v.ID())
		if is && !passes || passes && !is && !p.Check {
			rt.Fatalf("%s on %s: matches %v, the plan says %v (check %v)\n%+v", raw, src, is, passes, p.Check, p.Query.All)
		}
	})
}

// Prefixes have the relations that search.html#prefix gives them.
func TestPrefixesBelongTogether(t *testing.T) {
	p := &parser{e: testEngine(), req: Request{Now: now}}
	rapid.Check(t, func(rt *rapid.T) {
		a, b := drawDate(rt), drawDate(rt)
		lo, hi, err := dateSpan(a)
		if err != nil {
			rt.Fatal(err)
		}
		is := map[string]bool{}
		for _, prefix := range []string{"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"} {
			o, err := p.dateOperand(prefix + b)
			if err != nil {
				rt.Fatal(err)
			}
			is[prefix] = o.date(lo, hi)
		}
		related(rt, is, a+" and "+b)
		q, r := drawNumber(rt), drawNumber(rt)
		n, _ := parseNumber(q)
		for prefix := range is {
			o, err := numberOperand(prefix, r)
			if err != nil {
				rt.Fatal(err)
			}
			is[prefix] = o.between(n.rat(), n.rat())
		}
		// eq is about what a number stands for, the others are exact
		if is["eq"] == is["ne"] || is["eq"] && !is["ap"] || is["gt"] != is["sa"] || is["lt"] != is["eb"] || is["gt"] == is["le"] || is["lt"] == is["ge"] || is["gt"] && is["lt"] {
			rt.Fatalf("%s and %s: %v", q, r, is)
		}
	})
}

func related(t *rapid.T, is map[string]bool, what string) {
	if is["eq"] == is["ne"] || is["eq"] && !is["ap"] || is["sa"] && !is["gt"] || is["eb"] && !is["lt"] ||
		is["sa"] && is["eb"] || is["sa"] && (is["le"] || is["eq"]) || is["eb"] && (is["ge"] || is["eq"]) ||
		is["gt"] && !is["ge"] || is["lt"] && !is["le"] || is["eq"] && (!is["ge"] || !is["le"]) {
		t.Fatalf("%s: %v", what, is)
	}
}

// The vectors of the SipHash paper: the key 00 01 … 0f, the inputs 00 01 ….
func TestSipHash(t *testing.T) {
	var k Key
	for i := range k {
		k[i] = byte(i)
	}
	in := make([]byte, 15)
	for i := range in {
		in[i] = byte(i)
	}
	for n, want := range map[int]uint64{0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 7: 0xab0200f58b01d137, 8: 0x93f5f5799a932462, 15: 0xa129ca6149be45e5} {
		if got := k.sum(in[:n]); got != want {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
	}
}

func TestTextsAreFolded(t *testing.T) {
	for in, want := range map[string]string{
		"Zoë": "zoe", "O'Brien": "obrien", "Anne-Marie": "anne marie", "  A \t B ": "a b", "STRAẞE": "strasse", "Straße": "strasse",
		"Ångström": "angstrom", "Łódź": "lodz", "İstanbul": "istanbul", "Σίσυφος": "σισυφοσ", "山田": "山田", "!?": "", "ﬁ": "fi", "æther": "aether", "e\u0301": "e", "12 High St.": "12 high st",
	} {
		if got := fold(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Zoë O'Brien")
	f.Add("a  b")
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return
		}
		once := fold(s)
		if fold(once) != once {
			t.Errorf("%q: %q, then %q", s, once, fold(once))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"name=x&_sort=-date", "subject:Patient.name:exact=a%5C,b", "_has:Observation:patient:code=a|b", `_filter=not (code eq "x" and date ge 2026)`, "code-value-quantity=a$gt5|u|c", "_text=a+OR+%22b+c%22", "near=1|2|3|km", "identifier:of-type=a|b|c"} {
		f.Add(s)
	}
	e := testEngine()
	d, _ := tree.Parse([]byte(bloodPressure))
	f.Fuzz(func(t *testing.T, raw string) {
		for _, typ := range []string{"Observation", "Patient"} {
			q, issues := e.Parse(Request{Types: []string{typ}, Raw: raw, Now: now})
			for _, i := range issues {
				if i.Code == "" || i.Msg == "" {
					t.Errorf("%q: %+v", raw, i)
				}
			}
			is := q.Match(d.Root())
			p := q.Plan()
			v := e.Extract(d.Root())
			if is && (p.Nothing || !holdsAll(p.Query.All, withChanged(v), v.ID())) {
				t.Errorf("%q matches, but the plan does not find it: %+v", raw, p)
			}
			again, more := e.Parse(Request{Types: []string{typ}, Raw: q.Self(), Now: now})
			if len(more) > 0 || again.Self() != q.Self() {
				t.Errorf("%q: the self link %q is read as %q with %v", raw, q.Self(), again.Self(), more)
			}
		}
	})
}

func withChanged(v *Values) vigil.ResourceKeys {
	k := v.Keys()
	if lo, _, ok := spanOf(v.root.Get("meta").Get("lastUpdated")); ok {
		k.Spans = append(k.Spans, vigil.ResourceSpan{Param: vigil.ChangedParam, Lo: lo, Hi: lo})
	}
	return k
}

func FuzzNumber(f *testing.F) {
	for _, s := range []string{"1", "-1.50", "1e2", "1.0E-5", "0.80000000000000000001", "123456789012345678901234567890", "1e400"} {
		f.Add(s, "2")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		x, err := parseNumber(a)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(a)
		if !ok || want.Cmp(x.rat()) != 0 {
			t.Fatalf("%q is %v", a, x.rat())
		}
		y, err := parseNumber(b)
		if err != nil {
			return
		}
		c := x.compare(y)
		if c != x.rat().Cmp(y.rat()) || c != -y.compare(x) {
			t.Errorf("%q and %q: %d", a, b, c)
		}
		if i, j := x.ordered(), y.ordered(); c < 0 && i > j || c > 0 && i < j || i != orderedRat(x.rat()) {
			t.Errorf("%q and %q: the order of their bits is another one", a, b)
		}
		if x.half().Sign() <= 0 {
			t.Errorf("%q has no precision", a)
		}
	})
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{"2026", "2026-02", "2024-02-29", "2026-03-01T10:00", "2026-03-01T24:00:00Z", "2016-12-31T23:59:60Z", "0001-01-01T00:00:00.123456789-14:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lo, hi, err := dateSpan(s)
		if err == nil && (lo > hi || hi-lo > 366*day) {
			t.Errorf("%q: from %d to %d", s, lo, hi)
		}
	})
}

func FuzzExpression(f *testing.F) {
	f.Add("(Observation.value as Quantity) | Observation.component.where(code='x').value.ofType(Quantity)")
	f.Add("Bundle.entry[0].resource")
	f.Fuzz(func(t *testing.T, s string) {
		for _, alt := range alternatives(s) {
			w, ok := parseWay(alt, false)
			if ok {
				_ = w.path("X") + w.key("X", true)
			}
		}
	})
}

// The order of the bytes is that of the numbers and dates.
func TestRanksAreInOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		a, b := rapid.Int64().Draw(rt, "a"), rapid.Int64().Draw(rt, "b")
		if (a < b) != (string(intRank(a)) < string(intRank(b))) {
			rt.Fatal(a, b)
		}
		x, y := rapid.Float64().Draw(rt, "x"), rapid.Float64().Draw(rt, "y")
		if (x < y) != (ordered(x) < ordered(y)) {
			rt.Fatal(x, y)
		}
	})
	if binary.BigEndian.Uint64(intRank(0)) != 1<<63 || fmt.Sprint(textRank("a")) >= fmt.Sprint(textRank("ab")) {
		t.Error("ranks")
	}
}
