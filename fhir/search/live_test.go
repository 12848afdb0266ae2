package search

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// usCore reads the resources of the US Core package.
func usCore(t *testing.T) map[string]tree.Node {
	t.Helper()
	f, err := os.Open("../../../shared/data/us-core/us-core-6.1.0.tgz")
	if err != nil {
		t.Skip("the package of US Core is not beside the repository (shared/data/us-core)")
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]tree.Node{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := tree.Parse(b); err == nil && d.Root().Get("resourceType").Ok() {
			out[h.Name] = d.Root()
		}
	}
}

// US Core brings parameters of its own; its examples are found by them.
func TestParametersOfGuides(t *testing.T) {
	all := usCore(t)
	var params []*schema.Param
	for name, root := range all {
		if !strings.HasPrefix(name, "package/SearchParameter") {
			continue
		}
		p, err := Live(root)
		if err != nil {
			t.Fatal(name, err)
		}
		params = append(params, p)
	}
	e, err := New(Config{Schema: schema.R4(), Params: params})
	if err != nil {
		t.Fatal(err)
	}
	asked, found := 0, map[string]int{}
	for name, root := range all {
		if testing.Short() && asked > 500 {
			break
		}
		if !strings.Contains(name, "/example/") {
			continue
		}
		asked += findItself(t, e, name, root)
		for _, code := range []string{"race", "ethnicity", "gender-identity", "asserted-date"} {
			e.Extract(root).Of(code, func(*Value) bool { found[code]++; return true })
		}
	}
	t.Logf("%d parameters, %d queries, %v", len(params), asked, found)
	if len(found) < 3 && !testing.Short() {
		t.Errorf("the extensions of patients are not found: %v", found)
	}
}

// A parameter that somebody stores while the server runs.
func TestParametersAtRunTime(t *testing.T) {
	live := func(src string) (*Engine, error) {
		p, err := Live(parse(t, src))
		if err != nil {
			return nil, err
		}
		return testEngine().With(p)
	}
	e, err := live(`{"resourceType":"SearchParameter","url":"urn:battery","name":"battery","code":"battery","base":["Device"],"type":"quantity","expression":"Device.extension('urn:battery').value.ofType(Quantity)"}`)
	if err != nil {
		t.Fatal(err)
	}
	root := parse(t, `{"resourceType":"Device","id":"d","extension":[{"url":"urn:battery","valueQuantity":{"value":80,"system":"http://unitsofmeasure.org","code":"%"}},{"url":"urn:x","valueQuantity":{"value":3}}]}`)
	for raw, want := range map[string]bool{"battery=80": true, "battery=lt50": false, "battery=gt0.5|http://unitsofmeasure.org|1": true, "battery=3": false, "battery:missing=false": true} {
		if decide(t, e, root, raw) != want {
			t.Errorf("%s: %v", raw, !want)
		}
	}
	if testEngine().Param("Device", "battery") != nil || e.Param("Device", "battery") == nil || len(e.Searchable("Device")) != len(testEngine().Searchable("Device"))+1 {
		t.Error("an engine changed")
	}
	// until all resources are indexed anew, the index is not asked
	c := e.c
	c.Pending = []string{"urn:battery"}
	waiting, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{"battery=80", "battery:missing=false", "battery:missing=true"} {
		if p := ask(t, waiting, "Device", raw).Plan(); len(p.Query.All) > 0 || !p.Check {
			t.Errorf("%s: %+v", raw, p)
		}
	}
	if len(waiting.Extract(root).Keys().Tokens) != len(e.Extract(root).Keys().Tokens) {
		t.Error("keys are not written for what is pending")
	}
	// one that only FHIRPath can evaluate
	e, err = live(`{"resourceType":"SearchParameter","url":"urn:names","code":"names","base":["Patient"],"type":"number","expression":"Patient.name.given.count()"}`)
	if err != nil {
		t.Fatal(err)
	}
	root = parse(t, `{"resourceType":"Patient","id":"p","name":[{"given":["A","B"]}]}`)
	if !decide(t, e, root, "names=2") || decide(t, e, root, "names=gt2") {
		t.Error("a number that is computed")
	}
	e, err = live(`{"resourceType":"SearchParameter","url":"urn:both","code":"both","base":["Patient"],"type":"composite","expression":"Patient.name",
		"component":[{"definition":"http://hl7.org/fhir/SearchParameter/individual-family","expression":"family"},{"definition":"http://hl7.org/fhir/SearchParameter/individual-given","expression":"given"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	root = parse(t, `{"resourceType":"Patient","id":"p","name":[{"family":"X","given":["A"]},{"family":"Y","given":["B"]}]}`)
	if !decide(t, e, root, "both=x$a") || decide(t, e, root, "both=x$b") {
		t.Error("a composite of names")
	}
	for name, src := range map[string]string{
		"no url":            `{"resourceType":"SearchParameter","code":"x","base":["Patient"],"type":"string","expression":"Patient.id"}`,
		"no code":           `{"resourceType":"SearchParameter","url":"u","base":["Patient"],"type":"string","expression":"Patient.id"}`,
		"a code with a dot": `{"resourceType":"SearchParameter","url":"u","code":"a.b","base":["Patient"],"type":"string","expression":"Patient.id"}`,
		"no base":           `{"resourceType":"SearchParameter","url":"u","code":"x","base":["Colour"],"type":"string","expression":"Patient.id"}`,
		"no type":           `{"resourceType":"SearchParameter","url":"u","code":"x","base":["Patient"],"type":"colour","expression":"Patient.id"}`,
		"no expression":     `{"resourceType":"SearchParameter","url":"u","code":"x","base":["Patient"],"type":"string"}`,
		"a wrong one":       `{"resourceType":"SearchParameter","url":"u","code":"x","base":["Patient"],"type":"string","expression":"Patient.name("}`,
		"another element":   `{"resourceType":"SearchParameter","url":"u","code":"x","base":["Patient"],"type":"string","expression":"Patient.colour"}`,
		"no component":      `{"resourceType":"SearchParameter","url":"u","code":"x","base":["Patient"],"type":"composite","expression":"Patient"}`,
		"unknown component": `{"resourceType":"SearchParameter","url":"u","code":"x","base":["Patient"],"type":"composite","expression":"Patient","component":[{"definition":"urn:x","expression":"id"}]}`,
		"a Patient":         `{"resourceType":"Patient"}`,
	} {
		if _, err := live(src); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
