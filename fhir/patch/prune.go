package patch

import (
	"bytes"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// pruned takes out arrays and objects that a patch left empty: FHIR has none
// (json.html §2.6.2.3), and what held nothing but them goes, too. The root
// stays. Repetitions of primitives keep their places beside each other.
func pruned(doc *tree.Doc) (*tree.Doc, error) {
	clean := true
	for n := range doc.Root().All() {
		if n != doc.Root() && empty(n) {
			clean = false
			break
		}
	}
	if clean {
		return doc, nil
	}
	edit := tree.NewEdit(doc)
	prune(edit, doc.Root())
	return tree.Parse(edit.Bytes())
}

func empty(n tree.Node) bool {
	return n.Len() == 0 && (n.Kind() == tree.Array || n.Kind() == tree.Object)
}

// prune removes what is empty within a value and reports whether nothing is
// left of it.
func prune(edit *tree.Edit, n tree.Node) (gone bool) {
	left := 0
	remove := func(child tree.Node) {
		if prune(edit, child) {
			edit.Remove(child)
		} else {
			left++
		}
	}
	switch n.Kind() {
	case tree.Array:
		for item := range n.Items() {
			remove(item)
		}
	case tree.Object:
		for name, v := range n.Members() {
			base, beside := strings.CutPrefix(name, "_")
			switch {
			case beside:
				left += prunePair(edit, n, base)
			case !n.Get("_" + name).Ok():
				remove(v)
			}
		}
	default:
		return false
	}
	return left == 0
}

// prunePair does it for a primitive element that has something beside its
// values, and returns how many of its two members are left.
func prunePair(edit *tree.Edit, owner tree.Node, name string) (left int) {
	l := list{owner: owner, name: name, many: owner.Get("_"+name).Kind() == tree.Array || owner.Get(name).Kind() == tree.Array}
	l.read()
	changed := false
	for i := range l.items {
		it := &l.items[i]
		if it.extra == nil {
			continue
		}
		if inner, err := tree.Parse(it.extra); err == nil {
			if inner, err = pruned(inner); err == nil && !bytes.Equal(inner.Bytes(), it.extra) {
				it.extra, changed = inner.Bytes(), true
			}
			if err == nil && empty(inner.Root()) {
				it.extra, changed = nil, true
			}
		}
	}
	if changed {
		l.items = slices.DeleteFunc(l.items, func(it item) bool { return it.value == nil && it.extra == nil })
		l.save(edit)
	}
	for _, has := range []func(it item) bool{item.hasValue, item.hasExtra} {
		if slices.ContainsFunc(l.items, has) {
			left++
		}
	}
	return left
}
