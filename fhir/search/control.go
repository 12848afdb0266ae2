package search

import (
	"slices"
	"strconv"
	"strings"
)

// control reads the parameters that shape the answer; it returns false for
// those that say which resources are wanted.
func (p *parser) control(x pair) bool {
	base, mod, _ := strings.Cut(x.name, ":")
	n := len(p.issues)
	switch base {
	case "_format", "_pretty":
		return true
	case "_cursor":
		p.q.Cursor = x.value
		return true
	case "_type":
		if len(p.req.Types) > 0 {
			return false
		}
	case "_count":
		p.count(x)
	case "_sort":
		p.sort(x)
		return true
	case "_include", "_revinclude":
		p.include(x, base == "_revinclude", mod)
	case "_summary":
		p.one(x, &p.q.Summary, "true", "text", "data", "count", "false")
		p.q.Only = p.q.Only || p.q.Summary == "count"
	case "_total":
		p.one(x, &p.q.Total, "none", "estimate", "accurate")
	case "_elements":
		p.elements(x)
	case "_contained":
		p.one(x, &p.q.Contained, "false", "true", "both")
	case "_containedType":
		p.one(x, &p.q.ContainedType, "container", "contained")
	default:
		return false
	}
	if mod != "" && base != "_include" && base != "_revinclude" {
		p.refuse(x.name, "not-supported", "the modifier :%s is not supported for %s", clip(mod), base)
	}
	if len(p.issues) == n {
		p.understood(x)
	}
	return true
}

func (p *parser) count(x pair) {
	n, err := strconv.ParseUint(x.value, 10, 63)
	if err != nil && !strings.Contains(err.Error(), "out of range") {
		p.refuse(x.name, "invalid", "_count is a number of matches, 0 or more")
		return
	}
	p.q.Count = int(min(n, 1<<30))
	p.q.Only = p.q.Only || n == 0
}

// one reads a parameter that is one of some words.
func (p *parser) one(x pair, to *string, words ...string) {
	if !slices.Contains(words, x.value) {
		p.refuse(x.name, "invalid", "%s is one of %s", x.name, strings.Join(words, ", "))
		return
	}
	*to = x.value
}

func (p *parser) elements(x pair) {
	for e := range strings.SplitSeq(x.value, ",") {
		if e = strings.TrimSpace(e); e != "" && !slices.Contains(p.q.Elements, e) {
			p.q.Elements = append(p.q.Elements, e)
		}
	}
}

// maxSort bounds the keys of a sort.
const maxSort = 10

// sort reads _sort; keys that cannot be used are left out.
func (p *parser) sort(x pair) {
	var kept []string
	for key := range strings.SplitSeq(x.value, ",") {
		code, desc := strings.CutPrefix(key, "-")
		if !p.sortable(code) || len(p.q.Sort) >= maxSort {
			p.unknown("_sort", "the matches cannot be sorted by %q; it was not used", clip(code))
			continue
		}
		p.q.Sort = append(p.q.Sort, SortKey{code, desc})
		kept = append(kept, key)
	}
	if len(kept) > 0 {
		p.understood(pair{x.name, strings.Join(kept, ",")})
	}
}

func (p *parser) sortable(code string) bool {
	for _, t := range p.q.Types {
		m := p.e.model(t)
		if m == nil || m.params[code] == nil || len(m.params[code].uses) == 0 || m.params[code].kind == Special {
			return false
		}
	}
	return true
}

// include reads _include and _revinclude: Type:parameter, Type:parameter:Target,
// Type:* or *.
func (p *parser) include(x pair, reverse bool, mod string) {
	if mod != "" && mod != "iterate" && mod != "recurse" {
		p.refuse(x.name, "not-supported", "the modifier :%s is not supported here", clip(mod))
		return
	}
	for v := range strings.SplitSeq(x.value, ",") {
		i := Include{Reverse: reverse, Iterate: mod != ""}
		parts := strings.Split(v, ":")
		switch {
		case v == "*":
			i.Source, i.Param = "*", "*"
		case len(parts) == 2 || len(parts) == 3:
			i.Source, i.Param = parts[0], parts[1]
			if len(parts) == 3 {
				i.Target = parts[2]
			}
		default:
			p.refuse(x.name, "invalid", "%q is no Type:parameter", clip(v))
			return
		}
		if !p.includable(x, i) {
			return
		}
		p.q.Includes = append(p.q.Includes, i)
	}
}

func (p *parser) includable(x pair, i Include) bool {
	if i.Target != "" && !p.e.isType(i.Target) {
		p.refuse(x.name, "invalid", "%q is no type of resource", clip(i.Target))
		return false
	}
	if i.Source == "*" {
		return true
	}
	m := p.e.model(i.Source)
	if m == nil {
		p.refuse(x.name, "invalid", "%q is no type of resource", clip(i.Source))
		return false
	}
	if i.Param != "*" && (m.params[i.Param] == nil || m.params[i.Param].kind != Reference) {
		p.unknown(x.name, "%s has no reference parameter %q; nothing was included by it", i.Source, clip(i.Param))
		return false
	}
	return true
}
