package iomt

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// A linter lists what is odd about a mapping that is valid.
type linter struct {
	m    *Mapping
	odds []devices.Problem
}

// lint lists what somebody should look at: where the two files do not fit
// together, and what is clinically odd.
func (m *Mapping) lint() []devices.Problem {
	l := &linter{m: m}
	l.content()
	for _, name := range m.order {
		l.kind(m.types[name])
	}
	for _, t := range m.fhir {
		l.template(t)
	}
	return l.odds
}

// odd notes something.
func (l *linter) odd(file string, at *jsontree.Value, format string, args ...any) {
	p := devices.Problem{File: file, Msg: fmt.Sprintf(format, args...), Warning: true}
	if at != nil && at.Line > 0 {
		p.Pos = fmt.Sprintf("line %d column %d", at.Line, at.Col)
	}
	if !slices.Contains(l.odds, p) {
		l.odds = append(l.odds, p)
	}
}

// content looks at device content: types and values that the other file does
// not know lead to no Observation.
func (l *linter) content() {
	for _, c := range l.m.content {
		t := l.m.Template(c.typeName)
		if t == nil {
			l.odd(DeviceFile, c.at, "type %q has no template in %s: its numbers become series without codes, its texts are refused", c.typeName, FHIRFile)
			continue
		}
		for _, v := range c.values {
			if !slices.ContainsFunc(t.Values(), func(x *Value) bool { return x.Name == v.name }) {
				l.odd(DeviceFile, c.at, "value %q of type %q is not in its template in %s", v.name, c.typeName, FHIRFile)
			}
		}
		if len(c.values) == 0 {
			l.odd(DeviceFile, c.at, "type %q takes no values", c.typeName)
		}
		if t.Period == Correlation && c.relation == nil {
			l.odd(DeviceFile, c.at, "type %q is grouped by correlation id, but correlationIdExpression is missing", c.typeName)
		}
	}
}

// kind looks at what becomes of a type's values.
func (l *linter) kind(k *kind) {
	coded := map[string]string{}
	for _, v := range k.values {
		if v.metric == nil || v.value == nil {
			continue
		}
		at := l.placeOf(k, v)
		for _, doubt := range devices.CodeDoubts(v.metric, words(k, v)...) {
			l.odd(FHIRFile, at, "%s/%s: %s", k.name, v.name, doubt)
		}
		for _, c := range v.metric.Codes {
			if other := coded[c.String()]; other != "" && c.System != TypeSystem {
				l.odd(FHIRFile, at, "clinically odd: %s and %s have the same code %s", other, v.name, c)
			}
			coded[c.String()] = v.name
		}
		l.unit(k, v, at)
	}
}

// words are what the names of a type and a value say: only the value's when it
// says anything.
func words(k *kind, v *valueKind) []string {
	split := func(s string) []string { return strings.Split(kebab(s), "-") }
	own := split(v.name)
	if len(k.values) > 1 {
		return own
	}
	return append(split(k.name), own...)
}

// placeOf returns where a value's codes stand.
func (l *linter) placeOf(k *kind, v *valueKind) *jsontree.Value {
	for _, c := range k.template.Components {
		if c.Value == v.value {
			return c.at
		}
	}
	return k.template.at
}

// unit looks at the unit of a value.
func (l *linter) unit(k *kind, v *valueKind, at *jsontree.Value) {
	u := v.metric.Unit
	switch {
	case v.value.Type == Quantity && v.value.System == vigil.UCUM && v.value.Code != "" && unitOf(v.value.Code) != v.value.Code:
		l.odd(FHIRFile, at, "%s/%s: %q is not a UCUM code; %q is what it seems to mean", k.name, v.name, v.value.Code, unitOf(v.value.Code))
	case strings.HasPrefix(u, "{") && u != "{steps}":
		l.odd(FHIRFile, at, "%s/%s: nobody knows the unit %q; it is kept as a bare number", k.name, v.name, v.value.Unit)
	case u == "1" && v.value.Unit == "":
		l.odd(FHIRFile, at, "%s/%s has no unit", k.name, v.name)
	}
}

// template looks at one template of FHIR.
func (l *linter) template(t *Template) {
	known := l.m.types[t.TypeName]
	switch {
	case known == nil:
		l.odd(FHIRFile, t.at, "no device content gives the type %q", t.TypeName)
	case len(t.Values()) == 0:
		l.odd(FHIRFile, t.at, "type %q describes no value", t.TypeName)
	}
	for _, c := range t.Codes {
		if c.Value == "" || c.System == "" {
			l.odd(FHIRFile, t.at, "type %q has a code without code or system", t.TypeName)
		}
	}
	for _, v := range t.Values() {
		switch {
		case v.Type == SampledData && v.DefaultPeriod <= 0:
			l.odd(FHIRFile, v.at, "%s/%s: SampledData needs a defaultPeriod", t.TypeName, v.Name)
		case v.Type == Quantity && t.Period != Single:
			l.odd(FHIRFile, v.at, "%s/%s: a Quantity holds one value; periodInterval %d does not group it", t.TypeName, v.Name, int(t.Period))
		}
		if known != nil && known.find(v.Name) == nil {
			l.odd(FHIRFile, v.at, "no device content gives the value %q of type %q", v.Name, t.TypeName)
		}
	}
	if len(t.Values()) > 0 && !slices.ContainsFunc(t.Codes, func(c vigil.Code) bool { return c.System != "" && c.Value != "" }) {
		l.odd(FHIRFile, t.at, "type %q has no code", t.TypeName)
	}
}
