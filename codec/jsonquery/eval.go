package jsonquery

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// A stepKind tells what a step does.
type stepKind uint8

const (
	field  stepKind = iota // members by name
	index                  // elements by index
	slice                  // elements by start, end and step
	filter                 // elements that a condition holds for
)

// A step leads from values to values.
type step struct {
	kind    stepKind
	scan    bool // looks at everything below
	every   bool // *
	names   []string
	indices []int
	bounds  [3]*int
	expr    *condition
}

// An operator compares, or combines comparisons.
type operator uint8

const (
	exists operator = iota
	equal
	notEqual
	same
	notSame
	below
	atMost
	above
	atLeast
	matches
	and
	or
)

// A condition is a comparison, or several with && or || between them.
type condition struct {
	op          operator
	left, right operand
	pattern     *regexp.Regexp
	parts       []*condition
}

// An operand is a path, or a value that stands in the expression.
type operand struct {
	isPath bool
	root   bool // from the root of the document
	path   []step
	value  *jsontree.Value
}

// prepare compiles the pattern of a comparison.
func (c *condition) prepare(p *parser) {
	if c.op != matches || c.right.value == nil || p.err != nil {
		return
	}
	re, err := compile(c.right.value.Text)
	if err != nil {
		p.fail("%v", err)
		return
	}
	c.pattern = re
}

// A run is one evaluation. left is how many values it may still look at.
type run struct {
	root *jsontree.Value
	left int
}

// follow takes all steps from a value.
func (r *run) follow(steps []step, from *jsontree.Value) []*jsontree.Value {
	at := []*jsontree.Value{from}
	for i := range steps {
		var next []*jsontree.Value
		for _, v := range at {
			next = r.take(next, &steps[i], v)
			if r.left < 0 {
				return nil
			}
		}
		at = next
	}
	return at
}

// take takes one step from a value.
func (r *run) take(out []*jsontree.Value, s *step, v *jsontree.Value) []*jsontree.Value {
	r.left--
	switch s.kind {
	case field:
		if s.scan {
			if s.every {
				out = append(out, v)
			}
			return r.below(out, s, v)
		}
		return members(out, s, v)
	case filter:
		if s.scan {
			return r.search(out, s, v)
		}
		if v.Kind != jsontree.Array {
			return out // the members of an object are not values of their own
		}
		for _, item := range v.Items {
			if r.holds(s.expr, item) {
				out = append(out, item)
			}
		}
	case index:
		return elements(out, s, v)
	case slice:
		if v.Kind == jsontree.Array {
			out = sliced(out, s.bounds, v.Items)
		}
	}
	return out
}

// members adds the members of an object that a step names.
func members(out []*jsontree.Value, s *step, v *jsontree.Value) []*jsontree.Value {
	if v.Kind != jsontree.Object {
		return out
	}
	if s.every {
		return append(out, v.Items...)
	}
	for _, name := range s.names {
		if m := v.Get(name); m != nil {
			out = append(out, m)
		}
	}
	return out
}

// below adds what a step names anywhere below a value, parents first.
func (r *run) below(out []*jsontree.Value, s *step, v *jsontree.Value) []*jsontree.Value {
	for i, item := range v.Items {
		if r.left--; r.left < 0 {
			return nil
		}
		switch {
		case s.every:
			out = append(out, item)
		case v.Kind == jsontree.Object:
			for _, name := range s.names {
				if v.Names[i] == name {
					out = append(out, item)
				}
			}
		}
		out = r.below(out, s, item)
	}
	return out
}

// search adds the value itself and everything below it that the condition holds
// for, parents first.
func (r *run) search(out []*jsontree.Value, s *step, v *jsontree.Value) []*jsontree.Value {
	if r.left--; r.left < 0 {
		return nil
	}
	if r.holds(s.expr, v) {
		out = append(out, v)
	}
	for _, item := range v.Items {
		out = r.search(out, s, item)
	}
	return out
}

// elements adds the elements of an array that a step names.
func elements(out []*jsontree.Value, s *step, v *jsontree.Value) []*jsontree.Value {
	if v.Kind != jsontree.Array {
		return out
	}
	if s.every {
		return append(out, v.Items...)
	}
	for _, i := range s.indices {
		if i >= 0 && i < len(v.Items) {
			out = append(out, v.Items[i])
		}
	}
	return out
}

// sliced adds a slice of an array.
func sliced(out []*jsontree.Value, bounds [3]*int, items []*jsontree.Value) []*jsontree.Value {
	n, by := len(items), 1
	if bounds[2] != nil {
		by = *bounds[2]
	}
	at, end := 0, n
	if by < 0 {
		at, end = n-1, -1
	}
	set := func(to *int, b *int) {
		if b == nil {
			return
		}
		if *to = *b; *b < 0 {
			*to += n
		}
	}
	set(&at, bounds[0])
	set(&end, bounds[1])
	if by > 0 {
		at = min(max(at, 0), n)
	} else {
		at = min(at, n-1)
	}
	end = min(max(end, -1), n)
	for i := at; i >= 0 && (by > 0 && i < end || by < 0 && i > end); i += by {
		out = append(out, items[i])
	}
	return out
}

// holds tells whether a condition holds for a value.
func (r *run) holds(c *condition, v *jsontree.Value) bool {
	switch c.op {
	case and:
		for _, p := range c.parts {
			if !r.holds(p, v) {
				return false
			}
		}
		return true
	case or:
		for _, p := range c.parts {
			if r.holds(p, v) {
				return true
			}
		}
		return false
	case exists:
		return len(r.values(&c.left, v)) > 0
	case equal, notEqual, same, notSame, below, atMost, above, atLeast, matches:
	}
	left := r.values(&c.left, v)
	if len(left) == 0 {
		return false
	}
	right := r.values(&c.right, v)
	for _, a := range left {
		for _, b := range right {
			if r.left--; c.compare(a, b) {
				return true
			}
		}
	}
	return false
}

// values returns what an operand stands for.
func (r *run) values(o *operand, v *jsontree.Value) []*jsontree.Value {
	switch {
	case !o.isPath:
		return []*jsontree.Value{o.value}
	case r.left < 0:
		return nil
	case o.root:
		return r.follow(o.path, r.root)
	}
	return r.follow(o.path, v)
}

// compare compares two values.
func (c *condition) compare(a, b *jsontree.Value) bool {
	if a.Kind >= jsontree.Array || b.Kind >= jsontree.Array {
		return c.op == notEqual
	}
	switch c.op {
	case equal, same:
		return jsontree.Equal(a, b) && (c.op == equal || isInteger(a) == isInteger(b))
	case notEqual:
		return !jsontree.Equal(a, b)
	case notSame:
		return !jsontree.Equal(a, b) || isInteger(a) != isInteger(b)
	case matches:
		re := c.pattern
		if re == nil {
			re, _ = compile(b.Text)
		}
		return re != nil && a.Kind == jsontree.String && re.MatchString(a.Text)
	case below, atMost, above, atLeast:
		order, ok := order(a, b)
		return ok && (c.op == below && order < 0 || c.op == atMost && order <= 0 ||
			c.op == above && order > 0 || c.op == atLeast && order >= 0)
	case exists, and, or:
	}
	return false
}

// isInteger tells whether a number is written without a point.
func isInteger(v *jsontree.Value) bool {
	return v.Kind == jsontree.Number && !strings.ContainsAny(v.Text, ".eE")
}

// order compares two values as JSON.NET does: null before everything, otherwise
// as what the left one is, and a text beside something else as what that is.
func order(a, b *jsontree.Value) (int, bool) {
	switch {
	case a.Kind == jsontree.Null && b.Kind == jsontree.Null:
		return 0, true
	case a.Kind == jsontree.Null:
		return -1, true
	case b.Kind == jsontree.Null:
		return 1, true
	case a.Kind == jsontree.String && b.Kind == jsontree.String:
		return strings.Compare(a.Text, b.Text), true
	case a.Kind == jsontree.Bool && b.Kind == jsontree.Bool:
		x, y := 0, 0
		if a.True {
			x = 1
		}
		if b.True {
			y = 1
		}
		return x - y, true
	}
	x, okX := number(a)
	y, okY := number(b)
	switch {
	case !okX || !okY:
		return 0, false
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}

// number reads a number, or a text that is one.
func number(v *jsontree.Value) (float64, bool) {
	if v.Kind != jsontree.Number && v.Kind != jsontree.String {
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(v.Text), 64)
	return f, err == nil
}
