// Package patchtest runs the suites for patches of HL7 (fhir-test-cases,
// r4/patch) against package patch, for tests and for those who print how far
// Vigil conforms.
package patchtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/markup"
	"github.com/vigil-iomt/vigil/fhir/patch"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/xmlform"
	"github.com/vigil-iomt/vigil/fhir/xmlform/formtest"
)

// A Result is what became of one case; Err is nil when it passed.
type Result struct {
	Name string
	Err  error
}

var errNone = errors.New("no error, but there should be one")

// JSON runs json-patch-tests.json; dir is the folder r4/patch.
func JSON(dir string) ([]Result, error) {
	b, err := os.ReadFile(filepath.Join(dir, "json-patch-tests.json"))
	if err != nil {
		return nil, err
	}
	d, err := tree.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("read the suite: %w", err)
	}
	var out []Result
	for c := range d.Root().Items() {
		out = append(out, Result{c.Get("comment").Text(), runJSON(c)})
	}
	return out, nil
}

func runJSON(c tree.Node) error {
	doc, err := tree.Parse(c.Get("doc").Raw())
	if err != nil {
		return err
	}
	got, err := patch.JSON(doc, c.Get("patch").Raw())
	switch {
	case c.Get("error").Ok() && err == nil:
		return errNone
	case c.Get("error").Ok():
		return nil
	case err != nil:
		return err
	case !tree.Equal(got.Root(), c.Get("expected")):
		return fmt.Errorf("got %s, want %s", got.Bytes(), c.Get("expected").Raw())
	}
	return nil
}

// cases runs each case of a suite in XML.
func cases(file string, run func(c markup.Node) error) ([]Result, error) {
	b, err := os.ReadFile(file) // #nosec G304 -- a suite's folder
	if err != nil {
		return nil, err
	}
	d, err := markup.Parse(string(b))
	if err != nil {
		return nil, fmt.Errorf("read the suite: %w", err)
	}
	var out []Result
	for c := range d.Root().Elements() {
		name, _ := c.Attr("name")
		out = append(out, Result{name, run(c)})
	}
	return out, nil
}

// child returns the element of the name in another, and the one element in it.
func child(n markup.Node, name string) (found, inner markup.Node) {
	for c := range n.Elements() {
		if c.Name() == name {
			found = c
			for i := range c.Elements() {
				inner = i
			}
		}
	}
	return found, inner
}

// XML runs xml-patch-tests.xml.
func XML(dir string) ([]Result, error) {
	return cases(filepath.Join(dir, "xml-patch-tests.xml"), runXML)
}

func runXML(c markup.Node) error {
	_, target := child(c, "target")
	diff, _ := child(c, "patch")
	fails, _ := child(c, "error")
	_, want := child(c, "patched")
	got, err := patch.XML(target.Raw(), diff.Raw())
	switch {
	case fails.Ok() && err == nil:
		return errNone
	case fails.Ok():
		return nil
	case err != nil:
		return err
	}
	after, err := markup.Parse(got)
	if err != nil {
		return err
	}
	if !bytes.Equal(plain(nil, after.Root()), plain(nil, want)) {
		return fmt.Errorf("got %s, want %s", got, want.Raw())
	}
	return nil
}

// plain writes any element without the white space between others.
func plain(b []byte, n markup.Node) []byte {
	b = append(append(b, '<'), n.Space()+" "+n.Name()...)
	var attrs []string
	for a := range n.Attrs() {
		attrs = append(attrs, a.Name+"="+a.Value())
	}
	slices.Sort(attrs)
	b = append(append(b, strings.Join(attrs, "|")...), '>')
	for c := range n.Children() {
		switch {
		case c.Kind() == markup.Element:
			b = plain(b, c)
		case !c.Blank():
			b = append(append(b, '|'), c.Text()...)
		}
	}
	return append(b, "</>"...)
}

// FHIRPath runs fhir-patch-tests.xml.
func FHIRPath(set *schema.Set, dir string) ([]Result, error) {
	return cases(filepath.Join(dir, "fhir-patch-tests.xml"), func(c markup.Node) error { return runFHIRPath(set, c) })
}

func runFHIRPath(set *schema.Set, c markup.Node) error {
	before, err := resource(set, c, "input")
	if err != nil {
		return err
	}
	diff, err := resource(set, c, "diff")
	if err != nil {
		return err
	}
	got, err := patch.FHIRPath(set, before, diff.Root())
	fails, _ := child(c, "error")
	switch {
	case fails.Ok() && err == nil:
		return errNone
	case fails.Ok():
		return nil
	case err != nil:
		return err
	}
	want, err := resource(set, c, "output")
	if err != nil {
		return err
	}
	return same(set, got, want)
}

func resource(set *schema.Set, c markup.Node, name string) (*tree.Doc, error) {
	_, n := child(c, name)
	json, _, err := xmlform.JSONOf(set, n)
	if err != nil {
		return nil, err
	}
	return tree.Parse(json)
}

// same compares resources by their XML: the suite writes one narrative in two
// ways.
func same(set *schema.Set, got, want *tree.Doc) error {
	var shapes [2][]byte
	for i, d := range []*tree.Doc{got, want} {
		xml, err := xmlform.XML(set, d.Root(), false)
		if err != nil {
			return err
		}
		doc, err := markup.Parse(string(xml))
		if err != nil {
			return err
		}
		shapes[i] = plain(nil, doc.Root())
	}
	if !bytes.Equal(shapes[0], shapes[1]) {
		return fmt.Errorf("got %s, want %s", formtest.Canonical(nil, got.Root()), formtest.Canonical(nil, want.Root()))
	}
	return nil
}
