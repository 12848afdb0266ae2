package path

import (
	"hash/maphash"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// TestHashAgreesWithEqual compares all pairs of many items: equal ones have to
// have the same hash.
func TestHashAgreesWithEqual(t *testing.T) {
	var items []Item
	for _, text := range []string{
		"1 | 1.0 | 1.00 | 2 | true | false | 'a' | 'A' | '1'", "@2024 | @2024-01 | @2024-01-01 | @2024-01-01T | @2024T",
		"@2024-01-01T10:00:00Z | @2024-01-01T12:00:00+02:00 | @2024-01-01T10:00:00.0Z | @2024-01-01T10:00:00 | @2024-01-01T10:00:00.00",
		"@T10:00 | @T10:00:00 | @T10:00:00.000", "1 'g' | 1000 'mg' | 1 day | 24 'h' | 1 year | 12 months | 1 'a' | 3",
	} {
		e, err := Compile(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Eval(nil)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, got...)
	}
	d, err := tree.Parse([]byte(`{"resourceType":"Patient","birthDate":"2024-01-01","deceasedDateTime":"2024-01-01T11:00:00+01:00","multipleBirthInteger":1,
"name":[{"family":"a","given":["b"]},{"given":["b"],"family":"a"},{"family":"a","given":["b","c"]}],"_gender":{"extension":[{"url":"u"}]},
"extension":[{"url":"u","valueQuantity":{"value":1,"system":"http://unitsofmeasure.org","code":"g"}},{"url":"u","valueQuantity":{"value":1.0,"system":"http://unitsofmeasure.org","code":"g"}},
{"url":"u","valueQuantity":{"value":1,"comparator":"<","system":"http://unitsofmeasure.org","code":"g"}},{"url":"u","valueRange":{"low":{"value":1}}},{"url":"u","valueRange":{"low":{"value":1.0}}},
{"url":"x","valueDate":"nonsense"},{"url":"y","valueDate":"nonsense"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	e, err := Compile("descendants()")
	if err != nil {
		t.Fatal(err)
	}
	more, err := e.Eval(nil, ItemOf(schema.R4(), d.Root()))
	if err != nil {
		t.Fatal(err)
	}
	items = append(items, more...)
	g := group{seed: maphash.MakeSeed()}
	pairs := 0
	for i := range items {
		for j := range items {
			a, b := equal(&items[i], &items[j]), equal(&items[j], &items[i])
			if a != b {
				t.Errorf("%v = %v is %d, the other way round %d", items[i].Value(), items[j].Value(), a, b)
			}
			if a == yes && i != j {
				pairs++
				if g.hash(&items[i]) != g.hash(&items[j]) {
					t.Errorf("%v = %v, but their hashes differ", items[i].Value(), items[j].Value())
				}
				if !equivalent(&items[i], &items[j]) {
					t.Errorf("%v = %v, but they are not equivalent", items[i].Value(), items[j].Value())
				}
			}
		}
	}
	if pairs < 30 {
		t.Errorf("only %d pairs are equal", pairs)
	}
	t.Logf("%d items, %d equal pairs", len(items), pairs)
}

// TestDistinctFewAndMany checks that both ways of looking for equal items find
// the same.
func TestDistinctFewAndMany(t *testing.T) {
	few, err := Compile("(1 | 2).combine(1.0 | 3).distinct().count() = 3")
	if err != nil {
		t.Fatal(err)
	}
	many, err := Compile("(1|2|3|4|5|6|7|8|9|10).combine(1.0|2.00|11|12|13|14|3.0).distinct().count() = 14 and (1|2|3).subsetOf(1.0|2|3.0|4|5|6|7|8|9|10|11|12|13|14|15)")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []*Expr{few, many} {
		if ok, err := e.Bool(nil, Item{}); !ok || err != nil {
			t.Errorf("%s: %v, %v", e, ok, err)
		}
	}
}
