package ucumtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/path/ucumtest"
)

// TestSuite runs the functional tests of UCUM: all of them have to pass.
func TestSuite(t *testing.T) {
	file := filepath.Join("..", "..", "..", "..", "shared", "data", "ucum", "UcumFunctionalTests.xml")
	if _, err := os.Stat(file); err != nil {
		t.Skip("no UcumFunctionalTests.xml beside the project")
	}
	results, err := ucumtest.Run(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		if r.Failed != "" {
			t.Errorf("%s %s: %s", r.Kind, r.ID, r.Failed)
		}
	}
	if t.Logf("%d tests", len(results)); len(results) < 573 {
		t.Errorf("the suite has %d tests, want 573", len(results))
	}
}
