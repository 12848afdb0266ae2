package rest

import (
	"maps"
	"net/url"
	"slices"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Args are the parameters of an operation as text, wherever they came: those of
// the address, and those of a Parameters resource that are of simple types, or
// references or codings (system|code)
// (operations.html#request).
func (in *Invocation) Args() url.Values {
	if in.Body == nil {
		return in.Query
	}
	out := maps.Clone(in.Query)
	if out == nil {
		out = url.Values{}
	}
	for name := range out {
		out[name] = slices.Clone(out[name])
	}
	for p := range in.Parameters() {
		for member, v := range p.Members() {
			name := p.Get("name").Text()
			switch {
			case member == "valueReference":
				out.Add(name, v.Get("reference").Text())
			case member == "valueCoding":
				out.Add(name, v.Get("system").Text()+"|"+v.Get("code").Text())
			case len(member) > 5 && member[:5] == "value" && v.Kind() != tree.Object && v.Kind() != tree.Array:
				out.Add(name, v.Text())
			}
		}
	}
	return out
}

// Parameters gives the parameters of the Parameters resource that was sent;
// none where something else was.
func (in *Invocation) Parameters() func(yield func(tree.Node) bool) {
	return func(yield func(tree.Node) bool) {
		if in.Body == nil || in.Body.Root().Get("resourceType").Text() != "Parameters" {
			return
		}
		for p := range in.Body.Root().Get("parameter").Items() {
			if !yield(p) {
				return
			}
		}
	}
}

// Parameter is the first of the parameters with a name, the zero Node without
// one.
func (in *Invocation) Parameter(name string) tree.Node {
	for p := range in.Parameters() {
		if p.Get("name").Text() == name {
			return p
		}
	}
	return tree.Node{}
}
