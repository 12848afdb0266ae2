package devices

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/jsonbody"
)

// An Example is a message and what it must become.
type Example struct {
	Name    string        `json:"name"`
	Channel string        `json:"channel,omitempty"`
	Payload vigil.RawJSON `json:"payload"`         // as JSON: a text for what is not JSON, hexadecimal for binary
	Want    vigil.RawJSON `json:"want,omitempty"`  // readings and events by name
	Waves   vigil.RawJSON `json:"waves,omitempty"` // waves by name
	Refuse  string        `json:"refuse,omitempty"`
	At      vigil.Instant `json:"at,omitzero"`
	Patient string        `json:"patient,omitempty"`

	message []byte
	wants   map[string][]string // readings and events
	waves   map[string][]string
	node    *yaml.Node
}

// Message returns the bytes that the device would send.
func (e *Example) Message() []byte { return e.message }

// examples reads the examples.
func (s section) examples(p *Profile) []Example {
	n := s.values["examples"]
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		s.wrong(n, "examples: want a list")
		return nil
	}
	var out []Example
	for _, item := range n.Content {
		t := s.section(item, "an example", exampleKeys())
		e := Example{Name: t.text("name"), Channel: t.text("channel"), Refuse: t.text("refuse"), Patient: t.text("patient"), node: item}
		if at := t.text("at"); at != "" {
			parsed, err := time.Parse(time.RFC3339Nano, at)
			if err != nil {
				t.wrong(t.at("at"), "at: %q is not a time like 2026-01-31T12:00:00Z", at)
			}
			e.At = vigil.InstantOf(parsed)
		}
		e.Payload, e.message = t.payload(p.codec)
		e.Want, e.wants = t.wanted("want")
		e.Waves, e.waves = t.wanted("waves")
		if !t.has("want") && !t.has("waves") && !t.has("refuse") {
			t.wrong(item, "an example needs want, waves or refuse")
		}
		out = append(out, e)
	}
	return out
}

// payload reads the payload of an example.
func (s section) payload(c codec) (vigil.RawJSON, []byte) {
	n := s.values["payload"]
	if n == nil {
		return nil, nil
	}
	raw := appendNode(nil, n)
	if n.Kind != yaml.ScalarNode {
		if c.binary() {
			s.wrong(n, "payload: want the bytes in hexadecimal")
		}
		return raw, raw
	}
	if !c.binary() {
		return raw, []byte(n.Value)
	}
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "").Replace(n.Value))
	if err != nil {
		s.wrong(n, "payload: not hexadecimal")
	}
	return raw, b
}

// wanted reads what must come out, by name: one text or several, or the data of
// an event.
func (s section) wanted(name string) (vigil.RawJSON, map[string][]string) {
	n := s.values[name]
	if n == nil {
		return nil, nil
	}
	list := s.section(n, name, nil)
	out := make(map[string][]string, len(list.values))
	for key, v := range list.values {
		items := []*yaml.Node{v}
		if v.Kind == yaml.SequenceNode {
			items = v.Content
		}
		for _, item := range items {
			text := item.Value
			if item.Kind != yaml.ScalarNode {
				text = string(appendNode(nil, item))
			}
			out[key] = append(out[key], text)
		}
	}
	return appendNode(nil, n), out
}

// appendNode writes YAML as JSON. Numbers keep their digits.
func appendNode(dst []byte, n *yaml.Node) []byte {
	switch n.Kind {
	case yaml.MappingNode:
		dst = append(dst, '{')
		for i := 0; i+1 < len(n.Content); i += 2 {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(appendQuoted(dst, n.Content[i].Value), ": "...)
			dst = appendNode(dst, n.Content[i+1])
		}
		return append(dst, '}')
	case yaml.SequenceNode:
		dst = append(dst, '[')
		for i, item := range n.Content {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = appendNode(dst, item)
		}
		return append(dst, ']')
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!null":
			return append(dst, "null"...)
		case "!!bool":
			return append(dst, strings.ToLower(n.Value)...)
		case "!!int", "!!float":
			if _, _, ok := jsonbody.ParseNumber([]byte(n.Value)); ok {
				return append(dst, n.Value...)
			}
		}
		return appendQuoted(dst, n.Value)
	case yaml.DocumentNode, yaml.AliasNode:
	}
	return append(dst, "null"...)
}

// appendQuoted writes a text as JSON.
func appendQuoted(dst []byte, s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		return append(dst, `""`...)
	}
	return append(dst, b...)
}

// prove runs an example and says what is not as it wants.
func (e *Example) prove(p *Profile, d *Decoded) []string {
	p.Decode(d, e.Channel, e.message)
	t := d.Tried()
	var wrong []string
	got := map[string][]string{}
	for _, part := range append(t.Readings, t.Events...) {
		got[part.Name] = append(got[part.Name], part.Text)
	}
	wrong = compare(wrong, "", e.wants, got)
	waves := map[string][]string{}
	for _, part := range t.Waves {
		waves[part.Name] = append(waves[part.Name], part.Text)
	}
	wrong = compare(wrong, "wave ", e.waves, waves)
	refused := false
	for i := range d.Refusals {
		if text := d.Refusals[i].Error(); text == e.Refuse {
			refused = true
		} else {
			wrong = append(wrong, fmt.Sprintf("refuses %q", text))
		}
	}
	if e.Refuse != "" && !refused {
		wrong = append(wrong, fmt.Sprintf("does not refuse %q", e.Refuse))
	}
	if e.Patient != d.Patient {
		wrong = append(wrong, fmt.Sprintf("names patient %q, not %q", d.Patient, e.Patient))
	}
	for _, part := range append(append(t.Readings, t.Waves...), t.Events...) {
		if e.At != 0 && part.Time != e.At {
			wrong = append(wrong, fmt.Sprintf("%s is at %q, not at %q", part.Name, part.Time, e.At))
		}
	}
	return wrong
}

// compare lists the differences between what was wanted and what came.
func compare(wrong []string, what string, want, got map[string][]string) []string {
	for _, name := range sortedKeys(want) {
		w, g := want[name], got[name]
		if len(g) == 0 {
			wrong = append(wrong, fmt.Sprintf("gives no %s%s, wanted %s", what, name, strings.Join(w, ", ")))
			continue
		}
		same := len(w) == len(g)
		for i := 0; same && i < len(w); i++ {
			same = w[i] == g[i] || sameJSON(w[i], g[i])
		}
		if !same {
			wrong = append(wrong, fmt.Sprintf("gives %s%s %s, wanted %s", what, name, strings.Join(g, ", "), strings.Join(w, ", ")))
		}
	}
	for _, name := range sortedKeys(got) {
		if len(want[name]) == 0 {
			wrong = append(wrong, fmt.Sprintf("gives %s%s %s, which nobody wanted", what, name, strings.Join(got[name], ", ")))
		}
	}
	return wrong
}

// sameJSON tells whether two texts are the same object.
func sameJSON(a, b string) bool {
	var va, vb map[string]any
	return json.Unmarshal([]byte(a), &va) == nil && json.Unmarshal([]byte(b), &vb) == nil && reflect.DeepEqual(va, vb)
}
