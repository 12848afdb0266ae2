package search

import (
	"fmt"
	"math"
	"math/big"
	"strings"
)

// A number is a decimal as it was written: digits × 10^exp.
type number struct {
	digits int64
	exp    int
	big    *big.Int // the digits where they are too many
	sci    bool     // written with an exponent and without a point
}

// The bounds of numbers: those beyond are not compared.
const (
	maxDigits   = 400
	maxExponent = 400
)

// parseNumber reads a decimal, also in exponential form (search.html#number).
func parseNumber(s string) (number, error) {
	bad := func() error { return fmt.Errorf("%q is no number", clip(s)) }
	text, e, hasExp := s, "", false
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		text, e, hasExp = s[:i], s[i+1:], true
	}
	n := number{}
	neg := false
	if text != "" && (text[0] == '-' || text[0] == '+') {
		neg, text = text[0] == '-', text[1:]
	}
	whole, fraction, point := strings.Cut(text, ".")
	if whole == "" || point && fraction == "" || !allDigits(whole) || !allDigits(fraction) || len(whole)+len(fraction) > maxDigits {
		return n, bad()
	}
	n.exp, n.sci = -len(fraction), hasExp && !point
	if hasExp {
		v, ok := smallInt(e)
		if !ok {
			return n, bad()
		}
		n.exp += v
	}
	if len(whole)+len(fraction) <= 18 {
		for _, c := range []byte(whole) {
			n.digits = n.digits*10 + int64(c-'0')
		}
		for _, c := range []byte(fraction) {
			n.digits = n.digits*10 + int64(c-'0')
		}
		if neg {
			n.digits = -n.digits
		}
		return n, nil
	}
	n.big, _ = new(big.Int).SetString(whole+fraction, 10)
	if neg {
		n.big.Neg(n.big)
	}
	return n, nil
}

func allDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}

// smallInt reads an exponent.
func smallInt(s string) (int, bool) {
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	if s == "" || len(s) > 4 || !allDigits(s) {
		return 0, false
	}
	v := 0
	for _, c := range []byte(s) {
		v = v*10 + int(c-'0')
	}
	if v > maxExponent {
		return 0, false
	}
	if neg {
		v = -v
	}
	return v, true
}

// rat gives the number as a fraction.
func (n number) rat() *big.Rat {
	m := n.big
	if m == nil {
		m = big.NewInt(n.digits)
	}
	return scaled(m, n.exp)
}

func scaled(m *big.Int, exp int) *big.Rat {
	p := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
	if exp < 0 {
		return new(big.Rat).SetFrac(m, p)
	}
	return new(big.Rat).SetInt(new(big.Int).Mul(m, p))
}

// ordered gives the number as the nearest float in ordered bits: rounding keeps
// the order, so that what is less is never more in the index.
func (n number) ordered() int64 {
	const exact = 1 << 53 // up to here integers are floats, and so are the powers of ten up to 22
	if n.big == nil && -exact < n.digits && n.digits < exact && -22 <= n.exp && n.exp <= 22 {
		return ordered(n.float())
	}
	return orderedRat(n.rat())
}

// float is the nearest float of a number with few digits.
func (n number) float() float64 {
	f, p := float64(n.digits), 1.0
	for range max(n.exp, -n.exp) {
		p *= 10
	}
	if n.exp < 0 {
		return f / p
	}
	return f * p
}

// half is half of the last digit written: what a number without a prefix may be
// off (search.html#number: 100 is from 99.5 to 100.5). A number such as 1e2
// counts as 1.0e2: the specification takes it as from 95 to 105.
func (n number) half() *big.Rat {
	exp := n.exp
	if n.sci {
		exp--
	}
	return scaled(big.NewInt(5), exp-1)
}

// compare compares two numbers.
func (n number) compare(o number) int {
	if n.big == nil && o.big == nil {
		a, b := n, o
		if a.exp < b.exp {
			return -b.compare(a)
		}
		if a.exp == b.exp {
			return cmpInt(a.digits, b.digits)
		}
		if d := a.exp - b.exp; d <= 18 {
			p := pow10(d)
			if v := a.digits * p; v/p == a.digits && a.digits != math.MinInt64 {
				return cmpInt(v, b.digits)
			}
		}
	}
	return n.rat().Cmp(o.rat())
}

func pow10(n int) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
}

func cmpInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// ordered maps a float to an integer such that the order stays.
func ordered(f float64) int64 {
	b := int64(math.Float64bits(f + 0)) // minus zero is zero
	if b < 0 {
		b ^= math.MaxInt64
	}
	return b
}

// orderedRat gives a fraction as the nearest float in ordered bits.
func orderedRat(r *big.Rat) int64 {
	f, _ := r.Float64()
	return ordered(f)
}
