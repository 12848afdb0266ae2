// Package jsontree reads JSON into a tree that keeps the order of members, the
// digits of numbers, and where in the text each value stands, so that queries
// see documents as they were written and problems name line and column. It is
// bounded in depth.
package jsontree

import (
	"math/big"
	"strconv"
	"strings"
)

// A Kind tells what sort of value a Value is.
type Kind uint8

// The kinds of JSON value.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// String returns the name that JMESPath has for the kind.
func (k Kind) String() string {
	return [...]string{"null", "boolean", "number", "string", "array", "object"}[min(k, Object)]
}

// A Value is a JSON value. It is not changed once it was made and may be shared.
type Value struct {
	Kind Kind
	True bool
	// Text is the text of a string, or the digits of a number.
	Text string
	// Items are the elements of an array, or the values of an object's members
	// beside Names.
	Items []*Value
	Names []string
	// Line and Col are where the value begins, from 1; 0 when it was computed.
	Line, Col int
}

// Get returns the member of an object, nil when there is none.
func (v *Value) Get(name string) *Value {
	if v == nil || v.Kind != Object {
		return nil
	}
	for i, n := range v.Names {
		if n == name {
			return v.Items[i]
		}
	}
	return nil
}

// With returns a copy of an object with one more member, or another value of
// the one that it has. The members are shared.
func (v *Value) With(name string, member *Value) *Value {
	out := &Value{Kind: Object, Line: v.Line, Col: v.Col}
	for i, n := range v.Names {
		if n != name {
			out.Names, out.Items = append(out.Names, n), append(out.Items, v.Items[i])
		}
	}
	out.Names, out.Items = append(out.Names, name), append(out.Items, member)
	return out
}

// Float returns a number as a float.
func (v *Value) Float() float64 {
	f, _ := strconv.ParseFloat(v.Text, 64)
	return f
}

// Int returns a number that is written as an integer and fits 64 bits.
func (v *Value) Int() (int64, bool) {
	if v.Kind != Number {
		return 0, false
	}
	n, err := strconv.ParseInt(v.Text, 10, 64)
	return n, err == nil
}

// Equal tells whether two values are the same: numbers by value, objects
// whatever the order of their members.
func Equal(a, b *Value) bool {
	if a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case Null:
		return true
	case Bool:
		return a.True == b.True
	case String:
		return a.Text == b.Text
	case Number:
		return a.Text == b.Text || sameNumber(a.Text, b.Text)
	case Array:
		if len(a.Items) != len(b.Items) {
			return false
		}
		for i := range a.Items {
			if !Equal(a.Items[i], b.Items[i]) {
				return false
			}
		}
		return true
	case Object:
		return sameMembers(a, b)
	}
	return false
}

// sameMembers compares objects.
func sameMembers(a, b *Value) bool {
	if len(a.Names) != len(b.Names) {
		return false
	}
	for i, n := range a.Names {
		other := b.Get(n)
		if other == nil || !Equal(a.Items[i], other) {
			return false
		}
	}
	return true
}

// sameNumber compares numbers as floats, and long integers digit by digit.
func sameNumber(a, b string) bool {
	x, okX := new(big.Int).SetString(a, 10)
	y, okY := new(big.Int).SetString(b, 10)
	if okX && okY {
		return x.Cmp(y) == 0
	}
	f, _ := strconv.ParseFloat(a, 64)
	g, _ := strconv.ParseFloat(b, 64)
	return f == g
}

// JSON writes the value as compact JSON.
func (v *Value) JSON() string {
	var b strings.Builder
	v.write(&b)
	return b.String()
}

// write appends the value.
func (v *Value) write(b *strings.Builder) {
	switch v.Kind {
	case Null:
		b.WriteString("null")
	case Bool:
		b.WriteString(strconv.FormatBool(v.True))
	case Number:
		b.WriteString(v.Text)
	case String:
		Quote(b, v.Text)
	case Array:
		b.WriteByte('[')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.write(b)
		}
		b.WriteByte(']')
	case Object:
		b.WriteByte('{')
		for i, item := range v.Items {
			if i > 0 {
				b.WriteByte(',')
			}
			Quote(b, v.Names[i])
			b.WriteByte(':')
			item.write(b)
		}
		b.WriteByte('}')
	}
}

// Quote writes a text as a JSON string.
func Quote(b *strings.Builder, s string) {
	const hex = "0123456789abcdef"
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20:
			b.WriteString(`\u00`)
			b.WriteByte(hex[r>>4])
			b.WriteByte(hex[r&15])
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// Text makes a string value.
func Text(s string) *Value { return &Value{Kind: String, Text: s} }

// Truth makes a boolean.
func Truth(t bool) *Value { return &Value{Kind: Bool, True: t} }

// Float makes a number; one that is not finite becomes null, as JSON has no
// other word for it.
func Float(f float64) *Value {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if strings.ContainsAny(text, "IN") {
		return &Value{}
	}
	if e := strings.IndexByte(text, 'e'); e < 0 || f != 0 && (f >= 1e-7 || f <= -1e-7) && f < 1e15 && f > -1e15 {
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	return &Value{Kind: Number, Text: text}
}

// Int makes a number.
func Int(n int64) *Value { return &Value{Kind: Number, Text: strconv.FormatInt(n, 10)} }
