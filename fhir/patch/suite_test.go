package patch_test

import (
	"os"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/patch/patchtest"
	"github.com/vigil-iomt/vigil/fhir/schema"
)

func TestSuites(t *testing.T) {
	const dir = "../../../shared/data/fhir-test-cases/r4/patch"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the suites are not beside the project (shared/data/fhir-test-cases)")
	}
	for _, s := range []struct {
		name  string
		run   func() ([]patchtest.Result, error)
		cases int
	}{
		{"JSON Patch", func() ([]patchtest.Result, error) { return patchtest.JSON(dir) }, 16},
		{"XML Patch", func() ([]patchtest.Result, error) { return patchtest.XML(dir) }, 29},
		{"FHIRPath Patch", func() ([]patchtest.Result, error) { return patchtest.FHIRPath(schema.R4(), dir) }, 33},
	} {
		results, err := s.run()
		if err != nil || len(results) != s.cases {
			t.Errorf("%s: got %d cases, %v, want %d", s.name, len(results), err, s.cases)
		}
		for _, r := range results {
			if r.Err != nil {
				t.Errorf("%s: %s: %v", s.name, r.Name, r.Err)
			}
		}
	}
}
