package ucum

import (
	"strings"
	"sync"
)

// nameTable holds the names of the units, read when first needed.
var nameTable = sync.OnceValue(func() map[string]string {
	m := make(map[string]string, 320)
	for line := range strings.Lines(strings.TrimSpace(names)) {
		code, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		m[code] = name
	}
	return m
})

// Display writes a unit in words: "(milligram) / (deciliter)" for mg/dL. It fails
// for what is no unit; the empty text is unity.
func Display(unit string) (string, error) {
	if unit == "" {
		return "(unity)", nil
	}
	if err := Check(unit); err != nil {
		return "", err
	}
	p := parser{r: table(), rest: unit}
	var b strings.Builder
	p.describe(&b)
	return b.String(), nil
}

// describe writes what the parser reads; the text is known to be a unit.
func (p *parser) describe(b *strings.Builder) {
	for p.rest != "" {
		switch c := p.rest[0]; c {
		case '.':
			b.WriteString(" * ")
			p.rest = p.rest[1:]
		case '/':
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString("/ ")
			p.rest = p.rest[1:]
		case '(', ')':
			b.WriteByte(c)
			p.rest = p.rest[1:]
		case '{':
			end := strings.IndexByte(p.rest, '}') + 1
			b.WriteString(p.rest[:end])
			p.rest = p.rest[end:]
		default:
			p.describeSimple(b)
		}
	}
}

// describeSimple writes a number, or a unit with its exponent.
func (p *parser) describeSimple(b *strings.Builder) {
	if d := digitsOf(p.rest); d != "" && !strings.HasPrefix(p.rest, "10*") && !strings.HasPrefix(p.rest, "10^") {
		b.WriteString(d)
		p.rest = p.rest[len(d):]
		return
	}
	b.WriteByte('(')
	b.WriteString(nameOf(p.symbol()))
	if e := strings.TrimLeft(p.rest, "+-0123456789"); len(e) < len(p.rest) {
		b.WriteString(" ^ ")
		b.WriteString(strings.TrimPrefix(p.rest[:len(p.rest)-len(e)], "+"))
		p.rest = e
	}
	b.WriteByte(')')
}

// nameOf names a unit with or without prefix.
func nameOf(symbol string) string {
	all := nameTable()
	if n, ok := all[symbol]; ok {
		return n
	}
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(symbol, p.text); ok && all[rest] != "" {
			return p.name() + all[rest]
		}
	}
	return symbol
}

// name is the word in front of a unit's name.
func (p *prefix) name() string {
	words := [...]string{
		"da deka", "Ki kibi", "Mi mebi", "Gi gibi", "Ti tebi", "Y yotta", "Z zetta", "E exa", "P peta", "T tera", "G giga",
		"M mega", "k kilo", "h hecto", "d deci", "c centi", "m milli", "u micro", "n nano", "p pico", "f femto", "a atto",
		"z zepto", "y yocto",
	}
	for _, w := range words {
		if name, ok := strings.CutPrefix(w, p.text+" "); ok {
			return name
		}
	}
	return ""
}
