package jmespath

import (
	"errors"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/internal/jsontree"
)

const document = `{
 "a":{"b":{"c":"x","n":null}},"list":[0,1,2,3,4],"empty":[],"t":true,"f":false,"none":null,"s":"Grüße","zero":0,
 "with space":1,"\"q\"":2,
 "people":[{"name":"Ida","age":30,"tags":["x","y"]},{"name":"Otto","age":50,"tags":["z"]},{"name":"Eva","age":40}],
 "nested":[[0,1],[[2],3],[],4],"ops":{"f1":{"n":2},"f2":{"n":4},"f3":{"m":1}},"nums":[2.5,-1,10],"words":["b","a"],
 "rows":[{"in":[{"v":1},{"v":2}]},{"in":[{"v":3}]},{"in":null}]}`

func TestSearch(t *testing.T) {
	root, err := jsontree.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ expr, want string }{
		// names and sub-expressions
		{`a.b.c`, `"x"`}, {`a.b.n`, `null`}, {`a.x.y`, `null`}, {`list.x`, `null`}, {`"with space"`, `1`}, {`"\"q\""`, `2`},
		{`a."b".c`, `"x"`}, {"a .\n b . c", `"x"`}, {`@.t`, `true`}, {`@`, root.JSON()},
		// indices and slices
		{`list[0]`, `0`}, {`list[-1]`, `4`}, {`list[9]`, `null`}, {`list[-9]`, `null`}, {`a[0]`, `null`}, {`nested[1][0][0]`, `2`},
		{`list[1:3]`, `[1,2]`}, {`list[:2]`, `[0,1]`}, {`list[3:]`, `[3,4]`}, {`list[::2]`, `[0,2,4]`}, {`list[::-1]`, `[4,3,2,1,0]`},
		{`list[-2:]`, `[3,4]`}, {`list[4:1:-2]`, `[4,2]`}, {`list[:]`, `[0,1,2,3,4]`}, {`list[10:]`, `[]`}, {`a[1:]`, `null`},
		{`people[:2].name`, `["Ida","Otto"]`}, {`list[-99:2]`, `[0,1]`}, {`list[1:99:3]`, `[1,4]`},
		// projections
		{`people[*].name`, `["Ida","Otto","Eva"]`}, {`people[*].none`, `[]`}, {`a[*]`, `null`}, {`people[*].tags[0]`, `["x","z"]`},
		{`ops.*.n`, `[2,4]`}, {`*.b.c`, `["x"]`}, {`list.*`, `null`}, {`ops.*`, `[{"n":2},{"n":4},{"m":1}]`},
		{`people[].tags[]`, `["x","y","z"]`}, {`nested[]`, `[0,1,[2],3,4]`}, {`nested[][]`, `[0,1,2,3,4]`}, {`a[]`, `null`},
		{`rows[*].in[*].v`, `[[1,2],[3]]`}, {`rows[].in[].v`, `[1,2,3]`}, {`rows[*].in[0]`, `[{"v":1},{"v":3}]`},
		{`[0]`, `null`}, {`people[*].[name,age]`, `[["Ida",30],["Otto",50],["Eva",40]]`}, {`list[*][0]`, `[]`}, {`nested[*][0]`, `[0,[2]]`},
		// pipes end projections
		{`people[*].name | [0]`, `"Ida"`}, {`people[*].tags | [1]`, `["z"]`}, {`a | b | c`, `"x"`}, {`rows[*].in | [0][0].v`, `1`},
		// filters
		{`people[?age > ` + "`35`" + `].name`, `["Otto","Eva"]`}, {`people[?name=='Ida'].age`, `[30]`}, {`people[?tags]|length(@)`, `2`},
		{`people[?!tags].name`, `["Eva"]`}, {`people[?age>=` + "`40`" + ` && age<` + "`50`" + `].name`, `["Eva"]`},
		{`people[?name=='Ida'||name=='Eva'].age`, `[30,40]`}, {`people[?age==` + "`30.0`" + `].name`, `["Ida"]`},
		{`people[?(name=='Ida'||name=='Eva') && age>` + "`35`" + `].name`, `["Eva"]`}, {`people[?name=='Ida'||name=='Eva' && age>` + "`35`" + `].name`, `["Ida","Eva"]`},
		{`people[?age != ` + "`30`" + `] | [0].name`, `"Otto"`}, {`a[?b]`, `null`}, {`people[?name > 'A']`, `[]`}, {`list[?@ > ` + "`2`" + `]`, `[3,4]`},
		{`people[?tags[?@=='z']].name`, `["Otto"]`}, {`people[?contains(tags || ` + "`[]`" + `, 'y')].name`, `["Ida"]`},
		{`rows[*].in[?v > ` + "`1`" + `].v`, `[[2],[3]]`},
		// logic
		{`f || t`, `true`}, {`none || a.b.c`, `"x"`}, {`empty || 'e'`, `"e"`}, {`zero || 'z'`, `0`}, {`t && s`, `"Grüße"`}, {`f && t`, `false`},
		{`empty && t`, `[]`}, {`!t`, `false`}, {`!empty`, `true`}, {`!!s`, `true`}, {`!zero`, `false`}, {`t && f || t`, `true`}, {`t == f`, `false`},
		{`list[0] < list[1]`, `true`}, {`s < s`, `null`}, {`a == a`, `true`}, {`none == missing`, `true`},
		// multi-select
		{`a.b.[c,n]`, `["x",null]`}, {`{x: a.b.c, y: list[1]}`, `{"x":"x","y":1}`}, {`missing.{x: a}`, `null`}, {`[t, f]`, `[true,false]`},
		{`people[*].{n: name, "first tag": tags[0]}`, `[{"n":"Ida","first tag":"x"},{"n":"Otto","first tag":"z"},{"n":"Eva","first tag":null}]`},
		// literals
		{"`{\"a\":[1]}`.a[0]", `1`}, {"`foo`", `"foo"`}, {"`\"fo\\`o\"`", "\"fo`o\""}, {`'raw \' and \n'`, `"raw ' and \\n"`}, {"`1.50`", `1.50`}, {`''`, `""`},
		// functions
		{`abs(nums[1])`, `1`}, {`avg(list)`, `2`}, {`avg(empty)`, `null`}, {`ceil(nums[0])`, `3`}, {`floor(nums[0])`, `2`}, {`sum(nums)`, `11.5`},
		{`sum(empty)`, `0`}, {`max(nums)`, `10`}, {`min(nums)`, `-1`}, {`max(words)`, `"b"`}, {`max(empty)`, `null`}, {`sort(nums)`, `[-1,2.5,10]`},
		{`sort(words)`, `["a","b"]`}, {`sort_by(people, &age)[*].name`, `["Ida","Eva","Otto"]`}, {`max_by(people, &age).name`, `"Otto"`},
		{`min_by(people, &name).name`, `"Eva"`}, {`min_by(empty, &x)`, `null`}, {`length(s)`, `5`}, {`length(list)`, `5`}, {`length(ops)`, `3`}, {`reverse(words)`, `["a","b"]`},
		{`reverse(s)`, `"eßürG"`}, {`keys(ops)`, `["f1","f2","f3"]`}, {`values(ops)[*].n`, `[2,4]`}, {`merge(ops.f1, ops.f3, {n: zero})`, `{"n":0,"m":1}`},
		{`not_null(none, missing, s)`, `"Grüße"`}, {`not_null(none)`, `null`}, {`to_array(s)`, `["Grüße"]`}, {`to_array(words)`, `["b","a"]`}, {`to_string(list)`, `"[0,1,2,3,4]"`},
		{`to_string(s)`, `"Grüße"`}, {`to_number('1.5')`, `1.5`}, {`to_number('x')`, `null`}, {`to_number(list)`, `null`}, {`to_number(zero)`, `0`},
		{`type(none)`, `"null"`}, {`type(t)`, `"boolean"`}, {`type(s)`, `"string"`}, {`type(zero)`, `"number"`}, {`type(a)`, `"object"`}, {`type(list)`, `"array"`},
		{`join('-', words)`, `"b-a"`}, {`starts_with(s, 'Gr')`, `true`}, {`ends_with(s, 'x')`, `false`}, {`contains(s, 'üß')`, `true`}, {`contains(list, zero)`, `true`},
		{`contains(s, zero)`, `false`}, {`map(&name, people)`, `["Ida","Otto","Eva"]`}, {`map(&tags, people)`, `[["x","y"],["z"],null]`}, {`people[*].length(name)`, `[3,4,3]`},
		{`missing.type(@)`, `"null"`}, {`to_array(@)[?t].s`, `["Grüße"]`}, {`(a.b).c`, `"x"`}, {`sort_by(people, &length(name))[0].name`, `"Ida"`},
	} {
		e, err := Parse(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		got, err := e.Search(root)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
		} else if got.JSON() != c.want {
			t.Errorf("%s: got %s, want %s", c.expr, got.JSON(), c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for expr, want := range map[string]string{
		``: "ends too early", `a.`: "character 3", `.a`: "character 1", `a.[`: "ends", `a[`: "ends", `a[0`: "ends", `a b`: "unexpected \"b\"", `a[b]`: "unexpected \"b\"",
		`foo(`: "ends", `foo()`: "no function \"foo\"", `abs()`: "takes 1", `abs(a, b)`: "takes 1", `"abs"(a)`: "no quotes", `sort_by(a, b)`: "argument 2", `abs(&a)`: "argument 1",
		"`{`": "literal", `'a`: "not closed", `"a`: "not closed", `a ? b`: "unexpected character", `a[::0]`: "step", `{a}`: "unexpected", `{1: a}`: "name", `a[1 2]`: "unexpected", `a & b`: "unexpected",
		`a.1`: "unexpected", `a[?b`: "ends", `*a`: "unexpected", `a || `: "ends", `-`: "number", `a[99999999999]`: "index", `[a`: "ends", `join('x',)`: "unexpected", `a = b`: "unexpected",
		strings.Repeat("(", 100): "deep", strings.Repeat("a", maxLength+1): "too long", strings.Repeat("!", 200) + "a": "deep", `a[0:1:2:3]`: "unexpected", `merge()`: "takes", `"\x"`: "quotes",
	} {
		_, err := Parse(expr)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %v, want %s", expr, err, want)
		}
	}
}

func TestSearchFails(t *testing.T) {
	root, err := jsontree.Parse([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	for expr, want := range map[string]string{
		`abs(s)`: "argument 1 of abs is a string", `length(zero)`: "number", `sum(words)`: "element is a string", `sort(nested)`: "element is a array", `sort_by(people, &tags)`: "order by",
		`join('x', list)`: "element is a number", `max_by(people, &missing)`: "order by a null", `keys(list)`: "array", `own(s)`: "own: not this one", `merge(list)`: "array", `map(&a, s)`: "string",
	} {
		e, err := Parse(expr, Function{"own", 1, func([]*jsontree.Value) (*jsontree.Value, error) { return nil, errors.New("not this one") }})
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if _, err := e.Search(root); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", expr, err, want)
		}
	}
}

// TestBomb asks that an evaluation cannot grow without bounds.
func TestBomb(t *testing.T) {
	items := "`[" + strings.Repeat("1,", 150) + "1]`"
	expr := "map(&map(&map(&map(&" + items + ", " + items + "), " + items + "), " + items + "), " + items + ")"
	e, err := Parse(expr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Search(&jsontree.Value{}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("not bounded: %v", err)
	}
	text := strings.Repeat("join(@, [@,@,@,@,@,@,@,@,@,@])|", 8) + "@"
	if e, err = Parse(text); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Search(jsontree.Text("0123456789")); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("texts are not bounded: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"people[?age > `35`].{n: name} | [0]", "sort_by(a, &b)[::-1]", `"a".*[].b || 'x'`, "merge({a: @}, @)", "!a && (b == `1`)"} {
		f.Add(s)
	}
	root, err := jsontree.Parse([]byte(document))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		e, err := Parse(s)
		if err != nil {
			return
		}
		if v, err := e.Search(root); err == nil && v == nil {
			t.Fatalf("%q gives nothing", s)
		}
	})
}
