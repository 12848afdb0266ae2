package search

import (
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A Plan is what a store has to do for a query.
type Plan struct {
	// Query finds the resources, or more than those; Limit, After and Bodies are
	// the caller's.
	Query vigil.ResourceQuery
	// Check says that it may find more: every resource has to pass Match.
	Check bool
	// Sorted says that the resources come in the order that the query asks for.
	// Else all have to be gathered and sorted by Rank.
	Sorted bool
	// Nothing says that no resource can match: nobody has to be asked.
	Nothing bool
}

// A test is what the index can say about a condition. The zero test says
// nothing: every resource may fit.
type test struct {
	all   []vigil.ResourceTest // all must hold
	never bool                 // nothing can fit
	exact bool                 // what passes fits
}

// maxTokens bounds the tokens of one test.
const maxTokens = 50_000

// Plan says how a store finds what the query asks for. Chains must be resolved.
func (q *Query) Plan() Plan {
	p := planner{q: q, key: &q.engine.c.Key}
	lines := p.timeline()
	t := test{exact: true}
	switch {
	case q.Contained == "true" || q.Contained == "both":
		t = p.contained()
	case q.where != nil:
		t = p.test(q.where)
	}
	out := Plan{Check: !t.exact, Nothing: t.never || len(q.Types) == 0}
	out.Query.Types = q.Types
	if len(q.Types) == len(q.engine.c.Schema.Resources()) || q.Contained == "true" || q.Contained == "both" {
		out.Query.Types = nil
	}
	out.Query.All = t.all
	out.Query.Order, out.Sorted = p.order(lines)
	if lines != nil {
		out.Query.All = append([]vigil.ResourceTest{{Line: lines}}, out.Query.All...)
	}
	return out
}

type planner struct {
	q    *Query
	key  *Key
	skip *expr // a condition that the timeline covers
}

func (p *planner) test(e *expr) test {
	switch e.op {
	case always:
		return test{exact: true}
	case and:
		return p.and(e.kids)
	case or:
		return p.or(e.kids)
	case not:
		return p.not(e.kids[0])
	case byID:
		return p.ids(e)
	case byUpdated:
		return p.updated(e)
	case byParam:
		return p.param(e)
	case byChain:
		return p.chain(e)
	case byHas, byList:
		return p.resources(e)
	case byItself:
		return p.itself(e)
	case byText, byContent: // the index holds no words
	}
	return test{}
}

func (p *planner) and(kids []*expr) test {
	out := test{exact: true}
	for _, k := range kids {
		if k == p.skip {
			continue
		}
		t := p.test(k)
		if t.never {
			return test{never: true, exact: true}
		}
		out.all = append(out.all, t.all...)
		out.exact = out.exact && t.exact
	}
	return out
}

func (p *planner) or(kids []*expr) test {
	out := test{exact: true}
	var any []vigil.ResourceTest
	for _, k := range kids {
		t := p.test(k)
		if t.never {
			continue
		}
		if len(t.all) == 0 { // everything may fit
			return test{exact: t.exact && out.exact}
		}
		any = append(any, every(t.all))
		out.exact = out.exact && t.exact
	}
	return oneOf(any, out.exact)
}

// not turns a test around; only one that is exact can be.
func (p *planner) not(e *expr) test {
	t := p.test(e)
	switch {
	case t.never:
		return test{exact: true}
	case !t.exact:
		return test{}
	case len(t.all) == 0:
		return test{never: true, exact: true}
	}
	x := every(t.all)
	x.Not = !x.Not
	return test{all: []vigil.ResourceTest{x}, exact: true}
}

// every makes one test of several.
func every(all []vigil.ResourceTest) vigil.ResourceTest {
	if len(all) == 1 {
		return all[0]
	}
	return vigil.ResourceTest{Every: all}
}

// oneOf makes one test of alternatives; tokens and ids are put together.
func oneOf(any []vigil.ResourceTest, exact bool) test {
	var tokens []uint64
	var ids []string
	var out []vigil.ResourceTest
	for _, t := range any {
		switch {
		case t.Not:
			out = append(out, t)
		case len(t.Tokens) > 0:
			tokens = append(tokens, t.Tokens...)
		case len(t.IDs) > 0:
			ids = append(ids, t.IDs...)
		case len(t.Any) > 0:
			out = append(out, t.Any...)
		default:
			out = append(out, t)
		}
	}
	if len(tokens) > maxTokens {
		return test{}
	}
	if len(tokens) > 0 {
		slices.Sort(tokens)
		out = append(out, vigil.ResourceTest{Tokens: slices.Compact(tokens)})
	}
	if len(ids) > 0 {
		slices.Sort(ids)
		out = append(out, vigil.ResourceTest{IDs: slices.Compact(ids)})
	}
	switch len(out) {
	case 0:
		return test{never: true, exact: true}
	case 1:
		return test{all: out, exact: exact}
	}
	return test{all: []vigil.ResourceTest{{Any: out}}, exact: exact}
}

func (p *planner) ids(e *expr) test {
	t := vigil.ResourceTest{}
	for i := range e.vals {
		t.IDs = append(t.IDs, e.vals[i].code)
	}
	return oneOf([]vigil.ResourceTest{t}, true)
}

// itself is exact by id and type; the id alone finds more when several types
// are searched.
func (p *planner) itself(e *expr) test {
	_, id, _ := cutRef(e.code)
	return test{all: []vigil.ResourceTest{{IDs: []string{id}}}, exact: len(p.q.Types) == 1}
}

func (p *planner) updated(e *expr) test {
	var any []vigil.ResourceTest
	for i := range e.vals {
		any = append(any, ranges(vigil.ChangedParam, e.vals[i].prefix, e.vals[i].lo, e.vals[i].hi)...)
	}
	return oneOf(any, true)
}

// resources finds those that _has or _list led to.
func (p *planner) resources(e *expr) test {
	var ids []string
	for ref := range e.refs {
		if t, id, ok := cutRef(ref); ok && slices.Contains(p.q.Types, t) {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return test{never: true, exact: true}
	}
	slices.Sort(ids)
	return test{all: []vigil.ResourceTest{{IDs: slices.Compact(ids)}}, exact: len(p.q.Types) == 1}
}

// contained finds resources that contain one of the types that are searched.
func (p *planner) contained() test {
	if p.q.Contained == "both" {
		return test{}
	}
	var tokens []uint64
	for _, holder := range p.q.engine.c.Schema.Resources() {
		for _, t := range p.q.Types {
			tokens = append(tokens, p.key.sum([]byte("contains "+holder+" "+t)))
		}
	}
	return oneOf([]vigil.ResourceTest{{Tokens: tokens}}, false)
}
