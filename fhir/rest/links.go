package rest

import (
	"iter"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// linked is what the resource of an entry points to: places that are to be
// rewritten when the ids of the transaction are known (http.html#trules).
type linked struct {
	doc   *tree.Doc
	known []link    // to entries of the same Bundle
	where []link    // to whatever meets a condition: Patient?identifier=…
	loose tree.Node // a reference that leads nowhere, the zero Node if none
}

// all gives all links that are rewritten.
func (l *linked) all() iter.Seq[*link] {
	return func(yield func(*link) bool) {
		for _, list := range [...][]link{l.known, l.where} {
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// A link is one place. In narratives there may be several in one text.
type link struct {
	at    tree.Node
	to    int    // the entry
	part  string // of the text, when it is not all of it
	typ   string // of a conditional reference
	query string
}

// key names a conditional reference.
func (l *link) key() string { return l.typ + "?" + l.query }

// targets maps what entries are called to their places in the Bundle.
type targets struct {
	byURL map[string]int
	set   *schema.Set
	known func(typ string) bool
}

// find looks up what a link of an entry leads to: an entry's fullUrl as it
// stands, or relative to the base of the fullUrl that the link stands under.
func (t *targets) find(text, base string) (int, bool) {
	if i, ok := t.byURL[text]; ok {
		return i, true
	}
	if cut, _, ok := strings.Cut(text, "#"); ok && cut != "" {
		if i, ok := t.byURL[cut]; ok {
			return i, true
		}
	}
	if cut, _, ok := strings.Cut(text, "/_history/"); ok {
		text = cut
		if i, ok := t.byURL[text]; ok {
			return i, true
		}
	}
	if base == "" || strings.Contains(text, ":") {
		return 0, false
	}
	i, ok := t.byURL[base+text]
	return i, ok
}

// baseOf is the base that relative references of an entry stand under: that of
// its fullUrl when it is an address of a resource (bundle.html#references).
func baseOf(fullURL, typ string) string {
	if i := strings.LastIndex(fullURL, "/"+typ+"/"); i > 0 && strings.HasPrefix(fullURL, "http") {
		return fullURL[:i+1]
	}
	return ""
}

// maxLinkDepth bounds how deep resources within resources are looked into; the
// depth of the document is bounded by its reader.
const maxLinkDepth = 100

// collect finds the links of a resource.
func (t *targets) collect(doc *tree.Doc, typ, fullURL string) *linked {
	l := &linked{doc: doc}
	w := walker{t: t, l: l, base: baseOf(fullURL, typ)}
	w.within(doc.Root(), t.set.Type(typ), 0)
	return l
}

type walker struct {
	t    *targets
	l    *linked
	base string
}

// within looks at the members of an object of a type.
func (w *walker) within(n tree.Node, t *schema.Type, depth int) {
	if t == nil || n.Kind() != tree.Object || depth > maxLinkDepth {
		return
	}
	if t.Name == "Reference" {
		w.reference(n.Get("reference"))
	}
	for name, child := range n.Members() {
		_, of := t.Field(name)
		if of == nil {
			if !strings.HasPrefix(name, "_") {
				continue
			}
			of = w.t.set.Type("Element") // the extensions of a primitive
		}
		if of == nil || of.Kind == schema.Primitive && !linking(of.Name) {
			continue
		}
		for item := range child.Items() {
			w.value(item, of, depth+1)
		}
	}
}

// linking tells whether a primitive type may hold a link: the standard names
// uri, url, oid and uuid, and leaves canonical as it is.
func linking(typ string) bool {
	switch typ {
	case "uri", "url", "oid", "uuid", "xhtml":
		return true
	}
	return false
}

func (w *walker) value(n tree.Node, of *schema.Type, depth int) {
	switch {
	case of.Name == "xhtml":
		w.narrative(n)
	case of.Kind == schema.Primitive:
		if n.Kind() != tree.String {
			return
		}
		if to, ok := w.t.find(n.Text(), ""); ok {
			w.l.known = append(w.l.known, link{at: n, to: to})
		}
	case of.Kind == schema.Resource:
		w.within(n, w.t.set.Type(n.Get("resourceType").Text()), depth)
	default:
		w.within(n, of, depth)
	}
}

// reference looks at Reference.reference.
func (w *walker) reference(n tree.Node) {
	text := n.Text()
	if n.Kind() != tree.String || text == "" || text[0] == '#' {
		return
	}
	if to, ok := w.t.find(text, w.base); ok {
		w.l.known = append(w.l.known, link{at: n, to: to})
		return
	}
	if typ, query, ok := strings.Cut(text, "?"); ok && w.t.known(typ) {
		w.l.where = append(w.l.where, link{at: n, typ: typ, query: query})
		return
	}
	if strings.HasPrefix(text, "urn:uuid:") || strings.HasPrefix(text, "urn:oid:") {
		w.l.loose = n
	}
}

// narrative looks for addresses in href and src of a narrative.
func (w *walker) narrative(n tree.Node) {
	text := n.Text()
	for _, attribute := range [...]string{`href="`, `src="`, `href='`, `src='`} {
		rest := text
		for {
			_, after, ok := strings.Cut(rest, attribute)
			if !ok {
				break
			}
			value, _, ok := strings.Cut(after, attribute[len(attribute)-1:])
			if !ok {
				break
			}
			if to, ok := w.t.find(value, w.base); ok {
				w.l.known = append(w.l.known, link{at: n, to: to, part: attribute + value + attribute[len(attribute)-1:]})
			}
			rest = after
		}
	}
}

// A place is what a link is rewritten to.
type place func(l *link) string

// rewrite puts the addresses in place of the links.
func (l *linked) rewrite(to place) (*tree.Doc, error) {
	if len(l.known)+len(l.where) == 0 {
		return l.doc, nil
	}
	edit := tree.NewEdit(l.doc)
	narratives := map[tree.Node]string{}
	for k := range l.all() {
		if k.part == "" {
			edit.Replace(k.at, appendString(nil, to(k)+fragment(k.at.Text())))
			continue
		}
		text, ok := narratives[k.at]
		if !ok {
			text = k.at.Text()
		}
		quote := k.part[len(k.part)-1:]
		name, value, _ := strings.Cut(k.part, quote)
		narratives[k.at] = strings.ReplaceAll(text, k.part, name+quote+to(k)+fragment(strings.TrimSuffix(value, quote))+quote)
	}
	for n, text := range narratives {
		edit.Replace(n, appendString(nil, text))
	}
	return tree.Parse(edit.Bytes())
}

// fragment is the part of an address behind the #, with it.
func fragment(address string) string {
	if i := strings.IndexByte(address, '#'); i >= 0 && !strings.Contains(address, "?") {
		return address[i:]
	}
	return ""
}
