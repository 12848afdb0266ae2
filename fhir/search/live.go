package search

import (
	"fmt"
	"slices"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Live reads a SearchParameter resource, so that resources can be searched by it
// (searchparameter.html). One that is a draft or retired is read, too: whether
// it is used is for the caller to say.
func Live(root tree.Node) (*schema.Param, error) {
	if t := root.Get("resourceType").Text(); t != "SearchParameter" {
		return nil, fmt.Errorf("a %q is no SearchParameter", clip(t))
	}
	p := &schema.Param{
		Code: root.Get("code").Text(), URL: root.Get("url").Text(), Name: root.Get("name").Text(),
		Kind: root.Get("type").Text(), Expression: root.Get("expression").Text(),
		Usage: root.Get("xpathUsage").Text(),
	}
	texts := func(name string) (out []string) {
		for n := range root.Get(name).Items() {
			out = append(out, n.Text())
		}
		return out
	}
	p.Bases, p.Targets = texts("base"), texts("target")
	p.Comparators, p.Modifiers = texts("comparator"), texts("modifier")
	for c := range root.Get("component").Items() {
		p.Components = append(p.Components, schema.Component{Definition: c.Get("definition").Text(), Expression: c.Get("expression").Text()})
	}
	if p.URL == "" {
		return nil, fmt.Errorf("a SearchParameter has a url")
	}
	return p, nil
}

// Searchable says what clients can search by: the parameters of a type that the
// engine can evaluate, sorted by code.
func (e *Engine) Searchable(resource string) []*schema.Param {
	m := e.model(resource)
	if m == nil {
		return nil
	}
	var out []*schema.Param
	for _, p := range m.list {
		if len(p.uses) > 0 || len(p.places) > 0 || slices.Contains([]string{"_text", "_content"}, p.Code) {
			out = append(out, p.Param)
		}
	}
	return out
}
