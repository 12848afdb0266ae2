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

// serve starts a server; bin is the folder of its binary.
func serve(ctx context.Context, t *testing.T) (s *running.Server, bin string) {
	t.Helper()
	if testing.Short() {
		t.Skip("a binary is tried, which other tests do with the race detector")
	}
	for _, program := range []string{"go", "bash", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s", program)
		}
	}
	dir := t.TempDir()
	built, err := running.Build(ctx, root, dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err = running.Start(ctx, built, filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s, filepath.Dir(built)
}

const root = "../.."

// read reads the examples of a guide.
func read(t *testing.T, name string) []block {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "guide", name))
	if err != nil {
		t.Fatal(err)
	}
	return blocks(string(page))
}

// The examples of the guide answer what it says they do.
func TestFHIR(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	defer stop()
	s, bin := serve(ctx, t)
	examples := read(t, "fhir.md")
	for i := range examples {
		examples[i].text = strings.ReplaceAll(examples[i].text, "http://127.0.0.1:8080", s.URL)
	}
	run(ctx, t, examples, bin, s)
}

// seed is what the other guides write about: a patient, a stay, a heart rate.
const seed = `
curl() { command curl -sS -o answer -w '%{http_code}\n' -H "Authorization: Bearer $TOKEN" "$@"; echo "$@"; }
put() { curl -X PUT -H 'Content-Type: application/fhir+json' "$BASE/$1" -d "$2"; }
put Patient/anna '{"resourceType":"Patient","id":"anna","name":[{"family":"May"}]}'
put Encounter/stay-1 '{"resourceType":"Encounter","id":"stay-1","status":"finished","class":{"code":"IMP"},"subject":{"reference":"Patient/anna"}}'
put Observation/rate '{"resourceType":"Observation","id":"rate","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},
  "subject":{"reference":"Patient/anna"},"effectiveDateTime":"2026-03-01T10:00:00Z","valueQuantity":{"value":72,"system":"http://unitsofmeasure.org","code":"/min"}}'
`

// What the other guides ask for is answered.
func TestOtherGuides(t *testing.T) {
	ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	defer stop()
	s, bin := serve(ctx, t)
	token, err := s.Token(ctx, "admin")
	if err != nil {
		t.Fatal(err)
	}
	script := "set -eu; cd " + t.TempDir() + "; TOKEN=" + token + "; BASE=" + s.URL + "/fhir; FHIR=$BASE\n" + seed
	for _, name := range []string{"fhir-operations.md", "fhir-packages.md"} {
		for _, b := range read(t, name) {
			if strings.HasPrefix(b.text, "curl ") {
				script += b.text
			}
		}
	}
	out := shell(ctx, t, script, bin, s)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	asked := 0
	for i, line := range lines {
		if len(line) != 3 || i+1 == len(lines) {
			continue
		}
		if asked++; line[0] != '2' {
			t.Errorf("got %s for %s", line, lines[i+1])
		}
	}
	if asked < 15 {
		t.Errorf("only %d examples ran:\n%s", asked, out)
	}
}

// shell runs a script as the reader of a guide would, who has vigil in the path.
func shell(ctx context.Context, t *testing.T, script, bin string, s *running.Server) string {
	t.Helper()
	var out bytes.Buffer
	c := exec.CommandContext(ctx, "bash", "-c", script)
	c.Dir, c.Stdout, c.Stderr = t.TempDir(), &out, &out
	c.Env = append(os.Environ(), "VIGIL_DATA="+s.Data, "PATH="+bin+":"+os.Getenv("PATH"))
	if err := c.Run(); err != nil {
		t.Errorf("the shell: %v", err)
	}
	return out.String()
}

// run runs all examples in one shell and looks at what each of them printed.
func run(ctx context.Context, t *testing.T, examples []block, bin string, s *running.Server) {
	t.Helper()
	var script strings.Builder
	script.WriteString("set -eu\n")
	for i, b := range examples {
		fmt.Fprintf(&script, "echo; echo '@@ %d'\n%s", i, b.text)
	}
	out := shell(ctx, t, script.String(), bin, s)
	for i, b := range examples {
		_, said, _ := strings.Cut(out, fmt.Sprintf("\n@@ %d\n", i))
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
