package search

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// An operand is one value of a parameter in a query. Which of the fields count
// depends on the kind of the parameter and on the modifier.
type operand struct {
	prefix string // eq, ne, gt, lt, ge, le, sa, eb, ap; co, sw, ew of _filter
	flag   bool   // of :missing

	system    string
	code      string // also the text of a string, an address, an id
	typeCode  string // of :of-type
	anySystem bool   // nothing was said about the system
	anyCode   bool   // system|
	folded    string

	ref Ref

	lo, hi int64 // of a date: what it stands for, wider for ap

	value, low, high *big.Rat // of a number: as it is, and what it stands for
	num              number

	codes map[vigil.Code]bool // of :in, :below and :above, once resolved

	parts []operand // of a composite

	place *circle // of near
}

// prefixed cuts a prefix off (search.html#prefix).
func prefixed(s string) (prefix, rest string) {
	if len(s) > 2 {
		switch s[:2] {
		case "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap":
			return s[:2], s[2:]
		}
	}
	return "eq", s
}

// operand reads one value of a parameter, escapes still in it.
func (p *parser) operand(def *param, mod, text string) (operand, error) {
	switch mod {
	case "missing":
		o := operand{flag: text == "true"}
		if text != "true" && text != "false" {
			return o, fmt.Errorf(":missing is true or false, not %q", clip(text))
		}
		return o, nil
	case "identifier", "not", "":
	case "of-type":
		return typedOperand(text)
	}
	switch def.kind {
	case Token:
		return p.tokenOperand(def, mod, text)
	case String:
		v := unescape(text)
		return operand{code: v, folded: fold(v)}, nil
	case URI:
		return operand{code: unescape(text)}, nil
	case Reference:
		return p.referenceOperand(mod, text)
	case Date:
		return p.dateOperand(text)
	case Number:
		prefix, rest := prefixed(text)
		return numberOperand(prefix, rest)
	case Quantity:
		return quantityOperand(text)
	case Composite:
		return p.compositeOperand(def, text)
	case Special:
		return nearOperand(text)
	}
	return operand{}, fmt.Errorf("the parameter cannot be searched")
}

// tokenOperand reads [system|]code.
func (p *parser) tokenOperand(def *param, mod, text string) (operand, error) {
	if mod == "text" || mod == "in" || mod == "not-in" {
		v := unescape(text)
		return operand{code: v, folded: fold(v)}, nil
	}
	parts := split(text, '|')
	if len(parts) == 1 {
		return operand{code: unescape(text), anySystem: true}, nil
	}
	o := operand{system: unescape(parts[0]), code: unescape(strings.Join(parts[1:], "|"))}
	o.anyCode = o.code == ""
	if o.anyCode && o.system == "" {
		return o, fmt.Errorf("%q has neither a system nor a code", clip(text))
	}
	return o, nil
}

// typedOperand reads system|code|value of :of-type; all three must be there.
func typedOperand(text string) (operand, error) {
	parts := split(text, '|')
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return operand{}, fmt.Errorf(":of-type is system|code|value, not %q", clip(text))
	}
	return operand{system: unescape(parts[0]), typeCode: unescape(parts[1]), code: unescape(parts[2])}, nil
}

func (p *parser) referenceOperand(mod, text string) (operand, error) {
	if mod == "identifier" {
		parts := split(text, '|')
		if len(parts) == 1 {
			return operand{code: unescape(text), anySystem: true}, nil
		}
		o := operand{system: unescape(parts[0]), code: unescape(strings.Join(parts[1:], "|"))}
		o.anyCode = o.code == ""
		return o, nil
	}
	v := unescape(text)
	url, version, canonical := strings.Cut(v, "|")
	r := p.e.ParseRef(url)
	if rest, ok := strings.CutPrefix(url, p.req.Base+"/"); ok && p.req.Base != "" {
		r = p.e.ParseRef(rest)
	}
	if canonical {
		r.Version = version
	}
	if mod != "" && mod != "not" && mod != "above" && mod != "below" { // :Type
		switch {
		case r.URL != "":
		case r.Type == "":
			r.Type = mod
		case r.Type != mod:
			return operand{}, fmt.Errorf("%s is no %s", clip(v), mod)
		}
	}
	if r.URL == "" && r.ID == "" {
		return operand{}, fmt.Errorf("%q is no reference", clip(text))
	}
	return operand{ref: r, code: url}, nil
}

// dateOperand reads a date. ap is as far off as a tenth of the time between
// then and now, as the specification suggests.
func (p *parser) dateOperand(text string) (operand, error) {
	o := operand{}
	var rest string
	o.prefix, rest = prefixed(unescape(text))
	if len(rest) > 2 && rest[0] >= 'a' && rest[0] <= 'z' {
		return o, fmt.Errorf("%q is no prefix; there are eq, ne, gt, lt, ge, le, sa, eb and ap", rest[:2])
	}
	var err error
	o.lo, o.hi, err = dateSpan(rest)
	if o.prefix == "ap" {
		d := int64(p.req.Now) - o.lo
		d = max(d, -d) / 10
		o.lo, o.hi = o.lo-d, o.hi+d
	}
	return o, err
}

// numberOperand reads a number: without a prefix it stands for what it is the
// rounding of, with one it is exact; ap is a tenth off.
func numberOperand(prefix, text string) (operand, error) {
	n, err := parseNumber(unescape(text))
	if err != nil {
		return operand{}, err
	}
	o := operand{prefix: prefix, num: n, value: n.rat()}
	off := n.half()
	switch prefix {
	case "ap":
		tenth := new(big.Rat).Mul(new(big.Rat).Abs(o.value), big.NewRat(1, 10))
		if tenth.Cmp(off) > 0 {
			off = tenth
		}
	case "eq", "ne":
	default:
		off = new(big.Rat)
	}
	o.low, o.high = new(big.Rat).Sub(o.value, off), new(big.Rat).Add(o.value, off)
	return o, nil
}

// quantityOperand reads [prefix]number[|system|code].
func quantityOperand(text string) (operand, error) {
	prefix, rest := prefixed(text)
	parts := split(rest, '|')
	if len(parts) != 1 && len(parts) != 3 {
		return operand{}, fmt.Errorf("%q is no quantity such as 5.4 or 5.4|http://unitsofmeasure.org|mg", clip(text))
	}
	o, err := numberOperand(prefix, parts[0])
	if err != nil || len(parts) == 1 {
		o.anySystem, o.anyCode = true, true
		return o, err
	}
	o.system, o.code = unescape(parts[1]), unescape(parts[2])
	o.anySystem, o.anyCode = o.system == "", o.code == ""
	return o, nil
}

// compositeOperand reads the parts of a composite, parted by dollars.
func (p *parser) compositeOperand(def *param, text string) (operand, error) {
	parts := split(text, '$')
	if len(parts) != len(def.Components) || len(def.places) == 0 {
		return operand{}, fmt.Errorf("%q has %d parts; %s takes %d, parted by $", clip(text), len(parts), def.Code, len(def.Components))
	}
	o := operand{}
	for i, text := range parts {
		sub, err := p.operand(&param{Param: def.Param, kind: def.places[0].parts[i].kind}, "", text)
		if err != nil {
			return o, err
		}
		o.parts = append(o.parts, sub)
	}
	return o, nil
}

// split cuts s at every separator that has no backslash before it, and keeps
// the escapes (search.html#escaping).
func split(s string, separator byte) []string {
	var out []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			out = append(out, s[start:i])
			start = i + 1
		}
	}
	return append(out, s[start:])
}

// unescape takes the backslashes before , $ | and \ away; others stay.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte(`,$|\`, s[i+1]) >= 0 {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// Escape puts backslashes before what has a meaning in the value of a
// parameter.
func Escape(s string) string {
	if !strings.ContainsAny(s, `,$|\`) {
		return s
	}
	b := make([]byte, 0, len(s)+4)
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(`,$|\`, s[i]) >= 0 {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(b)
}
