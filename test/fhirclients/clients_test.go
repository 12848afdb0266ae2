// Package fhirclients tries FHIR clients that others wrote against Vigil.
package fhirclients

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/internal/running"
)

// TestClients lets fhirclient, fhir-kit-client and @medplum/core create, read,
// change, search, page, patch and delete on the whole binary.
func TestClients(t *testing.T) {
	if testing.Short() {
		t.Skip("a binary is tried, which other tests do with the race detector")
	}
	for _, program := range []string{"go", "node"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s", program)
		}
	}
	if _, err := os.Stat(filepath.Join("node_modules", "fhirclient")); err != nil {
		t.Skip("the clients are not installed: run scripts/clients")
	}
	ctx, dir := context.Background(), t.TempDir()
	bin, err := running.Build(ctx, filepath.Join("..", ".."), dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := running.Start(ctx, bin, filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	token, err := s.Token(ctx, "admin")
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c := exec.CommandContext(ctx, "node", "clients.mjs", s.URL+"/fhir", token)
	c.Stdout, c.Stderr = &said, &said
	if err := c.Run(); err != nil {
		t.Errorf("%v\n%s", err, said.String())
	}
	if n := strings.Count(said.String(), "ok "); n < 15 {
		t.Errorf("only %d things were tried:\n%s", n, said.String())
	}
}
