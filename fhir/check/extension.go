package check

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A place is an object on the way from the root to where a walk is.
type place struct {
	n tree.Node
	s *shape
	e *element
}

// defined checks an extension against its definition (R4 extensibility.html):
// that there is one, that it may stand here, and its content. What stands inside
// of another extension the definition of that one says.
func (w *walk) defined(n tree.Node, s *shape, e *element) {
	url := n.Get("url").Text()
	if len(w.up) < 2 || url == "" {
		return
	}
	holder := w.up[len(w.up)-2]
	if holder.s.isa == isExtension && !scheme(url) {
		return
	}
	modifies := e != nil && e.f.Name == "modifierExtension"
	g := w.c.guide(url)
	if g == nil {
		w.undefined(n, url, modifies)
		return
	}
	if g.of.isa != isExtension {
		w.fail(n, "extension", "extension", "%s is no extension", short([]byte(url)))
		return
	}
	if g.p.Root().Modifier != modifies {
		must := "an extension"
		if !modifies {
			must = "a modifierExtension"
		}
		w.fail(n, "extension", "extension", "%s must be %s", g.url, must)
	}
	if len(g.p.Context) > 0 && !w.fits(g.p.Context, &holder) {
		w.misplaced(n, g)
	}
	w.follow(n, s, g)
}

// repeatedExtensions checks that an extension does not stand more often at one
// place than its definition allows.
func (w *walk) repeatedExtensions(n tree.Node) {
	list := n.Get("extension")
	if list.Len() < 2 || list.Kind() != tree.Array {
		return
	}
	count := make(map[string]int, list.Len())
	w.push("extension")
	i := 0
	for x := range list.Items() {
		w.index(i)
		i++
		url := x.Get("url").Text()
		count[url]++
		if count[url] < 2 || !scheme(url) {
			continue
		}
		if g := w.c.guide(url); g != nil && g.of.isa == isExtension && g.root.el.Max > 0 && count[url] == g.root.el.Max+1 {
			w.fail(x, "extension", "max", "the extension %s must not stand %s at one place", g.url, atMost(g.root.el.Max))
		}
	}
	w.pop()
}

// misplaced speaks of an extension where its definition does not have it. Those
// of the specification have since been allowed in more places under the same
// address, and its own definitions use some there.
func (w *walk) misplaced(n tree.Node, g *guide) {
	if strings.HasPrefix(g.url, "http://hl7.org/fhir/StructureDefinition/") {
		w.report(Warning, n, "extension", "context", "FHIR R4 does not have the extension %s here", g.url)
		return
	}
	w.fail(n, "extension", "context", "the extension %s must not stand here", g.url)
}

// undefined speaks of an extension whose definition is not loaded. Only those
// of HL7 that ought to be there, and those that change a meaning, are worth it.
func (w *walk) undefined(n tree.Node, url string, modifies bool) {
	switch {
	case modifies:
		w.report(Warning, n, "extension", "extension", "the extension %s changes the meaning of what it stands at, and is not known", short([]byte(url)))
	case strings.HasPrefix(url, "http://hl7.org/fhir/StructureDefinition/"):
		w.report(Warning, n, "extension", "extension", "FHIR R4 has no extension %s", short([]byte(url)))
	case !scheme(url):
		w.report(Warning, n, "extension", "extension", "the url of an extension should be an absolute address")
	}
}

// fits tells whether an extension may stand at a place.
func (w *walk) fits(contexts []schema.Context, at *place) bool {
	for _, c := range contexts {
		switch c.Kind {
		case "element":
			if elementFits(c.Expression, at) {
				return true
			}
		case "extension":
			if at.s.isa == isExtension && at.n.Get("url").Text() == c.Expression {
				return true
			}
		default: // fhirpath: whatever it selects
			return true
		}
	}
	return false
}

// elementFits tells whether a place is the element that a context names: by its
// path, by its type or one of the types that this one specializes.
func elementFits(expression string, at *place) bool {
	if i := strings.IndexByte(expression, '#'); i >= 0 {
		expression = expression[i+1:] // an element as a profile has it
	}
	expression = strings.TrimSuffix(expression, "[x]")
	for t := at.s.t; t != nil; t = t.Base {
		if t.Name == expression {
			return true
		}
	}
	return at.e != nil && strings.TrimSuffix(at.e.f.Path, "[x]") == expression || expression == "Element" && at.e != nil
}
