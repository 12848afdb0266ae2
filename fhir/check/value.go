package check

import (
	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// equal tells whether a value is exactly the one that a profile fixes
// (ElementDefinition.fixed[x]); the order of members has no meaning.
func equal(want, got tree.Node) bool {
	if want.Kind() != got.Kind() || want.Len() != got.Len() {
		return false
	}
	switch want.Kind() {
	case tree.Object:
		for name, v := range want.Members() {
			if !equal(v, got.Get(name)) {
				return false
			}
		}
		return true
	case tree.Array:
		held := cursor(got)
		i := 0
		for v := range want.Items() {
			if !equal(v, held.items[i]) {
				return false
			}
			i++
		}
		return true
	default:
		return want.Text() == got.Text()
	}
}

// matches tells whether a value has at least what a pattern has
// (ElementDefinition.pattern[x]): each item of an array in the pattern must be
// matched by one of the value.
func matches(want, got tree.Node) bool {
	if want.Kind() != got.Kind() {
		return false
	}
	switch want.Kind() {
	case tree.Object:
		for name, v := range want.Members() {
			if !matches(v, got.Get(name)) {
				return false
			}
		}
		return true
	case tree.Array:
		for v := range want.Items() {
			if !matchesAny(v, got) {
				return false
			}
		}
		return true
	default:
		return want.Text() == got.Text()
	}
}

func matchesAny(want, list tree.Node) bool {
	for v := range list.Items() {
		if matches(want, v) {
			return true
		}
	}
	return false
}

// below and above compare a value with a bound of the same type. What has no
// order, such as dates of different precision that overlap, is neither.
func below(n tree.Node, bound *schema.Value, s *shape) bool {
	return ordered(n, bound, s, "$this < %bound")
}

func above(n tree.Node, bound *schema.Value, s *shape) bool {
	return ordered(n, bound, s, "$this > %bound")
}

func ordered(n tree.Node, bound *schema.Value, s *shape, text string) bool {
	e, err := path.Compile(text)
	if err != nil {
		return false
	}
	ctx := path.Context{Vars: map[string][]path.Item{"bound": {path.Element(nil, s.t, bound.Node, tree.Node{})}}}
	yes, err := e.Bool(&ctx, path.Element(nil, s.t, n, tree.Node{}))
	return err == nil && yes
}
