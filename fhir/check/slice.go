package check

import (
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A test tells by one discriminator whether a value is in a slice (R4
// profiling.html#discriminator).
type test struct {
	kind   string // value, pattern, exists, type, profile
	steps  []step
	target *demand
}

// A step is one part of a discriminator's path.
type step struct {
	op, arg string // name, resolve, ofType, extension
}

// test compiles a discriminator for a slice. Where the slice says nothing at
// the end of the path, the slice is blind.
func (b *drafter) test(slice *demand, by schema.Discriminator) {
	t := &test{kind: by.Kind, target: slice}
	steps, ok := stepsOf(by.Path)
	if !ok {
		slice.blind = true
		return
	}
	for _, s := range steps {
		if t.target.el.Fixed != nil || t.target.el.Pattern != nil {
			break // what is further in, this says already
		}
		next := b.reach(t.target, s)
		if next == nil {
			if by.Kind == "type" && s.op == "resolve" {
				t.steps = append(t.steps, s)
				slice.tests = append(slice.tests, t)
				return
			}
			slice.blind = true
			return
		}
		t.target = next
		t.steps = append(t.steps, s)
	}
	slice.tests = append(slice.tests, t)
}

// stepsOf reads the path of a discriminator, the restricted FHIRPath of R4
// profiling.html#discriminator.
func stepsOf(text string) ([]step, bool) {
	var out []step
	for text != "" {
		end := strings.IndexAny(text, ".(")
		name := text
		if end >= 0 {
			name = text[:end]
		}
		rest := text[len(name):]
		if strings.HasPrefix(rest, "(") {
			arg, after, ok := strings.Cut(rest[1:], ")")
			if !ok {
				return nil, false
			}
			switch name {
			case "resolve", "ofType", "as", "extension":
			default:
				return nil, false
			}
			if name == "as" {
				name = "ofType"
			}
			out = append(out, step{name, strings.Trim(arg, "'\"` ")})
			rest = after
		} else if name != "$this" {
			out = append(out, step{"name", strings.Trim(name, "`")})
		}
		text = strings.TrimPrefix(rest, ".")
	}
	return out, true
}

// reach goes one step from a demand; nil when the profile says nothing there.
func (b *drafter) reach(d *demand, s step) *demand {
	switch s.op {
	case "name":
		for _, c := range d.children {
			if c.name == s.arg {
				return c
			}
		}
		return b.elsewhere(d, s)
	case "ofType":
		for _, c := range d.slices {
			if len(c.el.Types) == 1 && c.el.Types[0].Code == s.arg {
				return c
			}
		}
		return d
	case "extension":
		for _, c := range d.children {
			if c.name != "extension" {
				continue
			}
			for _, x := range c.slices {
				if x.urlOf() == s.arg {
					return x
				}
			}
		}
	case "resolve":
		for _, t := range d.el.Types {
			if len(t.Targets) == 1 {
				if g := b.c.guideWithin(t.Targets[0], b.made); g != nil {
					return g.root
				}
			}
		}
	}
	return nil
}

// elsewhere looks in the profile of the type of an element.
func (b *drafter) elsewhere(d *demand, s step) *demand {
	for _, t := range d.el.Types {
		for _, url := range t.Profiles {
			if g := b.c.guideWithin(url, b.made); g != nil {
				if next := b.reach(g.root, s); next != nil {
					return next
				}
			}
		}
	}
	return nil
}

// urlOf is the address of the extension that a slice is of.
func (d *demand) urlOf() string {
	for _, c := range d.children {
		if c.name == "url" && c.el.Fixed != nil {
			return c.el.Fixed.Node.Text()
		}
	}
	for _, t := range d.el.Types {
		for _, p := range t.Profiles {
			return version(p)
		}
	}
	return ""
}

// slice divides the values of an element and checks each slice.
func (w *walk) slice(parent *val, list []val, d *demand) {
	rules, ordered := "open", false
	if d.el.Slicing != nil {
		rules, ordered = d.el.Slicing.Rules, d.el.Slicing.Ordered
	}
	groups := make([][]val, len(d.slices))
	last, loose := -1, false
	w.push(d.name)
	for i := range list {
		v := &list[i]
		w.index(v.i)
		k := w.sliceOf(v, d)
		if k < 0 {
			loose = true
			w.unsliced(v, d, rules)
			continue
		}
		if loose && rules == "openAtEnd" {
			w.fail(v.at(), "structure", "slice", "what is in no slice of %s must stand at the end (%s)", d.el.ID, w.by.url)
		}
		if ordered && k < last {
			w.fail(v.at(), "structure", "slice", "the slices of %s must stand in their order (%s)", d.el.ID, w.by.url)
		}
		last = max(last, k)
		groups[k] = append(groups[k], *v)
	}
	w.pop()
	for k, s := range d.slices {
		w.sliced(parent, groups[k], s)
	}
}

// unsliced checks a value that is in no slice.
func (w *walk) unsliced(v *val, d *demand, rules string) {
	if d.rest != nil {
		w.meets(v, d.rest)
		return
	}
	if rules != "closed" {
		return
	}
	for _, s := range d.slices {
		if s.blind {
			return // it may be in that one
		}
	}
	w.fail(v.at(), "structure", "slice", "the value is in none of the slices of %s (%s)", d.el.ID, w.by.url)
}

// sliced checks the values of one slice.
func (w *walk) sliced(parent *val, list []val, s *demand) {
	if s.blind {
		return
	}
	if len(list) < s.el.Min {
		w.fail(parent.at(), "required", "min", "%s must be there at least %s (%s)", s.el.ID, times(s.el.Min), w.by.url)
	}
	if s.el.Max >= 0 && len(list) > s.el.Max {
		w.tooMany(&list[s.el.Max], s)
	}
	w.push(s.name)
	for i := range list {
		w.index(list[i].i)
		w.meets(&list[i], s)
	}
	w.pop()
	if len(s.slices) > 0 {
		w.slice(parent, list, s)
	}
}

// sliceOf finds the slice that a value is in, -1 if none.
func (w *walk) sliceOf(v *val, d *demand) int {
	for k, s := range d.slices {
		if s.blind {
			continue
		}
		in := true
		for _, t := range s.tests {
			if in = w.passes(v, t); !in {
				break
			}
		}
		if in {
			return k
		}
	}
	return -1
}

// passes tells whether a value passes a test.
func (w *walk) passes(v *val, t *test) bool {
	found := []val{*v}
	for i, s := range t.steps {
		if s.op == "resolve" && i == len(t.steps)-1 && t.kind == "type" {
			return w.pointsTo(found, t.target)
		}
		found = w.go1(found, s)
	}
	switch t.kind {
	case "exists":
		if t.target.el.Max == 0 {
			return len(found) == 0
		}
		return len(found) > 0
	case "type":
		for i := range found {
			for _, allowed := range t.target.el.Types {
				if found[i].s.t.Is(allowed.Code) {
					return true
				}
			}
			if len(t.target.el.Types) == 0 && found[i].s.t.Is(t.target.el.Path) {
				return true
			}
		}
	case "profile":
		for i := range found {
			if w.profiled(&found[i], t.target) {
				return true
			}
		}
	default: // value, pattern
		for i := range found {
			if w.quietly(func() { w.meets(&found[i], t.target) }) {
				return true
			}
		}
	}
	return false
}

func (w *walk) profiled(v *val, d *demand) bool {
	if len(d.el.Types) == 0 { // the root of what a reference points to
		return w.quietly(func() { w.meets(v, d) })
	}
	for _, t := range d.el.Types {
		for _, url := range t.Profiles {
			if v.s.t.Is(t.Code) && w.conformsQuietly(v, url) {
				return true
			}
		}
	}
	return false
}

// pointsTo tells whether references point to the types that a slice allows.
func (w *walk) pointsTo(found []val, d *demand) bool {
	for i := range found {
		of := w.typeOfTarget(found[i].n)
		for _, t := range d.el.Types {
			for _, url := range t.Targets {
				if of != "" && w.c.typeOf(url) == of {
					return true
				}
			}
		}
		if d.field == nil && len(d.el.Types) == 0 && of == d.el.Path {
			return true
		}
	}
	return false
}

// go1 goes one step from values.
func (w *walk) go1(from []val, s step) []val {
	var out []val
	for i := range from {
		v := &from[i]
		switch s.op {
		case "name":
			out = append(out, w.values(v.inside(), v.s, &demand{name: s.arg})...)
		case "ofType":
			if v.s.t.Is(s.arg) {
				out = append(out, *v)
			}
		case "extension":
			for _, x := range w.values(v.inside(), v.s, &demand{name: "extension"}) {
				if x.n.Get("url").Text() == s.arg {
					out = append(out, x)
				}
			}
		case "resolve":
			text := v.n.Get("reference").Text()
			if v.n.Kind() == tree.String {
				text = v.n.Text()
			}
			if target := w.resolve(text); target.Ok() {
				if of := w.c.resources[target.Get("resourceType").Text()]; of != nil {
					out = append(out, val{n: target, s: of, i: -1})
				}
			}
		}
	}
	return out
}

func number(n int) string { return strconv.Itoa(n) }
