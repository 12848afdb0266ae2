package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// A mutant takes one protection out. Its file says, each on a line of its own,
// which promise the protection guards, which test must miss it, and what to put
// in place of what:
//
//	guards: an acknowledgement means: on disk
//	test: ./stream ^TestSynced$ VIGIL_SOMETHING=1
//	in: stream/server.go
//	was:
//	StoreDir: c.Dir, SyncAlways: true,
//	now:
//	StoreDir: c.Dir,
//	end
//
// The text after was: has to be in the file exactly once, which lines around it
// do not disturb. A mutant may change several places.
type mutant struct {
	name, guards string
	trial        trial
	edits        []edit
}

// A trial is the run of a test: a package, the pattern that selects its tests,
// and what to set in the environment.
type trial struct{ pkg, run, env string }

// An edit replaces one text of one file.
type edit struct{ file, was, now string }

// readAll reads all mutants, in the order of their names.
func readAll(from fs.FS, dir string) ([]mutant, error) {
	names, err := fs.Glob(from, path.Join(dir, "*.mutant"))
	if err != nil {
		return nil, fmt.Errorf("list mutants: %w", err)
	}
	out := make([]mutant, 0, len(names))
	for _, name := range names {
		text, err := fs.ReadFile(from, name)
		if err != nil {
			return nil, fmt.Errorf("read mutant: %w", err)
		}
		m, err := parse(strings.TrimSuffix(path.Base(name), ".mutant"), string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// parse reads the file of one mutant.
func parse(name, text string) (mutant, error) {
	m := mutant{name: name}
	file := ""
	for lines := strings.Split(text, "\n"); len(lines) > 0; {
		line := lines[0]
		lines = lines[1:]
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "guards":
			m.guards = value
		case "test":
			m.trial.pkg, value, _ = strings.Cut(value, " ")
			m.trial.run, m.trial.env, _ = strings.Cut(value, " ")
		case "in":
			file = value
		case "was":
			var e edit
			var ok1, ok2 bool
			e.was, lines, ok1 = until(lines, "now:")
			e.now, lines, ok2 = until(lines, "end")
			if e.file = file; !ok1 || !ok2 || e.was == "" || file == "" {
				return m, errors.New("a change is in: FILE, was:, text, now:, text, end")
			}
			m.edits = append(m.edits, e)
		case "":
		default:
			return m, fmt.Errorf("unknown word %q", key)
		}
	}
	if m.guards == "" || m.trial.run == "" || len(m.edits) == 0 {
		return m, errors.New("guards, test and a change are needed")
	}
	return m, nil
}

// until takes the lines in front of one that says end.
func until(lines []string, end string) (text string, rest []string, ok bool) {
	for i, line := range lines {
		switch line {
		case end:
			return strings.Join(lines[:i], "\n"), lines[i+1:], true
		case "was:", "now:", "end":
			return "", nil, false
		}
	}
	return "", nil, false
}

// changed returns the files that the mutant changes as it makes them.
func (m mutant) changed(from fs.FS) (map[string]string, error) {
	out := map[string]string{}
	for _, e := range m.edits {
		text, known := out[e.file]
		if !known {
			b, err := fs.ReadFile(from, e.file)
			if err != nil {
				return nil, fmt.Errorf("mutate: %w", err)
			}
			text = string(b)
		}
		if n := strings.Count(text, e.was); n != 1 {
			return nil, fmt.Errorf("%s has this %d times: %s", e.file, n, e.was)
		}
		out[e.file] = strings.Replace(text, e.was, e.now, 1)
	}
	return out, nil
}

// apply changes the files of a tree and returns how to undo that.
func (m mutant) apply(tree string) (restore func() error, err error) {
	files, err := m.changed(os.DirFS(tree))
	if err != nil {
		return nil, err
	}
	before := map[string][]byte{}
	restore = func() error {
		var errs []error
		for name, text := range before {
			errs = append(errs, os.WriteFile(filepath.Join(tree, name), text, 0o600))
		}
		return errors.Join(errs...)
	}
	for name, text := range files {
		full := filepath.Join(tree, name)
		old, err := os.ReadFile(full) // #nosec G304 -- of the tree
		if err == nil {
			before[name] = old
			err = os.WriteFile(full, []byte(text), 0o600) // #nosec G703 -- of the tree
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("mutate: %w", err), restore())
		}
	}
	return restore, nil
}
