package pages

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A summary is a resource in a line.
type summary struct{ What, When string }

// summarise says in a line what a resource is about, and when it was. A value is
// shown with its unit, and with what makes it doubtful.
func summarise(n tree.Node) summary {
	var s summary
	for _, name := range []string{
		"effectiveDateTime", "effectiveInstant", "effectivePeriod", "occurredDateTime", "recorded", "period", "onsetDateTime",
		"authoredOn", "recordedDate", "performedDateTime", "performedPeriod", "occurrenceDateTime", "date", "start", "issued", "created",
	} {
		if s.When = moment(n.Get(name)); s.When != "" {
			break
		}
	}
	var parts []string
	for _, name := range []string{"name", "code", "type", "title", "vaccineCode", "medicationCodeableConcept", "deviceName", "description", "valueString"} {
		if t := words(n.Get(name)); t != "" {
			parts = append(parts, t)
			break
		}
	}
	if v := value(n); v != "" {
		parts = append(parts, v)
	}
	for c := range n.Get("component").Items() {
		if v := value(c); v != "" {
			parts = append(parts, words(c.Get("code"))+" "+v)
		}
	}
	for _, name := range []string{"gender", "birthDate"} {
		if t := n.Get(name).Text(); t != "" {
			parts = append(parts, t)
		}
	}
	if status := n.Get("status").Text(); status != "" && status != "final" && status != "active" {
		parts = append(parts, status)
	}
	if len(parts) > 8 {
		parts = append(parts[:8], "…")
	}
	s.What = strings.Join(parts, " · ")
	return s
}

// value is the value of an Observation or of a component, or why there is none.
func value(n tree.Node) string {
	v := ""
	for name, x := range n.Members() {
		kind, ok := strings.CutPrefix(name, "value")
		if !ok {
			continue
		}
		switch kind {
		case "Quantity":
			v = quantity(x)
		case "CodeableConcept":
			v = concept(x)
		case "String", "Boolean", "Integer", "DateTime", "Time":
			v = x.Text()
		case "SampledData":
			v = "wave"
		}
	}
	if reason := words(n.Get("dataAbsentReason")); v == "" && reason != "" {
		v = "no value: " + reason
	}
	for i := range n.Get("interpretation").Items() {
		if t := words(i); t != "" && v != "" {
			v += " (" + t + ")"
		}
	}
	return v
}

// quantity is a number with its unit.
func quantity(x tree.Node) string {
	unit := x.Get("unit").Text()
	if unit == "" {
		unit = x.Get("code").Text()
	}
	return strings.TrimSpace(x.Get("comparator").Text() + " " + x.Get("value").Text() + "\u2009" + unit)
}

// moment is a time, or the span of a period.
func moment(n tree.Node) string {
	if n.Kind() != tree.Object {
		return n.Text()
	}
	return strings.Trim(n.Get("start").Text()+" – "+n.Get("end").Text(), " –")
}

// words is a name, a concept, an identifier or a text as words.
func words(n tree.Node) string {
	for x := range n.Items() {
		switch {
		case x.Kind() == tree.String:
			return clip(x.Text())
		case x.Get("family").Ok() || x.Get("given").Ok():
			var given []string
			for g := range x.Get("given").Items() {
				given = append(given, g.Text())
			}
			return clip(strings.Trim(x.Get("family").Text()+", "+strings.Join(given, " "), ", "))
		case x.Get("name").Kind() == tree.String:
			return clip(x.Get("name").Text())
		}
		if t := concept(x); t != "" {
			return clip(t)
		}
	}
	return ""
}

// concept is the text of a CodeableConcept or of a Coding.
func concept(n tree.Node) string {
	if t := n.Get("text").Text(); t != "" {
		return t
	}
	for _, name := range []string{"display", "code"} {
		if t := n.Get(name).Text(); t != "" {
			return t
		}
		for c := range n.Get("coding").Items() {
			if t := c.Get(name).Text(); t != "" {
				return t
			}
		}
	}
	return ""
}

// clip shortens a text to what a row has room for.
func clip(t string) string {
	runes := []rune(t)
	if len(runes) <= 120 {
		return t
	}
	return string(runes[:119]) + "…"
}
