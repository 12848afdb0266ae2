package view_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/view/viewtest"
)

// TestSuite runs the suite of SQL on FHIR: all of it has to pass.
func TestSuite(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "sql-on-fhir", "tests")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no sql-on-fhir/tests beside the project")
	}
	results, err := viewtest.Run(schema.R4(), dir)
	if err != nil {
		t.Fatal(err)
	}
	passed := 0
	for _, r := range results {
		if r.Failed != "" {
			t.Errorf("%s, %s: %s", r.File, r.Title, r.Failed)
		} else {
			passed++
		}
	}
	t.Logf("%d of %d tests passed", passed, len(results))
	if len(results) < 134 {
		t.Errorf("the suite has %d tests, want 134", len(results))
	}
}
