package iomt

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// The names within the connector's envelope of a message.
const (
	body             = "Body"
	properties       = "Properties"
	systemProperties = "SystemProperties"
	matchedToken     = "matchedToken"
)

// maxMeasurements is how many measurements one message may hold, and maxLooked
// how many values all expressions together may look at in the whole message:
// calculated content looks through it again for each match.
const (
	maxMeasurements = 10_000
	maxLooked       = 5_000_000
)

// size returns how many values a document has.
func size(v *jsontree.Value) int {
	n := 1
	for _, item := range v.Items {
		n += size(item)
	}
	return n
}

// searches counts the expressions of a template that look through all of a
// document, or may.
func (c *content) searches() int {
	all := append(append([]*expression{c.patient, c.encounter, c.relation}, c.device...), c.timestamp...)
	for _, v := range c.values {
		all = append(all, v.expr)
	}
	n := 0
	for _, e := range all {
		if e != nil && (e.jmes != nil || strings.Contains(e.text, "..")) {
			n++
		}
	}
	return n
}

// A Measurement is what device content finds in a message: values of one type.
type Measurement struct {
	Type string
	// Device is empty when the message does not name one: then it is the one
	// that sent it.
	Device      string
	Patient     string
	Encounter   string
	Correlation string
	Time        vigil.Instant // 0 when the message has none and need not
	Values      []Named
}

// A Named is a value by its name. Texts and numbers are as they were sent.
type Named struct {
	Name, Text string
}

// Measure finds the measurements in a message, in the order of the templates.
// A message is taken with the connector's envelope {"Body": …} around it or
// without. Measurements that cannot be read are refused one by one.
func (m *Mapping) Measure(payload []byte) ([]Measurement, []vigil.Refusal) {
	root, err := jsontree.Parse(payload)
	var at *jsontree.Error
	switch {
	case errors.As(err, &at):
		return nil, []vigil.Refusal{{Pos: fmt.Sprintf("line %d column %d", at.Line, at.Col), Reason: "not JSON: " + at.Msg}}
	case root.Kind != jsontree.Object && root.Kind != jsontree.Array:
		return nil, []vigil.Refusal{{Reason: "the message is neither an object nor an array"}}
	case root.Get(body) != nil:
		return m.measure(root, false)
	}
	empty := &jsontree.Value{Kind: jsontree.Object}
	envelope := &jsontree.Value{
		Kind: jsontree.Object, Names: []string{body, properties, systemProperties}, Items: []*jsontree.Value{root, empty, empty},
	}
	found, refused := m.measure(envelope, true)
	if len(found) > 0 || root.Kind != jsontree.Object {
		return found, refused
	}
	// Mappings are also written, and tried, for messages without the envelope.
	if plain, problems := m.measure(root, true); len(plain) > 0 || len(refused) == 0 {
		return plain, problems
	}
	return found, refused
}

// measure finds the measurements in a message. The device and time of a bare
// message may be missing where the hub would have added them.
func (m *Mapping) measure(root *jsontree.Value, bare bool) ([]Measurement, []vigil.Refusal) {
	var out []Measurement
	var refused []vigil.Refusal
	left := maxLooked
	for _, c := range m.content {
		each := 0
		if c.kind == calculated {
			each = size(root) * c.searches()
		}
		matches, err := c.match.all(root)
		if err != nil {
			refused = append(refused, vigil.Refusal{Pos: c.typeName, Reason: err.Error()})
			continue
		}
		for i, match := range matches {
			if left -= each; left < 0 {
				return out, append(refused, vigil.Refusal{Pos: c.typeName, Reason: "the message is too large for the expressions of this template"})
			}
			scope := match
			if c.kind == calculated {
				scope = root.With(matchedToken, match)
			}
			x, err := c.read(scope, bare)
			switch {
			case err != nil:
				refused = append(refused, vigil.Refusal{Pos: fmt.Sprintf("%s match %d", c.typeName, i+1), Reason: err.Error()})
			case len(out) >= maxMeasurements:
				return out, append(refused, vigil.Refusal{Reason: fmt.Sprintf("more than %d measurements", maxMeasurements)})
			default:
				out = append(out, x)
			}
		}
	}
	return out, refused
}

// read reads one measurement.
func (c *content) read(v *jsontree.Value, bare bool) (Measurement, error) {
	x := Measurement{Type: c.typeName}
	var err error
	hub := bare && c.kind == iotHub
	if x.Device, err = first(c.device, v, "the device id", !hub); err != nil {
		return x, err
	}
	at, err := first(c.timestamp, v, "the time", !hub)
	if err != nil {
		return x, err
	}
	if at != "" {
		if x.Time, err = readTime(at); err != nil {
			return x, err
		}
	}
	for _, o := range []struct {
		to       *string
		from     *expression
		what     string
		required bool
	}{
		{&x.Patient, c.patient, "the patient id", false}, {&x.Encounter, c.encounter, "the encounter id", false},
		{&x.Correlation, c.relation, "the correlation id", true},
	} {
		if o.from == nil {
			continue
		}
		if *o.to, err = first([]*expression{o.from}, v, o.what, o.required); err != nil {
			return x, err
		}
	}
	for _, val := range c.values {
		text, err := first([]*expression{val.expr}, v, "the value "+val.name, val.required)
		if err != nil {
			return x, err
		}
		if text != "" {
			x.Values = append(x.Values, Named{val.name, text})
		}
	}
	return x, nil
}

// first returns the text that the first expression gives that gives anything.
func first(all []*expression, v *jsontree.Value, what string, required bool) (string, error) {
	for _, e := range all {
		out, err := e.one(v)
		if err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
		if out == nil {
			continue
		}
		text, err := asText(out)
		if err != nil {
			return "", fmt.Errorf("%s: %s gives %w", what, e.text, err)
		}
		if strings.TrimSpace(text) != "" {
			return text, nil
		}
	}
	if required {
		texts := make([]string, len(all))
		for i, e := range all {
			texts[i] = e.text
		}
		return "", fmt.Errorf("%s is missing: %s gives nothing", what, strings.Join(texts, " and "))
	}
	return "", nil
}

// asText returns a value as the connector writes it: true as True, numbers as
// they were sent.
func asText(v *jsontree.Value) (string, error) {
	switch v.Kind {
	case jsontree.String, jsontree.Number:
		return v.Text, nil
	case jsontree.Bool:
		if v.True {
			return "True", nil
		}
		return "False", nil
	case jsontree.Null, jsontree.Array, jsontree.Object:
	}
	return "", fmt.Errorf("an %s, not one value", v.Kind)
}

// readTime reads a time: ISO 8601, or one of the forms that .NET writes. One
// without a zone is in UTC.
func readTime(text string) (vigil.Instant, error) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04:05.999999999", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
		"2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02", "01/02/2006 15:04:05", time.RFC1123, time.RFC1123Z,
	} {
		if t, err := time.Parse(layout, text); err == nil {
			return vigil.InstantOf(t), nil
		}
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, fmt.Errorf("the time is a number; fromUnixTimestamp or fromUnixTimestampMs (JmesPath) makes a time of it")
	}
	return 0, fmt.Errorf("the time is not one like 2026-01-31T12:00:00Z")
}

// Decode reads a message: it is the devices.Decoder of the mapping.
func (m *Mapping) Decode(out *devices.Decoded, _ string, payload []byte) {
	found, refused := m.Measure(payload)
	out.Refusals = append(out.Refusals, refused...)
	if len(found) == 0 && len(refused) == 0 {
		out.Refusals = append(out.Refusals, vigil.Refusal{Reason: "no template of the mapping matches this message"})
	}
	slices.SortStableFunc(found, func(a, b Measurement) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Patient, b.Patient))
	})
	for i := range found {
		x := &found[i]
		if n := len(out.Speakers); n == 0 || string(out.Speakers[n-1].Device) != x.Device || out.Speakers[n-1].Patient != x.Patient {
			out.Speakers = append(out.Speakers, devices.Speaker{Device: vigil.DeviceID(x.Device), Patient: x.Patient})
		}
		readings, events := len(out.Readings), len(out.Events)
		m.types[x.Type].decode(out, x)
		s := &out.Speakers[len(out.Speakers)-1]
		s.Readings += len(out.Readings) - readings
		s.Events += len(out.Events) - events
	}
	if len(out.Speakers) == 1 {
		out.Patient = out.Speakers[0].Patient
	}
}

// decode makes readings and an event of a measurement.
func (k *kind) decode(out *devices.Decoded, x *Measurement) {
	keyKind, key := vigil.KeyPosition, uint64(0)
	if x.Time != 0 {
		keyKind, key = vigil.KeyTime, uint64(x.Time) // #nosec G115 -- only compared
	}
	for _, v := range x.Values {
		of := k.find(v.Name)
		if of.metric == nil {
			continue
		}
		value, err := strconv.ParseFloat(strings.TrimSpace(v.Text), 64)
		if err != nil || math.IsInf(value, 0) || math.IsNaN(value) {
			out.Refusals = append(out.Refusals, vigil.Refusal{Pos: k.name + "/" + v.Name, Reason: "the value is not a number"})
			continue
		}
		out.Readings = append(out.Readings, vigil.Reading{
			Metric: of.metric, Stated: x.Time, Value: value, Decimals: decimals(v.Text), KeyKind: keyKind, Key: key,
		})
	}
	if k.event == "" || len(x.Values) == 0 {
		return
	}
	out.Events = append(out.Events, vigil.Event{
		Type: k.event, Title: k.title, Codes: k.codes, Stated: x.Time, Data: x.data(), KeyKind: keyKind, Key: key,
	})
}

// maxDecimals is how many digits behind the point are kept.
const maxDecimals = 9

// decimals returns how many digits behind the point a number was sent with.
func decimals(text string) int8 {
	text = strings.TrimSpace(text)
	if strings.ContainsAny(text, "eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return 0
		}
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	_, after, _ := strings.Cut(text, ".")
	return int8(min(len(after), maxDecimals)) // #nosec G115 -- at most 9
}

// data writes what an event keeps of a measurement.
func (x *Measurement) data() []byte {
	var b strings.Builder
	member := func(name, value string) {
		jsontree.Quote(&b, name)
		b.WriteByte(':')
		jsontree.Quote(&b, value)
	}
	b.WriteByte('{')
	member("type", x.Type)
	for _, o := range []Named{{"correlation", x.Correlation}, {"encounter", x.Encounter}} {
		if o.Text != "" {
			b.WriteByte(',')
			member(o.Name, o.Text)
		}
	}
	b.WriteString(`,"values":{`)
	for i, v := range x.Values {
		if i > 0 {
			b.WriteByte(',')
		}
		member(v.Name, v.Text)
	}
	b.WriteString("}}")
	return []byte(b.String())
}
