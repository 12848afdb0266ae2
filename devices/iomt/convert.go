package iomt

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

// A converter writes a native profile and notes what it cannot say.
type converter struct {
	m       *Mapping
	cannot  []string
	remarks []string
	each    bool // the message may be a list
	time    string
	times   bool // types have times at different places
	readings, events, panels,
	codes, examples []string
}

// Native returns the profile, as YAML, that says the same as the mapping, with
// remarks where the two differ, and a list of what no profile can say; with
// any of that there is no profile.
func (m *Mapping) Native() (profile []byte, cannot []string) {
	c := &converter{m: m, each: true}
	for _, x := range m.content {
		c.each = c.each && x.patient == nil
	}
	if len(m.content) == 0 {
		c.cannot = append(c.cannot, "the mapping has no templates")
	}
	for _, x := range m.content {
		c.content(x)
	}
	if len(c.cannot) > 0 {
		return nil, c.cannot
	}
	return c.write(), nil
}

// never notes what a profile cannot say.
func (c *converter) never(x *content, format string, args ...any) {
	c.cannot = append(c.cannot, fmt.Sprintf("%s line %d, type %q: ", DeviceFile, x.at.Line, x.typeName)+fmt.Sprintf(format, args...))
}

// remark notes a difference that a reader should know of.
func (c *converter) remark(format string, args ...any) {
	if s := fmt.Sprintf(format, args...); !slices.Contains(c.remarks, s) {
		c.remarks = append(c.remarks, s)
	}
}

// simplePath is $.a.b, or in calculated content $.matchedToken.a.b.
func simplePath(k contentKind, e *expression) (string, bool) {
	if e == nil || e.path == nil {
		return "", false
	}
	text := strings.TrimPrefix(strings.TrimSpace(e.text), "$")
	if k == calculated {
		rest, ok := strings.CutPrefix(text, "."+matchedToken)
		if !ok {
			return "", false
		}
		text = rest
	}
	ok := regexp.MustCompile(`^(\.[A-Za-z_][A-Za-z0-9_]*)+$`).MatchString(text)
	return text, ok
}

// A term is one condition of a match: a field that is there, or has a value.
type term struct {
	path, equals string
	compares     bool
}

// terms reads a match that asks for fields, all or one of them.
func terms(e *expression) (all []term, joint string, ok bool) {
	if e.path == nil {
		return nil, "", false
	}
	inner, okFront := strings.CutPrefix(strings.TrimSpace(e.text), "$..[?(")
	inner, okBack := strings.CutSuffix(inner, ")]")
	if !okFront || !okBack {
		return nil, "", false
	}
	joint = " and "
	parts := strings.Split(inner, "&&")
	if strings.Contains(inner, "||") {
		if len(parts) > 1 {
			return nil, "", false
		}
		joint, parts = " or ", strings.Split(inner, "||")
	}
	shape := regexp.MustCompile(`^@\.?([A-Za-z_][A-Za-z0-9_.]*)(?:\s*==\s*'([^'\\"]*)')?$`)
	for _, p := range parts {
		found := shape.FindStringSubmatch(strings.TrimSpace(p))
		if found == nil {
			return nil, "", false
		}
		all = append(all, term{path: "." + found[1], equals: found[2], compares: strings.Contains(p, "==")})
	}
	return all, joint, true
}

// content converts one template.
func (c *converter) content(x *content) {
	switch {
	case x.kind == iotHub || x.kind == iotCentral:
		c.never(x, "the template reads the envelope of an IoT hub, which a device does not send")
		return
	case x.encounter != nil:
		c.never(x, "a profile knows no encounter (encounterIdExpression)")
	case x.relation != nil:
		c.never(x, "a profile knows no correlation (correlationIdExpression)")
	}
	all, joint, ok := terms(x.match)
	if !ok {
		c.never(x, "typeMatchExpression %s is more than a question for fields", x.match.text)
	}
	at, ok := simplePath(x.kind, x.timestamp[0])
	if !ok {
		c.never(x, "timestampExpression %s is more than a path", x.timestamp[0].text)
	}
	who := ""
	if x.patient != nil {
		if who, ok = simplePath(x.kind, x.patient); !ok {
			c.never(x, "patientIdExpression %s is more than a path", x.patient.text)
		}
	}
	for _, v := range x.values {
		if _, ok := simplePath(x.kind, v.expr); !ok {
			c.never(x, "the expression %s of %q is more than a path", v.expr.text, v.name)
		}
	}
	if len(c.cannot) > 0 {
		return
	}
	if c.time == "" {
		c.time = at
	}
	c.times = c.times || at != c.time
	c.remark("The connector took the device from %s; this profile is read for the device whose credentials sent the message.", x.device[0].text)
	c.values(x, all, joint, at, who)
}

// path writes a path as the profile begins it.
func (c *converter) path(p string) string {
	if c.each {
		return p
	}
	return "$" + p
}

// when writes the condition of a value: what the match asks for beside the value
// itself.
func (c *converter) when(all []term, joint, own string) string {
	var parts []string
	for _, t := range all {
		switch {
		case t.compares:
			parts = append(parts, c.path(t.path)+" == "+quoted(t.equals))
		case t.path != own || joint == " or ":
			parts = append(parts, c.path(t.path))
		}
	}
	if joint == " or " && slices.ContainsFunc(all, func(t term) bool { return !t.compares && t.path == own }) {
		return "" // the value's being there is enough
	}
	return strings.Join(parts, joint)
}

// quoted writes a text for YAML and for conditions.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// values converts the values of a type, and makes an example of them.
func (c *converter) values(x *content, all []term, joint, at, who string) {
	k := c.m.types[x.typeName]
	payload := map[string]any{}
	put(payload, at, "2026-01-31T12:00:00Z")
	if who != "" {
		put(payload, who, "patient-1")
	}
	for _, t := range all {
		put(payload, t.path, t.equals)
	}
	var want []string
	for _, v := range x.values {
		path, _ := simplePath(x.kind, v.expr)
		of := k.find(v.name)
		extra := ""
		if w := c.when(all, joint, path); w != "" {
			extra += ", when: " + quoted(w)
		}
		if at != c.time {
			extra += ", time: " + c.path(at)
		}
		if of.metric == nil {
			c.event(k, of, path, extra)
			put(payload, path, "yes")
			if of.value.Type == Text {
				want = append(want, eventName(k, of)+": {"+kebab(v.name)+": \"yes\"}")
			} else {
				want = append(want, eventName(k, of)+": event")
			}
			continue
		}
		c.reading(k, of, path, extra)
		put(payload, path, 50)
		want = append(want, of.metric.Name+": "+quoted(strings.TrimSuffix("50 "+of.metric.Unit, " 1")))
	}
	if k.template != nil && k.template.Period != Single {
		c.remark("The connector grouped %s by periodInterval %d; here each reading is an Observation.", x.typeName, int(k.template.Period))
	}
	if len(want) == 0 {
		return
	}
	text, err := json.Marshal(payload)
	if err != nil {
		return
	}
	example := fmt.Sprintf("  - name: %s\n    payload: %s\n    want: {%s}", quoted(x.typeName), text, strings.Join(want, ", "))
	if who != "" {
		example += "\n    patient: patient-1"
	}
	c.examples = append(c.examples, example)
}

// put puts a value into an object, below the members that a path names.
func put(o map[string]any, path string, v any) {
	names := strings.Split(strings.TrimPrefix(path, "."), ".")
	for _, n := range names[:len(names)-1] {
		inner, ok := o[n].(map[string]any)
		if !ok {
			inner = map[string]any{}
			o[n] = inner
		}
		o = inner
	}
	o[names[len(names)-1]] = v
}

// eventName is the type of the event of a text or concept.
func eventName(k *kind, v *valueKind) string {
	if len(k.values) == 1 {
		return kebab(k.name)
	}
	return kebab(k.name) + "-" + kebab(v.name)
}

// event converts a text or concept.
func (c *converter) event(k *kind, v *valueKind, path, extra string) {
	title, data := k.title, ""
	if v.value.Type == Text {
		data = fmt.Sprintf(", data: {%s: %s}", kebab(v.name), c.path(path))
	} else if v.value.Text != "" {
		title = v.value.Text
	}
	c.remark("%s/%s is an event; the codes of its concept are left out.", k.name, v.name)
	c.events = append(c.events, fmt.Sprintf("  - {event: %s, path: %s, title: %s%s%s}", eventName(k, v), c.path(path), quoted(title), data, extra))
}

// reading converts a number.
func (c *converter) reading(k *kind, v *valueKind, path, extra string) {
	line := fmt.Sprintf("  - {metric: %s, path: %s, quoted: true, unit: %s", v.metric.Name, c.path(path), quoted(v.metric.Unit))
	if code := c.code(v.metric.Codes, v.metric.Unit); code != "" {
		line += ", code: " + code
	} else {
		line += ", title: " + quoted(v.metric.Title)
	}
	if v.metric.Panel != nil {
		if code := c.code(v.metric.Panel.Codes, ""); code != "" {
			line += ", panel: " + v.metric.Panel.Name
			if p := fmt.Sprintf("  %s: {code: %s}", v.metric.Panel.Name, code); !slices.Contains(c.panels, p) {
				c.panels = append(c.panels, p)
			}
		} else {
			c.remark("The panel of %s has no code that a profile can hold; its parts are Observations of their own.", k.name)
		}
	}
	if v.metric.Category != "" {
		line += ", category: " + v.metric.Category
	}
	c.readings = append(c.readings, line+extra+"}")
}

// code writes the codes that a profile can hold, and notes those that the table
// does not have.
func (c *converter) code(codes []vigil.Code, unit string) string {
	by := map[string][]string{}
	for _, code := range codes {
		system, _, _ := strings.Cut(code.String(), ":")
		switch {
		case code.System == TypeSystem:
			continue
		case system != "loinc" && system != "mdc" && system != "sct":
			c.remark("The code %s is left out: a profile holds codes of LOINC, IEEE 11073 and SNOMED CT.", code)
			continue
		case devices.CodeFlaw(code) != "":
			c.remark("The code %s is left out: %s.", code, devices.CodeFlaw(code))
			continue
		case !devices.KnowsCode(code):
			entry := fmt.Sprintf("  - {%s: %s, display: %s", system, code.Value, quoted(code.Display))
			if unit != "" {
				entry += ", unit: " + quoted(unit)
			}
			if entry += "}"; !slices.Contains(c.codes, entry) {
				c.codes = append(c.codes, entry)
			}
		}
		by[system] = append(by[system], code.Value)
	}
	var parts []string
	for _, system := range []string{"loinc", "mdc", "sct"} {
		switch list := by[system]; len(list) {
		case 0:
		case 1:
			parts = append(parts, system+": "+list[0])
		default:
			parts = append(parts, system+": ["+strings.Join(list, ", ")+"]")
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// write writes the file.
func (c *converter) write() []byte {
	var b strings.Builder
	name := kebab(c.m.Name)
	fmt.Fprintf(&b, "# Made of the mapping pair of an IoMT connector.\n# The connector looked for matches anywhere in a message; this profile looks at\n# the message itself")
	if c.each {
		b.WriteString(", or at each element when it is a list")
	}
	b.WriteString(".\n")
	for _, r := range c.remarks {
		b.WriteString("# " + r + "\n")
	}
	fmt.Fprintf(&b, "profile: %s\ntitle: %s\nkind: other\nsource: %s\ncodec: json\n", name, quoted("Mapping "+c.m.Name), quoted("IoMT connector mapping "+c.m.Name))
	if c.each {
		b.WriteString("each: $[]\n")
	}
	if c.times {
		fmt.Fprintf(&b, "time: {path: %s, format: rfc3339} # a message without a time gets that of its arrival\n", c.path(c.time))
	} else {
		fmt.Fprintf(&b, "time: {path: %s, format: rfc3339, required: true}\n", c.path(c.time))
	}
	for _, x := range c.m.content {
		if p, ok := simplePath(x.kind, x.patient); ok {
			fmt.Fprintf(&b, "patient: $%s\n", p)
			break
		}
	}
	for _, s := range []struct {
		key   string
		lines []string
	}{{"codes", c.codes}, {"panels", c.panels}, {"readings", c.readings}, {"events", c.events}, {"examples", append(c.examples,
		"  - name: nothing of it\n    payload: {\"hello\": 1}\n    refuse: "+quoted(c.refusal()))}} {
		if len(s.lines) > 0 {
			b.WriteString(s.key + ":\n" + strings.Join(s.lines, "\n") + "\n")
		}
	}
	return []byte(b.String())
}

// refusal is what the profile says of a message that is not the device's.
func (c *converter) refusal() string {
	switch {
	case !c.times:
		return "$" + c.time + ": missing"
	case c.each:
		return "$: none of this profile's fields found"
	}
	return "none of this profile's fields found"
}
