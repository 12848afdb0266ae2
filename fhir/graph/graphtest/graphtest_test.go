package graphtest

import (
	"errors"
	"io/fs"
	"path/filepath"
	"testing"
)

// TestSuite runs the cases that others wrote.
func TestSuite(t *testing.T) {
	data := filepath.FromSlash("../../../../shared/data")
	results, err := Run(filepath.Join(data, "fhir-test-cases/r4/graphql"), filepath.Join(data, "fhir-test-cases/r4/examples"), filepath.Join(data, "fhir-r4-examples"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the FHIR test cases are not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 29 {
		t.Errorf("%d cases, want 29", len(results))
	}
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %v", r.Name, r.Err)
		}
	}
}
