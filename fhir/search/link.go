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
	targets := p.targets(def, mod, name)
	if len(p.issues) > before {
		return nil
	}
	var why *Issue
	for _, t := range targets {
		sub, issue := p.try(func() *expr { return p.condition([]string{t}, rest, value, depth+1) })
		if sub != nil {
			e.links = append(e.links, &link{of: t, where: sub})
		}
		if why = worse(why, issue); why != nil && why.Code == "too-costly" {
			break
		}
	}
	p.values += 1 + strings.Count(value, ",")
	return p.linked(e, why, name, rest)
}

// linked ends a chain: of the types that it may go through at least one has to
// know the rest.
func (p *parser) linked(e *expr, why *Issue, name, rest string) *expr {
	switch {
	case why != nil && (why.Code == "too-costly" || len(e.links) == 0 && !why.Unknown):
		p.issues = append(p.issues, *why)
		return nil
	case len(e.links) == 0:
		p.unknown(name, "no resource that %s refers to has the parameter %s; it was not used", e.code, clip(rest))
		return nil
	case len(e.links) > p.limits.Types:
		p.refuse(name, "too-costly", "%s refers to many types of resources: name one, as in %s:Patient.%s", e.code, e.code, clip(rest))
		return nil
	}
	return e
}

// worse returns the issue that says more: what is refused comes before what is
// not known, what costs too much before all.
func worse(a, b *Issue) *Issue {
	if a == nil || b != nil && (a.Unknown && !b.Unknown || b.Code == "too-costly") {
		return b
	}
	return a
}

// try reads a condition on one of several types. What is wrong for this type is
// no issue of the query yet, for another type may know it.
func (p *parser) try(read func() *expr) (*expr, *Issue) {
	before, values := len(p.issues), p.values
	e := read()
	p.values = values // the values count once, whatever they may mean
	if len(p.issues) == before {
		return e, nil
	}
	issue := p.issues[before]
	p.issues = p.issues[:before]
	return nil, &issue
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
