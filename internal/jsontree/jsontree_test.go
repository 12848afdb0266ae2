package jsontree

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		` {"b":1.50,"a":[true,false,null,"x\n\u00e9\ud83d\ude00"]} `: `{"b":1.50,"a":[true,false,null,"x\u000aé😀"]}`,
		"\xef\xbb\xbf[]":   `[]`,
		`{"a":1,"a":2}`:    `{"a":2}`,
		`-0.5e+3`:          `-0.5e+3`,
		`"\"\\\/\b\f\r\t"`: `"\"\\/\u0008\u000c\u000d\u0009"`,
	} {
		v, err := Parse([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if got := v.JSON(); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]string{
		``:                              "line 1 column 1",
		"{\n  \"a\":\n}":                "line 3 column 1",
		`[1,]`:                          "line 1 column 4",
		`01`:                            "line 1",
		`"a`:                            "line 1 column 3",
		`{'a':1}`:                       "line 1 column 2",
		`[1] x`:                         "line 1 column 5",
		`1e999`:                         "line 1",
		`"\x"`:                          "line 1",
		`/* c */ 1`:                     "line 1 column 1",
		strings.Repeat("[", MaxDepth+2): "line 1 column 66",
		"\"a\x01\"":                     "line 1 column 3",
		`{"a" 1}`:                       "colon",
		`[1 2]`:                         "comma",
	} {
		_, err := Parse([]byte(in))
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", in, err, want)
		}
	}
}

func TestParseFile(t *testing.T) {
	v, err := ParseFile([]byte("// one\n{ /* two\n */ 'a': [1, 2,], \"b\": 'x\"y', }"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := v.JSON(), `{"a":[1,2],"b":"x\"y"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if a := v.Get("a"); a.Line != 3 || a.Col != 10 {
		t.Errorf("a is at line %d column %d", a.Line, a.Col)
	}
	if _, err := ParseFile([]byte("/* x")); err == nil {
		t.Error("an open comment was taken")
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`1`, `1.0`, true}, {`1e2`, `100`, true}, {`9007199254740993`, `9007199254740992`, false},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`, true}, {`{"a":1}`, `{"b":1}`, false}, {`[1,2]`, `[1]`, false},
		{`"a"`, `"a"`, true}, {`null`, `false`, false}, {`[true]`, `[true]`, true},
	} {
		a, errA := Parse([]byte(c.a))
		b, errB := Parse([]byte(c.b))
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if got := Equal(a, b); got != c.want {
			t.Errorf("%s == %s: got %v", c.a, c.b, got)
		}
	}
}

func TestNumbers(t *testing.T) {
	for want, f := range map[string]float64{"0.1": 0.1, "120": 120, "1e+20": 1e20, "1e-09": 1e-9, "27.98098024871980": 27.9809802487198} {
		if got := Float(f).Text; strings.TrimRight(got, "0") != strings.TrimRight(want, "0") {
			t.Errorf("%v: got %s, want %s", f, got, want)
		}
	}
}

// FuzzParse asks that what encoding/json takes is taken, and that what is taken
// is written as JSON again.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,null,true,"\u00e9"]}`, `[`, `'x'`, "\xff", `{"a":1,"a":{}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := Parse(b)
		if err == nil && !json.Valid([]byte(v.JSON())) {
			t.Fatalf("%q became %q", b, v.JSON())
		}
		if _, err := ParseFile(b); err != nil && json.Valid(b) && strings.Count(string(b), "[")+strings.Count(string(b), "{") < MaxDepth && !strings.ContainsAny(string(b), "eE") {
			t.Fatalf("%q: %v", b, err)
		}
	})
}
