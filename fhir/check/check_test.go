package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

const data = "../../../shared/data/"

func checker() *Checker { return New(schema.R4(), terms.New(schema.R4())) }

func examples(t testing.TB, dir string) map[string][]byte {
	files, _ := filepath.Glob(filepath.Join(data, dir, "*.json"))
	if len(files) == 0 {
		t.Skip("no examples in " + data + dir)
	}
	out := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b[:min(len(b), 4000)]), `"resourceType"`) {
			out[filepath.Base(f)] = b
		}
	}
	return out
}

func TestExamplesOfTheSpecification(t *testing.T) {
	c := checker()
	for name, b := range examples(t, "fhir-r4-examples") {
		doc, err := tree.Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, i := range c.Check(doc, Options{Level: Rules}) {
			if i.Severity >= Warning {
				t.Logf("%s:%d:%d: %s %s: %s (%s)", name, i.Line, i.Col, i.Severity, i.Expression, i.Message, i.Key)
			}
		}
	}
}
