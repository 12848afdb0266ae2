package check

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// special checks what tables do not say of some types.
func (w *walk) special(n tree.Node, s *shape, e *element, seen *bits) {
	switch s.isa {
	case isReference:
		w.reference(n, e)
	case isExtension:
		w.extension(n, s, seen)
		if w.o.Level >= Profiles {
			w.defined(n, s, e)
		}
	case isQuantity:
		if e != nil && e.simple && n.Get("comparator").Ok() {
			w.fail(n, "invariant", "sqty-1", "%s must not have a comparator", e.f.Path)
		}
		if w.o.Level >= Profiles {
			w.known(n)
		}
	case isCoding:
		if w.o.Level >= Profiles {
			w.known(n)
		}
	case isBundle:
		w.bundle(n)
	case isResponse:
		if w.o.Level >= Profiles {
			w.answers(n)
		}
	case plain, isNarrative, isConcept:
	}
	if s.resource {
		w.pointed(n)
	}
	if w.o.Level >= Profiles {
		w.repeatedExtensions(n)
	}
}

// extension checks ext-1: an extension has either extensions or a value.
func (w *walk) extension(n tree.Node, s *shape, seen *bits) {
	has := func(name string) bool {
		f := s.t.Named(name)
		return f != nil && seen.has(f.Index)
	}
	if has("extension") == has("value") {
		w.fail(n, "invariant", "ext-1", "an extension must have either extensions or a value")
	}
}

// reference checks the form of a literal reference (R4 references.html section
// 2.3.0.1), that a fragment points to a contained resource (ref-1), and that
// what is pointed to is of a type that the element allows.
func (w *walk) reference(n tree.Node, e *element) {
	v := n.Get("reference")
	if v.Kind() != tree.String {
		return
	}
	text := v.Text()
	if text == "" {
		return // no string is empty, which was said already
	}
	if strings.ContainsAny(text, " \t\r\n") {
		w.fail(v, "value", "value", "a reference must not have white space")
		return
	}
	of := ""
	if text[0] == '#' {
		w.points = append(w.points, text)
		if text == "#" {
			return // the container
		}
		target := w.containedIn(text[1:])
		if !target.Ok() {
			w.fail(v, "invariant", "ref-1", "there is no contained resource with the id that the reference names")
			return
		}
		of = target.Get("resourceType").Text()
	} else {
		r, good := ParseReference(text)
		if !good {
			w.fail(v, "value", "reference", "a reference must be an absolute address or Type/id")
			return
		}
		if of = r.Type; of != "" && w.c.resources[of] == nil {
			if !r.Absolute {
				w.fail(v, "value", "reference", "there is no resource type %q", short([]byte(of)))
			}
			return
		}
	}
	w.target(v, n, e, of)
}

// target checks the type of what a reference points to against the element and
// against Reference.type.
func (w *walk) target(v, n tree.Node, e *element, of string) {
	said := n.Get("type").Text()
	if of == "" {
		of = said
	} else if said != "" && said != of && w.c.resources[said] != nil {
		w.fail(v, "value", "reference-type", "the reference points to a %s, but its type says %s", of, said)
		return
	}
	if e == nil || of == "" || w.o.Level < Profiles || allows(e.f, of) {
		return
	}
	w.fail(v, "value", "target", "%s must not point to a %s, only to %s", e.f.Path, short([]byte(of)), strings.Join(e.f.Targets, ", "))
}

// allows tells whether an element may point to a type. Targets that are no
// types of the specification are profiles, which decide later.
func allows(f *schema.Field, of string) bool {
	if len(f.Targets) == 0 {
		return true
	}
	for _, t := range f.Targets {
		if t == of || t == "Resource" || strings.Contains(t, "/") {
			return true
		}
	}
	return false
}

// containedIn finds a contained resource of the root by its id; the first of
// several.
func (w *walk) containedIn(id string) tree.Node {
	if w.inside == nil {
		contained := w.root.Get("contained")
		w.inside = make(map[string]tree.Node, contained.Len())
		for c := range contained.Items() {
			id := c.Get("id").Text()
			if _, twice := w.inside[id]; !twice {
				w.inside[id] = c
			}
		}
	}
	return w.inside[id]
}

// pointed checks dom-3: each contained resource is pointed to from somewhere in
// the resource that contains it, or points to that one.
func (w *walk) pointed(n tree.Node) {
	if n != w.root || w.o.Level < Rules {
		return
	}
	contained := n.Get("contained")
	if !contained.Ok() {
		return
	}
	to := make(map[string]bool, len(w.points))
	for _, p := range w.points {
		to[p] = true
	}
	w.push("contained")
	i := 0
	for c := range contained.Items() {
		w.index(i)
		if !to["#"+c.Get("id").Text()] && !backward(c) {
			w.fail(c, "invariant", "dom-3", "a contained resource must be pointed to from the resource that contains it, or point to that one")
		}
		i++
	}
	w.pop()
}

// backward tells whether something within a resource points to its container.
func backward(c tree.Node) bool {
	for v := range c.All() {
		if v.Kind() == tree.String && string(v.Raw()) == `"#"` {
			return true
		}
	}
	return false
}

// bundle checks the addresses of entries. A set does bdl-7 where the expression
// compares each with each.
func (w *walk) bundle(n tree.Node) {
	seen := make(map[string]bool, n.Get("entry").Len())
	history := n.Get("type").Text() == "history"
	w.push("entry")
	i := -1
	for entry := range n.Get("entry").Items() {
		i++
		url, r := entry.Get("fullUrl"), entry.Get("resource")
		if !url.Ok() {
			continue
		}
		w.index(i)
		if w.o.Level >= Profiles {
			w.fullURL(url, r)
		}
		id := url.Text() + r.Get("meta").Get("versionId").Text()
		if seen[id] && !history {
			w.fail(url, "invariant", "bdl-7", "a fullUrl must not stand twice with the same version in a bundle that is no history")
		}
		seen[id] = true
	}
	w.pop()
}

// fullURL checks that the address of an entry does not disagree with the
// resource in it (R4 bundle.html, Bundle.entry.fullUrl). The specification's own
// examples do, so that it only warns.
func (w *walk) fullURL(url, r tree.Node) {
	text := url.Text()
	ref, ok := ParseReference(text)
	if !ok || !ref.Absolute {
		w.fail(url, "value", "full-url", "a fullUrl must be an absolute address")
		return
	}
	id := r.Get("id")
	if ref.Type == "" || w.c.resources[ref.Type] == nil || !r.Ok() {
		return
	}
	if ref.Type != r.Get("resourceType").Text() || id.Ok() && id.Text() != ref.ID {
		w.report(Warning, url, "value", "full-url", "the fullUrl should not disagree with the type and the id of the resource")
	}
}

// walked tells whether the walk itself checks an invariant. Where it does, a
// test proves that it comes to the same result as the expression.
func walked(i *schema.Invariant) bool {
	switch i.Key {
	case "ele-1":
		return i.Expression == "hasValue() or (children().count() > id.count())" ||
			i.Expression == "hasValue() or (children().count() > id.count()) or $this is Parameters"
	case "ext-1":
		return i.Expression == "extension.exists() != value.exists()"
	case "dom-2":
		return i.Expression == "contained.contained.empty()"
	case "dom-3", "ref-1", "txt-1", "txt-2", "bdl-7":
		return true
	case "dom-4":
		return i.Expression == "contained.meta.versionId.empty() and contained.meta.lastUpdated.empty()"
	case "dom-5":
		return i.Expression == "contained.meta.security.empty()"
	case "sqty-1":
		return true
	}
	return false
}
