package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the repository.
const root = "../.."

// TestMutantsApply keeps the mutants from rotting: what each of them takes out is
// in its file, once, and the test that must miss it is in its package.
func TestMutantsApply(t *testing.T) {
	all, err := readAll(os.DirFS(root), folder)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("there are no mutants")
	}
	for _, m := range all {
		t.Run(m.name, func(t *testing.T) {
			if _, err := m.changed(os.DirFS(root)); err != nil {
				t.Error(err)
			}
			top, _, _ := strings.Cut(m.trial.run, "/")
			pattern, err := regexp.Compile(top)
			if err != nil {
				t.Fatal(err)
			}
			files, err := filepath.Glob(filepath.Join(root, m.trial.pkg, "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				text, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				for _, name := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllSubmatch(text, -1) {
					if pattern.Match(name[1]) {
						return
					}
				}
			}
			t.Errorf("no test in %s matches %s", m.trial.pkg, m.trial.run)
		})
	}
}

func TestParse(t *testing.T) {
	good := "guards: a promise: kept\ntest: ./x ^TestX$ A=1 B=2\n\nin: x/y.go\nwas:\n\tone\n\ttwo\nnow:\n\tthree\nend\nwas:\nfour\nnow:\nend\n"
	m, err := parse("m", good)
	if err != nil {
		t.Fatal(err)
	}
	if m.guards != "a promise: kept" || m.trial != (trial{"./x", "^TestX$", "A=1 B=2"}) || len(m.edits) != 2 ||
		m.edits[0] != (edit{"x/y.go", "\tone\n\ttwo", "\tthree"}) || m.edits[1] != (edit{"x/y.go", "four", ""}) {
		t.Errorf("got %+v", m)
	}
	for _, bad := range []string{
		"", "guards: a\n", strings.Replace(good, "in: x/y.go\n", "", 1), strings.Replace(good, "now:\n", "", 1),
		strings.ReplaceAll(good, "end\n", ""), strings.Replace(good, "guards", "keeps", 1),
	} {
		if _, err := parse("m", bad); err == nil {
			t.Errorf("this is no mutant: %q", bad)
		}
	}
}

func TestApply(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.go")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func() string {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	m := mutant{edits: []edit{{"a.go", "one", "uno"}, {"a.go", "two", "due"}}}
	write("one two three")
	restore, err := m.apply(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(); got != "uno due three" {
		t.Errorf("got %q", got)
	}
	if err := restore(); err != nil || read() != "one two three" {
		t.Errorf("restored to %q, %v", read(), err)
	}
	for _, text := range []string{"one", "one two two"} {
		write(text)
		if _, err := m.apply(dir); err == nil || read() != text {
			t.Errorf("%q: got %v and %q", text, err, read())
		}
	}
}
