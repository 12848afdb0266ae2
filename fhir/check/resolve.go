package check

import (
	"fmt"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// resolve finds what a reference points to: contained, in the same Bundle, or
// what the resolver knows (R4 bundle.html#references).
func (w *walk) resolve(reference string) tree.Node {
	if fragment, ok := strings.CutPrefix(reference, "#"); ok {
		if fragment == "" {
			return w.root
		}
		return w.containedIn(fragment)
	}
	if w.bundled == nil {
		w.bundled = entriesOf(w.doc)
	}
	if n, ok := w.bundled[reference]; ok {
		return n
	}
	if w.o.Resolver != nil && reference != "" {
		if doc := w.o.Resolver(reference); doc != nil {
			return doc.Root()
		}
	}
	return tree.Node{}
}

// entriesOf finds the resources of a Bundle by what references may call them:
// their fullUrl, and Type/id.
func entriesOf(doc tree.Node) map[string]tree.Node {
	out := map[string]tree.Node{}
	if doc.Get("resourceType").Text() != "Bundle" {
		return out
	}
	for entry := range doc.Get("entry").Items() {
		r := entry.Get("resource")
		if !r.Ok() {
			continue
		}
		if url := entry.Get("fullUrl").Text(); url != "" {
			out[url] = r
		}
		if id := r.Get("id").Text(); id != "" {
			out[r.Get("resourceType").Text()+"/"+id] = r
		}
	}
	return out
}

// typeOfTarget tells the type of what a Reference points to, "" when nobody
// knows.
func (w *walk) typeOfTarget(n tree.Node) string {
	text := n.Get("reference").Text()
	if target := w.resolve(text); target.Ok() {
		return target.Get("resourceType").Text()
	}
	if r, ok := ParseReference(text); ok && r.Type != "" && w.c.resources[r.Type] != nil {
		return r.Type
	}
	return n.Get("type").Text()
}

// typeOf is the type that a profile is of, "" when it is not known.
func (c *Checker) typeOf(profile string) string {
	if name, ok := strings.CutPrefix(profile, "http://hl7.org/fhir/StructureDefinition/"); ok && c.set.Type(name) != nil {
		return name
	}
	if p := c.set.Profile(profile); p != nil {
		return p.Type
	}
	return ""
}

// points2 checks what a reference points to against the targets of a profile:
// its type always, its own profile where the target is at hand.
func (w *walk) points2(v *val, t *schema.ElementType, d *demand) {
	text := v.n.Get("reference").Text()
	target := w.resolve(text)
	of := w.typeOfTarget(v.n)
	if of == "" {
		return
	}
	var fitting []string
	for _, url := range t.Targets {
		switch have := w.c.typeOf(url); have {
		case of, "Resource", "": // "" is a profile that nobody knows
			fitting = append(fitting, url)
		}
	}
	if len(fitting) == 0 {
		w.fail(v.at(), "value", "target", "%s must not point to a %s (%s)", d.el.ID, short([]byte(of)), w.by.url)
		return
	}
	w.aggregated(v, t, d, text)
	if !target.Ok() || w.away {
		return
	}
	s := w.c.resources[of]
	if s == nil {
		return
	}
	// A target is looked at for itself, and what it points to is not: else a
	// ring of references would never end.
	w.away = true
	resource, root := w.enter(target, s), w.context.Root
	if !strings.HasPrefix(text, "#") {
		w.context.Root = w.context.Resource
	}
	defer func() { w.away, w.context.Resource, w.context.Root = false, resource, root }()
	for _, url := range fitting {
		if w.conformsQuietly(&val{n: target, s: s, i: -1}, url) {
			return
		}
	}
	w.fail(v.at(), "value", "target", "what %s points to follows none of %s (%s)", d.el.ID, strings.Join(fitting, ", "), w.by.url)
}

// aggregated checks ElementDefinition.type.aggregation: how a reference may
// point.
func (w *walk) aggregated(v *val, t *schema.ElementType, d *demand, text string) {
	if len(t.Aggregation) == 0 || text == "" {
		return
	}
	how := "referenced"
	if strings.HasPrefix(text, "#") {
		how = "contained"
	} else if _, ok := w.bundled[text]; ok {
		how = "bundled"
	}
	for _, a := range t.Aggregation {
		if a == how || a == "referenced" && how == "bundled" {
			return
		}
	}
	w.fail(v.at(), "value", "aggregation", "%s must be %s, not %s (%s)", d.el.ID, strings.Join(t.Aggregation, " or "), how, w.by.url)
}

// conformsTo is the function of FHIRPath.
func (w *walk) conformsTo(item path.Item, profile string) (bool, error) {
	g := w.c.guide(profile)
	if g == nil || item.Type() == nil || w.nesting > maxNesting/2 {
		return false, fmt.Errorf("the profile %s is not known", short([]byte(profile)))
	}
	s := w.c.shapes[item.Type()]
	if s == nil {
		return false, fmt.Errorf("the type %s is not known", item.Type().Name)
	}
	return w.conformsQuietly(&val{n: item.Node(), s: s, i: -1}, profile), nil
}
