package path_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/path/pathtest"
	"github.com/vigil-iomt/vigil/fhir/schema"
)

// data finds a folder of the data that lies beside the project.
func data(t testing.TB, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no %s beside the project", name)
	}
	return dir
}

// TestSuite runs the suite of HL7: all of it has to pass.
func TestSuite(t *testing.T) {
	results, err := pathtest.Run(schema.R4(), data(t, "fhir-test-cases/r4"))
	if err != nil {
		t.Fatal(err)
	}
	passed := 0
	for _, r := range results {
		switch {
		case r.Failed != "":
			t.Errorf("%s/%s: %s\n\t%s", r.Group, r.Name, r.Failed, r.Expression)
		case r.Skipped != "":
			t.Logf("%s/%s skipped: %s", r.Group, r.Name, r.Skipped)
		default:
			passed++
		}
	}
	t.Logf("%d of %d tests passed", passed, len(results))
	if len(results) < 935 {
		t.Errorf("the suite has %d tests, want 935", len(results))
	}
}
