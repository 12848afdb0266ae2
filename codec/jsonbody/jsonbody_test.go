package jsonbody

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestParseRefuses(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+1)
	many := `{"a0":0`
	for i := range 40 {
		many += `,"a` + string(rune('A'+i%26)) + string(rune('a'+i/26)) + `":1`
	}
	for _, c := range []struct{ text, want string }{
		{``, "line 1 column 1: text ends where a value should be"},
		{`{"a": 1,}`, "line 1 column 9: want a name in quotes"},
		{"{\"a\": 1,\n  \"b\": tru}", "line 2 column 8: not a JSON value"},
		{`{"a": "b`, "line 1 column 9: text ends inside a string"},
		{`{"a": 1 "b": 2}`, "line 1 column 9: want a comma or '}'"},
		{`{"ä": NaN}`, "line 1 column 7: not a JSON value"},
		{`{"a": Infinity}`, "line 1 column 7: not a JSON value"},
		{`{"a": -Infinity}`, "line 1 column 7: not a JSON number"},
		{`{"a": 01}`, "line 1 column 7: not a JSON number"},
		{`{"a": .5}`, "line 1 column 7: not a JSON value"},
		{`{"a": 1.}`, "line 1 column 7: not a JSON number"},
		{`{"a": 1, "b": 2, "a": 3}`, `line 1 column 18: the name "a" is there twice`},
		{`{"a": 1, "\u0061": 3}`, `line 1 column 10: the name "a" is there twice`},
		{many + `,"a0":1}`, `line 1 column 1: an object has a name twice`},
		{"{\"a\": \"\x01\"}", "line 1 column 8: control character inside a string"},
		{"\"\xff\"", "line 1 column 2: not valid UTF-8"},
		{`"\x"`, "line 1 column 2: not an escape that JSON has"},
		{`"\ud800"`, "line 1 column 2: not an escape that JSON has"},
		{"[" + strings.Repeat("0,", MaxValues), "line 1 column 2097152: more than 1048576 values"},
		{`1 2`, "line 1 column 3: more text behind the value"},
		{deep, "line 1 column 33: more than 32 arrays and objects within each other"},
	} {
		var d Doc
		err := d.Parse([]byte(c.text))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || err.Error() != c.want {
			t.Errorf("Parse(%.60q) = %v, want %s", c.text, err, c.want)
		}
	}
}

func TestPaths(t *testing.T) {
	var d Doc
	err := d.Parse([]byte("\ufeff" + `{"a": {"b": [1, {"c": 2.50}, "x\ty"]}, "x y": null, "ecg-ii": [], "list": [{"v": 1}, {"v": 2}], "one": {"v": 3}}`))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"$.a.b[1].c": "2.50", "$.a.b[0]": "1", "$.a.b[-1]": `"x\ty"`, "$['x y']": "null", "$.ecg-ii": "[]",
		"$.a.nothing": "", "$.a.b[7]": "", "$.a.b.c": "", "$.list[0].v": "1", `$["x y"]`: "null",
	} {
		p, err := ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		r := d.Find(Root, p)
		if r == None {
			if want != "" {
				t.Errorf("%s leads nowhere, want %s", path, want)
			}
			continue
		}
		if got := string(d.Raw(r)); got != want {
			t.Errorf("%s = %s, want %s", path, got, want)
		}
	}
	if s, _ := d.Str(d.Find(Root, must(t, "$.a.b[2]"))); string(s) != "x\ty" {
		t.Errorf("unescaped %q", s)
	}
	for path, want := range map[string]int{"$.list[*].v": 2, "$.list[]": 2, "$.one[]": 1, "$.one[*]": 0, "$.nothing[]": 0} {
		refs := d.Select(nil, Root, must(t, path))
		if len(refs) != want {
			t.Errorf("%s selects %d, want %d", path, len(refs), want)
		}
	}
	refs := d.Select(nil, Root, must(t, "$.list[*]"))
	if got := d.PathBelow(refs[1], must(t, ".v")); got != "$.list[1].v" {
		t.Errorf("path below the item: %s", got)
	}
	if got := d.PathTo(d.Find(Root, must(t, "$['x y']"))); got != "$['x y']" {
		t.Errorf("path to a quoted name: %s", got)
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, p := range []string{"", "a", "$..a", "$.", "$[", "$[x]", "$['a", "$a", "$.a]"} {
		if _, err := ParsePath(p); err == nil {
			t.Errorf("ParsePath(%q) is no error", p)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		text     string
		v        float64
		decimals int8
	}{
		{"0", 0, 0}, {"-0.50", -0.5, 2}, {"98.6", 98.6, 1}, {"1e3", 1000, 0}, {"1.25e1", 12.5, 1},
		{"12E-3", 0.012, 3}, {"123456789012345678901", 123456789012345678901, 0}, {"0.1234567890123456789012345", 0.1234567890123456789012345, 25},
	} {
		v, dec, ok := ParseNumber([]byte(c.text))
		if !ok || v != c.v || dec != c.decimals {
			t.Errorf("%s = %v with %d decimals, %v", c.text, v, dec, ok)
		}
	}
	for _, text := range []string{"1e999", "", "-", "1e", "0x1", "1_0"} {
		if v, _, ok := ParseNumber([]byte(text)); ok {
			t.Errorf("%q became %v", text, v)
		}
	}
}

func TestNumbersAreThoseOfEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?`).Draw(t, "number")
		var want float64
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Skip(err)
		}
		got, _, ok := ParseNumber([]byte(text))
		if !ok || got != want || math.Signbit(got) != math.Signbit(want) {
			t.Fatalf("%s: got %v %v, want %v", text, got, ok, want)
		}
	})
}

func TestNoAllocations(t *testing.T) {
	var d Doc
	text := []byte(`{"t": 1700000000000, "hr": 72, "list": [1, 2, 3], "s": "a\nb"}`)
	p := must(t, "$.list[2]")
	if n := testing.AllocsPerRun(100, func() {
		if err := d.Parse(text); err != nil {
			t.Fatal(err)
		}
		if v, _, _ := d.Number(d.Find(Root, p)); v != 3 {
			t.Fatal(v)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"x",null,true,{"b":false}]}`, `"\ud83d\ude00"`, `[[[]]]`, `{"a":1,"a":2}`, `-0.0e-0`, "\ufeff{}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var d Doc
		if err := d.Parse(text); err != nil {
			return
		}
		trimmed := []byte(strings.TrimPrefix(string(text), "\ufeff"))
		if !json.Valid(trimmed) || !utf8.Valid(text) {
			t.Fatalf("%q is not JSON", text)
		}
		for r := range d.nodes {
			got := d.PathTo(Ref(r))
			if got == "" || !json.Valid(d.Raw(Ref(r))) {
				t.Fatalf("value %d of %q: %q", r, text, d.Raw(Ref(r)))
			}
		}
	})
}

func must(t *testing.T, path string) *Path {
	t.Helper()
	p, err := ParsePath(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
