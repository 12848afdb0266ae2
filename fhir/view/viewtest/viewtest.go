// Package viewtest runs the test suite of SQL on FHIR (the files tests/*.json
// of the specification) against package view, for tests and for those who print
// how far Vigil conforms.
package viewtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/view"
)

// A Result is what came out of one test.
type Result struct {
	File, Title string
	Tags        []string // shareable or experimental
	Failed      string   // why it did not pass, "" when it did
}

// A test is one of a file's tests.
type test struct {
	Title         string          `json:"title"`
	Tags          []string        `json:"tags"`
	View          json.RawMessage `json:"view"`
	Expect        []any           `json:"expect"`
	ExpectError   bool            `json:"expectError"`
	ExpectColumns []string        `json:"expectColumns"`
	ExpectCount   *int            `json:"expectCount"`
}

// Run runs all tests in the files of a folder.
func Run(set *schema.Set, dir string) ([]Result, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no tests in %s", dir)
	}
	var out []Result
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var suite struct {
			Resources []json.RawMessage `json:"resources"`
			Tests     []test            `json:"tests"`
		}
		if err := json.Unmarshal(b, &suite); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		for i := range suite.Tests {
			t := &suite.Tests[i]
			r := Result{File: filepath.Base(file), Title: t.Title, Tags: t.Tags}
			if err := t.run(set, suite.Resources); err != nil {
				r.Failed = err.Error()
			}
			out = append(out, r)
		}
	}
	return out, nil
}

func (t *test) run(set *schema.Set, resources []json.RawMessage) error {
	got, columns, err := rows(set, t.View, resources)
	switch {
	case t.ExpectError && err == nil:
		return errors.New("an error was expected")
	case t.ExpectError:
		return nil
	case err != nil:
		return err
	case t.ExpectColumns != nil && !slices.Equal(t.ExpectColumns, columns):
		return fmt.Errorf("columns are %q, want %q", columns, t.ExpectColumns)
	case t.ExpectCount != nil && len(got) != *t.ExpectCount:
		return fmt.Errorf("got %d rows, want %d", len(got), *t.ExpectCount)
	case t.Expect == nil:
		return nil
	}
	return compare(got, t.Expect)
}

// rows runs a view and returns its rows as JSON objects.
func rows(set *schema.Set, definition []byte, resources []json.RawMessage) (all, columns []string, err error) {
	d, err := tree.Parse(definition)
	if err != nil {
		return nil, nil, err
	}
	v, err := view.Compile(set, d.Root())
	if err != nil {
		return nil, nil, err
	}
	for _, c := range v.Columns {
		columns = append(columns, c.Name)
	}
	for _, b := range resources {
		doc, err := tree.Parse(b)
		if err != nil {
			return nil, nil, err
		}
		for r, err := range v.Rows(doc.Root(), time.Unix(0, 0)) {
			if err != nil {
				return nil, nil, err
			}
			all = append(all, string(v.AppendJSON(nil, r)))
		}
	}
	return all, columns, nil
}

// compare compares rows in any order, numbers by value.
func compare(got []string, want []any) error {
	var have, wanted []string
	for _, g := range got {
		var v any
		if err := json.Unmarshal([]byte(g), &v); err != nil {
			return fmt.Errorf("row %s: %w", g, err)
		}
		have = append(have, canonical(v))
	}
	for _, w := range want {
		wanted = append(wanted, canonical(w))
	}
	slices.Sort(have)
	slices.Sort(wanted)
	if !slices.Equal(have, wanted) {
		return fmt.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(have, "\n\t"), strings.Join(wanted, "\n\t"))
	}
	return nil
}

// canonical writes members in the order of their names.
func canonical(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
