package search

import (
	"slices"
	"strings"
)

// chain reads a parameter of a resource that is referred to
// (search.html#chaining): subject:Patient.name, subject.organization.name.
func (p *parser) chain(types []string, name, head, rest, value string, depth int) *expr {
	if depth+1 > p.limits.Chain {
		p.refuse(clip(name), "too-costly", "a chain goes through at most %d resources", p.limits.Chain)
		return nil
	}
	code, mod, _ := strings.Cut(head, ":")
	def := p.find(types, name, code)
	if def == nil {
		return nil
	}
	if def.kind != Reference {
		p.refuse(name, "invalid", "%s is no reference: a chain cannot go through it", code)
		return nil
	}
	e := &expr{op: byChain, code: code, vals: []operand{{code: value}}}
	before := len(p.issues)
	for _, t := range p.targets(def, mod, name) {
		if sub := p.try(t, rest, value, depth+1); sub != nil {
			e.links = append(e.links, &link{of: t, where: sub})
		}
		if len(p.issues) > before {
			break
		}
	}
	switch {
	case len(p.issues) > before:
		return nil
	case len(e.links) == 0:
		p.unknown(name, "no resource that %s refers to has the parameter %s; it was not used", code, clip(rest))
		return nil
	case len(e.links) > p.limits.Types:
		p.refuse(name, "too-costly", "%s refers to many types of resources: name one, as in %s:Patient.%s", code, code, clip(rest))
		return nil
	}
	return e
}

// targets are the types that a chain may go to.
func (p *parser) targets(def *param, mod, name string) []string {
	if mod != "" {
		if !p.e.isType(mod) || !p.mayModify(def, mod) {
			p.refuse(name, "invalid", "%s does not refer to a %s", def.Code, clip(mod))
			return nil
		}
		return []string{mod}
	}
	var out []string
	for _, u := range def.uses {
		if u.target != "" {
			out = append(out, u.target)
		}
	}
	if len(out) > 0 {
		slices.Sort(out)
		return slices.Compact(out)
	}
	if len(def.Targets) == 0 || slices.Contains(def.Targets, "Resource") {
		return p.e.c.Schema.Resources()
	}
	return def.Targets
}

// try reads a condition on another type; that this type does not know a
// parameter is no issue, for another type may.
func (p *parser) try(of, name, value string, depth int) *expr {
	before, values := len(p.issues), p.values
	e := p.condition([]string{of}, name, value, depth)
	for _, i := range p.issues[before:] {
		if !i.Unknown {
			return nil
		}
	}
	if e == nil {
		p.issues, p.values = p.issues[:before], values
	}
	return e
}

// has reads a condition on resources that refer to this one
// (search.html#has): _has:Observation:patient:code.
func (p *parser) has(types []string, name, mod, value string, depth int) *expr {
	if depth+1 > p.limits.Chain {
		p.refuse(clip(name), "too-costly", "a chain goes through at most %d resources", p.limits.Chain)
		return nil
	}
	parts := strings.SplitN(mod, ":", 3)
	if len(parts) != 3 {
		p.refuse(name, "invalid", "_has is _has:Type:reference:parameter")
		return nil
	}
	of, code, rest := parts[0], parts[1], parts[2]
	m := p.e.model(of)
	if m == nil {
		p.refuse(name, "invalid", "there is no type of resource %q", clip(of))
		return nil
	}
	def := m.params[code]
	if def == nil || def.kind != Reference {
		p.unknown(name, "%s has no reference parameter %q; it was not used", of, clip(code))
		return nil
	}
	n := len(p.issues)
	where := p.condition([]string{of}, rest, value, depth+1)
	if where == nil || len(p.issues) > n {
		return nil
	}
	return &expr{op: byHas, code: code, links: []*link{{of: of, param: code, where: where}}}
}

// list reads _list: the resources that a List names.
func (p *parser) list(types []string, name, mod, value string) *expr {
	if mod != "" || strings.HasPrefix(value, "$") {
		p.refuse(name, "not-supported", "_list is the id of a List")
		return nil
	}
	e := &expr{op: byList}
	where := &expr{op: byID, code: "_id"}
	for _, v := range p.list2(value) {
		where.vals = append(where.vals, operand{code: strings.TrimPrefix(unescape(v), "List/")})
	}
	e.links = []*link{{of: "List", param: "item", where: where}}
	return e
}
