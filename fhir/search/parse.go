package search

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

// maxRaw bounds the text of a query.
const maxRaw = 1 << 20

// Parse reads a query (search.html). It returns what was understood, and an
// issue for everything else: nothing is ignored in silence. Issues that are not
// Unknown have to be refused.
func (e *Engine) Parse(req Request) (*Query, []Issue) {
	p := &parser{e: e, req: req, limits: req.Limits.defaults()}
	p.q = e.Query(req.Types...)
	p.q.now = int64(req.Now)
	if len(req.Raw) > maxRaw {
		p.refuse("", "too-costly", "the query has more than %d bytes", maxRaw)
		return p.q, p.issues
	}
	pairs := p.pairs(req.Raw)
	if len(req.Types) == 0 {
		p.system(pairs)
	}
	for _, x := range pairs {
		if x.value != "" && p.control(x) {
			continue
		}
		p.criterion(x)
	}
	if p.q.Contained == "" {
		p.q.Contained = "false"
	}
	return p.q, p.issues
}

type parser struct {
	e      *Engine
	req    Request
	limits Limits
	q      *Query
	issues []Issue
	values int
	tried  int // conditions
}

// maxTried bounds the conditions of a query, those included that a chain may
// mean for one type of resource or another.
const maxTried = 5_000

// refuse adds an issue that nobody may pass over.
func (p *parser) refuse(param, code, format string, args ...any) {
	p.issues = append(p.issues, Issue{Param: param, Code: code, Msg: fmt.Sprintf(format, args...)})
}

// unknown adds an issue about what a lenient server goes on without.
func (p *parser) unknown(param, format string, args ...any) {
	p.issues = append(p.issues, Issue{Param: param, Code: "not-supported", Msg: fmt.Sprintf(format, args...), Unknown: true})
}

// understood notes a parameter for the self link.
func (p *parser) understood(x pair) { p.q.said = append(p.q.said, x) }

// pairs reads the parameters in their order.
func (p *parser) pairs(raw string) []pair {
	var out []pair
	for text := range strings.SplitSeq(raw, "&") {
		if text == "" {
			continue
		}
		name, value, _ := strings.Cut(text, "=")
		n, err := url.QueryUnescape(name)
		if err == nil {
			value, err = url.QueryUnescape(value)
		}
		if err != nil {
			p.refuse(clip(name), "invalid", "the parameter is not encoded rightly: %v", err)
			continue
		}
		if len(out) >= p.limits.Params {
			p.refuse(clip(n), "too-costly", "a query has at most %d parameters", p.limits.Params)
			break
		}
		out = append(out, pair{n, value})
	}
	return out
}

// system finds the types of a search of the whole system.
func (p *parser) system(pairs []pair) {
	for _, x := range pairs {
		if x.name != "_type" || x.value == "" {
			continue
		}
		for t := range strings.SplitSeq(x.value, ",") {
			if of := p.e.c.Schema.Type(t); of == nil || of.Kind != schema.Resource || of.Abstract {
				p.refuse("_type", "invalid", "%q is no type of resource", clip(t))
			} else if !slices.Contains(p.q.Types, t) {
				p.q.Types = append(p.q.Types, t)
			}
		}
	}
	if len(p.q.Types) == 0 {
		p.q.Types = slices.Clone(p.e.c.Schema.Resources())
	}
}

// criterion reads a parameter that says which resources are wanted.
func (p *parser) criterion(x pair) {
	if x.value == "" {
		p.unknown(x.name, "the parameter has no value; it was not used")
		return
	}
	n := len(p.issues)
	e := p.condition(p.q.Types, x.name, x.value, 0)
	if e == nil || len(p.issues) > n {
		return
	}
	p.q.all(e)
	p.understood(x)
}

// condition reads one parameter as a condition on resources of the types. It
// returns nil where it made an issue.
func (p *parser) condition(types []string, name, value string, depth int) *expr {
	if p.tried++; p.tried > maxTried {
		p.refuse(clip(name), "too-costly", "the chain has too many meanings: name the types that it goes through, as in subject:Patient.name")
		return nil
	}
	switch base, mod, _ := strings.Cut(name, ":"); base {
	case "_has":
		return p.has(types, name, mod, value, depth)
	case "_text", "_content":
		return p.fullText(name, base, mod, value)
	case "_list":
		return p.list(types, name, mod, value)
	case "_filter":
		return p.filter(types, value, depth)
	case "_id":
		if mod == "" || mod == "not" {
			return p.ids(mod, value)
		}
	case "_lastUpdated":
		if mod == "" {
			return p.updated(value)
		}
	case "_query":
		p.refuse(name, "not-supported", "there is no named query %q", clip(value))
		return nil
	}
	if head, rest, ok := strings.Cut(name, "."); ok {
		return p.chain(types, name, head, rest, value, depth)
	}
	return p.plain(types, name, value)
}

// ids reads _id; ids are always compared as they are.
func (p *parser) ids(mod, value string) *expr {
	e := &expr{op: byID, code: "_id"}
	for _, v := range p.list2(value) {
		e.vals = append(e.vals, operand{code: unescape(v)})
	}
	if mod == "not" {
		return &expr{op: not, kids: []*expr{e}}
	}
	return e
}

func (p *parser) updated(value string) *expr {
	e := &expr{op: byUpdated, code: "_lastUpdated"}
	for _, v := range p.list2(value) {
		o, err := p.dateOperand(v)
		if err != nil {
			p.refuse("_lastUpdated", "invalid", "%v", err)
			return nil
		}
		e.vals = append(e.vals, o)
	}
	return e
}

// list2 parts the values of a parameter and counts them.
func (p *parser) list2(value string) []string {
	v := split(value, ',')
	if p.values += len(v); p.values > p.limits.Values {
		p.refuse("", "too-costly", "a query has at most %d values", p.limits.Values)
		return nil
	}
	return v
}
