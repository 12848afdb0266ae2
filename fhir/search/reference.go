package search

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Ref is what a reference says (references.html#literal).
type Ref struct {
	// Type and ID are of a resource of our own, or the type that an address
	// elsewhere names.
	Type, ID string
	Version  string
	// URL is the address of something elsewhere, without a version.
	URL string
}

// String returns Type/ID, or the address.
func (r Ref) String() string {
	if r.URL != "" {
		return r.URL
	}
	if r.Type == "" {
		return r.ID
	}
	return r.Type + "/" + r.ID
}

// ParseRef reads the text of a reference: relative, absolute, or a URN. An id
// alone has no type.
func (e *Engine) ParseRef(s string) Ref {
	local := s
	if strings.Contains(s, ":") {
		local = ""
		for _, b := range e.c.Bases {
			if rest, ok := strings.CutPrefix(s, b); ok && strings.HasPrefix(rest, "/") {
				local = rest[1:]
				break
			}
		}
		if local == "" {
			return e.elsewhere(s)
		}
	}
	r := Ref{}
	local, r.Version, _ = strings.Cut(local, "/_history/")
	typ, id, ok := strings.Cut(local, "/")
	switch {
	case !ok:
		r.ID = local
	case e.isType(typ) && id != "" && !strings.Contains(id, "/"):
		r.Type, r.ID = typ, id
	default:
		r.URL = local
	}
	return r
}

// elsewhere reads an address that is not ours.
func (e *Engine) elsewhere(s string) Ref {
	r := Ref{}
	if !strings.HasPrefix(s, "http") {
		r.URL = s
		return r
	}
	r.URL, r.Version, _ = strings.Cut(s, "/_history/")
	if i := strings.LastIndexByte(r.URL, '/'); i > 0 {
		if j := strings.LastIndexByte(r.URL[:i], '/'); j >= 0 && e.isType(r.URL[j+1:i]) {
			r.Type = r.URL[j+1 : i]
		}
	}
	return r
}

func (e *Engine) isType(name string) bool {
	t := e.c.Schema.Type(name)
	return t != nil && t.Base != nil && t.Is("Resource")
}

// reference reads references of all forms.
func (r *reader) reference(n tree.Node, l *leaf) {
	v := r.add(n, l)
	switch l.form {
	case asReference:
		text := n.Get("reference").Text()
		switch {
		case text == "":
		case text[0] == '#':
			v.Code, v.System = text, containedType(r.root, text[1:])
		default:
			v.setRef(text, r.e)
		}
		if v.System == "" {
			v.System = n.Get("type").Text()
		}
	case asInline:
		v.System = n.Get("resourceType").Text()
		v.Code = v.System + "/" + n.Get("id").Text()
	case asAttachment:
		v.Code = n.Get("url").Text()
	default:
		v.Code, v.Text, _ = strings.Cut(n.Text(), "|")
	}
}

// setRef puts what a reference says into the value.
func (v *Value) setRef(text string, e *Engine) {
	// Most references are Type/id already.
	if typ, id, ok := strings.Cut(text, "/"); ok && !strings.ContainsAny(id, "/:") && e.isType(typ) {
		v.System, v.Code = typ, text
		return
	}
	ref := e.ParseRef(text)
	v.System, v.Code, v.Text = ref.Type, ref.String(), ref.Version
}

// Ref returns what a value of a reference parameter points to; ok is false when
// it is no literal reference.
func (v *Value) Ref() (r Ref, ok bool) {
	if v.Code == "" || v.Code[0] == '#' {
		return Ref{}, false
	}
	r = Ref{Type: v.System, Version: v.Text}
	if typ, id, cut := strings.Cut(v.Code, "/"); cut && typ == v.System && !strings.Contains(id, "/") {
		r.ID = id
		return r, true
	}
	r.URL = v.Code
	return r, true
}

// containedType returns the type of a contained resource; "#" alone means the
// resource that contains.
func containedType(root tree.Node, id string) string {
	if id == "" {
		return root.Get("resourceType").Text()
	}
	for c := range root.Get("contained").Items() {
		if c.Get("id").Text() == id {
			return c.Get("resourceType").Text()
		}
	}
	return ""
}
