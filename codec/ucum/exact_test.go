package ucum

import (
	"math"
	"math/big"
	"testing"
)

func TestMeasure(t *testing.T) {
	for _, c := range []struct {
		v, unit, want, base string
	}{
		{"1", "mg", "1/1000", "g"},
		{"1", "mm[Hg]", "133322", "m-1.s-2.g"},
		{"5", "%", "1/20", "1"},
		{"37", "Cel", "6203/20", "K"},
		{"98.6", "[degF]", "6203/20", "K"},
		{"7", "m[IU]/L", "7", "m-3.[iU]"},
		{"2", "[in_i]", "127/2500", "m"},
		{"1", "ng", "1/1000000000", "g"},
		{"3", "{beats}/min", "1/20", "s-1"},
	} {
		m, err := MeasureOf(c.unit)
		if err != nil {
			t.Fatal(err)
		}
		v, _ := new(big.Rat).SetString(c.v)
		if got := m.Ratio(v).RatString(); got != c.want || m.Unit != c.base || !m.Exact() {
			t.Errorf("%s %s = %s %s, want %s %s", c.v, c.unit, got, m.Unit, c.want, c.base)
		}
	}
}

// TestExactAgrees compares each unit of the table in both arithmetics.
func TestExactAgrees(t *testing.T) {
	for code := range table().lines {
		u, err := Parse(code)
		if err != nil {
			t.Fatal(err)
		}
		m, err := MeasureOf(code)
		if err != nil {
			t.Fatal(err)
		}
		f, _ := m.Factor.Float64()
		if math.Abs(f-u.factor) > 1e-12*math.Abs(f) {
			t.Errorf("%s: %v, without error %v", code, u.factor, f)
		}
	}
}

func TestMeasureIsBounded(t *testing.T) {
	s := "[pi]99"
	for len(s) < 240 {
		s += ".[pi]99"
	}
	if _, err := MeasureOf(s); err == nil {
		t.Error("a factor of a million bits was accepted")
	}
}
