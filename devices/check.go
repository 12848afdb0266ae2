package devices

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/ucum"
)

// Check runs the profile's examples and asks whether it is complete and makes
// sense: every reading, wave, event and state is shown by an example, something
// is refused, codes are known and stand for what the units measure, and nothing
// is clinically odd. A good profile has no problems.
func (p *Profile) Check() []Problem {
	if p.custom != nil {
		return slices.Clone(p.custom.Oddities)
	}
	c := checker{p: p, shown: map[string]bool{}}
	c.examples()
	c.complete()
	for _, m := range p.Metrics() {
		c.codes(m)
		c.odd(m)
	}
	c.twice()
	for _, code := range p.Codes {
		c.known("the device type", code)
	}
	return c.problems
}

// proved tells whether every example gives what it wants.
func (p *Profile) proved() bool {
	var d Decoded
	for i := range p.Examples {
		if len(p.Examples[i].prove(p, &d)) > 0 {
			return false
		}
	}
	return true
}

// A checker gathers what is wrong with a profile.
type checker struct {
	p        *Profile
	problems []Problem
	shown    map[string]bool // "spo2", "wave pleth", "event fall", "state spo2 sensor-off"
}

// wrong notes a problem on a line; 0 is the whole file.
func (c *checker) wrong(line int, format string, args ...any) {
	p := Problem{File: c.p.file, Msg: fmt.Sprintf(format, args...)}
	if line > 0 {
		p.Pos = fmt.Sprintf("line %d", line)
	}
	c.problems = append(c.problems, p)
}

// examples runs the examples and notes what they show.
func (c *checker) examples() {
	var d Decoded
	refused := false
	for i := range c.p.Examples {
		e := &c.p.Examples[i]
		for _, w := range e.prove(c.p, &d) {
			c.wrong(e.node.Line, "example %q %s", e.Name, w)
		}
		refused = refused || len(d.Refusals) > 0
		for j := range d.Readings {
			r := &d.Readings[j]
			if s := r.Quality.State(); s != vigil.NoState {
				c.shown["state "+r.Metric.Name+" "+s.String()] = true
				continue
			}
			c.shown[r.Metric.Name] = true
		}
		for j := range d.Waves {
			c.shown["wave "+d.Waves[j].Metric.Name] = true
		}
		for j := range d.Events {
			c.shown["event "+d.Events[j].Type] = true
		}
	}
	if !refused {
		c.wrong(0, "no example is refused: show a message that is not this device's, or one with a part that cannot be read")
	}
}

// complete asks whether the examples show everything.
func (c *checker) complete() {
	for _, m := range c.p.metrics {
		if !c.shown[m.Name] {
			c.wrong(c.p.lines[m.Name], "no example shows a value of %q", m.Name)
		}
	}
	for _, w := range c.p.waves {
		if !c.shown["wave "+w.base.Name] {
			c.wrong(0, "no example shows the wave %q", w.base.Name)
		}
	}
	for _, t := range c.p.EventTypes() {
		if !c.shown["event "+t] {
			c.wrong(0, "no example shows the event %q", t)
		}
	}
}

// codes asks whether the codes of a metric are known and agree with its unit.
func (c *checker) codes(m *vigil.Metric) {
	all := m.Codes
	if m.Panel != nil {
		for _, code := range m.Panel.Codes {
			c.known("panel "+m.Panel.Name, code)
		}
	}
	for _, code := range all {
		k, ok := c.known(m.Name, code)
		if !ok {
			continue
		}
		switch {
		case k.unit == "":
			c.wrong(c.p.lines[m.Name], "%s: %s (%s) does not stand for a value", m.Name, code, k.display)
		case !ucum.Commensurable(m.Unit, k.unit):
			c.wrong(c.p.lines[m.Name], "%s is kept in %s, but %s (%s) is measured in %s", m.Name, m.Unit, code, k.display, k.unit)
		}
	}
}

// known looks a code up and notes when it is not in the table.
func (c *checker) known(what string, code vigil.Code) (knownCode, bool) {
	k, ok := lookup(c.p.own, code)
	if !ok {
		c.wrong(c.p.lines[what], "%s: %s is not in Vigil's table of codes", what, code)
	}
	return k, ok
}

// expected says which titles of the code table words in a metric's name go with.
func expected() map[string][]string {
	heart := []string{"Heart rate", "Pulse"}
	return map[string][]string{
		"hr": heart, "heart": heart, "pulse": heart, "bpm": heart,
		"sys": {"Systolic"}, "systolic": {"Systolic"}, "dia": {"Diastolic"}, "diastolic": {"Diastolic"},
		"mean": {"Mean pressure"}, "map": {"Mean pressure"},
		"spo2": {"SpO₂"}, "saturation": {"SpO₂"}, "perfusion": {"Perfusion"},
		"resp": {"Respiration"}, "breathing": {"Respiration"}, "etco2": {"EtCO₂"},
		"temp": {"Temperature", "Room temperature"}, "temperature": {"Temperature", "Room temperature"}, "room": {"Room temperature", "Humidity"},
		"glucose": {"Glucose"}, "weight": {"Weight"}, "height": {"Height"}, "steps": {"Steps"}, "humidity": {"Humidity"},
		"battery": {"Battery"}, "pleth": {"Pleth"},
	}
}

// odd asks whether a metric's name, codes and range can go together.
func (c *checker) odd(m *vigil.Metric) {
	words := expected()
	for _, code := range m.Codes {
		k, ok := lookup(c.p.own, code)
		if !ok {
			continue
		}
		for word := range strings.SplitSeq(m.Name, "-") {
			if titles := words[word]; titles != nil && k.title != "" && !slices.Contains(titles, k.title) && k.unit != "" && !m.IsWave() {
				c.wrong(c.p.lines[m.Name], "clinically odd: %s is coded as %s (%s)", m.Name, code, k.display)
			}
		}
		c.patientRange(m, k)
	}
}

// patientRange asks whether the range of the sensor is one that a patient should
// have instead: it must hold what sick people have.
func (c *checker) patientRange(m *vigil.Metric, k knownCode) {
	sick := map[string][2]float64{
		"Heart rate": {30, 200}, "Pulse": {30, 200}, "SpO₂": {70, 100}, "Respiration": {6, 45}, "Temperature": {34, 41},
		"Systolic": {60, 220}, "Diastolic": {35, 130}, "Mean pressure": {45, 150},
	}
	want, ok := sick[k.title]
	valid, has := c.p.validOf(m)
	if !ok || !has || m.Unit != k.unit {
		return
	}
	if valid[0] > want[0] || valid[1] < want[1] {
		c.wrong(c.p.lines[m.Name], "clinically odd: valid of %s is %v to %v %s; it is what the sensor can give, never what a patient should have",
			m.Name, valid[0], valid[1], m.Unit)
	}
}

// validOf returns the range of the first reading of a metric that has one.
func (p *Profile) validOf(m *vigil.Metric) ([2]float64, bool) {
	for i := range p.groups {
		for j := range p.groups[i].readings {
			if r := &p.groups[i].readings[j]; r.metric == m && r.hasValid {
				return r.valid, true
			}
		}
	}
	return [2]float64{}, false
}

// twice asks whether two metrics have the same code where nothing tells them
// apart.
func (c *checker) twice() {
	type place struct{ code, panel string }
	seen := map[place]string{}
	for _, m := range c.p.metrics {
		panel := ""
		if m.Panel != nil {
			panel = m.Panel.Name
		}
		for _, code := range m.Codes {
			at := place{code.String(), panel}
			if other := seen[at]; other != "" {
				c.wrong(c.p.lines[m.Name], "clinically odd: %s and %s have the same code %s", other, m.Name, code)
			}
			seen[at] = m.Name
		}
	}
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
