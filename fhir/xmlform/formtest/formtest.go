// Package formtest finds out whether a resource survives the way from JSON to
// XML and back, and the other way round, for tests and for those who print how
// far Vigil conforms.
package formtest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/markup"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/xmlform"
)

// JSON takes a resource in JSON through XML, written for machines and for
// people, and says what changed: nothing may but the order of members and the
// white space between them.
func JSON(set *schema.Set, src []byte) error {
	d, err := tree.Parse(src)
	if err != nil {
		return err
	}
	for _, pretty := range []bool{false, true} {
		xml, err := xmlform.XML(set, d.Root(), pretty)
		if err != nil {
			return fmt.Errorf("to XML: %w", err)
		}
		back, _, err := xmlform.JSON(set, xml)
		if err != nil {
			return fmt.Errorf("to JSON: %w", err)
		}
		again, err := tree.Parse(back)
		if err != nil {
			return fmt.Errorf("parse what was made: %w", err)
		}
		if err := same(Canonical(nil, again.Root()), Canonical(nil, d.Root())); err != nil {
			return err
		}
	}
	return nil
}

// XML takes a resource in XML through JSON.
func XML(set *schema.Set, src []byte) error {
	json, _, err := xmlform.JSON(set, src)
	if err != nil {
		return fmt.Errorf("to JSON: %w", err)
	}
	d, err := tree.Parse(json)
	if err != nil {
		return fmt.Errorf("parse what was made: %w", err)
	}
	xml, err := xmlform.XML(set, d.Root(), false)
	if err != nil {
		return fmt.Errorf("to XML: %w", err)
	}
	before, err := markup.Parse(string(src))
	if err != nil {
		return err
	}
	after, err := markup.Parse(string(xml))
	if err != nil {
		return err
	}
	return same(Shape(nil, after.Root()), Shape(nil, before.Root()))
}

// same makes an error of the first difference.
func same(got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	i := 0
	for i < min(len(got), len(want)) && got[i] == want[i] {
		i++
	}
	cut := func(b []byte) []byte { return b[max(0, i-80):min(len(b), i+80)] }
	return fmt.Errorf("changed: got …%s…, want …%s…", cut(got), cut(want))
}

// Canonical appends a value with its members sorted by name and its strings
// escaped in one way; numbers stay as they are written.
func Canonical(b []byte, n tree.Node) []byte {
	switch n.Kind() {
	case tree.String:
		return tree.AppendString(b, n.Text())
	case tree.Array:
		b = append(b, '[')
		for item := range n.Items() {
			b = append(Canonical(b, item), ',')
		}
		return append(b, ']')
	case tree.Object:
		var names []string
		for name := range n.Members() {
			names = append(names, name)
		}
		slices.Sort(names)
		b = append(b, '{')
		for _, name := range names {
			b = append(Canonical(append(tree.AppendString(b, name), ':'), n.Get(name)), ',')
		}
		return append(b, '}')
	default:
		return append(b, n.Raw()...)
	}
}

// Shape appends an element without what means nothing in FHIR: white space and
// comments outside of narratives, the way things are quoted, prefixes, and the
// order of elements of different names, which one document of the suites has in
// another way.
func Shape(b []byte, n markup.Node) []byte { return shape(b, n, false) }

func shape(b []byte, n markup.Node, narrative bool) []byte {
	narrative = narrative || n.Space() == xmlform.XHTML
	b = append(append(append(append(b, '<'), n.Space()...), ' '), n.Name()...)
	var attrs []string
	for a := range n.Attrs() {
		if a.Space == "" || narrative {
			attrs = append(attrs, a.Name+"="+a.Value())
		}
	}
	slices.Sort(attrs)
	b = append(append(b, strings.Join(attrs, "|")...), '>')
	children := slices.Collect(n.Children())
	if !narrative {
		slices.SortStableFunc(children, func(a, b markup.Node) int { return strings.Compare(a.Name(), b.Name()) })
	}
	for _, c := range children {
		switch {
		case c.Kind() == markup.Element:
			b = shape(b, c, narrative)
		case c.Kind() == markup.Text && narrative:
			b = append(b, c.Text()...)
		}
	}
	return append(b, "</>"...)
}
