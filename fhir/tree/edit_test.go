package tree

import (
	"testing"
)

func TestEdit(t *testing.T) {
	const doc = "{\n  \"a\": 1,\n  \"b\": [1, 2.50 ,3],\n  \"c\": {}\n}\n"
	for _, c := range []struct {
		name string
		do   func(e *Edit, n Node)
		want string
	}{
		{"nothing", func(*Edit, Node) {}, doc},
		{"replace", func(e *Edit, n Node) { e.Put(n, "a", []byte(`"x"`)) }, "{\n  \"a\": \"x\",\n  \"b\": [1, 2.50 ,3],\n  \"c\": {}\n}\n"},
		{"add", func(e *Edit, n Node) { e.Put(n, "d", []byte(`4`)) }, "{\n  \"a\": 1,\n  \"b\": [1, 2.50 ,3],\n  \"c\": {},\n  \"d\":4\n}\n"},
		{"remove the first", func(e *Edit, n Node) { e.Remove(n.Get("a")) }, "{\n  \"b\": [1, 2.50 ,3],\n  \"c\": {}\n}\n"},
		{"remove the last", func(e *Edit, n Node) { e.Remove(n.Get("c")) }, "{\n  \"a\": 1,\n  \"b\": [1, 2.50 ,3]\n}\n"},
		{"remove all", func(e *Edit, n Node) {
			for _, v := range n.Members() {
				e.Remove(v)
			}
		}, "{}\n"},
		{"elements", func(e *Edit, n Node) {
			b := n.Get("b")
			e.Remove(b.At(1))
			e.Insert(b, 0, []byte("0"))
			e.Insert(b, 9, []byte("9"))
			e.Insert(b, 2, []byte("2"))
			e.Insert(n.Get("c"), 0, nil)
		}, "{\n  \"a\": 1,\n  \"b\": [0,1,2,3,9],\n  \"c\": {\"\":}\n}\n"},
		{"within what is removed", func(e *Edit, n Node) {
			e.Remove(n.Get("b").At(0))
			e.Remove(n.Get("b"))
			e.Put(n, "c", []byte("null"))
		}, "{\n  \"a\": 1,\n  \"c\": null\n}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := parse(t, doc)
			e := NewEdit(n.Doc())
			c.do(e, n)
			if got := string(e.Bytes()); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStamp(t *testing.T) {
	s := Stamp{"42", "7", "2026-01-02T03:04:05Z"}
	const head = `{"resourceType":"Patient","id":"42","meta":{"versionId":"7","lastUpdated":"2026-01-02T03:04:05Z"`
	for _, c := range []struct{ in, want string }{
		{`{"resourceType":"Patient"}`, head + `}}`},
		{`{"id":"x","active":true,"resourceType":"Patient","n":1.0}`, head + `},"active":true,"n":1.0}`},
		{`{"resourceType":"Patient","meta":{"versionId":"1","profile":["p"],"lastUpdated":"x","tag":[ 1 ]},"_id":{}}`, head + `,"profile":["p"],"tag":[ 1 ]},"_id":{}}`},
		{"{\n \"resourceType\": \"Patient\",\n \"id\": \"1\",\n \"a\": 1.50,\n \"meta\": {}\n}", head + "},\n \"a\": 1.50\n}"},
	} {
		got := s.Apply(parse(t, c.in).Doc())
		if string(got) != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
		if again := s.Apply(parse(t, string(got)).Doc()); string(again) != c.want {
			t.Errorf("stamped twice: got %s", again)
		}
	}
	if got := (Stamp{}).Apply(parse(t, `{"id":"1","meta":{"versionId":"2"},"resourceType":"X"}`).Doc()); string(got) != `{"resourceType":"X"}` {
		t.Errorf("nothing: got %s", got)
	}
}

func TestFilterAndCompact(t *testing.T) {
	n := parse(t, `{ "a": [ {"x":1, "y":"a \" b"}, 2 ], "b": {"x": 3}, "c" : null }`)
	var keep Keep
	keep = func(name string, v Node) (bool, Keep) {
		if name == "a" {
			return true, keep
		}
		return name == "y" || name == "c", nil
	}
	if got, want := string(Filter(n, keep)), `{"a":[{"y":"a \" b"},2],"c":null}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := string(Compact(nil, n)), `{"a":[{"x":1,"y":"a \" b"},2],"b":{"x":3},"c":null}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWriter(t *testing.T) {
	var w Writer
	w.Object().Text("a", "\"\\\n\x01é").Name("b").Array().Word("1.0").String("x").Object().End().End().Member("c", []byte("null")).End()
	if got, want := string(w.Bytes()), `{"a":"\"\\\n\u0001é","b":[1.0,"x",{}],"c":null}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEqual(t *testing.T) {
	wide := func(last string) string {
		s := "{"
		for i := range 40 {
			s += `"n` + string(rune('ā'+i)) + `x":1,`
		}
		return s + last + "}"
	}
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"a":1,"b":[true,null,"x"]}`, `{"b":[true,null,"\u0078"],"a":1.0}`, true},
		{`{"a":1}`, `{"b":1}`, false},
		{`{"a":1}`, `{"a":1,"b":1}`, false},
		{`[1,2]`, `[2,1]`, false},
		{`0`, `-0.00e7`, true},
		{`100`, `1e2`, true},
		{`100`, `1E+0002`, true},
		{`-1.5`, `-0.15e1`, true},
		{`1`, `-1`, false},
		{`1e99999999999999999999`, `10e99999999999999999998`, true},
		{`0.1`, `0.10000000000000001`, false},
		{`"1"`, `1`, false},
		{`true`, `false`, false},
		{wide(`"z":1`), wide(`"z":1.0`), true},
		{wide(`"z":1`), wide(`"y":1`), false},
	} {
		if got := Equal(parse(t, c.a), parse(t, c.b)); got != c.want {
			t.Errorf("Equal(%.30s, %.30s): got %v", c.a, c.b, got)
		}
	}
}
