package xmlform

import (
	"html"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/markup"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// narrative writes the div of a narrative as a string: every byte as it is
// written, as long as it means the same on its own. It is source of XML there,
// too, so ends of lines need not be made the same.
func (r *reader) narrative(n markup.Node) error {
	r.mark(n)
	r.member(n.Name())
	if n.Alone() {
		r.b = tree.AppendString(r.b, n.Raw())
		return nil
	}
	div, err := appendXHTML(nil, n, true)
	if err != nil {
		return err
	}
	r.b = tree.AppendString(r.b, string(div))
	return nil
}

// appendXHTML writes an element so that it needs no declaration from outside.
func appendXHTML(b []byte, n markup.Node, outermost bool) ([]byte, error) {
	if n.Space() != XHTML {
		return nil, fail(n, "the element %.60q in a narrative is no XHTML", n.Name())
	}
	b = append(append(b, '<'), n.Name()...)
	if outermost {
		b = append(b, ` xmlns="`+XHTML+`"`...)
	}
	for a := range n.Attrs() {
		if a.Space != "" && a.Prefix != "xml" {
			return nil, fail(n, "the attribute %.60q in a narrative is no XHTML", a.Name)
		}
		b = append(b, ' ')
		if a.Prefix != "" {
			b = append(b, "xml:"...)
		}
		b, _ = markup.AppendValue(append(append(b, a.Name...), '='), a.Value())
	}
	inner := len(b)
	b = append(b, '>')
	for c := range n.Children() {
		var err error
		switch c.Kind() {
		case markup.Element:
			b, err = appendXHTML(b, c, false)
		case markup.Text:
			b, _ = markup.AppendText(b, c.Text())
		default:
		}
		if err != nil {
			return nil, err
		}
	}
	if len(b) == inner+1 {
		return append(b[:inner], "/>"...), nil
	}
	return append(append(append(b, "</"...), n.Name()...), '>'), nil
}

// div returns a narrative as it stands in XML.
func div(n tree.Node) (string, error) {
	s := n.Text()
	doc, err := markup.Parse(s)
	if err != nil && strings.Contains(s, "&") {
		// JSON lets names of HTML stand that XML does not know.
		doc, err = markup.Parse(plainEntities(s))
	}
	if err != nil {
		return "", failJSON(n, "the narrative cannot be written as XML: %v", err)
	}
	root := doc.Root()
	switch {
	case root.Name() != divElement || root.Prefix() == "" && root.Space() != "" && root.Space() != XHTML:
		return "", failJSON(n, "the narrative is no div of XHTML")
	case root.Space() == "":
		return "<div xmlns=\"" + XHTML + "\"" + root.Raw()[len("<div"):], nil
	case root.Space() != XHTML:
		return "", failJSON(n, "the narrative is no div of XHTML")
	}
	return root.Raw(), nil
}

// plainEntities puts characters in the place of the entities of HTML, apart
// from the five of XML.
func plainEntities(s string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i:]
		end := strings.IndexByte(s[:min(len(s), 40)], ';')
		if end < 0 {
			b.WriteByte('&')
			s = s[1:]
			continue
		}
		name := s[:end+1]
		switch name {
		case "&lt;", "&gt;", "&amp;", "&quot;", "&apos;":
		default:
			if !strings.HasPrefix(name, "&#") {
				text, _ := markup.AppendText(nil, html.UnescapeString(name))
				name = string(text)
			}
		}
		b.WriteString(name)
		s = s[end+1:]
	}
}
