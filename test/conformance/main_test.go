package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/internal/running"
)

// TestConformance runs all suites, those of examples with a part of the
// examples; make conformance runs everything.
func TestConformance(t *testing.T) {
	root := filepath.Join("..", "..")
	b := bench{data: filepath.Join(root, "..", "shared", "data"), clients: filepath.Join(root, "test", "fhirclients"), every: 12}
	if _, err := os.Stat(b.data); err != nil {
		t.Skip("the suites are not beside the project (shared/data)")
	}
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("there is no go command to build the binary with")
	}
	if testing.Short() {
		t.Skip("a binary is tried, which other tests do with the race detector")
	}
	bin, err := running.Build(context.Background(), root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b.bin = bin
	var said strings.Builder
	failed, err := b.run(context.Background(), &said)
	if failed || err != nil {
		t.Errorf("%v\n%s", err, said.String())
	}
	for _, line := range strings.SplitAfter(said.String(), "\n") {
		if strings.Contains(line, "passed=") {
			t.Log(strings.TrimSpace(line))
		}
	}
}
