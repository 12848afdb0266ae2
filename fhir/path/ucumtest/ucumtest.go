// Package ucumtest runs the functional tests of UCUM (UcumFunctionalTests.xml)
// against package ucum, for tests and for those who print how far Vigil
// conforms.
package ucumtest

import (
	"encoding/xml"
	"fmt"
	"math"
	"math/big"
	"os"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil/codec/ucum"
)

// A Result is what came out of one test.
type Result struct {
	Kind   string // validation, display, conversion, multiplication or division
	ID     string
	Failed string // why it did not pass, "" when it did
}

// suite is the file.
type suite struct {
	Validation []struct {
		ID    string `xml:"id,attr"`
		Unit  string `xml:"unit,attr"`
		Valid bool   `xml:"valid,attr"`
	} `xml:"validation>case"`
	Display []struct {
		ID      string `xml:"id,attr"`
		Unit    string `xml:"unit,attr"`
		Display string `xml:"display,attr"`
	} `xml:"displayNameGeneration>case"`
	Conversion []struct {
		ID      string `xml:"id,attr"`
		Value   string `xml:"value,attr"`
		From    string `xml:"srcUnit,attr"`
		To      string `xml:"dstUnit,attr"`
		Outcome string `xml:"outcome,attr"`
	} `xml:"conversion>case"`
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

// Run runs all tests of a file.
func Run(file string) ([]Result, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var s suite
	if err := xml.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("read the suite: %w", err)
	}
	var out []Result
	add := func(kind, id string, err error) {
		r := Result{Kind: kind, ID: id}
		if err != nil {
			r.Failed = err.Error()
		}
		out = append(out, r)
	}
	for _, c := range s.Validation {
		add("validation", c.ID, validate(c.Unit, c.Valid))
	}
	for _, c := range s.Display {
		got, err := ucum.Display(c.Unit)
		if err == nil && got != c.Display {
			err = fmt.Errorf("%q is displayed as %q, want %q", c.Unit, got, c.Display)
		}
		add("display", c.ID, err)
	}
	for _, c := range s.Conversion {
		add("conversion", c.ID, convert(c.Value, c.From, c.To, c.Outcome))
	}
	for _, c := range s.Multiplication {
		add("multiplication", c.ID, c.check(false))
	}
	for _, c := range s.Division {
		add("division", c.ID, c.check(true))
	}
	return out, nil
}

// validate checks a unit. The empty text is UCUM's unity, which everybody has
// to write as 1.
func validate(unit string, want bool) error {
	if unit == "" {
		unit = "1"
	}
	err := ucum.Check(unit)
	switch {
	case want:
		return err
	case err == nil:
		return fmt.Errorf("%q is accepted", unit)
	}
	return nil
}

// convert compares to as many digits as the suite gives.
func convert(value, from, to, outcome string) error {
	v, errV := strconv.ParseFloat(value, 64)
	want, errW := strconv.ParseFloat(outcome, 64)
	if errV != nil || errW != nil {
		return fmt.Errorf("%q or %q is no number", value, outcome)
	}
	got, err := ucum.Convert(v, from, to)
	if err != nil {
		return err
	}
	_, digits, _ := strings.Cut(outcome, ".")
	if near := 0.5001 * math.Pow(10, -float64(len(digits))); math.Abs(got-want) > near {
		return fmt.Errorf("%s %q is %v %q, want %s", value, from, got, to, outcome)
	}
	return nil
}

// inBase gives a value in base units.
func inBase(v, unit string) (*big.Rat, ucum.Measure, error) {
	if unit == "" {
		unit = "1"
	}
	m, err := ucum.MeasureOf(unit)
	if err != nil {
		return nil, m, err
	}
	r, ok := new(big.Rat).SetString(v)
	if !ok {
		return nil, m, fmt.Errorf("%q is no number", v)
	}
	return m.Ratio(r), m, nil
}

// check reckons in base units, to the digits of the result.
func (o *operation) check(divide bool) error {
	a, _, errA := inBase(o.A, o.UnitA)
	b, _, errB := inBase(o.B, o.UnitB)
	want, unit, errW := inBase(o.Result, o.Unit)
	for _, err := range []error{errA, errB, errW} {
		if err != nil {
			return err
		}
	}
	got, joined := new(big.Rat).Mul(a, b), "("+o.UnitA+").("+o.UnitB+")"
	if divide {
		got.Quo(a, b)
		joined = "(" + o.UnitA + ")/(" + o.UnitB + ")"
	}
	m, err := ucum.MeasureOf(joined)
	if err != nil {
		return err
	}
	_, digits, _ := strings.Cut(o.Result, ".")
	near := new(big.Rat).SetFrac(big.NewInt(6), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(digits)+1)), nil))
	near.Mul(near, unit.Factor)
	if m.Unit != unit.Unit || new(big.Rat).Abs(new(big.Rat).Sub(got, want)).Cmp(near) > 0 {
		return fmt.Errorf("got %s %s, want %s %s", got.FloatString(30), m.Unit, o.Result, o.Unit)
	}
	return nil
}
