package search

import (
	"slices"
	"strings"
)

// find returns the parameter of all the types, nil after it made an issue. A
// parameter of a search over several types has to be known to each of them.
func (p *parser) find(types []string, name, code string) *param {
	var found *param
	for _, t := range types {
		m := p.e.model(t)
		if m == nil {
			p.refuse(name, "invalid", "there is no type of resource %q", clip(t))
			return nil
		}
		def := m.params[code]
		switch {
		case def == nil || def.kind != Composite && len(def.uses) == 0:
			p.unknown(name, "the parameter %s is not known for %s; it was not used", clip(code), t)
			return nil
		case found != nil && found.kind != def.kind:
			p.unknown(name, "the parameter %s is not the same for all types that are searched; it was not used", clip(code))
			return nil
		}
		found = def
	}
	return found
}

// plain reads a parameter without a chain.
func (p *parser) plain(types []string, name, value string) *expr {
	code, mod, _ := strings.Cut(name, ":")
	def := p.find(types, name, code)
	if def == nil {
		return nil
	}
	if !p.mayModify(def, mod) {
		p.refuse(name, "not-supported", "the modifier :%s is not supported for the %s parameter %s", clip(mod), def.kind, code)
		return nil
	}
	e := &expr{op: byParam, kind: def.kind, code: code, mod: mod}
	for _, v := range p.list2(value) {
		o, err := p.operand(def, mod, v)
		if err != nil {
			p.refuse(name, "invalid", "%v", err)
			return nil
		}
		e.vals = append(e.vals, o)
	}
	if len(e.vals) == 0 {
		return nil
	}
	switch mod {
	case "not", "not-in":
		e.mod = strings.TrimPrefix(strings.TrimPrefix(mod, "not"), "-")
		return &expr{op: not, kids: []*expr{e}}
	}
	return e
}

// mayModify says whether a modifier means something (search.html#modifiers).
func (p *parser) mayModify(def *param, mod string) bool {
	switch mod {
	case "", "missing":
		return true
	case "exact", "contains":
		return def.kind == String
	case "text":
		return def.kind == String || def.kind == Token
	case "in", "not-in", "of-type":
		return def.kind == Token
	case "not":
		return def.kind == Token || def.kind == Reference
	case "above", "below":
		return def.kind == Token || def.kind == URI || def.kind == Reference && (p.e.addresses(def) || p.e.hierarchic(def))
	case "identifier":
		return def.kind == Reference
	}
	return def.kind == Reference && p.e.isType(mod) && (len(def.Targets) == 0 || slices.Contains(def.Targets, mod) || slices.Contains(def.Targets, "Resource"))
}

// addresses says whether values of a reference parameter are canonical
// addresses.
func (e *Engine) addresses(def *param) bool {
	for _, u := range def.uses {
		for _, end := range u.ends {
			if end.form == asCanonical {
				return true
			}
		}
	}
	return false
}
