package iomt

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil/codec/jmespath"
	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// functions are those that the connector adds to JMESPath
// (docs/CustomFunctions.md of microsoft/iomt-fhir).
func functions() []jmespath.Function {
	return []jmespath.Function{
		arithmetic("add", func(a, b *big.Int) *big.Int { return a.Add(a, b) }, func(a, b float64) float64 { return a + b }),
		arithmetic("subtract", func(a, b *big.Int) *big.Int { return a.Sub(a, b) }, func(a, b float64) float64 { return a - b }),
		arithmetic("multiply", func(a, b *big.Int) *big.Int { return a.Mul(a, b) }, func(a, b float64) float64 { return a * b }),
		{Name: "divide", Args: 2, Call: divide},
		{Name: "pow", Args: 2, Call: pow},
		{Name: "insertString", Args: 3, Call: insertString},
		{Name: "fromUnixTimestamp", Args: 1, Call: fromUnix(time.Second)},
		{Name: "fromUnixTimestampMs", Args: 1, Call: fromUnix(time.Millisecond)},
	}
}

// arithmetic makes a function of two numbers: of integers while both are and
// the result fits 64 bits, of floats otherwise.
func arithmetic(name string, ints func(a, b *big.Int) *big.Int, floats func(a, b float64) float64) jmespath.Function {
	return jmespath.Function{Name: name, Args: 2, Call: func(args []*jsontree.Value) (*jsontree.Value, error) {
		if err := wantNumbers(args); err != nil {
			return nil, err
		}
		a, okA := args[0].Int()
		b, okB := args[1].Int()
		if okA && okB {
			if n := ints(big.NewInt(a), big.NewInt(b)); n.IsInt64() {
				return jsontree.Int(n.Int64()), nil
			}
		}
		return finite(floats(args[0].Float(), args[1].Float()))
	}}
}

// wantNumbers asks that all arguments are numbers.
func wantNumbers(args []*jsontree.Value) error {
	for i, a := range args {
		if a.Kind != jsontree.Number {
			return fmt.Errorf("argument %d is a %s, not a number", i+1, a.Kind)
		}
	}
	return nil
}

// finite makes a number of a float that is one, with the 15 digits that mean
// something: 78 by 0.0254 is 1.9812 and not 1.9811999999999999.
func finite(f float64) (*jsontree.Value, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("the result is not a number")
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 15, 64), 64)
	if err != nil {
		return nil, fmt.Errorf("the result is not a number")
	}
	return jsontree.Float(short), nil
}

// divide divides. Two integers give an integer when nothing is left over; the
// connector's documents say that 40 by 50 is 0.8 and its code says 0, and 0 is
// no dose.
func divide(args []*jsontree.Value) (*jsontree.Value, error) {
	if err := wantNumbers(args); err != nil {
		return nil, err
	}
	if args[1].Float() == 0 {
		return nil, fmt.Errorf("division by zero")
	}
	a, okA := args[0].Int()
	b, okB := args[1].Int()
	if okA && okB && a%b == 0 && (a != math.MinInt64 || b != -1) {
		return jsontree.Int(a / b), nil
	}
	return finite(args[0].Float() / args[1].Float())
}

// pow raises to a power; integers give an integer while it fits.
func pow(args []*jsontree.Value) (*jsontree.Value, error) {
	if err := wantNumbers(args); err != nil {
		return nil, err
	}
	f := math.Pow(args[0].Float(), args[1].Float())
	_, okA := args[0].Int()
	n, okB := args[1].Int()
	if okA && okB && n >= 0 && math.Abs(f) < 1<<53 {
		return jsontree.Int(int64(f)), nil
	}
	return finite(f)
}

// insertString puts a text into another, at a position counted in characters.
func insertString(args []*jsontree.Value) (*jsontree.Value, error) {
	if args[0].Kind != jsontree.String || args[1].Kind != jsontree.String {
		return nil, fmt.Errorf("arguments 1 and 2 should be texts")
	}
	at, ok := args[2].Int()
	if !ok {
		return nil, fmt.Errorf("argument 3 should be an integer")
	}
	r := []rune(args[0].Text)
	if at < 0 || at > int64(len(r)) {
		return nil, fmt.Errorf("position %d is outside of the text", at)
	}
	return jsontree.Text(strings.Join([]string{string(r[:at]), string(r[at:])}, args[1].Text)), nil
}

// fromUnix makes a time of a count since 1970.
func fromUnix(unit time.Duration) func([]*jsontree.Value) (*jsontree.Value, error) {
	return func(args []*jsontree.Value) (*jsontree.Value, error) {
		n, ok := args[0].Int()
		if !ok {
			return nil, fmt.Errorf("argument 1 should be an integer")
		}
		t := time.Unix(n, 0)
		if unit == time.Millisecond {
			t = time.UnixMilli(n)
		}
		if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
			return nil, fmt.Errorf("%d is outside of the years 1 to 9999", n)
		}
		return jsontree.Text(t.Format(time.RFC3339Nano)), nil
	}
}
