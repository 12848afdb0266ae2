package jsonquery

import (
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/internal/jsontree"
)

const store = `{"store":{"book":[
 {"category":"reference","author":"Nigel Rees","title":"Sayings","price":8.95},
 {"category":"fiction","author":"Evelyn Waugh","title":"Sword","price":12.99,"isbn":null},
 {"category":"fiction","author":"Herman Melville","title":"Moby","isbn":"0-553","price":8.99}],
 "bicycle":{"color":"red","price":19.95}},"limit":10,"My Property":1,"$odd":2,"Body":[{"n":1},{"n":2.0},{"n":"3"}]}`

func TestSelect(t *testing.T) {
	root, err := jsontree.Parse([]byte(store))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{`$.limit`, `10`},
		{`limit`, `10`}, // without $
		{` $.limit `, `10`},
		{`$`, root.JSON()},
		{``, root.JSON()},
		{`$['limit']`, `10`},
		{`$.['My Property']`, `1`},
		{`['My Property']`, `1`},
		{`$odd`, `2`}, // a name may begin with $
		{`$.store.book[0].title`, `"Sayings"`},
		{`store.book[-1].title`, ``}, // JSON.NET has no negative index
		{`$.store.book[*].price`, `8.95 12.99 8.99`},
		{`$.store.bicycle.*`, `"red" 19.95`},
		{`$.store.book.*`, ``}, // .* is for objects
		{`$..price`, `8.95 12.99 8.99 19.95`},
		{`$..['author','color']`, `"Nigel Rees" "Evelyn Waugh" "Herman Melville" "red"`},
		{`$.store.book[0,2].price`, `8.95 8.99`},
		{`$.store.book[1:].price`, `12.99 8.99`},
		{`$.store.book[:2].price`, `8.95 12.99`},
		{`$.store.book[-2:].price`, `12.99 8.99`},
		{`$.store.book[::2].price`, `8.95 8.99`},
		{`$.store.book[::-1].price`, `8.99 12.99 8.95`},
		{`$.store.book[2:0:-1].price`, `8.99 12.99`},
		{`$.store.book[ 0 , 1 ].price`, `8.95 12.99`},
		{`$.store.book[?(@.isbn)].title`, `"Sword" "Moby"`}, // null exists
		{`$.store.book[?(@isbn)].title`, `"Sword" "Moby"`},
		{`$.store.book[?(@.price < 10)].price`, `8.95 8.99`},
		{`$.store.book[?(@.price <= $.limit)].price`, `8.95 8.99`},
		{`$.store.book[?(@.category == 'fiction' && @.price < 10)].title`, `"Moby"`},
		{`$.store.book[?(@.category=='fiction'&&@.price<10)].title`, `"Moby"`},
		{`$.store.book[?(@.category == 'reference' || @.price == 12.99)].title`, `"Sayings" "Sword"`},
		{`$.store.book[?(@.category == 'reference' && @.isbn || @.price < 9)].title`, `"Sayings"`}, // a && (b || c)
		{`$.store.book[?(@.isbn == null)].title`, `"Sword"`},
		{`$.store.book[?(@.isbn != null)].title`, `"Moby"`},
		{`$.store.book[?(@.author =~ /^h/i)].title`, `"Moby"`},
		{`$.store.book[?(@.author =~ /e/)].title`, `"Sayings" "Sword" "Moby"`},
		{`$.store.book[?(@['author'] == 'Herman Melville')].title`, `"Moby"`},
		{`$.store.book[?('fiction' == @.category)].title`, `"Sword" "Moby"`},
		{`$..[?(@.color)].price`, `19.95`},
		{`$..[?(@limit)].limit`, `10`}, // the root is tested, too
		{`$..[?(@limit && @store)].limit`, `10`},
		{`$..book[?(@.title == 'Sword')].price`, `12.99`},
		{`$..[?(@.title == 'Sword')].price`, `12.99`},
		{`$.Body[?(@.n == 2)].n`, `2.0`},
		{`$.Body[?(@.n === 2)].n`, ``},
		{`$.Body[?(@.n === 2.0)].n`, `2.0`},
		{`$.Body[?(@.n !== 2)].n`, `1 2.0 "3"`},
		{`$.Body[?(@.n == 3)].n`, ``}, // a text is not a number
		{`$.Body[?(@.n >= 2)].n`, `2.0 "3"`},
		{`$.Body[?(@.n <> 1)].n`, `2.0 "3"`},
		{`$.Body[?(@.n > 'x')].n`, ``},
		{`$.limit[0]`, ``},
		{`$.none.at.all`, ``},
		{`$..*`, ""},
		{`$.store[?(@.price)]`, ``}, // a filter does not look at the members of an object
	} {
		p, err := Parse(c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		all, err := p.All(root)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
		}
		var got []string
		for _, v := range all {
			got = append(got, v.JSON())
		}
		if c.path == `$..*` {
			if len(got) != 33 {
				t.Errorf("$..* gives %d values", len(got))
			}
			continue
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s: got %s, want %s", c.path, g, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for path, want := range map[string]string{
		`$.`: "character 3", `$..`: "character 4", `$.a[`: "character 5", `$.a[?`: "ends too early", `$.a[?(@.b`: "not closed",
		`$.a[?(@.b == )]`: "unexpected", `$.a['b]`: "quotes", `$.a[0]b`: "after a bracket", `$.a]`: "unexpected \"]\"",
		`$.a[::0]`: "step", `$.a[?(@.b =~ /(/)]`: "pattern", `$.a[?(@.b =~ /a/q)]`: "flag", `$.a[x]`: "unexpected",
		`$.a[?(@.b & @.c)]`: "unexpected", `$.a[]`: "want an index", `$.a b`: "unexpected", `$.a[?(@.b = 1)]`: "unexpected",
		`$.a['\x']`: "escape", `$.a[99999999999]`: "index", `$.a[?(@.)]`: "dot", strings.Repeat("a", maxLength+1): "too long",
		`$.a[?(@.b == tru)]`: "unexpected", `$.a[?(@.b == 1x)]`: "not a number", `$` + strings.Repeat(`[?(@`, 40): "deep",
	} {
		_, err := Parse(path)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", path[:min(len(path), 40)], err, want)
		}
	}
}

func TestOne(t *testing.T) {
	root, err := jsontree.Parse([]byte(`{"a":[1,2]}`))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse("$.a[*]")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.One(root); err == nil || !strings.Contains(err.Error(), "2 values") {
		t.Errorf("several values: %v", err)
	}
}

// TestBomb asks that an expression cannot look at a document for ever.
func TestBomb(t *testing.T) {
	root, err := jsontree.Parse([]byte(strings.Repeat("[", 60) + strings.Repeat("1,", 2000) + "1" + strings.Repeat("]", 60)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse("$" + strings.Repeat("..*", 20))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.All(root); err == nil {
		t.Error("the evaluation was not bounded")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`$..[?(@.a == 'b' && @c > 1)].d`, `$['a','b'][1:2:3]`, `$.a[?(@ =~ /x/i)]`, `a..*[0,1]`} {
		f.Add(s)
	}
	root, err := jsontree.Parse([]byte(store))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err != nil {
			return
		}
		if all, err := p.All(root); err == nil {
			for _, v := range all {
				if v == nil {
					t.Fatalf("%q gives nothing as something", s)
				}
			}
		}
	})
}
