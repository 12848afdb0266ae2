package ucum

import (
	"math/big"
	"strconv"
	"strings"
	"sync"
)

// exactTable is the list of units with factors that are fractions. Only those
// who compare decimals as they were written need it.
var exactTable = sync.OnceValue(func() *reader { return load(true) })

// A Measure says what a unit measures and how much of it: the value v of the
// unit is Factor × (v + Shift) of Unit, without any error of rounding.
type Measure struct {
	// Unit is the same for all units that measure the same thing: base units
	// with their exponents, m s g rad K C cd in this order, then the arbitrary
	// units: "m-1.s-2.g", "m-3.[iU]", "1".
	Unit   string
	Factor *big.Rat
	Shift  *big.Rat // nil: none
	scale  *scale
}

// maxKept bounds how many measures are kept for the next time.
const maxKept = 1024

// MeasureOf returns what a unit measures. Nobody may change its fractions.
func MeasureOf(unit string) (Measure, error) {
	r := exactTable()
	if m, ok := r.measures.Load(unit); ok {
		return m.(Measure), nil
	}
	u, err := r.parse(unit)
	if err != nil {
		return Measure{}, err
	}
	m := u.measure()
	if r.kept.Add(1) <= maxKept {
		r.measures.Store(strings.Clone(unit), m)
	}
	return m, nil
}

// measure says what the unit measures.
func (u *Unit) measure() Measure {
	m := Measure{Unit: u.base(), Factor: u.exact, scale: u.scale}
	if u.scale != nil {
		m.Shift = u.scale.shift
	}
	return m
}

// Exact tells whether values can be converted without error. Logarithmic units
// and their like cannot, see Value.
func (m *Measure) Exact() bool { return m.scale == nil || m.Shift != nil }

// Ratio gives the value v of the unit in base units; Exact must be true.
func (m *Measure) Ratio(v *big.Rat) *big.Rat {
	r := new(big.Rat).Set(v)
	if m.Shift != nil {
		r.Add(r, m.Shift)
	}
	return r.Mul(r, m.Factor)
}

// Value gives the value v of the unit in base units.
func (m *Measure) Value(v float64) float64 {
	if m.scale != nil {
		v = m.scale.to(v)
	}
	f, _ := m.Factor.Float64()
	return v * f
}

// Plain tells whether the unit is a plain multiple of base units, so that its
// values can be multiplied and divided.
func (m *Measure) Plain() bool { return m.scale == nil }

// base writes what a unit measures.
func (u *Unit) base() string {
	var b strings.Builder
	write := func(code string, e int) {
		if e == 0 {
			return
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(code)
		if e != 1 {
			b.WriteString(strconv.Itoa(e))
		}
	}
	for i, code := range bases() {
		write(code, int(u.dim[i]))
	}
	for f := range strings.FieldsSeq(u.arb) {
		code, e, ok := strings.Cut(f, "^")
		n := 1
		if ok {
			n, _ = strconv.Atoi(e)
		}
		write(code, n)
	}
	if b.Len() == 0 {
		return "1"
	}
	return b.String()
}

// bases are the base units.
func bases() [7]string { return [...]string{"m", "s", "g", "rad", "K", "C", "cd"} }

// one is the unit 1.
func (r *reader) one() Unit {
	u := Unit{factor: 1}
	if r.exact {
		u.exact = big.NewRat(1, 1)
	}
	return u
}

// ratio is the factor without error.
func (p *prefix) ratio() *big.Rat {
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(p.factor, 'g', -1, 64))
	return r
}

// powerOf raises a fraction to a power of at most two digits.
func powerOf(r *big.Rat, e int) *big.Rat {
	n := max(e, -e)
	p := new(big.Rat).SetFrac(
		new(big.Int).Exp(r.Num(), big.NewInt(int64(n)), nil),
		new(big.Int).Exp(r.Denom(), big.NewInt(int64(n)), nil))
	if e < 0 {
		p.Inv(p)
	}
	return p
}
