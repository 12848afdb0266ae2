package ucum

import (
	"encoding/xml"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
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

// suite is the functional test suite of UCUM.
type suite struct {
	Validation []struct {
		ID    string `xml:"id,attr"`
		Unit  string `xml:"unit,attr"`
		Valid bool   `xml:"valid,attr"`
	} `xml:"validation>case"`
	Conversion []struct {
		ID      string `xml:"id,attr"`
		Value   string `xml:"value,attr"`
		From    string `xml:"srcUnit,attr"`
		To      string `xml:"dstUnit,attr"`
		Outcome string `xml:"outcome,attr"`
	} `xml:"conversion>case"`
	Display []struct {
		ID      string `xml:"id,attr"`
		Unit    string `xml:"unit,attr"`
		Display string `xml:"display,attr"`
	} `xml:"displayNameGeneration>case"`
	Multiplication []operation `xml:"multiplication>case"`
	Division       []operation `xml:"division>case"`
}

// operation multiplies or divides two values with their units.
type operation struct {
	ID     string `xml:"id,attr"`
	A      string `xml:"v1,attr"`
	UnitA  string `xml:"u1,attr"`
	B      string `xml:"v2,attr"`
	UnitB  string `xml:"u2,attr"`
	Result string `xml:"vRes,attr"`
	Unit   string `xml:"uRes,attr"`
}

// check reckons in base units and compares in those, to the digits of the
// result.
func (o operation) check(t *testing.T, divide bool) {
	base := func(v, unit string) (*big.Rat, Measure) {
		if unit == "" {
			unit = "1"
		}
		m, err := MeasureOf(unit)
		if err != nil {
			t.Fatalf("%s: %v", o.ID, err)
		}
		r, _ := new(big.Rat).SetString(v)
		return m.Ratio(r), m
	}
	a, _ := base(o.A, o.UnitA)
	b, _ := base(o.B, o.UnitB)
	want, unit := base(o.Result, o.Unit)
	got := new(big.Rat).Mul(a, b)
	joined := "(" + o.UnitA + ").(" + o.UnitB + ")"
	if divide {
		got.Quo(a, b)
		joined = "(" + o.UnitA + ")/(" + o.UnitB + ")"
	}
	m, err := MeasureOf(joined)
	_, digits, _ := strings.Cut(o.Result, ".")
	near := new(big.Rat).Mul(unit.Factor, new(big.Rat).SetFrac(big.NewInt(6), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(digits)+1)), nil)))
	if err != nil || m.Unit != unit.Unit || new(big.Rat).Abs(new(big.Rat).Sub(got, want)).Cmp(near) > 0 {
		t.Errorf("%s: got %s %s, %v; want %s %s", o.ID, got.FloatString(30), m.Unit, err, o.Result, o.Unit)
	}
}

func TestUCUMFunctionalTests(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for text == nil {
		if b, err := os.ReadFile(filepath.Join(dir, "..", "shared", "data", "ucum", "UcumFunctionalTests.xml")); err == nil {
			text = b
		} else if parent := filepath.Dir(dir); parent == dir {
			t.Skip("no ../shared/data/ucum beside the project")
		} else {
			dir = parent
		}
	}
	var s suite
	if err := xml.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	for _, c := range s.Validation {
		if c.Unit == "" { // the empty text is UCUM's unity; a profile has to write 1
			if Check("1") != nil {
				t.Errorf("%s: unity is no unit", c.ID)
			}
			continue
		}
		if err := Check(c.Unit); (err == nil) != c.Valid {
			t.Errorf("%s: Check(%q) = %v, want valid=%v", c.ID, c.Unit, err, c.Valid)
		}
	}
	for _, c := range s.Conversion {
		v, errV := strconv.ParseFloat(c.Value, 64)
		want, errW := strconv.ParseFloat(c.Outcome, 64)
		got, err := Convert(v, c.From, c.To)
		// The suite gives as many digits as the value had.
		_, digits, _ := strings.Cut(c.Outcome, ".")
		near := 0.5001 * math.Pow(10, -float64(len(digits)))
		if errV != nil || errW != nil || err != nil || math.Abs(got-want) > near {
			t.Errorf("%s: Convert(%s, %q, %q) = %v, %v; want %s", c.ID, c.Value, c.From, c.To, got, err, c.Outcome)
		}
	}
	for _, c := range s.Display {
		if got, err := Display(c.Unit); got != c.Display || err != nil {
			t.Errorf("%s: Display(%q) = %q, %v; want %q", c.ID, c.Unit, got, err, c.Display)
		}
	}
	for _, c := range s.Multiplication {
		c.check(t, false)
	}
	for _, c := range s.Division {
		c.check(t, true)
	}
	t.Logf("%d validation and %d conversion cases", len(s.Validation), len(s.Conversion))
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
