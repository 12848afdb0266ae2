package path

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

const (
	// maxDigits bounds the digits of a decimal, and with them the cost of
	// reckoning with it.
	maxDigits = 400
	// places is how many places behind the point a quotient gets.
	places = 28
)

// A Decimal is an exact decimal number: whole × 10^-scale. It keeps the places
// that it was written with, as FHIR R4 asks for (datatypes.html#decimal). The
// zero value is 0.
type Decimal struct {
	n     int64
	big   *big.Int // instead of n when that is too small
	scale int32
}

// ParseDecimal reads a number as JSON writes them; the texts of FHIR and of
// FHIRPath are among these. It refuses what has too many digits.
func ParseDecimal(s string) (Decimal, bool) {
	mantissa, exp := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		var err error
		if exp, err = strconv.Atoi(s[i+1:]); err != nil {
			return Decimal{}, false
		}
		mantissa = s[:i]
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	if point && fraction == "" || len(mantissa) > maxDigits || exp > maxDigits || exp < -maxDigits {
		return Decimal{}, false
	}
	d := Decimal{scale: int32(len(fraction) - exp)}
	digits := whole + fraction
	if !isNumber(digits) {
		return Decimal{}, false
	}
	if len(digits) <= 18 {
		d.n, _ = strconv.ParseInt(digits, 10, 64)
	} else {
		b, _ := new(big.Int).SetString(digits, 10)
		d = scaled(b, d.scale)
	}
	return d.positiveScale(), true
}

// isNumber tells whether s is digits with a sign at most.
func isNumber(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "" {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// DecimalOf returns a whole number.
func DecimalOf(n int64) Decimal { return Decimal{n: n} }

// DecimalOfFloat returns the shortest decimal that reads back as f, false for
// what is no number.
func DecimalOfFloat(f float64) (Decimal, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return Decimal{}, false
	}
	return ParseDecimal(strconv.FormatFloat(f, 'g', 15, 64))
}

// scaled makes a decimal of a whole number and a scale.
func scaled(b *big.Int, scale int32) Decimal {
	if b.IsInt64() {
		return Decimal{n: b.Int64(), scale: scale}
	}
	return Decimal{big: b, scale: scale}
}

// positiveScale writes 1e3 as 1000.
func (d Decimal) positiveScale() Decimal {
	if d.scale >= 0 {
		return d
	}
	return scaled(new(big.Int).Mul(d.int(), pow10(int(-d.scale))), 0)
}

func (d Decimal) int() *big.Int {
	if d.big != nil {
		return d.big
	}
	return big.NewInt(d.n)
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// small gives 10^n.
func small(n int32) (int64, bool) {
	if n > 18 {
		return 0, false
	}
	p := int64(1)
	for range n {
		p *= 10
	}
	return p, true
}

// mul64 multiplies without overflow.
func mul64(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(max(a, -a)), uint64(max(b, -b)))
	if hi != 0 || lo > math.MaxInt64 || a == math.MinInt64 || b == math.MinInt64 {
		return 0, false
	}
	if a < 0 != (b < 0) {
		return -int64(lo), true
	}
	return int64(lo), true
}

// align gives both numbers the same scale.
func align(a, b Decimal) (x, y int64, scale int32, ok bool) {
	if a.big != nil || b.big != nil {
		return 0, 0, 0, false
	}
	x, y, scale = a.n, b.n, max(a.scale, b.scale)
	p, okA := small(scale - a.scale)
	q, okB := small(scale - b.scale)
	if !okA || !okB {
		return 0, 0, 0, false
	}
	x, okA = mul64(x, p)
	y, okB = mul64(y, q)
	return x, y, scale, okA && okB
}

// alignBig does the same for numbers of any size.
func alignBig(a, b Decimal) (x, y *big.Int, scale int32) {
	scale = max(a.scale, b.scale)
	x = new(big.Int).Mul(a.int(), pow10(int(scale-a.scale)))
	y = new(big.Int).Mul(b.int(), pow10(int(scale-b.scale)))
	return x, y, scale
}

// Cmp returns -1, 0 or 1; 1.0 is equal to 1.
func (d Decimal) Cmp(o Decimal) int {
	if x, y, _, ok := align(d, o); ok {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	x, y, _ := alignBig(d, o)
	return x.Cmp(y)
}

// Sign returns -1, 0 or 1.
func (d Decimal) Sign() int {
	if d.big != nil {
		return d.big.Sign()
	}
	return DecimalOf(d.n).Cmp(Decimal{})
}

// Scale returns the number of places behind the point.
func (d Decimal) Scale() int { return int(d.scale) }

// Neg returns -d.
func (d Decimal) Neg() Decimal {
	if d.big == nil && d.n != math.MinInt64 {
		d.n = -d.n
		return d
	}
	return scaled(new(big.Int).Neg(d.int()), d.scale)
}

// Abs returns d without its sign.
func (d Decimal) Abs() Decimal {
	if d.Sign() < 0 {
		return d.Neg()
	}
	return d
}

// Add returns d + o.
func (d Decimal) Add(o Decimal) Decimal {
	if x, y, scale, ok := align(d, o); ok {
		if sum := x + y; (sum > x) == (y > 0) {
			return Decimal{n: sum, scale: scale}
		}
	}
	x, y, scale := alignBig(d, o)
	return scaled(x.Add(x, y), scale)
}

// Sub returns d - o.
func (d Decimal) Sub(o Decimal) Decimal { return d.Add(o.Neg()) }

// Mul returns d × o, false when that has too many digits.
func (d Decimal) Mul(o Decimal) (Decimal, bool) {
	scale := d.scale + o.scale
	if d.big == nil && o.big == nil {
		if n, ok := mul64(d.n, o.n); ok {
			return Decimal{n: n, scale: scale}.bounded()
		}
	}
	return scaled(new(big.Int).Mul(d.int(), o.int()), scale).bounded()
}

// bounded refuses what has too many digits.
func (d Decimal) bounded() (Decimal, bool) {
	if d.scale > maxDigits || d.big != nil && d.big.BitLen() > maxDigits*10/3 {
		return Decimal{}, false
	}
	return d, true
}

// Quo returns d / o to as many places as matter, false for a division by zero.
func (d Decimal) Quo(o Decimal) (Decimal, bool) {
	if o.Sign() == 0 {
		return Decimal{}, false
	}
	x, y, _ := alignBig(d, o)
	x.Mul(x, pow10(places))
	return scaled(halfUp(x, y), places).trimmed(0), true
}

// halfUp divides and rounds to the nearest, away from zero when in the middle.
func halfUp(x, y *big.Int) *big.Int {
	q, r := new(big.Int).QuoRem(x, y, new(big.Int))
	if r.Lsh(r, 1).CmpAbs(y) >= 0 {
		step := int64(1)
		if x.Sign() < 0 != (y.Sign() < 0) {
			step = -1
		}
		q.Add(q, big.NewInt(step))
	}
	return q
}

// Div returns the whole part of d / o; Mod what is left.
func (d Decimal) Div(o Decimal) (Decimal, bool) {
	if o.Sign() == 0 {
		return Decimal{}, false
	}
	x, y, _ := alignBig(d, o)
	return scaled(x.Quo(x, y), 0), true
}

// Mod returns what Div leaves, with the sign of d.
func (d Decimal) Mod(o Decimal) (Decimal, bool) {
	if o.Sign() == 0 {
		return Decimal{}, false
	}
	x, y, scale := alignBig(d, o)
	return scaled(x.Rem(x, y), scale), true
}

// trimmed takes zeros away from the end while there are more than n places.
func (d Decimal) trimmed(n int32) Decimal {
	b, ten, r := new(big.Int).Set(d.int()), big.NewInt(10), new(big.Int)
	q := new(big.Int)
	for d.scale > n {
		if q.QuoRem(b, ten, r); r.Sign() != 0 {
			break
		}
		b.Set(q)
		d.scale--
	}
	return scaled(b, d.scale)
}

// A rounding says what happens to the places that go.
type rounding uint8

const (
	nearest rounding = iota // away from zero when in the middle
	truncate
	floor
	ceiling
)

// Round returns d with n places, rounded to the nearest.
func (d Decimal) Round(n int) Decimal { return d.round(n, nearest) }

// round returns d with n places; places are added where there are fewer.
func (d Decimal) round(n int, how rounding) Decimal {
	by := n - int(d.scale)
	if by >= 0 {
		return scaled(new(big.Int).Mul(d.int(), pow10(by)), int32(n))
	}
	p := pow10(-by)
	if how == nearest {
		return scaled(halfUp(d.int(), p), int32(n))
	}
	q, r := new(big.Int).QuoRem(d.int(), p, new(big.Int))
	if how == floor && r.Sign() < 0 {
		q.Sub(q, big.NewInt(1))
	}
	if how == ceiling && r.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	return scaled(q, int32(n))
}

// Int64 returns the whole number that d is, false when it is none or too large.
func (d Decimal) Int64() (int64, bool) {
	if d.scale != 0 {
		w := d.trimmed(0)
		return w.n, w.big == nil && w.scale == 0
	}
	return d.n, d.big == nil
}

// Float returns the nearest floating-point number.
func (d Decimal) Float() float64 {
	f, _ := strconv.ParseFloat(d.String(), 64)
	return f
}

// Rat returns d as a fraction.
func (d Decimal) Rat() *big.Rat { return new(big.Rat).SetFrac(d.int(), pow10(int(d.scale))) }

// decimalOfRat returns the fraction to as many places as matter.
func decimalOfRat(r *big.Rat) Decimal {
	x := new(big.Int).Mul(r.Num(), pow10(places))
	return scaled(halfUp(x, r.Denom()), places).trimmed(0)
}

// String writes d with all its places.
func (d Decimal) String() string {
	s := ""
	if d.big != nil {
		s = d.big.String()
	} else {
		s = strconv.FormatInt(d.n, 10)
	}
	if d.scale == 0 {
		return s
	}
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if len(s) <= int(d.scale) {
		s = strings.Repeat("0", int(d.scale)-len(s)+1) + s
	}
	i := len(s) - int(d.scale)
	return sign + s[:i] + "." + s[i:]
}
