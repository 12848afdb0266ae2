package patch

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/markup"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/xmlform"
)

// suite reads a file of ../shared/data/fhir-test-cases/r4/patch, or skips the
// test.
func suite(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../../shared/data/fhir-test-cases/r4/patch", name))
	if err != nil {
		t.Skipf("the suite %s is not beside the project (shared/data/fhir-test-cases)", name)
	}
	return b
}

func TestJSONSuite(t *testing.T) {
	d, err := tree.Parse(suite(t, "json-patch-tests.json"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for c := range d.Root().Items() {
		count++
		t.Run(c.Get("comment").Text(), func(t *testing.T) {
			doc, err := tree.Parse(c.Get("doc").Raw())
			if err != nil {
				t.Fatal(err)
			}
			got, err := JSON(doc, c.Get("patch").Raw())
			if c.Get("error").Ok() {
				if err == nil {
					t.Errorf("got %s, want an error: %s", got.Bytes(), c.Get("error").Text())
				}
				t.Log(err)
				return
			}
			if err != nil || !tree.Equal(got.Root(), c.Get("expected")) {
				t.Errorf("got %v, %v, want %s", got, err, c.Get("expected").Raw())
			}
		})
	}
	if count < 16 {
		t.Errorf("only %d cases", count)
	}
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

// shape writes an element without the white space that means nothing here.
func shape(b []byte, n markup.Node) []byte {
	b = append(append(append(b, '<'), n.Space()+" "+n.Name()...), '>')
	var attrs []string
	for a := range n.Attrs() {
		attrs = append(attrs, a.Name+"="+a.Value)
	}
	slices.Sort(attrs)
	b = append(b, strings.Join(attrs, "|")...)
	for c := range n.Children() {
		switch {
		case c.Kind() == markup.Element:
			b = shape(b, c)
		case !c.Blank():
			b = append(append(b, '|'), c.Text()...)
		}
	}
	return append(b, "</>"...)
}

func TestXMLSuite(t *testing.T) {
	d, err := markup.Parse(string(suite(t, "xml-patch-tests.xml")))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for c := range d.Root().Elements() {
		count++
		name, _ := c.Attr("name")
		t.Run(name, func(t *testing.T) {
			_, target := child(c, "target")
			patch, _ := child(c, "patch")
			wantError, _ := child(c, "error")
			_, want := child(c, "patched")
			got, err := XML(target.Raw(), patch.Raw())
			if wantError.Ok() {
				if err == nil {
					t.Errorf("got %s, want an error", got)
				}
				t.Log(err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			after, err := markup.Parse(got)
			if err != nil {
				t.Fatalf("%v: %s", err, got)
			}
			if !bytes.Equal(shape(nil, after.Root()), shape(nil, want)) {
				t.Errorf("got %s, want %s", got, want.Raw())
			}
		})
	}
	if count < 28 {
		t.Errorf("only %d cases", count)
	}
}

// meaning returns a resource without the ways to write its narrative.
func meaning(t *testing.T, d *tree.Doc) []byte {
	t.Helper()
	xml, err := xmlform.XML(schema.R4(), d.Root(), false)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := markup.Parse(string(xml))
	if err != nil {
		t.Fatal(err)
	}
	return shape(nil, doc.Root())
}

func TestFHIRPathSuite(t *testing.T) {
	d, err := markup.Parse(string(suite(t, "fhir-patch-tests.xml")))
	if err != nil {
		t.Fatal(err)
	}
	resource := func(t *testing.T, c markup.Node, name string) *tree.Doc {
		t.Helper()
		_, n := child(c, name)
		json, _, err := xmlform.JSONOf(schema.R4(), n)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := tree.Parse(json)
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	count := 0
	for c := range d.Root().Elements() {
		count++
		name, _ := c.Attr("name")
		t.Run(name, func(t *testing.T) {
			before, diff := resource(t, c, "input"), resource(t, c, "diff")
			got, err := FHIRPath(schema.R4(), before, diff.Root())
			if wanted, _ := child(c, "error"); wanted.Ok() {
				if err == nil {
					t.Errorf("got %s, want an error", got.Bytes())
				}
				t.Log(err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := resource(t, c, "output"); !bytes.Equal(meaning(t, got), meaning(t, want)) {
				t.Errorf("got %s, want %s", got.Bytes(), want.Bytes())
			}
		})
	}
	if count != 33 {
		t.Errorf("%d cases, want 33", count)
	}
}
