package search

import (
	"math"

	"github.com/vigil-iomt/vigil"
)

// maxLines bounds the timelines that are put together for one query.
const maxLines = 64

// timeline returns the timelines that a query for the Observations of a patient
// and a code is about, nil if it is no such query or does not ask for times.
func (p *planner) timeline() *vigil.ResourceSlice {
	q := p.q
	if len(q.Types) != 1 || q.where == nil || q.where.op != and || q.Contained == "true" || q.Contained == "both" {
		return nil
	}
	m := q.engine.model(q.Types[0])
	if m.line == nil {
		return nil
	}
	var subject, code *expr
	s := &vigil.ResourceSlice{From: math.MinInt64, To: math.MaxInt64}
	dated := len(q.Sort) == 1 && q.Sort[0] == SortKey{"date", true}
	for _, k := range q.where.kids {
		if k.op != byParam || k.mod != "" && k.mod != "Patient" {
			continue
		}
		switch k.code {
		case "patient", "subject":
			subject = p.lineable(subject, k)
		case "code":
			if k.mod == "" {
				code = p.lineable(code, k)
			}
		case "date":
			if k.mod == "" {
				narrow(s, k.vals)
				dated = true
			}
		}
	}
	if !dated || subject == nil || code == nil || len(subject.vals)*len(code.vals) > maxLines {
		return nil
	}
	for i := range subject.vals {
		for j := range code.vals {
			s.Lines = append(s.Lines, p.key.line(m.line, subjectOf(subject, i), code.vals[j].code))
		}
	}
	p.skip = subject
	return s
}

// lineable says whether all values of a condition name a timeline; the first
// such condition is taken.
func (p *planner) lineable(have, e *expr) *expr {
	if have != nil {
		return have
	}
	for i := range e.vals {
		o := &e.vals[i]
		if e.code == "code" {
			if o.anyCode || o.code == "" {
				return nil
			}
			continue
		}
		if o.ref.URL != "" || o.ref.Version != "" || subjectOf(e, i) == "" {
			return nil
		}
	}
	return e
}

// subjectOf returns the reference that a value means, "" if it may mean several.
func subjectOf(e *expr, i int) string {
	r := e.vals[i].ref
	if r.Type == "" && (e.code == "patient" || e.mod == "Patient") {
		r.Type = "Patient"
	}
	if r.Type == "" || e.code == "patient" && r.Type != "Patient" {
		return ""
	}
	return r.String()
}

// narrow bounds a slice to the times that one of the values takes. Resources
// are in their timelines at the end of what their time stands for.
func narrow(s *vigil.ResourceSlice, vals []operand) {
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	for i := range vals {
		o := &vals[i]
		a, b := int64(math.MinInt64)+1, int64(math.MaxInt64)
		switch o.prefix {
		case "eq":
			a, b = o.lo, above(o.hi)
		case "gt", "sa":
			a = o.hi
		case "ge":
			a = o.lo
		case "ap":
			a = o.lo
		case "eb":
			b = o.lo
		}
		from, to = min(from, a), max(to, b)
	}
	s.From, s.To = max(s.From, vigil.Instant(from)), min(s.To, vigil.Instant(to))
}

func above(v int64) int64 { return min(v, highest-1) + 1 }

// order says what the store sorts by, and whether that is what was asked for.
func (p *planner) order(lines *vigil.ResourceSlice) (o vigil.ResourceOrder, sorted bool) {
	keys := p.q.Sort
	if len(keys) == 0 {
		return o, true
	}
	if len(keys) > 1 {
		return o, false
	}
	o.Desc = keys[0].Desc
	switch keys[0].Param {
	case "_id":
		o.By = vigil.ByID
		return o, true
	case "_lastUpdated":
		o.By = vigil.ByChange
		return o, true
	case "date":
		if lines != nil && o.Desc {
			o.By, o.Lines = vigil.ByLine, lines.Lines
			return o, true
		}
	}
	if len(p.q.Types) != 1 {
		return vigil.ResourceOrder{}, false
	}
	def := p.q.engine.model(p.q.Types[0]).params[keys[0].Param]
	if def == nil || len(def.uses) != 1 || def.uses[0].bare != def.uses[0].branch || !def.uses[0].ready {
		return vigil.ResourceOrder{}, false
	}
	b := def.uses[0].branch
	switch def.kind {
	case Date:
		o.By, o.Param = vigil.BySpan, b.hash
	case Number, Quantity:
		o.By, o.Param = vigil.BySpan, b.plainSpan
	default:
		return vigil.ResourceOrder{}, false
	}
	return o, true
}

// chain finds resources that refer to one of those that the chain led to, or
// that contain one that it may lead to.
func (p *planner) chain(e *expr) test {
	var t []uint64
	for _, name := range p.q.Types {
		def := p.q.engine.model(name).params[e.code]
		if def == nil {
			continue
		}
		for i := range def.uses {
			if !def.uses[i].bare.ready {
				return test{}
			}
			if len(e.refs)*len(def.uses) > maxTokens {
				return test{}
			}
			for ref := range e.refs {
				t = append(t, p.hash(def.uses[i].bare, byExact, ref, ""))
			}
		}
		for _, l := range e.links {
			t = append(t, p.key.sum([]byte("contains "+name+" "+l.of)))
		}
	}
	return oneOf([]vigil.ResourceTest{{Tokens: t}}, false)
}
