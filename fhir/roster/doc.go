// Package roster keeps patients and devices the same in two places: the
// registry, which ingest asks whose a reading is, and the record, where they are
// FHIR R4 resources with everything that clients wrote into them. It says what
// the registry can hold of a resource, and what a resource becomes when the
// registry knows something else. What the registry has no word for stays in the
// resource byte for byte; what the registry does not know is never taken away.
//
// Both ways agree: what a resource became says of itself what the registry
// holds, so that a change never goes around in circles.
package roster

import (
	"strings"
	"unicode"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// The code systems that identify identifiers (v2-0203) and absent names.
const identifierType = "http://terminology.hl7.org/CodeSystem/v2-0203"

// text is a member of an object that is a string, without spaces around it.
func text(n tree.Node, name string) string {
	v := n.Get(name)
	if v.Kind() != tree.String {
		return ""
	}
	return strings.TrimSpace(v.Text())
}

// coded tells whether a CodeableConcept has a code.
func coded(n tree.Node, c vigil.Code) bool {
	for coding := range n.Get("coding").Items() {
		if text(coding, "system") == c.System && text(coding, "code") == c.Value {
			return true
		}
	}
	return false
}

// clean is a text as it comes back out of a resource (datatypes.html#string).
func clean(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
}

// quoted is a text as JSON.
func quoted(s string) []byte { return tree.AppendString(nil, s) }

// put notes that a member of an object is to say s.
func put(e *tree.Edit, object tree.Node, name, s string) {
	e.Put(object, name, quoted(s))
	drop(e, object, "_"+name) // extensions of what was there say nothing of this
}

// drop notes that a member goes, if it is there.
func drop(e *tree.Edit, object tree.Node, name string) {
	if old := object.Get(name); old.Ok() {
		e.Remove(old)
	}
}

// add notes a new element at the end of a list, which may not be there yet.
func add(e *tree.Edit, object tree.Node, name string, element []byte) {
	if list := object.Get(name); list.Kind() == tree.Array {
		e.Insert(list, list.Len(), element)
		return
	}
	e.Put(object, name, append(append([]byte{'['}, element...), ']'))
}

// first returns the first element of a list that a test lets through.
func first(list tree.Node, test func(tree.Node) bool) tree.Node {
	for n := range list.Items() {
		if n.Kind() == tree.Object && test(n) {
			return n
		}
	}
	return tree.Node{}
}
