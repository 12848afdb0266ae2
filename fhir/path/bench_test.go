package path_test

import (
	"testing"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

const observation = `{"resourceType":"Observation","id":"1","status":"final",
"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],
"code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood pressure"}]},
"subject":{"reference":"Patient/1"},"effectiveDateTime":"2024-01-01T10:00:00+01:00",
"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":107,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":60,"unit":"mmHg","system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}`

// BenchmarkInvariants measures the invariants of an Observation.
func BenchmarkInvariants(b *testing.B) {
	set := schema.R4()
	d, err := tree.Parse([]byte(observation))
	if err != nil {
		b.Fatal(err)
	}
	i := path.ItemOf(set, d.Root())
	ctx := &path.Context{Resource: i, Root: i}
	for _, inv := range i.Type().Invariants {
		e, err := path.Compile(inv.Expression)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(inv.Key, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Bool(ctx, i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	quantity := path.Element(set, set.Type("Quantity"), d.Root().Get("component").At(0).Get("valueQuantity"), tree.Node{})
	reference := path.Element(set, set.Type("Reference"), d.Root().Get("subject"), tree.Node{})
	for _, i := range []path.Item{quantity, reference} {
		for _, inv := range i.Type().Invariants {
			e, _ := path.Compile(inv.Expression)
			b.Run(i.Type().Name+"/"+inv.Key, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					e.Bool(ctx, i)
				}
			})
		}
	}
	for _, text := range []string{
		"component.where(code.coding.code='8480-6').value.ofType(Quantity).value",
		"Observation.subject.where(resolve() is Patient)",
		"(Observation.value as Quantity) | (Observation.component.value as Quantity)",
	} {
		e, _ := path.Compile(text)
		b.Run(text, func(b *testing.B) {
			var buf []path.Item
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = e.Append(ctx, i, buf[:0])
			}
		})
	}
}
