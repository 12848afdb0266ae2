package csvbody

import (
	"encoding/json"
	"testing"
)

func TestAppendJSON(t *testing.T) {
	ab := Options{Columns: []string{"a", "b"}}
	for _, c := range []struct {
		text string
		o    Options
		want string
	}{
		{"1,x\n", ab, `[{"a":1,"b":"x"}]`},
		{"1,\r\n\r\n,2.50", ab, `[{"a":1,"b":null},{"a":null,"b":2.50}]`},
		{"1", ab, `[{"a":1}]`},
		{"\ufeffa, b\n+07, .5\n", Options{}, `[{"a":7,"b":0.5}]`},
		{`"say ""hi"", you","line` + "\n" + `two"`, ab, `[{"a":"say \"hi\", you","b":"line\ntwo"}]`},
		{"+,-", ab, `[{"a":"+","b":"-"}]`},
		{`"",NaN`, ab, `[{"a":"","b":"NaN"}]`},
		{"1,5;-0,25", Options{Columns: ab.Columns, Separator: ';', DecimalComma: true}, `[{"a":1.5,"b":-0.25}]`},
		{"1.5;1e3", Options{Columns: ab.Columns, Separator: ';', DecimalComma: true}, `[{"a":"1.5","b":1e3}]`},
		{"1\t2", Options{Columns: ab.Columns, Separator: '\t'}, `[{"a":1,"b":2}]`},
		{"", ab, `[]`},
		{"", Options{}, `[]`},
	} {
		got, err := AppendJSON(nil, []byte(c.text), c.o)
		if err != nil || string(got) != c.want {
			t.Errorf("%q gives %s, %v; want %s", c.text, got, err, c.want)
		}
	}
}

func TestAppendJSONRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"1,2,3":            "line 1 column 5: more cells than columns",
		"1,2\n3,\"x":       "line 2 column 5: text ends inside a cell in quotes",
		"1,\"x\"y":         "line 1 column 6: more text behind a cell in quotes",
		"1,\xff":           "line 1 column 1: not valid UTF-8",
		"1,2\n\"a\nb\",c,": "line 3 column 6: more cells than columns",
	} {
		if got, err := AppendJSON(nil, []byte(text), Options{Columns: []string{"a", "b"}}); err == nil || err.Error() != want {
			t.Errorf("%q gives %s, %v; want %s", text, got, err, want)
		}
	}
	if _, err := AppendJSON(nil, []byte("a,a\n1,2"), Options{}); err == nil {
		t.Error("two columns of one name")
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add([]byte("a,b\n1,\"x\"\"y\"\n"), byte(','), false)
	f.Add([]byte("1,5;2\n"), byte(';'), true)
	f.Fuzz(func(t *testing.T, text []byte, sep byte, comma bool) {
		if sep == '"' || sep == '\n' || sep == '\r' {
			return
		}
		got, err := AppendJSON(nil, text, Options{Separator: sep, DecimalComma: comma})
		if err == nil && !json.Valid(got) {
			t.Fatalf("%q gives %q", text, got)
		}
	})
}
