// Package ucum reads the units of the Unified Code for Units of Measure (UCUM
// 2.2, ucum.org) and converts between those that measure the same thing. It
// knows the whole grammar of case-sensitive codes: prefixes, exponents,
// products and quotients, parentheses, annotations, and the special units whose
// scale is not a plain factor, such as Cel and [degF].
package ucum

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// A dimension counts the exponents of the base units m, s, g, rad, K, C, cd.
type dimension [7]int16

// A Unit is a unit that was read. Its zero value is no unit.
type Unit struct {
	text   string
	dim    dimension
	factor float64  // in base units
	exact  *big.Rat // the same factor without error, only where a reader keeps it
	arb    string   // the arbitrary units in it, which only they themselves measure
	scale  *scale   // set for special units
}

// A scale is the function of a special unit: base = factor × to(v).
type scale struct {
	to   func(v float64) float64
	from func(v float64) float64
	// shift is set where to(v) is v + shift.
	shift *big.Rat
}

// An atom is a unit by itself, without prefix.
type atom struct {
	unit   Unit
	metric bool
}

// A reader holds what is needed to read units.
type reader struct {
	exact bool // keep factors as fractions too
	atoms map[string]atom
	lines map[string][]string // definitions that were not yet resolved

	measures sync.Map // of units that were asked for, a bounded number
	kept     atomic.Int64
}

// table is the list of units, read when it is first needed.
var table = sync.OnceValue(func() *reader { return load(false) })

// Parse reads a unit.
func Parse(text string) (Unit, error) { return table().parse(text) }

// Check tells whether text is a valid unit, and if not, why.
func Check(text string) error {
	_, err := Parse(text)
	return err
}

// Commensurable tells whether values in one unit can be given in the other.
func Commensurable(a, b string) bool {
	ua, errA := Parse(a)
	ub, errB := Parse(b)
	return errA == nil && errB == nil && ua.commensurable(ub)
}

// Convert gives a value in another unit. It fails for what is no unit and for
// units that measure different things.
func Convert(v float64, from, to string) (float64, error) {
	c, err := NewConverter(from, to)
	if err != nil {
		return 0, err
	}
	return c.Convert(v), nil
}

// A Converter converts from one unit to another. The zero value changes nothing.
type Converter struct {
	from, to *scale
	factor   float64 // 0 means 1
}

// NewConverter prepares the conversion between two units.
func NewConverter(from, to string) (Converter, error) {
	return newConverter(from, to, Unit{factor: 1})
}

// NewMolarConverter prepares the conversion between two units of which one may
// count the moles of a substance and the other its mass, as mmol/L and mg/dL.
// molarMass is that of the substance, as a value in perMole, a unit of mass per
// amount: 180.156 g/mol for glucose.
func NewMolarConverter(from, to string, molarMass float64, perMole string) (Converter, error) {
	if Commensurable(from, to) {
		return NewConverter(from, to)
	}
	m, err := Parse(perMole)
	if err != nil {
		return Converter{}, err
	}
	if m.dim != (dimension{2: 1}) || m.arb != "" || m.scale != nil || molarMass <= 0 || !strings.Contains(perMole, "mol") {
		return Converter{}, fmt.Errorf("molar mass of %v %s is not a mass for an amount, as 180.156 g/mol", molarMass, perMole)
	}
	m.factor *= molarMass
	if c, err := newConverter(from, to, m); err == nil {
		return c, nil
	}
	for i := range m.dim {
		m.dim[i] = -m.dim[i]
	}
	m.factor = 1 / m.factor
	return newConverter(from, to, m)
}

// newConverter prepares the conversion from one unit, times another, to a unit.
func newConverter(from, to string, times Unit) (Converter, error) {
	f, err := Parse(from)
	if err != nil {
		return Converter{}, err
	}
	t, err := Parse(to)
	if err != nil {
		return Converter{}, err
	}
	if from == to && times.dim == (dimension{}) {
		return Converter{}, nil
	}
	for i := range f.dim {
		f.dim[i] += times.dim[i]
	}
	if !f.commensurable(t) {
		return Converter{}, fmt.Errorf("%q and %q measure different things", from, to)
	}
	if f.scale == t.scale && f.scale == nil {
		return Converter{factor: f.factor * times.factor / t.factor}, nil
	}
	return Converter{f.scale, t.scale, f.factor * times.factor / t.factor}, nil
}

// Convert gives v in the other unit.
func (c *Converter) Convert(v float64) float64 {
	if c.from != nil {
		v = c.from.to(v)
	}
	if c.factor != 0 {
		v *= c.factor
	}
	if c.to != nil {
		v = c.to.from(v)
	}
	return v
}

// Same tells whether the conversion changes nothing.
func (c *Converter) Same() bool {
	return c.from == nil && c.to == nil && (c.factor == 0 || c.factor == 1)
}

// Linear tells whether the conversion is v × factor + offset, and returns both.
func (c *Converter) Linear() (factor, offset float64, ok bool) {
	offset = c.Convert(0)
	factor = c.Convert(1) - offset
	far := c.Convert(10)
	ok = math.Abs(far-(10*factor+offset)) <= 1e-9*(1+math.Abs(far))
	return factor, offset, ok
}

// commensurable tells whether two units measure the same thing.
func (u Unit) commensurable(o Unit) bool { return u.dim == o.dim && u.arb == o.arb }

// load reads the table.
func load(exact bool) *reader {
	r := &reader{exact: exact, atoms: make(map[string]atom, 320), lines: make(map[string][]string, 320)}
	for i, base := range bases() {
		u := Unit{text: base, factor: 1}
		u.dim[i] = 1
		if exact {
			u.exact = big.NewRat(1, 1)
		}
		r.atoms[base] = atom{u, true}
	}
	for line := range strings.Lines(strings.TrimSpace(units)) {
		f := strings.Fields(line)
		r.lines[f[0]] = f
	}
	for code := range r.lines {
		r.atom(code)
	}
	return r
}

// atom finds a unit without prefix, resolving its definition when needed.
func (r *reader) atom(code string) (atom, bool) {
	if a, ok := r.atoms[code]; ok {
		return a, true
	}
	f, ok := r.lines[code]
	if !ok {
		return atom{}, false
	}
	flags, rest := f[1], f[2:]
	a := atom{metric: flags[0] == 'm'}
	var s *scale
	if strings.Contains(flags, "s") {
		s, rest = scaleOf(rest[0]), rest[1:]
	}
	value, err := strconv.ParseFloat(rest[0], 64)
	if err != nil {
		return atom{}, false
	}
	u, err := r.parse(rest[1])
	if err != nil {
		return atom{}, false
	}
	u.text, u.factor, u.scale = code, u.factor*value, s
	if r.exact {
		v, _ := new(big.Rat).SetString(rest[0])
		u.exact = v.Mul(v, u.exact)
	}
	if strings.Contains(flags, "a") && u.arb == "" {
		u.arb = code
	}
	a.unit = u
	r.atoms[code] = a
	return a, true
}

// scaleOf returns the function of a special unit (UCUM 2.2, tables of special
// units). The factor of the unit's definition is applied behind it.
func scaleOf(name string) *scale {
	power := func(base float64) *scale {
		return &scale{
			to:   func(v float64) float64 { return math.Pow(base, v) },
			from: func(v float64) float64 { return math.Log(v) / math.Log(base) },
		}
	}
	shift := func(hundredths int64) *scale {
		by := float64(hundredths) / 100
		return &scale{
			to:    func(v float64) float64 { return v + by },
			from:  func(v float64) float64 { return v - by },
			shift: big.NewRat(hundredths, 100),
		}
	}
	tan := &scale{
		to:   func(v float64) float64 { return math.Atan(v / 100) },
		from: func(v float64) float64 { return math.Tan(v) * 100 },
	}
	scales := map[string]*scale{
		"Cel":         shift(27315),
		"degF":        shift(45967),
		"degRe":       shift(21852), // 273.15 K in degrees of 5/4 K
		"ln":          power(math.E),
		"lg":          {to: func(v float64) float64 { return math.Pow(10, v) }, from: math.Log10},
		"ld":          {to: math.Exp2, from: math.Log2},
		"lgTimes2":    {to: func(v float64) float64 { return math.Pow(10, v/2) }, from: func(v float64) float64 { return 2 * math.Log10(v) }},
		"pH":          power(0.1),
		"hpX":         power(0.1),
		"hpC":         power(0.01),
		"hpM":         power(0.001),
		"hpQ":         power(1.0 / 50000),
		"sqrt":        {to: func(v float64) float64 { return v * v }, from: math.Sqrt},
		"tanTimes100": tan,
		"100tan":      tan,
	}
	return scales[name]
}
