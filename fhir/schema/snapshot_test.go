package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

const usCore = "../../../shared/data/us-core/us-core-6.1.0.tgz"

var readGuide = sync.OnceValues(func() (*Package, error) {
	f, err := os.Open(usCore)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return ReadPackage(f)
})

func guide(t testing.TB) *Package {
	t.Helper()
	p, err := readGuide()
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("the US Core package is not here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestUSCoreSnapshots makes all snapshots of the guide from the differentials and
// compares them with those that the guide ships, fact by fact.
func TestUSCoreSnapshots(t *testing.T) {
	p := guide(t)
	s, err := R4().With(p)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, d := range p.Definitions() {
		if d.Kind != "StructureDefinition" || d.Derived != "constraint" {
			continue
		}
		b, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		want, err := ParseProfile(b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Snapshot(b)
		if strings.HasSuffix(d.URL, "/us-core-questionnaireresponse") {
			if err == nil {
				t.Error("a snapshot was made although the guide that it builds on (SDC) is not here")
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", d.URL, err)
			continue
		}
		n++
		compare(t, got, want)
	}
	if n != 58 {
		t.Errorf("compared %d profiles", n)
	}
}

func compare(t *testing.T, got, want *Profile) {
	t.Helper()
	for _, w := range want.Elements {
		g := got.Element(w.ID)
		if g == nil {
			t.Errorf("%s: lacks %s", want.Name, w.ID)
			continue
		}
		if a, b := facts(g), facts(w); a != b {
			t.Errorf("%s %s:\n got %s\nwant %s", want.Name, w.ID, a, b)
		}
	}
	for _, g := range got.Elements {
		if want.Element(g.ID) == nil {
			t.Errorf("%s: has too many: %s", want.Name, g.ID)
		}
	}
}

// facts is what a validator asks of an element.
func facts(e *Element) string {
	var keys []string
	for _, c := range e.Constraints {
		keys = append(keys, c.Key)
	}
	slices.Sort(keys)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d..%d %v %v must=%v mod=%v sum=%v ref=%s base=%v", e.Slice, e.Min, e.Max, e.Types, keys, e.MustHave, e.Modifier, e.Summary, e.Reference, e.Base)
	if e.Slicing != nil {
		fmt.Fprintf(&b, " slicing=%v", *e.Slicing)
	}
	if e.Binding != nil {
		fmt.Fprintf(&b, " binding=%v", *e.Binding)
	}
	for _, v := range []*Value{e.Fixed, e.Pattern, e.MinValue, e.MaxValue} {
		if v != nil {
			fmt.Fprintf(&b, " %s=%s", v.Type, v.JSON())
		}
	}
	return b.String()
}

// TestSnapshotsOnDemand loads the guide without its snapshots: each is made when
// it is asked for, from bases whose snapshots have to be made, too.
func TestSnapshotsOnDemand(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long under the race detector")
	}
	p := guide(t)
	bare := &Package{Name: p.Name, Version: p.Version}
	for _, d := range p.Definitions() {
		b, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		doc, err := tree.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if snapshot := doc.Root().Get("snapshot"); snapshot.Ok() {
			e := tree.NewEdit(doc)
			e.Remove(snapshot)
			b = e.Bytes()
		}
		def, err := ParseDefinition(b)
		if err != nil {
			t.Fatal(err)
		}
		bare.defs = append(bare.defs, def)
	}
	s, err := R4().With(bare)
	if err != nil {
		t.Fatal(err)
	}
	full, err := R4().With(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"us-core-blood-pressure", "us-core-patient", "us-core-race", "us-core-observation-lab"} {
		url := "http://hl7.org/fhir/us/core/StructureDefinition/" + name
		got, err := s.ReadProfile(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		if !got.Generated || got != s.Profile(url) {
			t.Errorf("%s is not made once", url)
		}
		compare(t, got, full.Profile(url))
	}
}

func TestSnapshotsThatCannotBe(t *testing.T) {
	profile := func(name, base, elements string) *Definition {
		d, err := ParseDefinition([]byte(`{"resourceType":"StructureDefinition","url":"http://example.org/` + name + `","type":"Observation",` +
			`"derivation":"constraint","baseDefinition":"` + base + `","differential":{"element":[` + elements + `]}}`))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	deep := strings.Repeat(".extension", maxSteps)
	s := R4().WithDefinitions(
		profile("a", "http://example.org/b", ""), profile("b", "http://example.org/a", ""), profile("self", "http://example.org/self", ""),
		profile("lost", "http://example.org/nowhere", ""),
		profile("wrong", "http://hl7.org/fhir/StructureDefinition/Observation", `{"path":"Observation.nothing","min":1}`),
		profile("deep", "http://hl7.org/fhir/StructureDefinition/Observation", `{"path":"Observation`+deep+`","min":1}`),
		profile("good", "http://hl7.org/fhir/StructureDefinition/Observation", `{"path":"Observation.code","min":1}`),
	)
	for _, name := range []string{"a", "b", "self", "lost", "wrong", "deep", "absent"} {
		if p, err := s.ReadProfile("http://example.org/" + name); err == nil {
			t.Errorf("%s has a snapshot of %d elements", name, len(p.Elements))
		}
	}
	if s.Profile("http://example.org/good") == nil {
		t.Error("a good profile has none")
	}
}
