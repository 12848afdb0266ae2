package iomt

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/ucum"
)

// A kind is a type of measurement: what its values become.
type kind struct {
	name     string
	template *Template // nil when fhirmapping.json says nothing
	values   []*valueKind
	// event is the type of the event that a measurement leaves, "" for none:
	// texts and concepts are no readings, and a correlation id has no place in
	// a reading.
	event string
	codes []vigil.Code
	title string
}

// A valueKind is a value of a type.
type valueKind struct {
	name   string
	value  *Value // nil when fhirmapping.json does not mention it
	metric *vigil.Metric
}

// find returns the value of a name.
func (k *kind) find(name string) *valueKind {
	for _, v := range k.values {
		if v.name == name {
			return v
		}
	}
	return nil
}

// build makes the types, and of each numeric value a metric.
func (m *Mapping) build() {
	for _, c := range m.content {
		k := m.types[c.typeName]
		if k == nil {
			k = &kind{name: c.typeName, template: m.Template(c.typeName), title: c.typeName}
			m.types[c.typeName] = k
			m.order = append(m.order, c.typeName)
		}
		for _, v := range c.values {
			if k.find(v.name) == nil {
				k.values = append(k.values, &valueKind{name: v.name})
			}
		}
	}
	taken := map[string]bool{}
	for _, name := range m.order {
		m.types[name].build(taken)
	}
}

// build makes the metrics of a type.
func (k *kind) build(taken map[string]bool) {
	own := vigil.Code{System: TypeSystem, Value: k.name, Display: k.name}
	k.codes = []vigil.Code{own}
	if t := k.template; t != nil {
		k.codes = inOrder(t.Codes, own)
		if t.Period == Correlation {
			k.event = kebab(k.name)
		}
		for _, c := range t.Codes {
			if c.Display != "" {
				k.title = c.Display
				break
			}
		}
	}
	for _, v := range k.values {
		codes, panel := k.of(v)
		if v.value != nil && !v.value.Type.Numeric() {
			k.event = kebab(k.name)
			continue
		}
		v.metric = &vigil.Metric{Name: k.metricName(v, taken), Title: title(codes, v.name), Codes: codes, Unit: "1", Decimals: -1, Panel: panel}
		if v.value != nil {
			v.metric.Unit = v.value.ucum()
		}
		if k.template != nil {
			v.metric.Category = category(k.template.Category)
		}
	}
}

// of finds what the template says about a value, and returns the codes of its
// metric and the panel that it is part of.
func (k *kind) of(v *valueKind) ([]vigil.Code, *vigil.Panel) {
	own := vigil.Code{System: TypeSystem, Value: v.name, Display: v.name}
	t := k.template
	if t == nil {
		return []vigil.Code{{System: TypeSystem, Value: k.name + "/" + v.name, Display: v.name}}, nil
	}
	if t.Value != nil && t.Value.Name == v.name {
		v.value = t.Value
		if len(t.Components) == 0 {
			return k.codes, nil
		}
		return k.codes, &vigil.Panel{Name: kebab(k.name), Codes: k.codes}
	}
	for _, c := range t.Components {
		if c.Value != nil && c.Value.Name == v.name {
			v.value = c.Value
			return inOrder(c.Codes, own), &vigil.Panel{Name: kebab(k.name), Codes: k.codes}
		}
	}
	return []vigil.Code{{System: TypeSystem, Value: k.name + "/" + v.name, Display: v.name}}, nil
}

// inOrder returns codes with LOINC first and the connector's own last.
func inOrder(codes []vigil.Code, own vigil.Code) []vigil.Code {
	var out []vigil.Code
	for _, loinc := range []bool{true, false} {
		for _, c := range codes {
			if (c.System == vigil.LOINC) == loinc && c.Value != "" {
				out = append(out, c)
			}
		}
	}
	return append(out, own)
}

// title returns the first title among codes.
func title(codes []vigil.Code, otherwise string) string {
	for _, c := range codes {
		if c.Display != "" && c.System != TypeSystem {
			return c.Display
		}
	}
	return otherwise
}

// categorySystem is that of Observation.category (FHIR R4,
// valueset-observation-category).
const categorySystem = "http://terminology.hl7.org/CodeSystem/observation-category"

// category returns the standard category among those of a template.
func category(all []Concept) string {
	for _, c := range all {
		for _, code := range c.Codes {
			if code.System == categorySystem {
				return code.Value
			}
		}
	}
	return ""
}

// metricName makes a name of the type's, and of the value's where the type has
// several.
func (k *kind) metricName(v *valueKind, taken map[string]bool) string {
	name := kebab(k.name)
	if len(k.values) > 1 {
		name += "-" + kebab(v.name)
	}
	unique := name
	for i := 2; taken[unique]; i++ {
		unique = fmt.Sprintf("%s-%d", name, i)
	}
	taken[unique] = true
	return unique
}

// kebab makes a name with dashes of one in camel case or with spaces.
func kebab(s string) string {
	var b strings.Builder
	lower := false
	for _, r := range s {
		switch {
		case r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			if unicode.IsUpper(r) && lower {
				b.WriteByte('-')
			}
			lower = !unicode.IsUpper(r)
			b.WriteRune(unicode.ToLower(r))
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
			lower = false
		}
	}
	out := strings.Trim(b.String(), "-")
	if out == "" {
		return "value"
	}
	return out[:min(len(out), 64)]
}

// ucum returns the UCUM unit that is meant. Units that nobody can name become
// an annotation, {so}, which is a bare number.
func (v *Value) ucum() string {
	if v.System == vigil.UCUM && ucum.Check(v.Code) == nil && v.Code != "" {
		return plain(v.Code)
	}
	return unitOf(v.Unit)
}

// unitOf reads a unit as mappings write it: UCUM, or one of the words that they
// use instead.
func unitOf(text string) string {
	text = strings.TrimSpace(text)
	words := map[string]string{
		"": "1", "count": "1", "counts": "1", "count/min": "/min", "counts/min": "/min", "bpm": "/min", "beats/min": "/min",
		"beats/minute": "/min", "breaths/min": "/min", "breaths/minute": "/min", "per minute": "/min", "mmhg": "mm[Hg]", "degc": "Cel", "°c": "Cel", "celsius": "Cel",
		"degf": "[degF]", "°f": "[degF]", "fahrenheit": "[degF]", "percent": "%", "lb": "[lb_av]", "lbs": "[lb_av]", "in": "[in_i]",
		"inches": "[in_i]", "db(spl)": "dB[SPL]", "steps": "{steps}", "kcal": "kcal", "bar": "bar", "seconds": "s", "minutes": "min", "hours": "h",
	}
	if u, ok := words[strings.ToLower(text)]; ok && ucum.Check(u) == nil {
		return u
	}
	if ucum.Check(text) == nil {
		return plain(text)
	}
	clean := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune("{}", r) {
			return -1
		}
		return r
	}, text)
	if clean == "" || ucum.Check("{"+clean+"}") != nil {
		return "1"
	}
	return "{" + clean + "}"
}

// plain returns the unit without what only says what is counted.
func plain(unit string) string {
	if slices.Contains([]string{"{beats}/min", "{count}/min", "{breaths}/min"}, unit) {
		return "/min"
	}
	return unit
}
