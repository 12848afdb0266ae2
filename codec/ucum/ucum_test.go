package ucum

import (
	"math"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	for _, c := range []struct {
		v        float64
		from, to string
		want     float64
	}{
		{98.6, "[degF]", "Cel", 37},
		{37, "Cel", "[degF]", 98.6},
		{0, "Cel", "K", 273.15},
		{16, "kPa", "mm[Hg]", 120.0098},
		{180, "[lb_av]", "kg", 81.6466},
		{1, "/min", "Hz", 1.0 / 60},
		{72, "/min", "{beats}/min", 72},
		{1, "mg/dL", "g/L", 0.01},
		{5, "[IU]", "[iU]", 5},
		{100, "u[IU]/mL", "m[IU]/mL", 0.1},
		{50, "%", "1", 0.5},
		{7, "[pH]", "mol/L", 1e-7},
		{3, "dB", "B", 0.3},
		{1, "h", "s", 3600},
		{1, "cm[H2O]", "Pa", 98.0665},
		{100, "mL/kg/h", "mL/kg/min", 100.0 / 60},
		{80, "[degRe]", "Cel", 100},
	} {
		got, err := Convert(c.v, c.from, c.to)
		if err != nil || math.Abs(got-c.want) > 1e-4*math.Abs(c.want) {
			t.Errorf("Convert(%v, %q, %q) = %v, %v; want %v", c.v, c.from, c.to, got, err, c.want)
		}
	}
}

func TestConvertRefuses(t *testing.T) {
	for _, c := range [][2]string{
		{"mg/dL", "mmol/L"}, {"kg", "m"}, {"[iU]", "g"}, {"mmHg", "mm[Hg]"}, {"mg/dl", "bogus"},
		{"[iU]", "[arb'U]"}, {"Cel/min", "K/min"}, {"Cel", "/min"},
	} {
		if got, err := Convert(1, c[0], c[1]); err == nil {
			t.Errorf("Convert(1, %q, %q) = %v, want an error", c[0], c[1], got)
		}
	}
}

func TestMolar(t *testing.T) {
	for _, c := range []struct {
		v        float64
		from, to string
		want     float64
	}{
		{100, "mg/dL", "mmol/L", 5.5507},
		{5.5507, "mmol/L", "mg/dL", 100},
		{100, "mg/dL", "mg/L", 1000},
	} {
		conv, err := NewMolarConverter(c.from, c.to, 180.156, "g/mol")
		if err != nil {
			t.Fatal(err)
		}
		// UCUM 2.2 counts the mole with the digits of CODATA 2010.
		if got := conv.Convert(c.v); math.Abs(got-c.want) > 1e-3*c.want {
			t.Errorf("%v %s = %v %s, want %v", c.v, c.from, got, c.to, c.want)
		}
	}
	if _, err := NewMolarConverter("mg/dL", "m", 180.156, "g/mol"); err == nil {
		t.Error("glucose became a length")
	}
	if _, err := NewMolarConverter("mg/dL", "mmol/L", 180.156, "g"); err == nil {
		t.Error("a mass passed for a molar mass")
	}
}

func TestLinear(t *testing.T) {
	c, err := NewConverter("[degF]", "Cel")
	if err != nil {
		t.Fatal(err)
	}
	f, o, ok := c.Linear()
	if !ok || math.Abs(f-5.0/9) > 1e-9 || math.Abs(o+17.7777778) > 1e-6 {
		t.Errorf("Linear() = %v, %v, %v", f, o, ok)
	}
	if c, _ = NewConverter("B", "1"); true {
		if _, _, ok := c.Linear(); ok {
			t.Error("a logarithm is linear")
		}
	}
}

func TestEveryUnitOfTheTableResolves(t *testing.T) {
	r := table()
	for code := range r.lines {
		if _, ok := r.atoms[code]; !ok {
			t.Errorf("%q has no meaning", code)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"mg/dL", "Cel", "mm[Hg]", "10*3/uL", "{beats}/min", "m.s-2", "/(m.s)", "[iU]/mL", "B[10.nV]", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		if err != nil {
			return
		}
		if !u.commensurable(u) {
			t.Errorf("%q is not commensurable with itself", s)
		}
		if d, err := Display(s); err != nil || d == "" {
			t.Errorf("Display(%q) = %q, %v", s, d, err)
		}
		if _, err := MeasureOf(s); err != nil && !strings.Contains(err.Error(), "bits") {
			t.Errorf("MeasureOf(%q): %v", s, err)
		}
		if c, err := NewConverter(s, s); err != nil || c.Convert(3) != 3 {
			t.Errorf("%q is not itself", s)
		}
	})
}
