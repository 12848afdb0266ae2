package devices

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/vigil-iomt/vigil/codec/jsonbody"
	"github.com/vigil-iomt/vigil/codec/ucum"
)

// A Problem is something wrong in a profile file.
type Problem struct {
	File string `json:"file"`
	Pos  string `json:"pos,omitempty"` // "line 3 column 5"
	Msg  string `json:"msg"`
	// Warning: the profile works; somebody should look at it.
	Warning bool `json:"warning,omitempty"`
}

// String returns file, position and message.
func (p Problem) String() string {
	if p.Pos == "" {
		return p.File + ": " + p.Msg
	}
	return p.File + ": " + p.Pos + ": " + p.Msg
}

// A source is a file that is being read; it gathers every problem.
type source struct {
	file     string
	problems []Problem
	own      []knownCode // codes that the file brings along
}

// wrong notes a problem at a place.
func (s *source) wrong(n *yaml.Node, format string, args ...any) {
	p := Problem{File: s.file, Msg: fmt.Sprintf(format, args...)}
	if n != nil {
		p.Pos = fmt.Sprintf("line %d column %d", n.Line, n.Column)
	}
	s.problems = append(s.problems, p)
}

// A section is a mapping of the file.
type section struct {
	*source
	node   *yaml.Node
	values map[string]*yaml.Node
	names  map[string]*yaml.Node
}

// section reads a mapping that may have these keys; a nil list allows any.
func (s *source) section(n *yaml.Node, what string, keys []key) section {
	sec := section{s, n, map[string]*yaml.Node{}, map[string]*yaml.Node{}}
	if n.Kind != yaml.MappingNode {
		s.wrong(n, "%s: want keys and values", what)
		return sec
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		switch {
		case sec.names[name.Value] != nil:
			s.wrong(name, "%q is there twice", name.Value)
			continue
		case keys != nil && !slices.ContainsFunc(keys, func(k key) bool { return k.name == name.Value }):
			s.wrong(name, "%s has no key %q%s", what, name.Value, guess(name.Value, keys))
			continue
		}
		sec.values[name.Value], sec.names[name.Value] = value, name
	}
	for _, k := range keys {
		if k.required && sec.values[k.name] == nil {
			s.wrong(n, "%s: %q is missing (%s)", what, k.name, k.says)
		}
	}
	return sec
}

// guess suggests the key that was meant.
func guess(name string, keys []key) string {
	for _, k := range keys {
		if strings.EqualFold(k.name, name) || strings.TrimSuffix(name, "s") == strings.TrimSuffix(k.name, "s") ||
			len(name) > 3 && (strings.HasPrefix(k.name, name) || strings.HasPrefix(name, k.name)) {
			return fmt.Sprintf("; did you mean %q?", k.name)
		}
	}
	return ""
}

// has tells whether a key is there.
func (s section) has(name string) bool { return s.values[name] != nil }

// at returns where a key stands, for problems.
func (s section) at(name string) *yaml.Node {
	if n := s.values[name]; n != nil {
		return n
	}
	return s.node
}

// text reads a scalar as text; "" when it is not there.
func (s section) text(name string) string {
	n := s.values[name]
	if n == nil {
		return ""
	}
	return s.scalar(n, name)
}

// scalar reads a node as text.
func (s *source) scalar(n *yaml.Node, name string) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
		s.wrong(n, "%s: want a text", name)
		return ""
	}
	return n.Value
}

// name reads a kebab-case name.
func (s section) name(key string) string {
	v := s.text(key)
	if v != "" && !isName(v) {
		s.wrong(s.values[key], "%s: %q is not a name: want small letters, digits and dashes", key, v)
	}
	return v
}

// isName tells whether a text is kebab-case.
func isName(v string) bool {
	if v == "" || len(v) > 64 || v[0] == '-' || v[len(v)-1] == '-' {
		return false
	}
	for i := range len(v) {
		c := v[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// flag reads true or false.
func (s section) flag(name string) bool {
	n := s.values[name]
	if n == nil {
		return false
	}
	if n.Kind != yaml.ScalarNode || n.Value != "true" && n.Value != "false" {
		s.wrong(n, "%s: want true or false", name)
	}
	return n.Value == "true"
}

// number reads a number, or returns the given default.
func (s section) number(name string, otherwise float64) float64 {
	n := s.values[name]
	if n == nil {
		return otherwise
	}
	return s.float(n, name, otherwise)
}

// float reads a node as a number.
func (s *source) float(n *yaml.Node, name string, otherwise float64) float64 {
	v, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		s.wrong(n, "%s: want a number", name)
		return otherwise
	}
	return v
}

// path reads a path without wildcards; nil when it is not there.
func (s section) path(name string) *jsonbody.Path {
	p := s.anyPath(name)
	if p != nil && p.Wild() {
		s.wrong(s.values[name], "%s: %q leads to many values; lists are read with each", name, p)
		return nil
	}
	return p
}

// anyPath reads a path, given as text or as {path: text}.
func (s section) anyPath(name string) *jsonbody.Path {
	n := s.values[name]
	if n == nil {
		return nil
	}
	if n.Kind == yaml.MappingNode {
		return s.section(n, name, pathKeys()).path("path")
	}
	text := s.scalar(n, name)
	if text == "" {
		return nil
	}
	p, err := jsonbody.ParsePath(text)
	if err != nil {
		s.wrong(n, "%s: %v", name, err)
		return nil
	}
	return p
}

// each reads a path to a list.
func (s section) each(name string) *jsonbody.Path {
	p := s.anyPath(name)
	if p != nil && (p.OfItem() || !p.Wild()) {
		s.wrong(s.values[name], "%s: want a path to a list, as $.samples[*]", name)
		return nil
	}
	return p
}

// condition reads a condition; nil when it is not there.
func (s section) condition(name string) *condition {
	text := s.text(name)
	if text == "" {
		return nil
	}
	c, err := parseCondition(text)
	if err != nil {
		s.wrong(s.values[name], "%s: %v", name, err)
	}
	return c
}

// duration reads a time with its unit, as 5 min.
func (s section) duration(name string) time.Duration {
	text := s.text(name)
	if text == "" {
		return 0
	}
	v, unit, ok := quantity(text)
	seconds, err := ucum.Convert(v, unit, "s")
	if !ok || err != nil || seconds <= 0 || seconds > 400*24*3600 {
		s.wrong(s.values[name], "%s: %q is not a time like 1 s, 5 min or 24 h", name, text)
		return 0
	}
	return time.Duration(math.Round(seconds*1e6)) * time.Microsecond
}

// quantity splits a value from its unit.
func quantity(text string) (v float64, unit string, ok bool) {
	number, unit, _ := strings.Cut(strings.TrimSpace(text), " ")
	v, err := strconv.ParseFloat(number, 64)
	unit = strings.TrimSpace(unit)
	if unit == "" {
		unit = "1"
	}
	return v, unit, err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
}

// unit reads a UCUM unit.
func (s section) unit(name string) string {
	n := s.values[name]
	if n == nil {
		return ""
	}
	u := s.scalar(n, name)
	if u == "" {
		return ""
	}
	if err := ucum.Check(u); err != nil {
		s.wrong(n, "%s: %s%s", name, strings.TrimPrefix(err.Error(), "unit "), unitGuess(u))
		return ""
	}
	return u
}

// unitGuess suggests the UCUM code of units that are often written otherwise.
func unitGuess(u string) string {
	known := map[string]string{
		"mmHg": "mm[Hg]", "bpm": "/min", "°C": "Cel", "C": "Cel", "°F": "[degF]", "F": "[degF]", "celsius": "Cel",
		"mg/dl": "mg/dL", "lb": "[lb_av]", "lbs": "[lb_av]", "IU": "[iU]", "iu": "[iU]", "breaths/min": "/min",
		"cmH2O": "cm[H2O]", "beats/min": "/min", "steps": "{steps}", "ml/h": "mL/h", "percent": "%", "inch": "[in_i]",
	}
	if k := known[u]; k != "" {
		return fmt.Sprintf("; UCUM writes %q", k)
	}
	return ""
}

// list returns the items of a list; one value stands for a list of one.
func (s section) list(name string) []*yaml.Node {
	n := s.values[name]
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content
	case n.Kind == yaml.ScalarNode:
		return []*yaml.Node{n}
	}
	s.wrong(n, "%s: want a list", name)
	return nil
}

// texts reads a list of texts.
func (s section) texts(name string) []string {
	var out []string
	for _, n := range s.list(name) {
		if v := s.scalar(n, name); v != "" {
			out = append(out, v)
		}
	}
	return out
}
