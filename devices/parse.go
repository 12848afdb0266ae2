package devices

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/jsonbody"
)

// maxFile is how long a profile file may be, in bytes.
const maxFile = 1 << 20

// Parse reads one profile file and lists all its problems. The profile is nil
// when it cannot be used; then there is at least one problem. The examples are
// not run: see Check.
func Parse(file string, text []byte) (*Profile, []Problem) {
	s := &source{file: file}
	root := s.document(text)
	if root == nil {
		return nil, s.problems
	}
	p := s.profile(root, text)
	if len(s.problems) > 0 {
		return nil, s.problems
	}
	return p, nil
}

// document reads the YAML.
func (s *source) document(text []byte) *yaml.Node {
	if len(text) > maxFile {
		s.wrong(nil, "longer than %d bytes", maxFile)
		return nil
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	var doc, more yaml.Node
	if err := d.Decode(&doc); err != nil {
		p := Problem{File: s.file, Msg: strings.TrimPrefix(err.Error(), "yaml: ")}
		if pos, msg, ok := strings.Cut(p.Msg, ": "); ok && strings.HasPrefix(pos, "line ") {
			p.Pos, p.Msg = pos, msg
		}
		if errors.Is(err, io.EOF) {
			p.Msg = "the file is empty"
		}
		s.problems = append(s.problems, p)
		return nil
	}
	if err := d.Decode(&more); !errors.Is(err, io.EOF) {
		s.wrong(&more, "one file holds one profile")
	}
	return doc.Content[0]
}

// profile reads the whole file.
func (s *source) profile(root *yaml.Node, text []byte) *Profile {
	sec := s.section(root, "a profile", profileKeys())
	sec.ownCodes()
	p := &Profile{
		Name: sec.name("profile"), Title: sec.text("title"), Maker: sec.text("maker"), Model: sec.text("model"),
		Kind: sec.name("kind"), Source: sec.text("source"), Firmware: sec.text("firmware"), Shared: sec.flag("shared"),
		Aliases: sec.texts("aliases"), Channels: sec.texts("channels"), Text: text,
		file: s.file, lines: map[string]int{}, panels: map[string]*vigil.Panel{},
	}
	sec.general(p)
	sec.clock(p)
	b := builder{sec, p, sec.each("each"), sec.path("number"), sec.path("correction")}
	b.panels()
	b.readings()
	b.waves()
	b.events()
	b.states()
	b.finish()
	p.own, p.Examples = s.own, sec.examples(p)
	return p
}

// general reads what is said about the device type itself.
func (s section) general(p *Profile) {
	for _, a := range p.Aliases {
		if !isName(a) || a == p.Name {
			s.wrong(s.at("aliases"), "aliases: %q is not an earlier name", a)
		}
	}
	p.Codes = s.codes("code")
	firmware, err := parseFirmware(p.Firmware)
	if err != nil {
		s.wrong(s.at("firmware"), "firmware: %v", err)
	}
	p.firmware = firmware
	p.cadence, p.silence, p.heartbeat = s.cadence("cadence"), s.duration("silence"), s.duration("heartbeat")
	p.codec = s.codec()
	p.patient = s.path("patient")
	if p.patient != nil && p.patient.OfItem() {
		s.wrong(s.at("patient"), "patient: want a path from the message, as $.patient")
	}
	if p.Shared && p.patient == nil {
		s.wrong(s.at("shared"), "a shared device must say in each message whose it is: patient is missing")
	}
}

// cadence reads a duration, or spot for readings that come when they come.
func (s section) cadence(name string) time.Duration {
	if n := s.values[name]; n != nil && n.Value == "spot" {
		return 0
	}
	return s.duration(name)
}

// silenceOf returns how long a series of a cadence may be silent: ten cadences
// below one minute, three above, for ever without one.
func silenceOf(cadence time.Duration) time.Duration {
	if cadence < time.Minute {
		return 10 * cadence
	}
	return 3 * cadence
}

// clock reads where times are and whose clock counts.
func (s section) clock(p *Profile) {
	n := s.values["time"]
	if n == nil {
		return
	}
	t := s.section(n, "time", timeKeys())
	p.time.path, p.time.now, p.time.required = t.path("path"), t.path("now"), t.flag("required")
	f, err := parseTimeFormat(t.text("format"), t.text("zone"))
	if err != nil && t.has("format") {
		t.wrong(t.at("format"), "%v", err)
	}
	p.time.format = f
	if p.time.now != nil && p.time.now.OfItem() {
		t.wrong(t.at("now"), "now: want a path from the message, as $.now")
	}
	switch drift := t.text("drift"); drift {
	case "", "trust":
		p.clock = ClockTrust
	case "correct":
		p.clock = ClockCorrect
		if p.time.now == nil {
			t.wrong(t.at("drift"), "drift: a time can be corrected only by the device's own now, which is missing")
		}
	case "ignore":
		p.clock = ClockIgnore
	default:
		t.wrong(t.at("drift"), "drift: %q is neither trust, correct nor ignore", drift)
	}
}

// codeSystems are the systems that codes are written in, and their keys.
func codeSystems() [3]struct{ key, uri string } {
	return [...]struct{ key, uri string }{{"loinc", vigil.LOINC}, {"mdc", vigil.MDC}, {"sct", vigil.SNOMED}}
}

// ownCodes reads the codes that the file brings along.
func (s section) ownCodes() {
	n := s.values["codes"]
	if n == nil {
		return
	}
	if n.Kind != yaml.SequenceNode {
		s.wrong(n, "codes: want a list")
		return
	}
	for _, item := range n.Content {
		c := s.section(item, "an entry of codes", codeKeys())
		k := knownCode{display: c.text("display"), unit: c.unit("unit")}
		for _, system := range codeSystems() {
			if c.has(system.key) {
				k.system, k.code = system.uri, c.text(system.key)
			}
		}
		reason := malformed(vigil.Code{System: k.system, Value: k.code})
		if k.system == "" {
			reason = "want loinc, mdc or sct"
		}
		if reason != "" {
			s.wrong(item, "codes: %s", reason)
		}
		s.own = append(s.own, k)
	}
}

// codes reads standard codes, LOINC first.
func (s section) codes(name string) []vigil.Code {
	n := s.values[name]
	if n == nil {
		return nil
	}
	c := s.section(n, name, []key{{name: "loinc"}, {name: "mdc"}, {name: "sct"}})
	var out []vigil.Code
	for _, system := range codeSystems() {
		for _, item := range c.list(system.key) {
			code := vigil.Code{System: system.uri, Value: s.scalar(item, system.key)}
			if reason := malformed(code); reason != "" {
				s.wrong(item, "%s: %s", system.key, reason)
				continue
			}
			if known, ok := lookup(s.own, code); ok {
				code.Display = known.display
			}
			out = append(out, code)
		}
	}
	return out
}

// groupOf returns the group that an entry belongs to, made when needed.
func (b *builder) groupOf(each *jsonbody.Path) *group {
	for i := range b.p.groups {
		g := &b.p.groups[i]
		if g.each == each || g.each != nil && each != nil && g.each.String() == each.String() {
			return g
		}
	}
	g := group{each: each}
	if each != nil {
		g.list = listOf(each)
	}
	take := func(path *jsonbody.Path) *jsonbody.Path {
		if path == nil || path.OfItem() && each == nil {
			return nil
		}
		return path
	}
	g.time, g.number, g.correction = take(b.p.time.path), take(b.number), take(b.correction)
	b.p.groups = append(b.p.groups, g)
	return &b.p.groups[len(b.p.groups)-1]
}

// listOf returns the path to the list itself, for a path that ends in [*] or []
// and has no other wildcard.
func listOf(each *jsonbody.Path) *jsonbody.Path {
	text := strings.TrimSuffix(strings.TrimSuffix(each.String(), "[*]"), "[]")
	p, err := jsonbody.ParsePath(text)
	if err != nil || p.Wild() {
		return nil
	}
	return p
}
