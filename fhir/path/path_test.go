package path_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

func item(t testing.TB, text string) path.Item {
	t.Helper()
	d, err := tree.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return path.ItemOf(schema.R4(), d.Root())
}

const patient = `{"resourceType":"Patient","id":"p","active":true,"birthDate":"1974-12-25","_birthDate":{"extension":[{"url":"u","valueString":"x"}]},
"name":[{"family":"Chalmers","given":["Peter",null,"James"],"_given":[{"id":"g"},{"extension":[{"url":"u","valueCode":"y"}]},null]}],
"contained":[{"resourceType":"Organization","id":"o","name":"Clinic"}],"managingOrganization":{"reference":"#o"},
"generalPractitioner":[{"reference":"Practitioner/7"},{"reference":"https://a.example/fhir/Organization/9/_history/2"},{"display":"?"}],
"multipleBirthInteger":2,"extension":[{"url":"w","valueQuantity":{"value":70.50,"system":"http://unitsofmeasure.org","code":"kg"}}]}`

// TestEval has what the suite leaves out. An expected text that starts with !
// is a part of the error.
func TestEval(t *testing.T) {
	in := item(t, patient)
	ctx := &path.Context{
		Now:  time.Date(2024, 2, 29, 23, 59, 58, 987654321, time.FixedZone("", 3600)),
		Vars: map[string][]path.Item{"n": {path.Of(int64(5))}},
		MemberOf: func(code path.Item, vs string) (bool, bool) {
			return code.String() == "y", vs == "known"
		},
	}
	for _, c := range []struct{ text, want string }{
		// primitives with and without values
		{"name.given.count()", "3"},
		{"name.given.where(hasValue().not()).extension('u').value", "y"},
		{"name.given.first().id", "g"},
		{"birthDate.extension('u').value", "x"},
		{"birthDate.children().count()", "1"},
		{"multipleBirth", "2"},
		{"multipleBirth is integer", "true"},
		{"multipleBirthInteger", ""},
		{"extension.value.value.toString()", "70.50"},
		{"extension.value = 70500 'g'", "true"},
		{"extension.value > 155 '[lb_av]'", "true"},
		{"extension.value < 1 'm'", ""},
		{"extension('w').value.unit", ""},
		{"Resource.id | DomainResource.text", "p"},
		{"descendants().ofType(Element).count() = descendants().where($this is Element).count()", "true"},
		{"descendants().ofType(Extension).url", "w;u;u"},
		// references
		{"managingOrganization.resolve().name", "Clinic"},
		{"generalPractitioner.where(resolve() is Practitioner).reference", "Practitioner/7"},
		{"generalPractitioner.where(resolve() is Organization).count()", "1"},
		{"contained.resolve()", ""},
		{"%resource.contained.name & '!'", "Clinic!"},
		// dates
		{"now()", "2024-02-29T23:59:58.987+01:00"},
		{"today() + 1 year", "2025-02-28"},
		{"timeOfDay() + 2 seconds", "00:00:00.987"},
		{"@2024-01-31 + 1 month", "2024-02-29"},
		{"@2024 + 25 months", "2026"},
		{"@2024-03 - 40 days", "2024-02"},
		{"@2024-01-01T10 + 90 minutes", "2024-01-01T11"},
		{"@9999-12-31 + 1 day", ""},
		{"@2024-01-01T10:00:00Z < @2024-01-03", "true"},
		{"@2024-01-01T00:00:00Z < @2024-02-01T00:00:00", "true"},
		{"@2024-01-01T10:00:00Z = @2024-01-01T12:00:00+02:00", "true"},
		{"@2024-02-30", "!no date"},
		{"birthDate.yearOf() + 1", "1975"},
		// numbers
		{"0.1 + 0.2 = 0.3", "true"},
		{"1.00 = 1", "true"},
		{"1 / 3 * 3 ~ 1", "true"},
		{"2147483647 + 1", ""},
		{"7 div 2 | -7 div 2 | 7 mod -2", "3;-3;1"},
		{"9223372036854775807123", "!too large"},
		{"123456789012345678901234567890.5 + 0.5", "123456789012345678901234567891.0"},
		{"2.power(-1)", "0.5"},
		{"10.power(500)", ""},
		{"(2.5).round() | (-2.5).round()", "3;-3"},
		// quantities
		{"1 'h' = 60 minutes", "true"},
		{"1 year = 12 months", "true"},
		{"1 year > 300 days", ""},
		{"37 'Cel' = 310.15 'K'", "true"},
		{"98.6 '[degF]' = 37 'Cel'", "true"},
		{"1 'm' + 1 'cm'", "101 'cm'"},
		{"(1 'g' / 1 'mL') = 1 'kg/L'", "true"},
		{"'5.0 mg'.toQuantity()", ""},
		{"1 'kg'.toQuantity('g')", "1000 'g'"},
		// text
		{"'aé'.length() | 'aé'.indexOf('é') | 'éa'.substring(1)", "2;1;a"},
		{"'a.b'.split('.').join('-')", "a-b"},
		{"'x' & {} & 'y'", "xy"},
		{"'x' + {}", ""},
		{"'abc'.matches('[')", "!not a regular expression"},
		{"'2024-01-01'.replaceMatches('(\\\\d+)-(\\\\d+)-(\\\\d+)', '$3.$2.$1')", "01.01.2024"},
		// scope
		{"name.given.select($index)", "0;1;2"},
		{"name.defineVariable('f', family).given.first() & ' ' & %f", "!no %f"},
		{"name.defineVariable('f', family).select(given.first() & ' ' & %f)", "Peter Chalmers"},
		{"%n + 1", "6"},
		{"%nothing", "!no %nothing"},
		{"(1 | 2).select($this * 10)", "10;20"},
		{"coalesce({}, 'a', 'b')", "a"},
		{"iif(active, 'yes', 1 & (2 | 3))", "yes"},
		{"name.given.memberOf('known')", "!one value"},
		{"name.given[1].extension.value.memberOf('known')", "true"},
		{"name.given[1].extension.value.memberOf('other')", ""},
		{"name.where(given = 'Peter')", ""},
		{"name.nothing.nothing", ""},
		// errors
		{"nosuch()", "!no function nosuch()"},
		{"count(1)", "!no arguments"},
		{"name is Nonsense", "!no type"},
		{"(1 | 2) + 1", "!single values"},
		{"", "!no end"},
		{"name..given", "!unexpected"},
		{"$nothing", "!no \"$nothing\""},
		{"'a' > 1", "!cannot compare"},
	} {
		got := evaluate(c.text, ctx, in)
		if want, fails := strings.CutPrefix(c.want, "!"); got != c.want && (!fails || !strings.HasPrefix(got, "!") || !strings.Contains(got, want)) {
			t.Errorf("%s = %q, want %q", c.text, got, c.want)
		}
	}
}

func evaluate(text string, ctx *path.Context, in path.Item) string {
	e, err := path.Compile(text)
	if err != nil {
		return "!" + err.Error()
	}
	out, err := e.Eval(ctx, in)
	if err != nil {
		return "!" + err.Error()
	}
	var all []string
	for _, i := range out {
		all = append(all, i.String())
	}
	return strings.Join(all, ";")
}

// TestBounded evaluates what would take forever.
func TestBounded(t *testing.T) {
	in := item(t, patient)
	long := strings.Repeat("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.toChars().select(", 8) + "1" + strings.Repeat(")", 8)
	for name, text := range map[string]string{
		"a product of loops": long,
		"a growing text":     "'aaaaaaaa'" + strings.Repeat(".replace('a', 'aaaaaaaaaaaaaaaa')", 12),
		"an endless repeat":  "1.repeat($this + 1)",
		"a growing list":     strings.Repeat("(1|2|3).select(", 20) + "$this.combine($this)" + strings.Repeat(")", 20),
	} {
		e, err := path.Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		start := time.Now()
		_, err = e.Eval(&path.Context{Steps: 1_000_000}, in)
		if !errors.Is(err, path.ErrCost) {
			t.Errorf("%s: %v, want an error for its cost", name, err)
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
	for name, text := range map[string]string{
		"brackets": strings.Repeat("(", 100_00) + "1" + strings.Repeat(")", 100_00),
		"signs":    strings.Repeat("-", 10_000) + "1",
		"steps":    "a" + strings.Repeat(".a", 30_000),
		"sum":      "1" + strings.Repeat("+1", 30_000),
		"calls":    strings.Repeat("where(", 10_000),
		"length":   strings.Repeat(" ", 1<<17) + "1",
	} {
		if _, err := path.Compile(text); err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
}

func FuzzEval(f *testing.F) {
	for _, s := range []string{
		"name.given[0] | name.where(family = 'x').given", "1.0 / 3 'mg' + @2015-02-04T10:00:00.5+01:00 - 3 months",
		"iif(true, $this, {}) is FHIR.Patient", "%`ext-a`.matches('a.*[b]')", "descendants().ofType(Quantity).sort(-$this)",
		"'a\\u0041'.encode('hex').toChars().distinct()", "1.587.lowBoundary(3) ~ 2 'wk'", "(1|2).aggregate($total + $this, 0)",
		"repeat(extension).value as Quantity", "// c\n/* d */ 'x' & 3.power(200).toString()", "@T10:30.highBoundary()",
	} {
		f.Add(s)
	}
	in := item(f, patient)
	ctx := &path.Context{Steps: 20_000, Now: time.Unix(0, 0)}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := path.Compile(text)
		if err != nil {
			return
		}
		_ = e.Check(schema.R4(), "Patient")
		a, errA := e.Eval(ctx, in)
		b, errB := e.Eval(ctx, in)
		if (errA == nil) != (errB == nil) || len(a) != len(b) {
			t.Errorf("%q: %d items, %v; then %d items, %v", text, len(a), errA, len(b), errB)
		}
		for _, i := range a {
			_ = i.String()
		}
	})
}

func FuzzDecimal(f *testing.F) {
	for _, s := range [][2]string{{"1.10", "1.1"}, {"-0.05", "123456789012345678"}, {"1e10", "9e-9"}, {"99999999999999999999", "0.000"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, s, u string) {
		a, okA := path.ParseDecimal(s)
		b, okB := path.ParseDecimal(u)
		if !okA || !okB {
			return
		}
		if got, want := a.Add(b).Rat(), a.Rat().Add(a.Rat(), b.Rat()); got.Cmp(want) != 0 {
			t.Errorf("%s + %s = %s", s, u, got)
		}
		if p, ok := a.Mul(b); ok && p.Rat().Cmp(a.Rat().Mul(a.Rat(), b.Rat())) != 0 {
			t.Errorf("%s × %s = %s", s, u, p)
		}
		if got, want := a.Cmp(b), a.Rat().Cmp(b.Rat()); got != want {
			t.Errorf("%s with %s: %d, want %d", s, u, got, want)
		}
		if back, ok := path.ParseDecimal(a.String()); !ok || back.Cmp(a) != 0 || back.Scale() != a.Scale() {
			t.Errorf("%s is written %s", s, a)
		}
		if r := a.Round(2); r.Scale() != 2 || r.Sub(a).Abs().Cmp(path.DecimalOf(1)) >= 0 {
			t.Errorf("%s rounded is %s", s, r)
		}
	})
}

func FuzzTemporal(f *testing.F) {
	for _, s := range []string{"2015", "2015-02", "2015-02-28", "2015-02-04T14:34:28.123+10:00", "2015-02-04T14", "14:34:60.5", "0001-01-01T00:00Z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (path.Temporal, bool){path.ParseDate, path.ParseDateTime, path.ParseTime} {
			v, ok := parse(s)
			if !ok {
				continue
			}
			again, ok := parse(v.String())
			if !ok || again.String() != v.String() || again.Precision() != v.Precision() || !again.Start().Equal(v.Start()) {
				t.Errorf("%q is written %q, which is read as %q", s, v, again)
			}
		}
	})
}

// FuzzDocument evaluates on documents that need not be what their type says.
func FuzzDocument(f *testing.F) {
	f.Add(patient)
	f.Add(bundle)
	f.Add(`{"resourceType":"Patient","name":{"given":[["a"],{"b":1}]},"_name":[null,1],"_birthDate":[{"extension":"x"}],"birthDate":1,"contained":[1,null,{"resourceType":7}],"extension":[{"valueString":{},"_valueString":[]}]}`)
	var all []*path.Expr
	for _, text := range []string{
		"descendants().distinct().count()", "name.given.extension('u').value & birthDate.toString()", "descendants().ofType(Quantity).sort($this)",
		"entry.resource.subject.resolve() ~ contained.resolve()", "children().select($this = $this | $this.value)", "hasValue() or (children().count() > id.count())",
		"extension.value + extension.value", "descendants().where($this is string).select(lower())", "birthDate + 1 day > @2000",
		"descendants().select(type().name | lowBoundary())", "name.family.matches('a.*') implies name.given.memberOf('x')",
	} {
		e, err := path.Compile(text)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, e)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := tree.Parse([]byte(text))
		if err != nil {
			return
		}
		in := path.ItemOf(schema.R4(), d.Root())
		for _, e := range all {
			out, err := e.Eval(&path.Context{Steps: 50_000}, in)
			if err != nil {
				continue
			}
			for _, i := range out {
				_, _ = i.Value(), i.String()
			}
		}
	})
}
