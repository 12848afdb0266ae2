package tree

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func parse(t *testing.T, s string) Node {
	t.Helper()
	d, err := Parse([]byte(s))
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return d.Root()
}

func TestNode(t *testing.T) {
	n := parse(t, "{\"a\": [1.50, true, null,\n  {\"b\":\"x\\u00e9\\ud83d\\ude00\\n\"}],\"c\\u0064\":{}, \"e\":-0.0e+5}")
	if got := n.Get("a").At(0).Text(); got != "1.50" {
		t.Errorf("decimal: got %q", got)
	}
	if !n.Get("a").At(1).Bool() || n.Get("a").At(2).Kind() != Null {
		t.Error("true or null is lost")
	}
	b := n.Get("a").At(3).Get("b")
	if got, want := b.Text(), "xé😀\n"; got != want {
		t.Errorf("text: got %q, want %q", got, want)
	}
	if got := b.Path(); got != "a[3].b" {
		t.Errorf("path: got %q", got)
	}
	if line, col := b.Pos(); line != 2 || col != 8 {
		t.Errorf("pos: got %d:%d", line, col)
	}
	if got := n.Get("cd"); got.Kind() != Object || got.Name() != "cd" || got.Parent() != n {
		t.Errorf("name with escape: got %v %q", got.Kind(), got.Name())
	}
	if n.Get("x").Ok() || n.Get("a").At(4).Ok() || n.Get("a").At(-1).Ok() {
		t.Error("something that is not there is there")
	}
	if n.Len() != 3 || n.Get("a").Len() != 4 {
		t.Errorf("len: got %d, %d", n.Len(), n.Get("a").Len())
	}
	names := ""
	for name := range n.Members() {
		names += name + " "
	}
	count := 0
	for range n.Get("a").Items() {
		count++
	}
	for range n.Get("e").Items() {
		count++
	}
	for range n.Get("x").Items() {
		count++
	}
	if names != "a cd e " || count != 5 {
		t.Errorf("got names %q, %d items", names, count)
	}
}

func TestRefused(t *testing.T) {
	deep := strings.Repeat("[", 101) + strings.Repeat("]", 101)
	wide := "{"
	for i := range 30 {
		wide += `"n` + string(rune('a'+i)) + `":1,`
	}
	for _, c := range []struct{ in, want string }{
		{"", "line 1, column 1: the document is empty"},
		{" \n ", "line 2, column 2: the document is empty"},
		{"\ufeff{}", "line 1, column 1: the document starts with a byte order mark; JSON has none"},
		{`{"a":1,"a":2}`, `line 1, column 8: a: the member "a" is there twice`},
		{`{"a":1,"\u0061":2}`, `line 1, column 8: a: the member "a" is there twice`},
		{wide + `"nc":2}`, `line 1, column 212: the member "nc" is there twice`},
		{`{"a":[1,{"b":tru}]}`, "line 1, column 14: a[1].b: a word that is not true, false or null"},
		{`{"a":01}`, "line 1, column 6: a: a number that starts with 0"},
		{`-`, "line 1, column 1: a minus without a number"},
		{`1.`, "line 1, column 1: a number without digits behind its point"},
		{`1e`, "line 1, column 1: a number without digits in its exponent"},
		{`+1`, "line 1, column 1: '+' where a value should be"},
		{`NaN`, "line 1, column 1: 'N' where a value should be"},
		{`"\ud800"`, `line 1, column 2: the surrogate \ud800 without its other half`},
		{`"\udc00\ud800"`, `line 1, column 2: the surrogate \udc00 without its other half`},
		{`"\u0000"`, "line 1, column 2: the control character U+0000 in a string"},
		{"\"a\x00\"", "line 1, column 3: the control character U+0000 in a string"},
		{"\"a\nb\"", "line 1, column 3: the control character U+000A in a string"},
		{"\"é\xff\"", "line 1, column 3: byte 0xff is not UTF-8"},
		{`"\x"`, `line 1, column 2: a backslash without one of " \ / b f n r t u behind it`},
		{`"\`, `line 1, column 2: a string without an end`},
		{`"abc`, `line 1, column 1: a string without an end`},
		{`{"a":1,}`, "line 1, column 8: a: '}' where the name of a member should be"},
		{`[1,]`, "line 1, column 4: [1]: ']' where a value should be"},
		{`[1 2]`, "line 1, column 4: [0]: '2' where a comma or ']' should be"},
		{`{"a" 1}`, "line 1, column 6: '1' where a colon should be"},
		{`{} x`, "line 1, column 4: something follows the end of the document"},
		{`{"a":`, "line 1, column 6: the document ends where a value should be"},
		{`{"a":{"b":[`, "line 1, column 12: a.b: the document ends where a value should be"},
		{deep, "line 1, column 101: " + strings.Repeat("[0]", 100) + ": more than 100 arrays and objects within each other"},
	} {
		_, err := Parse([]byte(c.in))
		var e *Error
		if !errors.As(err, &e) || err.Error() != c.want {
			t.Errorf("Parse(%.40q): got %v, want %s", c.in, err, c.want)
		}
	}
}

func TestReadAgain(t *testing.T) {
	var d Doc
	for _, s := range []string{`{"a":[1,2,3],"b":"x"}`, "\n[", `["y"]`} {
		err := d.Read([]byte(s))
		if (err != nil) != (s == "\n[") || err != nil && d.Root().Ok() {
			t.Errorf("%s: got %v, root %v", s, err, d.Root().Kind())
		}
	}
	if line, col := d.Root().At(0).Pos(); d.Root().At(0).Text() != "y" || line != 1 || col != 2 {
		t.Errorf("got %q at %d:%d", d.Root().At(0).Text(), line, col)
	}
}

// What is big takes time in proportion, not more.
func TestBig(t *testing.T) {
	var b strings.Builder
	b.WriteString("{")
	for i := range 200_000 {
		fmt.Fprintf(&b, `"n%d":[],`, i)
	}
	wide := b.String() + `"n":{}}`
	if n := parse(t, wide); n.Len() != 200_001 || !n.Get("n199999").Ok() {
		t.Error("members are lost")
	}
	if _, err := Parse([]byte(b.String() + `"n77777":0}`)); err == nil || !strings.Contains(err.Error(), `"n77777" is there twice`) {
		t.Errorf("got %v", err)
	}
	if n := parse(t, `"`+strings.Repeat("x", 10<<20)+`"`); len(n.Text()) != 10<<20 {
		t.Error("a long string is cut")
	}
}
