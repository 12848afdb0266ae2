package path

import (
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// ele1 is the invariant of every element (element.html#ele-1). It is evaluated
// more often than all others together, so that it has a short cut, which a test
// proves to be the same.
const ele1 = "hasValue() or (children().count() > id.count())"

// holdsElement is ele-1 for one item: it has a value, or a child beside an id.
func holdsElement(m *machine, this []Item) (tri, error) {
	if len(this) != 1 {
		return none, nil
	}
	i := &this[0]
	if i.hasValue() {
		return yes, nil
	}
	n := i.node
	if i.typ != nil && i.typ.Kind == schema.Primitive {
		n = i.ext
	}
	for name, v := range n.Members() {
		bare := strings.TrimPrefix(name, "_")
		if bare == "id" || name == "resourceType" {
			continue
		}
		if i.typ != nil {
			if f, _ := i.typ.Field(bare); f == nil {
				continue
			}
		}
		switch v.Kind() {
		case tree.Null:
		case tree.Array:
			if !isBare(v) {
				return yes, nil
			}
		default:
			return yes, nil
		}
	}
	return no, nil
}

// isBare tells whether an array has nothing but null.
func isBare(v tree.Node) bool {
	for e := range v.Items() {
		if e.Kind() != tree.Null {
			return false
		}
	}
	return true
}
