package jmespath

import (
	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// A run is one evaluation: how many values and bytes it may still make.
type run struct {
	values, bytes int
}

// count charges for values that are made.
func (r *run) count(n int) {
	if r.values -= n; r.values < 0 {
		fail("the result has more than %d values", maxValues)
	}
}

// null is what is not there.
func null() *jsontree.Value { return &jsontree.Value{} }

// array makes an array.
func array(items []*jsontree.Value) *jsontree.Value {
	return &jsontree.Value{Kind: jsontree.Array, Items: items}
}

// truthy tells whether a value counts as true: not false, null, "", [] or {}.
func truthy(v *jsontree.Value) bool {
	switch v.Kind {
	case jsontree.Null:
		return false
	case jsontree.Bool:
		return v.True
	case jsontree.String:
		return v.Text != ""
	case jsontree.Array, jsontree.Object:
		return len(v.Items) > 0
	case jsontree.Number:
	}
	return true
}

// eval evaluates a node.
func (r *run) eval(n *node, v *jsontree.Value) *jsontree.Value {
	r.count(1)
	switch n.kind {
	case nCurrent, nExpression:
		return v
	case nField:
		if m := v.Get(n.name); m != nil {
			return m
		}
		return null()
	case nLiteral:
		return n.value
	case nSub, nPipe:
		return r.eval(n.right, r.eval(n.left, v))
	case nIndex:
		return element(v, n.index)
	case nSlice:
		return r.slice(n.bounds, v)
	case nProject, nValues, nFilter:
		return r.project(n, v)
	case nFlatten:
		return r.flatten(r.eval(n.left, v))
	case nList, nHash:
		return r.multi(n, v)
	case nOr:
		if left := r.eval(n.left, v); truthy(left) {
			return left
		}
		return r.eval(n.right, v)
	case nAnd:
		if left := r.eval(n.left, v); !truthy(left) {
			return left
		}
		return r.eval(n.right, v)
	case nNot:
		return jsontree.Truth(!truthy(r.eval(n.left, v)))
	case nCompare:
		return compare(n.name, r.eval(n.left, v), r.eval(n.right, v))
	case nCall:
		return r.call(n, v)
	}
	return null()
}

// element returns an element, from the end when the index is below zero.
func element(v *jsontree.Value, i int) *jsontree.Value {
	if v.Kind != jsontree.Array {
		return null()
	}
	if i < 0 {
		i += len(v.Items)
	}
	if i < 0 || i >= len(v.Items) {
		return null()
	}
	return v.Items[i]
}

// slice cuts an array as Python does.
func (r *run) slice(bounds [3]*int, v *jsontree.Value) *jsontree.Value {
	if v.Kind != jsontree.Array {
		return null()
	}
	n, by := len(v.Items), 1
	if bounds[2] != nil {
		by = *bounds[2]
	}
	low, high := 0, n
	if by < 0 {
		low, high = -1, n-1
	}
	bound := func(b *int, otherwise int) int {
		if b == nil {
			return otherwise
		}
		i := *b
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	var out []*jsontree.Value
	if by > 0 {
		for i, end := bound(bounds[0], 0), bound(bounds[1], n); i < end; i += by {
			out = append(out, v.Items[i])
		}
	} else {
		for i, end := bound(bounds[0], n-1), bound(bounds[1], -1); i > end; i += by {
			out = append(out, v.Items[i])
		}
	}
	r.count(len(out))
	return array(out)
}

// project evaluates a projection: null results are left out.
func (r *run) project(n *node, v *jsontree.Value) *jsontree.Value {
	left := r.eval(n.left, v)
	want := jsontree.Array
	if n.kind == nValues {
		want = jsontree.Object
	}
	if left.Kind != want {
		return null()
	}
	var out []*jsontree.Value
	for _, item := range left.Items {
		if n.kind == nFilter && !truthy(r.eval(n.cond, item)) {
			continue
		}
		if x := r.eval(n.right, item); x.Kind != jsontree.Null {
			out = append(out, x)
		}
	}
	return array(out)
}

// flatten puts the elements of arrays in an array in their place.
func (r *run) flatten(v *jsontree.Value) *jsontree.Value {
	if v.Kind != jsontree.Array {
		return null()
	}
	var out []*jsontree.Value
	for _, item := range v.Items {
		if item.Kind == jsontree.Array {
			r.count(len(item.Items))
			out = append(out, item.Items...)
		} else {
			out = append(out, item)
		}
	}
	return array(out)
}

// multi makes an array or object of several expressions; of nothing it makes
// nothing.
func (r *run) multi(n *node, v *jsontree.Value) *jsontree.Value {
	if v.Kind == jsontree.Null {
		return v
	}
	out := &jsontree.Value{Kind: jsontree.Array}
	for _, part := range n.parts {
		out.Items = append(out.Items, r.eval(part, v))
	}
	if n.kind == nList {
		return out
	}
	object := &jsontree.Value{Kind: jsontree.Object}
	for i, name := range n.names {
		object = object.With(name, out.Items[i])
	}
	return object
}

// compare compares two values. Only numbers have an order.
func compare(op string, a, b *jsontree.Value) *jsontree.Value {
	switch op {
	case "==":
		return jsontree.Truth(jsontree.Equal(a, b))
	case "!=":
		return jsontree.Truth(!jsontree.Equal(a, b))
	}
	if a.Kind != jsontree.Number || b.Kind != jsontree.Number {
		return null()
	}
	x, y := a.Float(), b.Float()
	switch op {
	case "<":
		return jsontree.Truth(x < y)
	case "<=":
		return jsontree.Truth(x <= y)
	case ">":
		return jsontree.Truth(x > y)
	}
	return jsontree.Truth(x >= y)
}
