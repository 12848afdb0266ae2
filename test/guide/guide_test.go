// Package guide runs the examples of the guides as their readers do: with a
// shell and curl, against the whole binary.
package guide

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/internal/running"
)

// A block is an example.
type block struct {
	line int
	text string
	want []string // what its output has in it, in order
}

// blocks finds the examples of a page.
func blocks(page string) []block {
	var out []block
	within := false
	for i, line := range strings.Split(page, "\n") {
		switch {
		case line == "```sh":
			within = true
			out = append(out, block{line: i + 1})
		case strings.HasPrefix(line, "```"):
			within = false
		case within:
			b := &out[len(out)-1]
			if want, ok := strings.CutPrefix(line, "# → "); ok {
				b.want = append(b.want, want)
			} else {
				b.text += line + "\n"
			}
		}
	}
	return out
}

func TestFHIR(t *testing.T) {
	if testing.Short() {
		t.Skip("a binary is tried, which other tests do with the race detector")
	}
	for _, program := range []string{"go", "bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s", program)
		}
	}
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	defer stop()
	root, dir := filepath.Join("..", ".."), t.TempDir()
	page, err := os.ReadFile(filepath.Join(root, "docs", "guide", "fhir.md"))
	if err != nil {
		t.Fatal(err)
	}
	bin, err := running.Build(ctx, root, dir)
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
	run(ctx, t, blocks(strings.ReplaceAll(string(page), "http://127.0.0.1:8080", s.URL)), dir, s)
}

// run runs all examples in one shell and looks at what each of them printed.
func run(ctx context.Context, t *testing.T, examples []block, dir string, s *running.Server) {
	var script strings.Builder
	script.WriteString("set -eu\n")
	for i, b := range examples {
		fmt.Fprintf(&script, "echo; echo '@@ %d'\n%s", i, b.text)
	}
	var out bytes.Buffer
	c := exec.CommandContext(ctx, "bash", "-c", script.String()) //nolint:gosec // the guide of this project
	c.Dir, c.Stdout, c.Stderr = dir, &out, &out
	c.Env = append(os.Environ(), "VIGIL_DATA="+s.Data, "PATH="+dir+":"+os.Getenv("PATH"))
	if err := c.Run(); err != nil {
		t.Errorf("the shell: %v", err)
	}
	for i, b := range examples {
		_, said, _ := strings.Cut(out.String(), fmt.Sprintf("\n@@ %d\n", i))
		said, _, _ = strings.Cut(said, "\n@@ ")
		rest := said
		for _, want := range b.want {
			_, after, ok := strings.Cut(rest, want)
			if !ok {
				t.Errorf("line %d: %q is not in what was answered, or not in this order:\n%.4000s", b.line, want, said)
				break
			}
			rest = after
		}
	}
}
