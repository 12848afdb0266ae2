package search

import (
	"slices"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// A Query is a search that was read and understood. It does not change once it
// was resolved.
type Query struct {
	// Types are the resource types that are searched.
	Types []string
	// Count is how many matches a page is to have, -1 if that was not said. Only
	// says that just the number of matches is wanted (_summary=count, _count=0).
	Count int
	Only  bool
	Sort  []SortKey
	// Total is none, estimate or accurate, "" if that was not said.
	Total string
	// Summary is true, text, data, count or false, "" if that was not said.
	Summary  string
	Elements []string
	Includes []Include
	// Contained is false, true or both; ContainedType container or contained.
	Contained, ContainedType string
	// Cursor says where a page starts, as it was given out before.
	Cursor string
	// Bodies says, of a query that a Finder is asked, that it needs the bodies.
	Bodies bool

	engine *Engine
	where  *expr
	said   []pair // what was understood, for the self link
	now    int64
	tries  sync.Map // type → *wanted
}

// A SortKey is one of the things that matches are sorted by.
type SortKey struct {
	Param string
	Desc  bool
}

// An Include says what else is wanted besides the matches
// (search.html#revinclude).
type Include struct {
	Source  string // type of the resource that refers; "*": any
	Param   string // its parameter; "*": all reference parameters
	Target  string // only this type; "": any
	Reverse bool   // _revinclude: those that refer to the matches
	Iterate bool   // also from what was included
}

type pair struct{ name, value string }

// An op is how an expression is made up.
type op uint8

const (
	always op = iota
	and
	or
	not
	byParam
	byID
	byUpdated
	byChain
	byHas
	byText
	byContent
	byList
	byItself // the resource is the one
)

// An expr is a condition on resources.
type expr struct {
	op   op
	kids []*expr
	of   string // only resources of this type; "": of all
	// Of a parameter:
	kind  Kind
	code  string
	mod   string
	vals  []operand
	links []*link  // of a chain, _has and _list
	text  textTest // of _text and _content
	refs  map[string]bool
	known bool // the links were followed, refs are what they lead to
}

// A link leads to other resources: a chain to those that the parameter refers
// to, _has to those that refer to this one.
type link struct {
	of    string // their type
	param string // of _has: their parameter
	where *expr
}

// An Issue is something in a query that could not be used.
type Issue struct {
	Param string // as it was given
	// Code is a code of issue-type: invalid, not-supported, too-costly.
	Code string
	Msg  string
	// Unknown says that the server does not know the parameter: a lenient one
	// goes on without it. Everything else has to be refused.
	Unknown bool
}

// Limits bound what a query may cost. Zero values mean the defaults.
type Limits struct {
	Params int // parameters: 200
	Values int // values of all parameters together: 2,000
	Chain  int // resources in a row: 5
	Depth  int // of a _filter: 20
	Links  int // resources that a chain may go through: 20,000
	Types  int // resource types that a chain may go through at once: 20
	Codes  int // codes of a value set: 20,000
}

func (l Limits) defaults() Limits {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Params, 200)
	set(&l.Values, 2000)
	set(&l.Chain, 5)
	set(&l.Depth, 20)
	set(&l.Links, 20_000)
	set(&l.Types, 20)
	set(&l.Codes, 20_000)
	return l
}

// Request is a query as it came.
type Request struct {
	// Types are the resource types of the address; none for a search of the
	// whole system, where _type may name some.
	Types []string
	// Raw is the query part of the address, with that of a posted form behind
	// an ampersand.
	Raw string
	// Base is the address of this server as the client knows it, without a slash
	// at the end: references below it are to resources of our own, as are those
	// below Config.Bases.
	Base   string
	Now    vigil.Instant
	Limits Limits
}

// Engine returns the engine that read the query.
func (q *Query) Engine() *Engine { return q.engine }

// all adds a condition.
func (q *Query) all(e *expr) {
	if e == nil {
		return
	}
	if q.where == nil {
		q.where = &expr{op: and}
	}
	q.where.kids = append(q.where.kids, e)
}

// Query makes a query from nothing, for Where and Compartment.
func (e *Engine) Query(types ...string) *Query {
	return &Query{Types: slices.Clone(types), Count: -1, engine: e, where: &expr{op: and}}
}

// ByIDs narrows a query to resources with these ids.
func (q *Query) ByIDs(ids ...string) {
	x := &expr{op: byID, code: "_id"}
	for _, id := range ids {
		x.vals = append(x.vals, operand{code: id})
	}
	q.all(x)
}

// Compartment narrows a query to a compartment, such as Patient/1, or to those
// of several (compartmentdefinition.html). Types that are never in it are left
// out; ok is false when none is left.
func (q *Query) Compartment(name string, ids ...string) (ok bool) {
	vals := make([]operand, len(ids))
	for i, id := range ids {
		vals[i].ref = Ref{Type: name, ID: id}
	}
	any := &expr{op: or}
	var types []string
	for _, t := range q.Types {
		codes := q.engine.c.Schema.Compartment(name, t)
		if t == name && !slices.Contains(codes, "{def}") { // it is in its own compartment
			codes = append([]string{"{def}"}, codes...)
		}
		if len(codes) > 0 {
			types = append(types, t)
		}
		for _, code := range codes {
			if code == "{def}" {
				for _, id := range ids {
					any.kids = append(any.kids, &expr{op: byItself, of: t, code: name + "/" + id})
				}
				continue
			}
			any.kids = append(any.kids, &expr{op: byParam, of: t, code: code, vals: vals})
		}
	}
	q.Types = types
	q.all(any)
	return len(types) > 0
}

// Referring narrows a query to resources that refer to one of the others, by a
// parameter or, if that is "*", by any.
func (q *Query) Referring(param string, to ...Ref) {
	vals := make([]operand, len(to))
	for i, r := range to {
		vals[i].ref = r
	}
	if param != "*" {
		q.all(&expr{op: byParam, code: param, vals: vals})
		return
	}
	any, seen := &expr{op: or}, map[string]bool{}
	for _, t := range q.Types {
		for _, p := range q.engine.Params(t) {
			if kindOf(p.Kind) == Reference && !seen[p.Code] {
				seen[p.Code] = true
				any.kids = append(any.kids, &expr{op: byParam, code: p.Code, vals: vals})
			}
		}
	}
	q.all(any)
}
