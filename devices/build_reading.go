package devices

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/jsonbody"
	"github.com/vigil-iomt/vigil/codec/ucum"
)

// readings reads the readings.
func (b *builder) readings() {
	for _, s := range b.sections("readings", readingKeys()) {
		r := reading{path: s.path("path"), quoted: s.flag("quoted"), required: s.flag("required")}
		r.when, r.channel, r.time = b.entry(s)
		r.scale, r.offset = s.number("scale", 1), s.number("offset", 0)
		if r.scale == 0 {
			b.wrong(s.at("scale"), "scale: must not be 0")
		}
		unit := b.units(s, &r)
		r.metric, r.index = b.metric(s, r.unit.store)
		r.decimals = r.metric.Decimals
		r.plain = r.scale == 1 && r.offset == 0 && r.unit.path == nil && r.unit.fixed.Same()
		r.shift = digitsAdded(r.scale, r.offset)
		if r.unit.path == nil {
			r.shift += digitsOf(&r.unit.fixed)
		}
		r.hasValid, r.valid = s.valid()
		b.specials(s, &r, unit)
		b.words(s, &r)
		if r.path == nil {
			continue
		}
		g := b.group(s, r.when, r.path, r.time, r.unit.path)
		g.readings = append(g.readings, r)
	}
}

// digitsAdded returns how many digits behind the point a scale adds: as many as
// it is written with, less the zeros that it brings.
func digitsAdded(scale, offset float64) int8 {
	digits := func(v float64) int8 {
		for d := range int8(9) {
			if round(v, d) == v {
				return d
			}
		}
		return 9
	}
	d := digits(scale)
	if offset != 0 {
		d = max(d, digits(offset))
	}
	if d == 0 && scale >= 10 {
		for f := scale; f >= 10 && f == float64(int64(f)) && int64(f)%10 == 0; f /= 10 {
			d--
		}
	}
	return d
}

// units reads the unit sent and the unit kept, and prepares the conversion. It
// returns the unit of a message that does not say another.
func (b *builder) units(s section, r *reading) string {
	u := &r.unit
	u.store = s.unit("store")
	b.molar(s, u)
	n := s.values["unit"]
	if n == nil {
		return u.store
	}
	if n.Kind != yaml.MappingNode {
		unit := s.unit("unit")
		if u.store == "" {
			u.store = unit
		}
		u.fixed = b.converter(s.at("unit"), u, unit)
		return unit
	}
	m := b.section.section(n, "unit", unitKeys())
	u.path = m.path("path")
	unit := m.unit("default")
	u.none = unit == ""
	if u.store == "" {
		b.wrong(s.node, "the unit is in the message: store must say which one is kept")
		return unit
	}
	if unit != "" {
		u.fixed = b.converter(m.at("default"), u, unit)
	}
	u.words = common(u)
	if words := m.values["words"]; words != nil {
		w := b.section.section(words, "words", nil)
		for word := range w.values {
			u.words[word] = b.converter(w.at(word), u, w.unit(word))
		}
	}
	return unit
}

// common prepares the conversions from units that are often sent.
func common(u *unitSpec) map[string]ucum.Converter {
	out := map[string]ucum.Converter{}
	for _, from := range [...]string{
		u.store, "1", "%", "/min", "{beats}/min", "{breaths}/min", "mm[Hg]", "kPa", "Cel", "[degF]", "K", "kg", "g",
		"[lb_av]", "mg/dL", "mmol/L", "cm", "m", "[in_i]", "{steps}", "[iU]", "mL/h", "mV", "s", "min", "h",
	} {
		if c, err := u.converter(from); err == nil {
			out[from] = c
		}
	}
	return out
}

// molar reads the molar mass.
func (b *builder) molar(s section, u *unitSpec) {
	text := s.text("molar-mass")
	if text == "" {
		return
	}
	v, unit, ok := quantity(text)
	if _, err := ucum.NewMolarConverter("mg/dL", "mmol/L", v, unit); err != nil || !ok {
		b.wrong(s.at("molar-mass"), "molar-mass: %q is not like 180.156 g/mol", text)
		return
	}
	u.mass, u.perMole = v, unit
}

// converter prepares a conversion to the unit kept.
func (b *builder) converter(n *yaml.Node, u *unitSpec, from string) ucum.Converter {
	if from == "" || u.store == "" {
		return ucum.Converter{}
	}
	c, err := u.converter(from)
	if err != nil {
		b.wrong(n, "unit: %v", err)
	}
	return c
}

// valid reads the range of the sensor, in the unit kept.
func (s section) valid() (bool, [2]float64) {
	n := s.values["valid"]
	if n == nil {
		return false, [2]float64{}
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) != 2 {
		s.wrong(n, "valid: want two numbers, as [0, 100]")
		return false, [2]float64{}
	}
	low, high := s.float(n.Content[0], "valid", 0), s.float(n.Content[1], "valid", 0)
	if low >= high {
		s.wrong(n, "valid: the first number must be below the second")
	}
	return true, [2]float64{low, high}
}

// specials reads the values with a meaning of their own. A number is compared
// with the number sent, before scale and conversion.
func (b *builder) specials(s section, r *reading, unit string) {
	n := s.values["specials"]
	if n == nil {
		return
	}
	list := b.section.section(n, "specials", nil)
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		sp := special{text: name.Value}
		if v, _, ok := jsonbody.ParseNumber([]byte(name.Value)); ok {
			sp.num, sp.isNum = v, true
		}
		b.meaning(list, n.Content[i+1], r, &sp, unit)
		r.specials = append(r.specials, sp)
	}
}

// meaning reads what a special value means: above or below a limit, a state, or
// nothing.
func (b *builder) meaning(list section, n *yaml.Node, r *reading, sp *special, unit string) {
	text := list.scalar(n, "specials")
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "above":
		sp.flag = vigil.Above
	case "below":
		sp.flag = vigil.Below
	case "nothing":
		sp.nothing = true
		return
	case "":
		return
	default:
		says, ok := vigil.ParseState(text)
		if !ok {
			b.wrong(n, "specials: %q is neither above …, below …, nothing, nor one of %s", text, strings.Join(vigil.StateWords(), ", "))
		}
		sp.state = says
		return
	}
	v, from, ok := quantity(rest)
	if !strings.Contains(strings.TrimSpace(rest), " ") {
		from = unit
	}
	c, err := r.unit.converter(from)
	if !ok || err != nil {
		b.wrong(n, "specials: %q is not like above 600 %s", text, r.unit.store)
		return
	}
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	_, digits, _ := jsonbody.ParseNumber([]byte(number))
	sp.digits = max(0, digits+digitsOf(&c))
	if r.decimals >= 0 {
		sp.digits = r.decimals
	}
	sp.value = round(c.Convert(v), max(sp.digits, digits))
}

// words reads the words that stand for numbers.
func (b *builder) words(s section, r *reading) {
	n := s.values["words"]
	if n == nil {
		return
	}
	list := b.section.section(n, "words", nil)
	r.words = make(map[string]float64, len(list.values))
	for word, value := range list.values {
		r.words[word] = list.float(value, "words", 0)
	}
}
