package rest

import (
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A shape says how a resource is cut down and laid out (search.html#summary,
// search.html#elements, http.html#pretty).
type shape struct {
	summary  string // true, text, data, count or ""
	elements []string
	pretty   bool
}

// maxElements bounds _elements.
const maxElements = 200

// shapeOf reads the parameters that shape every answer.
func shapeOf(v url.Values) (shape, error) {
	s := shape{summary: v.Get("_summary"), pretty: v.Get("_pretty") == "true"}
	switch s.summary {
	case "true", "text", "data", "count", "":
	case "false":
		s.summary = ""
	default:
		return s, bad("_summary is true, text, data, count or false, not %s", clip(s.summary)).at("_summary")
	}
	for _, list := range v["_elements"] {
		for e := range strings.SplitSeq(list, ",") {
			if e = strings.TrimSpace(e); e != "" && len(s.elements) < maxElements {
				s.elements = append(s.elements, e)
			}
		}
	}
	return s, nil
}

// cuts tells whether the shape leaves anything out of a resource.
func (s *shape) cuts() bool {
	return len(s.elements) > 0 || s.summary == "true" || s.summary == "text" || s.summary == "data"
}

// cut returns a resource without what the shape leaves out, tagged as SUBSETTED
// (v3-ObservationValue), so that nobody writes it back.
func (s *Server) cut(sh *shape, typ string, body []byte) ([]byte, error) {
	t := s.set().Type(typ)
	if !sh.cuts() || t == nil {
		return body, nil
	}
	doc, err := tree.Parse(body)
	if err != nil {
		return nil, err
	}
	dst := make([]byte, 0, len(body))
	dst = appendString(append(dst, `{"resourceType":`...), typ)
	if id := doc.Root().Get("id"); id.Ok() {
		dst = append(append(dst, `,"id":`...), id.Raw()...)
	}
	dst = appendSubsetted(append(dst, `,"meta":`...), doc.Root().Get("meta"))
	for name, n := range doc.Root().Members() {
		f := fieldOf(t, name)
		if name == "resourceType" || name == "id" || name == "meta" || f != nil && !sh.keeps(typ, f) {
			continue
		}
		dst = append(appendString(append(dst, ','), name), ':')
		if sh.summary == "true" && f != nil {
			dst = appendSummary(dst, n, childType(t, name))
			continue
		}
		dst = append(dst, n.Raw()...)
	}
	return append(dst, '}'), nil
}

// keeps tells whether an element of a resource stays: what must be there and
// what changes the meaning always does.
func (s *shape) keeps(typ string, f *schema.Field) bool {
	if len(s.elements) > 0 {
		return f.Min > 0 || f.Modifier || slices.ContainsFunc(s.elements, func(e string) bool {
			e = strings.TrimPrefix(e, typ+".")
			e, _, _ = strings.Cut(e, ".")
			return e == f.Name || strings.HasPrefix(e, f.Name) && f.Choice
		})
	}
	switch s.summary {
	case "text":
		return f.Min > 0 || f.Name == "text"
	case "data":
		return f.Name != "text"
	}
	return f.Summary || f.Min > 0 || f.Modifier
}

// fieldOf finds the field of a member; the extensions of a primitive, under the
// name with an underscore, go with it.
func fieldOf(t *schema.Type, name string) *schema.Field {
	f, _ := t.Field(strings.TrimPrefix(name, "_"))
	return f
}

// childType is the type of a member's value, nil where it is none that is cut.
func childType(t *schema.Type, name string) *schema.Type {
	_, of := t.Field(name)
	if of == nil || of.Kind == schema.Primitive || of.Kind == schema.Resource {
		return nil
	}
	return of
}

// appendSummary appends a value without the elements within that are no part of
// a summary.
func appendSummary(dst []byte, n tree.Node, t *schema.Type) []byte {
	switch {
	case t == nil:
		return append(dst, n.Raw()...)
	case n.Kind() == tree.Array:
		dst = append(dst, '[')
		for item := range n.Items() {
			dst = append(appendSummary(dst, item, t), ',')
		}
		return closeList(dst, ']')
	case n.Kind() != tree.Object:
		return append(dst, n.Raw()...)
	}
	start := len(dst)
	dst = append(dst, '{')
	for name, child := range n.Members() {
		f := fieldOf(t, name)
		if f != nil && name != "id" && !f.Summary && f.Min == 0 && !f.Modifier {
			continue
		}
		dst = append(appendString(dst, name), ':')
		dst = append(appendSummary(dst, child, childType(t, name)), ',')
	}
	if dst = closeList(dst, '}'); len(dst) == start+2 {
		return append(dst[:start], n.Raw()...) // an empty object is none
	}
	return dst
}

// closeList ends a list whose elements were each followed by a comma.
func closeList(dst []byte, end byte) []byte {
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, end)
}

// subsetted is the tag of resources that are not whole.
const subsetted = `{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}`

// appendSubsetted appends meta with the tag.
func appendSubsetted(dst []byte, meta tree.Node) []byte {
	dst = append(dst, '{')
	tagged := false
	for name, n := range meta.Members() {
		dst = append(appendString(dst, name), ':')
		if name != "tag" {
			dst = append(append(dst, n.Raw()...), ',')
			continue
		}
		tagged = true
		dst = append(dst, '[')
		for tag := range n.Items() {
			dst = append(append(dst, tag.Raw()...), ',')
		}
		dst = append(dst, subsetted+"],"...)
	}
	if !tagged {
		dst = append(dst, `"tag":[`+subsetted+`],`...)
	}
	return closeList(dst, '}')
}
