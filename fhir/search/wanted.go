package search

import (
	"sync"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// wanted is what a query wants to know of a resource type.
type wanted struct {
	once  sync.Once
	m     *model
	trie  trie
	exprs []*branch
	seen  map[int]bool
}

// Extract finds the values of a resource that the query needs, for MatchValues
// and Rank.
func (q *Query) Extract(root tree.Node) *Values {
	v := &Values{}
	q.ExtractInto(v, root)
	return v
}

// ExtractInto is Extract into memory that is used again.
func (q *Query) ExtractInto(v *Values, root tree.Node) {
	m := q.engine.model(root.Get("resourceType").Text())
	q.engine.begin(v, m, root)
	if m == nil {
		return
	}
	w := q.wantedOf(m)
	r := reader{e: q.engine, root: root, all: v.all}
	w.trie.walk(root, r.found)
	r.expressions(w.exprs, root)
	v.all = r.all
}

// wantedOf returns what the query wants to know, made once for each type.
func (q *Query) wantedOf(m *model) *wanted {
	got, ok := q.tries.Load(m.name)
	if !ok {
		got, _ = q.tries.LoadOrStore(m.name, &wanted{})
	}
	w := got.(*wanted)
	w.once.Do(func() {
		w.m, w.seen = m, map[int]bool{}
		w.expr(q.where)
		for _, s := range q.Sort {
			w.param(m.params[s.Param])
		}
	})
	return w
}

func (w *wanted) expr(e *expr) {
	if e == nil || e.of != "" && e.of != w.m.name {
		return
	}
	for _, k := range e.kids {
		w.expr(k)
	}
	if e.op == byParam || e.op == byChain {
		w.param(w.m.params[e.code])
	}
}

func (w *wanted) param(p *param) {
	if p == nil {
		return
	}
	for _, u := range p.uses {
		if w.seen[u.id] {
			continue
		}
		w.seen[u.id] = true
		if u.expr != nil {
			w.exprs = append(w.exprs, u.branch)
			continue
		}
		w.trie.add(w.m.of, &u.way, u.branch)
	}
}
