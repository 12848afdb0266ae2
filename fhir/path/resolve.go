package path

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

func extensionType(t *schema.Type, set *schema.Set) *schema.Type {
	if t == nil {
		return nil
	}
	return typeIn(set, "Extension")
}

// resolve appends what references, canonicals and addresses mean; what cannot
// be found is left out (fhirpath.html#functions).
func resolve(m *machine, n *node, in []Item, _ [][]Item, out []Item) ([]Item, error) {
	for i := range in {
		ref := ""
		switch {
		case in[i].kind() == Text:
			ref, _ = in[i].text()
		case in[i].node.Kind() == tree.Object:
			ref = in[i].node.Get("reference").Text()
			if ref == "" { // the type alone may be known
				if t := in[i].node.Get("type").Text(); t != "" && m.ctx.Resolve == nil {
					out = appendType(m, t, out)
				}
			}
		}
		if ref == "" {
			continue
		}
		found, ok, err := m.find(n, ref)
		if err != nil {
			return out, err
		}
		if ok {
			out = append(out, found)
		}
	}
	return out, nil
}

func appendType(m *machine, name string, out []Item) []Item {
	if m.set == nil || m.set.Type(name) == nil {
		return out
	}
	return append(out, Item{typ: m.set.Type(name), set: m.set})
}

// find looks in what is contained, in the Bundle, then outside.
func (m *machine) find(n *node, ref string) (Item, bool, error) {
	root := m.root()
	if id, ok := strings.CutPrefix(ref, "#"); ok {
		i, ok := m.contained(n, root, id)
		return i, ok, m.spend(root.node.Get("contained").Len(), n)
	}
	if root.typ != nil && root.typ.Name == "Bundle" {
		entries := root.node.Get("entry")
		if err := m.spend(entries.Len(), n); err != nil {
			return Item{}, false, err
		}
		for e := range entries.Items() {
			if r := e.Get("resource"); r.Ok() && names(e.Get("fullUrl").Text(), r, ref) {
				return ItemOf(root.set, r), true, nil
			}
		}
	}
	if m.ctx.Resolve != nil {
		i, ok := m.ctx.Resolve(ref)
		return i, ok, nil
	}
	if t := typeOf(ref); m.set != nil && m.set.Type(t) != nil {
		return Item{typ: m.set.Type(t), set: m.set}, true, nil
	}
	return Item{}, false, nil
}

// contained finds a contained resource, # alone the one that contains.
func (m *machine) contained(_ *node, root Item, id string) (Item, bool) {
	if id == "" {
		return root, root.Ok()
	}
	for _, holder := range [...]Item{root, m.ctx.Resource} {
		for c := range holder.node.Get("contained").Items() {
			if c.Get("id").Text() == id {
				return ItemOf(m.set, c), true
			}
		}
	}
	return Item{}, false
}

// names tells whether a reference means the resource of a Bundle's entry
// (bundle.html#references).
func names(fullURL string, r tree.Node, ref string) bool {
	if fullURL != "" && (fullURL == ref || strings.HasSuffix(fullURL, "/"+ref)) {
		return true
	}
	kind, id, ok := strings.Cut(ref, "/")
	return ok && kind == r.Get("resourceType").Text() && id == r.Get("id").Text()
}

// typeOf returns the type that the address of a resource names: Patient for
// Patient/1, https://a.example/fhir/Patient/1/_history/2 or
// Patient?identifier=1.
func typeOf(ref string) string {
	ref, _, query := strings.Cut(ref, "?")
	parts := strings.Split(ref, "/")
	if query {
		return parts[len(parts)-1]
	}
	if n := len(parts); n >= 4 && parts[n-2] == "_history" {
		parts = parts[:n-2]
	}
	if len(parts) < 2 {
		return ""
	}
	return parts[len(parts)-2]
}
