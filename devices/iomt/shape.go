package iomt

import (
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

// FromEvents tells whether Observations of the template are made of events: its
// texts and concepts are no readings, and readings hold no correlation id.
func (t *Template) FromEvents() bool {
	if t.Period == Correlation {
		return true
	}
	for _, v := range t.Values() {
		if !v.Type.Numeric() {
			return true
		}
	}
	return false
}

// EventType is the type of the events that Observations of the template are
// made of.
func (t *Template) EventType() string { return kebab(t.TypeName) }

// AllCodes are the template's codes and the connector's own for the type.
func (t *Template) AllCodes() []vigil.Code {
	return inOrder(t.Codes, vigil.Code{System: TypeSystem, Value: t.TypeName, Display: t.TypeName})
}

// StandardCategory is the category among the template's that FHIR's own system
// has; "" when there is none.
func (t *Template) StandardCategory() string { return category(t.Category) }

// A Shape is what a mapping says of a metric: the Observation that it belongs to
// and the value that it is there.
type Shape struct {
	Template *Template
	Value    *Value
}

// Shapes finds what the mappings of a catalogue say of metrics. It does not
// change.
type Shapes struct {
	of     map[string]Shape
	events []*Template
}

// ShapesOf gathers the shapes of all mappings in a catalogue.
func ShapesOf(c *devices.Catalog) *Shapes {
	s := &Shapes{of: map[string]Shape{}}
	for _, p := range c.Profiles() {
		m, ok := p.Decoder().(*Mapping)
		if !ok {
			continue
		}
		for _, name := range m.order {
			k := m.types[name]
			if k.template == nil {
				continue
			}
			if k.template.FromEvents() {
				s.events = append(s.events, k.template)
			}
			for _, v := range k.values {
				if v.metric != nil && v.value != nil {
					s.of[fingerprint(v.metric)] = Shape{k.template, v.value}
				}
			}
		}
	}
	return s
}

// fingerprint tells one metric from another: mappings give theirs codes of their
// own.
func fingerprint(m *vigil.Metric) string {
	var b strings.Builder
	b.WriteString(m.Name + "\x00" + m.Unit)
	for _, c := range m.Codes {
		b.WriteString("\x00" + c.System + "|" + c.Value)
	}
	if m.Panel != nil {
		for _, c := range m.Panel.Codes {
			b.WriteString("\x01" + c.System + "|" + c.Value)
		}
	}
	return b.String()
}

// Of returns the shape of a metric; false when no mapping says anything.
func (s *Shapes) Of(m *vigil.Metric) (Shape, bool) {
	if s == nil || len(s.of) == 0 || len(m.Codes) == 0 || m.Codes[len(m.Codes)-1].System != TypeSystem {
		return Shape{}, false
	}
	x, ok := s.of[fingerprint(m)]
	return x, ok
}

// Events returns the templates whose Observations are made of events.
func (s *Shapes) Events() []*Template {
	if s == nil {
		return nil
	}
	return s.events
}
