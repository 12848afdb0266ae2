package check

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A spoiled is an example with one thing made wrong, and what must be said of
// it.
type spoiled struct {
	what, expression, key string
	level                 Level
	body                  []byte
}

// spoiler makes bad twins of an example: one of each kind for each type of
// element that it meets.
type spoiler struct {
	root any
	set  *schema.Set
	done map[string]bool
	out  []spoiled
}

func spoil(t *testing.T, set *schema.Set, body []byte, done map[string]bool) []spoiled {
	t.Helper()
	s := &spoiler{set: set, done: done}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	if err := d.Decode(&s.root); err != nil {
		t.Fatal(err)
	}
	o := s.root.(map[string]any)
	name, _ := o["resourceType"].(string)
	s.object(o, set.Type(name), name)
	return s.out
}

// twin writes the document as it is now, and undoes the change afterwards.
func (s *spoiler) twin(what, id, expression, key string) {
	if s.done[what+" "+id] {
		return
	}
	s.done[what+" "+id] = true
	b, err := json.Marshal(s.root)
	if err != nil {
		panic(err)
	}
	level := Structure
	if key == "binding" {
		level = Rules
	}
	s.out = append(s.out, spoiled{what + " " + id, expression, key, level, b})
}

func (s *spoiler) object(o map[string]any, t *schema.Type, at string) {
	if t == nil {
		return
	}
	if !s.done["unknown "+t.Name] {
		o["zzUnknown"] = true
		s.twin("unknown", t.Name, at, "unknown")
		delete(o, "zzUnknown")
	}
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		f, of := t.Field(name)
		if f == nil || len(s.out) > 200 {
			continue
		}
		s.field(o, name, f, of, at)
	}
}

func (s *spoiler) field(o map[string]any, name string, f *schema.Field, of *schema.Type, at string) {
	v := o[name]
	set := func(what, expression, key string, to any) {
		o[name] = to
		s.twin(what, f.Path, expression, key)
		o[name] = v
	}
	if f.Min > 0 && o["_"+name] == nil {
		delete(o, name)
		s.twin("missing", f.Path, at, "required")
		o[name] = v
	}
	here := at + "." + f.Name
	one := v
	if f.Repeats() {
		list, _ := v.([]any)
		if len(list) == 0 {
			return
		}
		set("single", here, "array", list[0])
		set("empty", here, "empty", []any{})
		one, here = list[0], here+"[0]"
		put := func(what, key string, to any) {
			was := list[0]
			list[0] = to
			s.twin(what, f.Path, here, key)
			list[0] = was
		}
		if of.Kind == schema.Primitive {
			s.primitive(put, of, f)
		} else {
			put("kind", "kind", "text")
		}
	} else {
		set("double", here, "array", []any{v, v})
		put := func(what, key string, to any) { set(what, here, key, to) }
		if of.Kind == schema.Primitive {
			s.primitive(put, of, f)
		} else {
			put("kind", "kind", "text")
		}
	}
	if inner, ok := one.(map[string]any); ok {
		if of.Name == "Resource" {
			r, _ := inner["resourceType"].(string)
			of = s.set.Type(r)
		}
		s.object(inner, of, here)
	}
}

// primitive puts bad values of a type.
func (s *spoiler) primitive(put func(what, key string, to any), t *schema.Type, f *schema.Field) {
	if t.Name == "code" && f.Binding != nil && f.Binding.Strength == schema.Required && !open[f.Binding.ValueSet[strings.LastIndexByte(f.Binding.ValueSet, '/')+1:]] {
		put("code", "binding", "no-such-code")
	}
	switch t.Name {
	case "boolean", "integer", "positiveInt", "unsignedInt", "decimal":
		put("kind", "kind", "text")
	default:
		put("kind", "kind", json.Number("12"))
		put("object", "kind", map[string]any{"a": "b"})
		if t.Name != "xhtml" {
			put("empty text", "value", "")
		}
	}
	put("null", "null", nil)
	for _, bad := range map[string][]any{
		"date": {"2020-13-01", "2020-02-30", "1.1.2020"}, "dateTime": {"2020-01-01T10:00:00", "2021-02-29"}, "instant": {"2020-01-01"},
		"time": {"25:00:00"}, "code": {"two  spaces", " x"}, "id": {"a_b", strings.Repeat("x", 65)}, "uri": {"a b"}, "url": {"a b"},
		"canonical": {"a b"}, "base64Binary": {"a"}, "positiveInt": {json.Number("0")}, "unsignedInt": {json.Number("-1")},
		"integer": {json.Number("1.5"), json.Number("3000000000")}, "oid": {"1.2"}, "uuid": {"urn:uuid:1"},
	}[t.Name] {
		put(fmt.Sprint("value ", bad), "value", bad)
	}
	if t.Name == "xhtml" {
		put("script", "txt-1", inDiv+"<script>x</script></div>")
	}
}

// open are required value sets whose codes nobody can list.
var open = map[string]bool{}

func TestSpoiledExamplesAreRefused(t *testing.T) {
	c, done, twins := checker(), map[string]bool{}, 0
	all := examples(t, "fhir-r4-examples")
	names := make([]string, 0, len(all))
	for name, b := range all {
		if len(b) < 20000 {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for i, name := range names {
		if testing.Short() && i%8 != 0 {
			continue
		}
		for _, twin := range spoil(t, c.set, all[name], done) {
			twins++
			doc, err := tree.Parse(twin.body)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Check(doc, Options{Level: twin.level}); !said(got, twin) {
				t.Errorf("%s: %s: got %v, want %s at %s", name, twin.what, got, twin.key, twin.expression)
			}
		}
	}
	t.Logf("%d twins", twins)
	if twins < 1000 && !testing.Short() {
		t.Errorf("got %d twins, want thousands", twins)
	}
}

func said(issues []Issue, want spoiled) bool {
	for _, i := range issues {
		if i.Severity == Error && i.Key == want.key && i.Expression == want.expression && i.Line > 0 {
			return true
		}
	}
	return false
}
