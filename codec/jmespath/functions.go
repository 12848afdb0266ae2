package jmespath

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// A function is one that expressions can call.
type function struct {
	name string
	// args says what each argument must be, as letters: n number, s text,
	// b boolean, a array, o object, 0 null, e expression, * anything.
	args  []string
	more  bool // the last may come several times
	items string
	call  func(r *run, args []*jsontree.Value, by *node) *jsontree.Value
}

// count tells what is wrong with a number of arguments.
func (f *function) count(n int) string {
	if n == len(f.args) || f.more && n >= len(f.args) {
		return ""
	}
	return fmt.Sprintf("%s takes %d arguments, not %d", f.name, len(f.args), n)
}

// expects tells whether an argument is an expression.
func (f *function) expects(i int) bool { return f.want(i) == "e" }

// want returns what an argument must be.
func (f *function) want(i int) string { return f.args[min(i, len(f.args)-1)] }

// letter returns the letter of a value's kind.
func kindLetter(v *jsontree.Value) string { return "0bnsao"[v.Kind : v.Kind+1] }

// call evaluates the arguments, looks at what they are, and calls.
func (r *run) call(n *node, v *jsontree.Value) *jsontree.Value {
	f := n.function
	var by *node
	args := make([]*jsontree.Value, 0, len(n.parts))
	for i, part := range n.parts {
		if part.kind == nExpression {
			by = part.left
			continue
		}
		a := r.eval(part, v)
		if w := f.want(i); w != "*" && !strings.Contains(w, kindLetter(a)) {
			fail("argument %d of %s is a %s", i+1, f.name, a.Kind)
		}
		if f.items != "" && a.Kind == jsontree.Array {
			f.checkItems(a)
		}
		args = append(args, a)
	}
	out := f.call(r, args, by)
	r.charge(out)
	return out
}

// charge counts the bytes and values that a function made.
func (r *run) charge(v *jsontree.Value) {
	if r.bytes -= len(v.Text); r.bytes < 0 {
		fail("the result is longer than %d bytes", maxBytes)
	}
	r.count(len(v.Items))
}

// checkItems asks that an array's elements are all of one of the kinds.
func (f *function) checkItems(a *jsontree.Value) {
	for _, item := range a.Items {
		if item.Kind != a.Items[0].Kind || !strings.Contains(f.items, kindLetter(item)) {
			fail("%s: an element is a %s", f.name, item.Kind)
		}
	}
}

// library returns the functions of the specification, and own ones.
func library(own []Function) map[string]*function {
	all := append(append(numbers(), texts()...), collections()...)
	for _, o := range own {
		f := function{name: o.Name, args: slices.Repeat([]string{"*"}, o.Args)}
		f.call = func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			v, err := o.Call(args)
			if err != nil {
				fail("%s: %v", o.Name, err)
			}
			return v
		}
		all = append(all, f)
	}
	out := make(map[string]*function, len(all))
	for i := range all {
		out[all[i].name] = &all[i]
	}
	return out
}

// numbers are the functions of numbers.
func numbers() []function {
	one := func(f func(float64) float64) func(*run, []*jsontree.Value, *node) *jsontree.Value {
		return func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			return jsontree.Float(f(args[0].Float()))
		}
	}
	sum := func(a *jsontree.Value) float64 {
		s := 0.0
		for _, item := range a.Items {
			s += item.Float()
		}
		return s
	}
	return []function{
		{name: "abs", args: []string{"n"}, call: one(math.Abs)},
		{name: "ceil", args: []string{"n"}, call: one(math.Ceil)},
		{name: "floor", args: []string{"n"}, call: one(math.Floor)},
		{name: "sum", args: []string{"a"}, items: "n", call: func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			return jsontree.Float(sum(args[0]))
		}},
		{name: "avg", args: []string{"a"}, items: "n", call: func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			if len(args[0].Items) == 0 {
				return null()
			}
			return jsontree.Float(sum(args[0]) / float64(len(args[0].Items)))
		}},
		{name: "to_number", args: []string{"*"}, call: func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			if args[0].Kind == jsontree.Number {
				return args[0]
			}
			if v, err := jsontree.Parse([]byte(args[0].Text)); args[0].Kind == jsontree.String && err == nil && v.Kind == jsontree.Number {
				return v
			}
			return null()
		}},
	}
}

// texts are the functions of texts.
func texts() []function {
	two := func(f func(a, b string) bool) func(*run, []*jsontree.Value, *node) *jsontree.Value {
		return func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			return jsontree.Truth(f(args[0].Text, args[1].Text))
		}
	}
	return []function{
		{name: "starts_with", args: []string{"s", "s"}, call: two(strings.HasPrefix)},
		{name: "ends_with", args: []string{"s", "s"}, call: two(strings.HasSuffix)},
		{name: "join", args: []string{"s", "a"}, items: "s", call: func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			parts := make([]string, 0, len(args[1].Items))
			for _, item := range args[1].Items {
				parts = append(parts, item.Text)
			}
			return jsontree.Text(strings.Join(parts, args[0].Text))
		}},
		{name: "to_string", args: []string{"*"}, call: func(r *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			if args[0].Kind == jsontree.String {
				return args[0]
			}
			return jsontree.Text(args[0].JSON())
		}},
		{name: "type", args: []string{"*"}, call: func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			return jsontree.Text(args[0].Kind.String())
		}},
	}
}

// collections are the functions of arrays and objects.
func collections() []function {
	return append([]function{
		{name: "contains", args: []string{"as", "*"}, call: contains},
		{name: "length", args: []string{"aos"}, call: func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			if args[0].Kind == jsontree.String {
				return jsontree.Int(int64(utf8.RuneCountInString(args[0].Text)))
			}
			return jsontree.Int(int64(len(args[0].Items)))
		}},
		{name: "keys", args: []string{"o"}, call: func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			out := &jsontree.Value{Kind: jsontree.Array}
			for _, n := range args[0].Names {
				out.Items = append(out.Items, jsontree.Text(n))
			}
			return out
		}},
		{name: "values", args: []string{"o"}, call: func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			return array(args[0].Items)
		}},
		{name: "merge", args: []string{"o"}, more: true, call: merge},
		{name: "not_null", args: []string{"*"}, more: true, call: func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			for _, a := range args {
				if a.Kind != jsontree.Null {
					return a
				}
			}
			return null()
		}},
		{name: "reverse", args: []string{"as"}, call: reverse},
		{name: "to_array", args: []string{"*"}, call: func(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
			if args[0].Kind == jsontree.Array {
				return args[0]
			}
			return array(args)
		}},
		{name: "map", args: []string{"e", "a"}, call: func(r *run, args []*jsontree.Value, by *node) *jsontree.Value {
			out := &jsontree.Value{Kind: jsontree.Array}
			for _, item := range args[0].Items {
				out.Items = append(out.Items, r.eval(by, item))
			}
			return out
		}},
	}, ordered()...)
}

// ordered are the functions that put values in order.
func ordered() []function {
	pick := func(sign int) func(*run, []*jsontree.Value, *node) *jsontree.Value {
		return func(r *run, args []*jsontree.Value, by *node) *jsontree.Value {
			items := args[0].Items
			if len(items) == 0 {
				return null()
			}
			keys := r.keys(items, by)
			best := 0
			for i := range keys {
				if order(keys[i], keys[best])*sign > 0 {
					best = i
				}
			}
			return items[best]
		}
	}
	sorted := func(r *run, args []*jsontree.Value, by *node) *jsontree.Value {
		keys := r.keys(args[0].Items, by)
		at := make([]int, len(keys))
		for i := range at {
			at[i] = i
		}
		slices.SortStableFunc(at, func(a, b int) int { return order(keys[a], keys[b]) })
		out := &jsontree.Value{Kind: jsontree.Array}
		for _, i := range at {
			out.Items = append(out.Items, args[0].Items[i])
		}
		return out
	}
	return []function{
		{name: "max", args: []string{"a"}, items: "ns", call: pick(1)},
		{name: "min", args: []string{"a"}, items: "ns", call: pick(-1)},
		{name: "sort", args: []string{"a"}, items: "ns", call: sorted},
		{name: "max_by", args: []string{"a", "e"}, call: pick(1)},
		{name: "min_by", args: []string{"a", "e"}, call: pick(-1)},
		{name: "sort_by", args: []string{"a", "e"}, call: sorted},
	}
}

// keys returns what elements are ordered by: all numbers or all texts.
func (r *run) keys(items []*jsontree.Value, by *node) []*jsontree.Value {
	out := make([]*jsontree.Value, len(items))
	for i, item := range items {
		out[i] = item
		if by != nil {
			out[i] = r.eval(by, item)
		}
		if k := out[i].Kind; k != jsontree.Number && k != jsontree.String || k != out[0].Kind {
			fail("cannot order by a %s", k)
		}
	}
	return out
}

// order compares two numbers or two texts.
func order(a, b *jsontree.Value) int {
	if a.Kind == jsontree.String {
		return strings.Compare(a.Text, b.Text)
	}
	switch x, y := a.Float(), b.Float(); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// contains looks for an element, or for a text within a text.
func contains(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
	if args[0].Kind == jsontree.String {
		return jsontree.Truth(args[1].Kind == jsontree.String && strings.Contains(args[0].Text, args[1].Text))
	}
	return jsontree.Truth(slices.ContainsFunc(args[0].Items, func(v *jsontree.Value) bool { return jsontree.Equal(v, args[1]) }))
}

// merge puts the members of objects together; later ones win.
func merge(r *run, args []*jsontree.Value, _ *node) *jsontree.Value {
	out := &jsontree.Value{Kind: jsontree.Object}
	at := map[string]int{}
	for _, o := range args {
		for i, n := range o.Names {
			r.count(1)
			if j, ok := at[n]; ok {
				out.Items[j] = o.Items[i]
				continue
			}
			at[n] = len(out.Items)
			out.Names, out.Items = append(out.Names, n), append(out.Items, o.Items[i])
		}
	}
	return out
}

// reverse turns an array or a text round.
func reverse(_ *run, args []*jsontree.Value, _ *node) *jsontree.Value {
	if args[0].Kind == jsontree.String {
		runes := []rune(args[0].Text)
		slices.Reverse(runes)
		return jsontree.Text(string(runes))
	}
	items := slices.Clone(args[0].Items)
	slices.Reverse(items)
	return array(items)
}
