package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/vigil-iomt/vigil/sim/body"
)

// A Problem is what is wrong in a story file, and where.
type Problem struct{ File, Pos, Msg string }

// String returns "file: line 3 column 5: message".
func (p Problem) String() string { return p.File + ": " + p.Pos + ": " + p.Msg }

// ParseStory reads a story file and lists everything that is wrong with it; the
// story is nil when there is something.
func ParseStory(file string, text []byte) (*Story, []Problem) {
	r := &reader{file: file}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, []Problem{{file, yamlPosition(err), strings.TrimPrefix(err.Error(), "yaml: ")}}
	}
	if len(doc.Content) == 0 {
		return nil, []Problem{{file, "line 1 column 1", "the file is empty"}}
	}
	s := &Story{File: file, Text: text, Clock: -1}
	r.story(s, doc.Content[0])
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	return s, nil
}

// yamlPosition finds the line in an error of the YAML parser.
func yamlPosition(err error) string {
	if _, rest, ok := strings.Cut(err.Error(), "line "); ok {
		if n, _, ok := strings.Cut(rest, ":"); ok {
			return "line " + n
		}
	}
	return "line 1"
}

// A reader walks a YAML document and remembers every problem.
type reader struct {
	file     string
	problems []Problem
}

func position(n *yaml.Node) string { return fmt.Sprintf("line %d column %d", n.Line, n.Column) }

func (r *reader) bad(n *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, Problem{r.file, position(n), fmt.Sprintf(format, args...)})
}

// fields calls the function for each key of a mapping; keys that it does not
// know, or that come twice, are problems.
func (r *reader) fields(n *yaml.Node, known map[string]func(v *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.bad(n, "want a mapping")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		f, ok := known[k.Value]
		switch {
		case !ok:
			r.bad(k, "unknown key %q: want one of %s", k.Value, strings.Join(sortedKeys(known), ", "))
		case seen[k.Value]:
			r.bad(k, "key %q is there twice", k.Value)
		default:
			f(v)
		}
		seen[k.Value] = true
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func (r *reader) each(n *yaml.Node, f func(v *yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		r.bad(n, "want a list")
		return
	}
	for _, v := range n.Content {
		f(v)
	}
}

func (r *reader) text(to *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			r.bad(n, "want a text")
			return
		}
		*to = n.Value
	}
}

func (r *reader) integer(to *int, low, high int) func(*yaml.Node) {
	return func(n *yaml.Node) {
		v, err := strconv.Atoi(n.Value)
		if err != nil || v < low || v > high {
			r.bad(n, "want a whole number from %d to %d", low, high)
			return
		}
		*to = v
	}
}

// duration reads "90 s", "8 min", "1.5 h" or "2 d".
func (r *reader) duration(to *time.Duration) func(*yaml.Node) {
	return func(n *yaml.Node) {
		number, unit, _ := strings.Cut(n.Value, " ")
		scale, ok := map[string]time.Duration{"s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || !ok || v < 0 || v > 10000 {
			r.bad(n, "want a time such as 90 s, 8 min, 2 h or 1 d")
			return
		}
		*to = time.Duration(v * float64(scale))
	}
}

// quantity reads "38.4 Cel" in a unit that is demanded.
func (r *reader) quantity(n *yaml.Node, unit string) (float64, bool) {
	number, u, _ := strings.Cut(n.Value, " ")
	v, err := strconv.ParseFloat(number, 64)
	if n.Kind != yaml.ScalarNode || err != nil || u != unit {
		r.bad(n, "want a number and its unit, %q", unit)
		return 0, false
	}
	return v, true
}

func (r *reader) story(s *Story, n *yaml.Node) {
	r.fields(n, map[string]func(*yaml.Node){
		"story": r.text(&s.Name), "title": r.text(&s.Title), "source": r.text(&s.Source),
		"person":  func(v *yaml.Node) { s.Person = r.person(v) },
		"clock":   func(v *yaml.Node) { s.Clock = r.clock(v) },
		"devices": func(v *yaml.Node) { s.Devices = r.devices(v) },
		"course":  func(v *yaml.Node) { r.each(v, func(a *yaml.Node) { s.Course = append(s.Course, r.act(a)) }) },
		"again":   r.duration(&s.Again),
		"expect":  func(v *yaml.Node) { r.each(v, func(e *yaml.Node) { s.Expect = append(s.Expect, r.expect(e)) }) },
	})
	switch {
	case s.Name == "":
		r.bad(n, "the story has no name: want \"story: NAME\"")
	case len(s.Devices) == 0:
		r.bad(n, "the story has no devices")
	case len(s.Expect) == 0:
		r.bad(n, "the story proves nothing: want \"expect:\"")
	}
	r.acts(s, n)
}

// acts checks what the course asks of devices and people against those that
// are there.
func (r *reader) acts(s *Story, n *yaml.Node) {
	for i := range s.Course {
		a := &s.Course[i]
		if a.Device != "" && !slices.Contains(s.Devices, a.Device) {
			r.bad(n, "act %d: the story has no device %q", i+1, a.Device)
		}
		if s.Person == nil && (a.Like != "" || len(a.Towards) > 0 || a.Rhythm != "" || a.Eats > 0 || a.Injects > 0) {
			r.bad(n, "act %d: something happens to a person, and the story has none", i+1)
		}
		if s.Again > 0 && a.At >= s.Again {
			r.bad(n, "act %d: comes after the course starts over", i+1)
		}
	}
}

func (r *reader) clock(n *yaml.Node) time.Duration {
	t, err := time.Parse("15:04", n.Value)
	if err != nil {
		r.bad(n, "want a time of day such as 19:30")
		return -1
	}
	return clock(t.Hour(), t.Minute())
}

func (r *reader) devices(n *yaml.Node) (out []string) {
	r.each(n, func(v *yaml.Node) {
		if kindOf(v.Value) == nil {
			r.bad(v, "no simulation of profile %q: want one of %s", v.Value, strings.Join(profiles(), ", "))
			return
		}
		out = append(out, v.Value)
	})
	return out
}

func (r *reader) person(n *yaml.Node) *body.Config {
	c := &body.Config{Baseline: map[body.Vital]float64{}}
	r.fields(n, map[string]func(*yaml.Node){
		"age": r.integer(&c.Age, 1, 120),
		"sex": func(v *yaml.Node) {
			if c.Sex = v.Value; c.Sex != "male" && c.Sex != "female" {
				r.bad(v, "want male or female")
			}
		},
		"weight": func(v *yaml.Node) { c.Weight, _ = r.quantity(v, "kg") },
		"conditions": func(v *yaml.Node) {
			r.each(v, func(x *yaml.Node) {
				k, err := body.ParseCondition(x.Value)
				if err != nil {
					r.bad(x, "%v", err)
				}
				c.Conditions = append(c.Conditions, k)
			})
		},
		"resting": func(v *yaml.Node) { c.Baseline = r.vitals(v) },
		"rhythm":  func(v *yaml.Node) { c.Rhythm = r.rhythm(v) },
	})
	return c
}

func (r *reader) rhythm(n *yaml.Node) body.Rhythm {
	x, err := body.ParseRhythm(n.Value)
	if err != nil {
		r.bad(n, "%v", err)
	}
	return x
}

// vitals reads {spo2: 86 %, temp: 38.4 Cel}.
func (r *reader) vitals(n *yaml.Node) map[body.Vital]float64 {
	out := map[body.Vital]float64{}
	if n.Kind != yaml.MappingNode {
		r.bad(n, "want a mapping of vitals")
		return out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		vital, err := body.ParseVital(k.Value)
		if err != nil {
			r.bad(k, "%v", err)
			continue
		}
		if x, ok := r.quantity(v, vital.Unit()); ok {
			out[vital] = x
		}
	}
	return out
}

func (r *reader) act(n *yaml.Node) Act {
	var a Act
	timed := false
	r.fields(n, map[string]func(*yaml.Node){
		"at": func(v *yaml.Node) { timed = true; r.duration(&a.At)(v) },
		"like": func(v *yaml.Node) {
			if a.Like = v.Value; !slices.Contains([]string{"stable", "asleep", "awake", "exercising", "resting"}, a.Like) {
				r.bad(v, "want stable, asleep, awake, exercising or resting")
			}
		},
		"towards": func(v *yaml.Node) { a.Towards = r.vitals(v) },
		"over":    r.duration(&a.Over),
		"rhythm":  func(v *yaml.Node) { a.Rhythm = r.rhythm(v).String() },
		"ectopic": func(v *yaml.Node) {
			if x, ok := r.quantity(v, "/min"); ok {
				a.Ectopic = &x
			}
		},
		"eats":    func(v *yaml.Node) { a.Eats, _ = r.quantity(v, "g") },
		"injects": func(v *yaml.Node) { a.Injects, _ = r.quantity(v, "[iU]") },
		"device":  r.text(&a.Device),
		"does":    r.text(&a.Does),
	})
	if !timed {
		r.bad(n, "the act has no time: want \"at:\"")
	}
	if (a.Device == "") != (a.Does == "") {
		r.bad(n, "\"device\" and \"does\" go together")
	}
	if k := kindOf(a.Device); k != nil && !slices.Contains(append(everyDevice(), k.does...), a.Does) {
		r.bad(n, "a %s cannot do %q: want one of %s", a.Device, a.Does, strings.Join(append(everyDevice(), k.does...), ", "))
	}
	return a
}

func (r *reader) expect(n *yaml.Node) Expect {
	e := Expect{Pos: position(n)}
	what := 0
	once := func(f func(*yaml.Node)) func(*yaml.Node) {
		return func(v *yaml.Node) { what++; f(v) }
	}
	r.fields(n, map[string]func(*yaml.Node){
		"from": r.duration(&e.From), "by": r.duration(&e.By), "until": r.duration(&e.Until),
		"alarm": once(r.text(&e.Alarm)), "event": once(r.text(&e.Event)), "never": once(r.text(&e.Never)),
		"silent": once(r.text(&e.Silent)), "late": once(r.text(&e.Late)),
		"score": once(func(v *yaml.Node) { e.Score = r.conditions(v) }),
		"vital": once(func(v *yaml.Node) { e.Vital = r.conditions(v) }),
	})
	if what != 1 {
		r.bad(n, "want exactly one of alarm, score, vital, event, never, silent and late")
	}
	if (e.By == 0) == (e.Until == 0) {
		r.bad(n, "want \"by\" (at some time up to then) or \"until\" (all the time up to then)")
	}
	return e
}

// conditions reads {spo2: "<90"}.
func (r *reader) conditions(n *yaml.Node) map[string]Condition {
	out := map[string]Condition{}
	if n.Kind != yaml.MappingNode {
		r.bad(n, "want a mapping such as {spo2: \"<90\"}")
		return out
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		v := n.Content[i+1]
		op := v.Value[:len(v.Value)-len(strings.TrimLeft(v.Value, "<>="))]
		x, err := strconv.ParseFloat(strings.TrimSpace(v.Value[len(op):]), 64)
		if err != nil || !slices.Contains([]string{"<", "<=", ">", ">=", "=="}, op) {
			r.bad(v, "want a comparison such as \"<90\" or \">=7\"")
			continue
		}
		out[n.Content[i].Value] = Condition{op, x}
	}
	return out
}
