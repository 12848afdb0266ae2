package tree

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzParse compares with the standard library: what it refuses is refused, and
// what it takes is taken, apart from what Parse refuses by intent.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-0.5e+10,true,false,null,"x\u00e9\n"],"b":{}}`, ` [ ] `, `"\ud83d\ude00"`, `{"a":1,"a":2}`,
		"\ufeff1", "\"\xff\"", `"\ud800"`, `01`, `-`, `[1,]`, `{"\u0061":1,"a":2}`, `"\u0000"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 1<<16 {
			return
		}
		d, err := Parse(bytes.Clone(src))
		if err != nil {
			if json.Valid(src) && utf8.Valid(src) && !onPurpose(err.Error()) {
				t.Fatalf("refused %q: %v", src, err)
			}
			return
		}
		if !json.Valid(src) {
			t.Fatalf("accepted %q", src)
		}
		same(t, d.Root())
		if got := NewEdit(d).Bytes(); !bytes.Equal(got, src) {
			t.Fatalf("an edit without changes made %q from %q", got, src)
		}
		var small bytes.Buffer
		if json.Compact(&small, src); !bytes.Equal(Compact(nil, d.Root()), small.Bytes()) {
			t.Fatalf("compact made %q from %q", Compact(nil, d.Root()), src)
		}
		if !Equal(d.Root(), d.Root()) {
			t.Fatalf("%q is not equal to itself", src)
		}
	})
}

func onPurpose(msg string) bool {
	for _, s := range []string{"twice", "control character", "surrogate", "within each other"} {
		if strings.Contains(msg, s) {
			return true
		}
	}
	return false
}

// same compares texts, names and places with the standard library.
func same(t *testing.T, root Node) {
	t.Helper()
	for n := range root.All() {
		if n.Kind() == String {
			var want string
			if json.Unmarshal(n.Raw(), &want); n.Text() != want {
				t.Fatalf("text of %s: got %q, want %q", n.Raw(), n.Text(), want)
			}
		}
		if line, col := n.Pos(); line < 1 || col < 1 {
			t.Fatalf("place %d:%d", line, col)
		}
		p := n.Parent()
		if n == root {
			continue
		}
		if p.Kind() == Object && p.Get(n.Name()) != n {
			t.Fatalf("%q is not the member %q of its parent", n.Raw(), n.Name())
		}
		if p.Kind() != Object && p.Kind() != Array {
			t.Fatalf("a parent that is %v", p.Kind())
		}
	}
}

// FuzzEdit makes changes at places of the fuzzer's choice: what comes out is a
// document again.
func FuzzEdit(f *testing.F) {
	f.Add([]byte(`{"a":[1,2,{"b":3}],"c":{}}`), []byte{1, 0, 2, 1, 3, 2, 4, 0, 5, 1})
	f.Add([]byte(` [ 1 , [ ] , { } ] `), []byte{0, 2, 1, 1, 2, 2, 3, 2})
	f.Fuzz(func(t *testing.T, src, acts []byte) {
		d, err := Parse(src)
		if err != nil || len(src) > 1<<12 || len(acts) > 1<<8 {
			return
		}
		e := NewEdit(d)
		added := map[Node]bool{}
		for ; len(acts) > 1; acts = acts[2:] {
			n := Node{d, uint32(int(acts[0]) % d.Size())}
			switch {
			case acts[1]%3 == 0:
				e.Replace(n, []byte("0"))
			case acts[1]%3 == 1:
				e.Remove(n)
			case n.Kind() == Array:
				e.Insert(n, int(acts[1])/3, []byte(`"new"`))
			case n.Kind() == Object && !n.Get("new").Ok() && !added[n]:
				e.Add(n, "new", []byte(`{}`))
				added[n] = true
			}
		}
		if out := e.Bytes(); !json.Valid(out) {
			t.Fatalf("%q became %q", src, out)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	src := []byte(`{"resourceType":"Observation","id":"f001","meta":{"versionId":"1","lastUpdated":"2026-01-02T03:04:05.678Z"},"status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"Vital Signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}],"text":"Heart rate"},"subject":{"reference":"Patient/f001","display":"P. van de Heuvel"},"effectiveDateTime":"2026-01-02T03:04:05Z","performer":[{"reference":"Practitioner/f005","display":"A. Langeveld"}],"valueQuantity":{"value":72.50,"unit":"beats/minute","system":"http://unitsofmeasure.org","code":"/min"}}`)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStamp(b *testing.B) {
	d, err := Parse([]byte(`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}],"text":"Heart rate"},"subject":{"reference":"Patient/f001","display":"P. van de Heuvel"}}`))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		Stamp{"42", "1", "2026-01-02T03:04:05.678Z"}.Apply(d)
	}
}
