package search

import (
	"maps"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// A Clause is a condition of a query, for sources that find resources by other
// means than the keys of an index.
type Clause struct {
	Kind ClauseKind
	Kids []Clause // of All, Any and None
	// Of Param:
	Code, Modifier string
	Operands       []Operand // one of them has to fit; of IDs: Code is the id
}

// A ClauseKind says how a clause is made up.
type ClauseKind uint8

// The kinds of clause.
const (
	Everything ClauseKind = iota // holds always
	Nothing                      // holds never
	All                          // all kids have to hold
	Any                          // one kid has to hold
	None                         // its kid must not hold
	Param                        // a parameter has a value
	IDs                          // the resource has one of these ids
	Updated                      // meta.lastUpdated lies like this
	Other                        // only Match can say
)

// An Operand is one value of a parameter as the query has it.
type Operand struct {
	Prefix string // of dates: eq, ne, gt, lt, ge, le, sa, eb, ap
	// System and Code are the parts of a token. AnySystem says that there was no
	// bar, AnyCode that there was nothing behind it.
	System, Code       string
	AnySystem, AnyCode bool
	Ref                Ref
	// From and To are the first and the last microsecond that a date stands for.
	From, To vigil.Instant
}

// Clause returns what the query says of resources of one type.
func (q *Query) Clause(typ string) Clause {
	if !slices.Contains(q.Types, typ) {
		return Clause{Kind: Nothing}
	}
	if q.Contained == "true" || q.Contained == "both" {
		return Clause{Kind: Other}
	}
	return clause(q.where, typ)
}

func clause(e *expr, typ string) Clause {
	switch {
	case e == nil:
		return Clause{}
	case e.of != "" && e.of != typ:
		return Clause{Kind: Nothing}
	}
	switch e.op {
	case always:
		return Clause{}
	case and, or, not:
		c := Clause{Kind: map[op]ClauseKind{and: All, or: Any, not: None}[e.op]}
		for _, k := range e.kids {
			c.Kids = append(c.Kids, clause(k, typ))
		}
		return c
	case byParam:
		return Clause{Kind: Param, Code: e.code, Modifier: e.mod, Operands: operands(e.vals)}
	case byID:
		return Clause{Kind: IDs, Operands: operands(e.vals)}
	case byUpdated:
		return Clause{Kind: Updated, Operands: operands(e.vals)}
	case byItself:
		_, id, _ := strings.Cut(e.code, "/")
		return Clause{Kind: IDs, Operands: []Operand{{Code: id}}}
	case byChain:
		if e.known {
			// A chain to a contained resource is not of this kind: no source has
			// one.
			return Clause{Kind: Param, Code: e.code, Operands: toRefs(e.refs)}
		}
	case byHas, byList:
		if e.known {
			c := Clause{Kind: IDs}
			for _, r := range toRefs(e.refs) {
				if r.Ref.Type == typ {
					c.Operands = append(c.Operands, Operand{Code: r.Ref.ID})
				}
			}
			return c
		}
	case byText, byContent:
	}
	return Clause{Kind: Other}
}

func operands(vals []operand) []Operand {
	out := make([]Operand, len(vals))
	for i := range vals {
		v := &vals[i]
		out[i] = Operand{
			Prefix: v.prefix, System: v.system, Code: v.code, AnySystem: v.anySystem, AnyCode: v.anyCode, Ref: v.ref,
			From: vigil.Instant(v.lo), To: vigil.Instant(v.hi),
		}
	}
	return out
}

// toRefs turns what links lead to into references.
func toRefs(refs map[string]bool) []Operand {
	var out []Operand
	for _, text := range slices.Sorted(maps.Keys(refs)) {
		if typ, id, ok := strings.Cut(text, "/"); ok && refs[text] {
			out = append(out, Operand{Ref: Ref{Type: typ, ID: id}})
		}
	}
	return out
}
