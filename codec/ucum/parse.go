package ucum

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// maxText bounds the length of a unit; the longest in use has about 40 bytes.
const maxText = 256

// maxBits bounds the exact factor of a unit.
const maxBits = 1 << 15

// maxDepth bounds parentheses within each other.
const maxDepth = 16

// A prefix multiplies a metric unit.
type prefix struct {
	text   string
	factor float64
}

// prefixes are those of UCUM 2.2, the two-letter ones first.
var prefixes = [...]prefix{
	{"da", 1e1}, {"Ki", 1024}, {"Mi", 1048576}, {"Gi", 1073741824}, {"Ti", 1099511627776},
	{"Y", 1e24}, {"Z", 1e21}, {"E", 1e18}, {"P", 1e15}, {"T", 1e12}, {"G", 1e9}, {"M", 1e6},
	{"k", 1e3}, {"h", 1e2}, {"d", 1e-1}, {"c", 1e-2}, {"m", 1e-3}, {"u", 1e-6}, {"n", 1e-9},
	{"p", 1e-12}, {"f", 1e-15}, {"a", 1e-18}, {"z", 1e-21}, {"y", 1e-24},
}

// A parser goes through one unit from left to right.
type parser struct {
	r    *reader
	rest string
	// parts counts the components: a special unit must be the only one.
	parts   int
	special bool
}

// parse reads a unit.
func (r *reader) parse(text string) (Unit, error) {
	if len(text) > maxText {
		return Unit{}, fmt.Errorf("unit is longer than %d bytes", maxText)
	}
	for i := range len(text) {
		if text[i] < 33 || text[i] > 126 {
			return Unit{}, fmt.Errorf("unit %q has a character that units do not have", text)
		}
	}
	p := parser{r: r, rest: text}
	u, err := p.term(0, true)
	if err == nil && p.rest != "" {
		err = fmt.Errorf("unexpected %q", p.rest)
	}
	if err == nil && p.special && p.parts > 1 {
		err = fmt.Errorf("a unit with a scale of its own cannot be part of a product")
	}
	if err != nil {
		return Unit{}, fmt.Errorf("unit %q: %w", text, err)
	}
	u.text = text
	return u, nil
}

// term reads components joined by . and /.
func (p *parser) term(depth int, outer bool) (Unit, error) {
	u := p.r.one()
	divide := false
	if outer && strings.HasPrefix(p.rest, "/") {
		divide, p.rest = true, p.rest[1:]
		p.parts++
	}
	for {
		c, err := p.component(depth)
		if err != nil {
			return Unit{}, err
		}
		if divide {
			c = c.power(-1)
		}
		u = u.times(c)
		if u.exact != nil && u.exact.Num().BitLen()+u.exact.Denom().BitLen() > maxBits {
			return Unit{}, fmt.Errorf("the factor has more than %d bits", maxBits)
		}
		if p.rest == "" || p.rest[0] != '.' && p.rest[0] != '/' {
			return u, nil
		}
		divide = p.rest[0] == '/'
		p.rest = p.rest[1:]
	}
}

// component reads (term), an annotation, a number, or a unit with its exponent.
func (p *parser) component(depth int) (Unit, error) {
	p.parts++
	switch {
	case p.rest == "":
		return Unit{}, fmt.Errorf("a unit is missing at the end")
	case p.rest[0] == '(':
		if depth >= maxDepth {
			return Unit{}, fmt.Errorf("more than %d parentheses within each other", maxDepth)
		}
		p.rest = p.rest[1:]
		u, err := p.term(depth+1, true)
		if err != nil {
			return Unit{}, err
		}
		if !strings.HasPrefix(p.rest, ")") {
			return Unit{}, fmt.Errorf("a closing parenthesis is missing")
		}
		p.rest = p.rest[1:]
		return u, p.annotation()
	case p.rest[0] == '{':
		return p.r.one(), p.annotation()
	}
	u, err := p.simple()
	if err != nil {
		return Unit{}, err
	}
	return u, p.annotation()
}

// annotation skips {…}, which says something to people only.
func (p *parser) annotation() error {
	if !strings.HasPrefix(p.rest, "{") {
		return nil
	}
	inner, rest, ok := strings.Cut(p.rest[1:], "}")
	if !ok || strings.Contains(inner, "{") {
		return fmt.Errorf("an annotation has no end")
	}
	p.rest = rest
	if rest != "" && !strings.ContainsRune("./)", rune(rest[0])) {
		return fmt.Errorf("unexpected %q behind an annotation", rest)
	}
	return nil
}

// simple reads a number, or a unit with prefix and exponent.
func (p *parser) simple() (Unit, error) {
	if d := digitsOf(p.rest); d != "" && !strings.HasPrefix(p.rest, "10*") && !strings.HasPrefix(p.rest, "10^") {
		p.rest = p.rest[len(d):]
		v, err := strconv.ParseFloat(d, 64)
		if err != nil || v == 0 || math.IsInf(v, 0) {
			return Unit{}, fmt.Errorf("%q is not a factor", d)
		}
		u := Unit{factor: v}
		if p.r.exact {
			u.exact, _ = new(big.Rat).SetString(d)
		}
		return u, nil
	}
	symbol := p.symbol()
	u, err := p.r.prefixed(symbol)
	if err != nil {
		return Unit{}, err
	}
	e, err := p.exponent()
	if err != nil {
		return Unit{}, err
	}
	if u.scale != nil {
		p.special = true
		if e != 1 {
			return Unit{}, fmt.Errorf("%q has a scale of its own and takes no exponent", symbol)
		}
		return u, nil
	}
	return u.power(e), nil
}

// symbol takes the code of a unit with its prefix.
func (p *parser) symbol() string {
	if strings.HasPrefix(p.rest, "10*") || strings.HasPrefix(p.rest, "10^") {
		s := p.rest[:3]
		p.rest = p.rest[3:]
		return s
	}
	depth, end := 0, len(p.rest)
scan:
	for i := range len(p.rest) {
		switch c := p.rest[i]; {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case depth > 0:
		case c >= '0' && c <= '9' || strings.IndexByte("./(){}+-", c) >= 0:
			end = i
			break scan
		}
	}
	s := p.rest[:end]
	p.rest = p.rest[end:]
	return s
}

// exponent reads what stands behind a unit; none is 1.
func (p *parser) exponent() (int, error) {
	sign, rest := 1, p.rest
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		if rest[0] == '-' {
			sign = -1
		}
		rest = rest[1:]
	} else if digitsOf(rest) == "" {
		return 1, nil
	}
	d := digitsOf(rest)
	e, err := strconv.Atoi(d)
	if err != nil || e > 99 || e == 0 {
		return 0, fmt.Errorf("%q is not an exponent", p.rest)
	}
	p.rest = rest[len(d):]
	if p.rest != "" && !strings.ContainsRune("./){", rune(p.rest[0])) {
		return 0, fmt.Errorf("unexpected %q", p.rest)
	}
	return sign * e, nil
}

// prefixed finds a unit with or without prefix.
func (r *reader) prefixed(symbol string) (Unit, error) {
	if a, ok := r.atom(symbol); ok {
		return a.unit, nil
	}
	for _, p := range prefixes {
		rest, ok := strings.CutPrefix(symbol, p.text)
		if !ok {
			continue
		}
		a, ok := r.atom(rest)
		if !ok || !a.metric {
			continue
		}
		u := a.unit
		if u.scale != nil {
			s := *u.scale
			f := p.factor
			u.scale = &scale{
				to:   func(v float64) float64 { return s.to(v * f) },
				from: func(v float64) float64 { return s.from(v) / f },
			}
		} else {
			u.factor *= p.factor
			if r.exact {
				u.exact = new(big.Rat).Mul(u.exact, p.ratio())
			}
		}
		return u, nil
	}
	if symbol == "" {
		return Unit{}, fmt.Errorf("a unit is missing")
	}
	return Unit{}, fmt.Errorf("there is no unit %q", symbol)
}

// digitsOf returns the digits that a text begins with.
func digitsOf(s string) string {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return s[:i]
}

// times returns the product of two units.
func (u Unit) times(o Unit) Unit {
	if o.scale != nil {
		u.scale = o.scale
	}
	u.factor *= o.factor
	if u.exact != nil {
		u.exact = new(big.Rat).Mul(u.exact, o.exact)
	}
	for i := range u.dim {
		u.dim[i] += o.dim[i]
	}
	u.arb = joinArbitrary(u.arb, o.arb)
	return u
}

// power returns the unit to the power of e.
func (u Unit) power(e int) Unit {
	u.factor = math.Pow(u.factor, float64(e))
	if u.exact != nil && e != 1 {
		u.exact = powerOf(u.exact, e)
	}
	for i := range u.dim {
		u.dim[i] *= int16(e) // at most two digits
	}
	if u.arb != "" && e != 1 {
		u.arb = powerArbitrary(u.arb, e)
	}
	return u
}
