// Package jsonbody reads a JSON text into a flat list of values that is reused
// from message to message, and finds values in it by compiled paths. It is
// strict (RFC 8259): what does not parse is refused with line and column, and so
// are duplicate keys, NaN and Infinity, invalid UTF-8 and texts that are too
// deep. A number keeps the digits after the point that it was sent with.
package jsonbody

import (
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// keepValues is how many values a Doc keeps room for between two texts.
const keepValues = 1 << 15

// A Kind is the sort of a JSON value.
type Kind uint8

// The kinds. Missing is what a Ref that refers to nothing has.
const (
	Missing Kind = iota
	Null
	False
	True
	Number
	String
	Array
	Object
)

// The limits of what is parsed. They bound memory and stack for hostile input;
// no device has reason to come near.
const (
	MaxBytes  = 8 << 20 // bytes of text
	MaxDepth  = 32      // arrays and objects within each other
	MaxValues = 1 << 20 // values, each element and member counted
)

// A Ref refers to a value of a Doc.
type Ref int32

// None refers to no value; Root to the whole text's value.
const (
	None Ref = -1
	Root Ref = 0
)

// A node is one value. Nodes stand in the order of the text, so that everything
// within a container lies between it and its next.
type node struct {
	start, end       uint32 // the source range, quotes and brackets included
	textLo, textHi   uint32 // a string's content without quotes
	keyLo, keyHi     uint32 // the name, for members of an object
	next             uint32 // index of the node behind this value
	kind             Kind
	inText, keyInTxt bool // the content had escapes and lies in Doc.text
}

// A Doc is a parsed text. The zero value is ready for Parse; a Doc is reused by
// parsing again, which invalidates every Ref and slice taken from it before.
type Doc struct {
	src    []byte
	text   []byte // unescaped strings
	nodes  []node
	hashes []uint64
	pos    int
}

// A SyntaxError says where a text stops being JSON.
type SyntaxError struct {
	Line, Column int // from 1; columns count characters
	Msg          string
}

// Error returns the position and what is wrong.
func (e *SyntaxError) Error() string { return e.Pos() + ": " + e.Msg }

// Pos returns "line 3 column 7".
func (e *SyntaxError) Pos() string {
	return "line " + strconv.Itoa(e.Line) + " column " + strconv.Itoa(e.Column)
}

// fail makes a syntax error at an offset.
func (d *Doc) fail(at int, format string, args ...any) error {
	if at > len(d.src) {
		at = len(d.src)
	}
	line, start := 1, 0
	for i, c := range d.src[:at] {
		if c == '\n' {
			line, start = line+1, i+1
		}
	}
	return &SyntaxError{line, utf8.RuneCount(d.src[start:at]) + 1, fmt.Sprintf(format, args...)}
}

// Kind returns the sort of a value.
func (d *Doc) Kind(r Ref) Kind {
	if r < 0 || int(r) >= len(d.nodes) {
		return Missing
	}
	return d.nodes[r].kind
}

// Raw returns the source text of a value, as long as the Doc is not reused.
func (d *Doc) Raw(r Ref) []byte {
	n := &d.nodes[r]
	return d.src[n.start:n.end]
}

// Str returns the content of a string, without quotes and escapes, and false
// for any other kind. It is valid as long as the Doc is not reused.
func (d *Doc) Str(r Ref) ([]byte, bool) {
	if d.Kind(r) != String {
		return nil, false
	}
	n := &d.nodes[r]
	if n.inText {
		return d.text[n.textLo:n.textHi], true
	}
	return d.src[n.textLo:n.textHi], true
}

// key returns the name of a member.
func (d *Doc) key(n *node) []byte {
	if n.keyInTxt {
		return d.text[n.keyLo:n.keyHi]
	}
	return d.src[n.keyLo:n.keyHi]
}

// First returns the first element or member of a container, None if it has
// none or is no container.
func (d *Doc) First(r Ref) Ref {
	if k := d.Kind(r); k != Array && k != Object || d.nodes[r].next == uint32(r)+1 { // #nosec G115 -- Ref counts nodes
		return None
	}
	return r + 1
}

// After returns the element or member behind c within the container r, or None.
func (d *Doc) After(r, c Ref) Ref {
	if next := d.nodes[c].next; next < d.nodes[r].next {
		return Ref(next) // #nosec G115 -- bounded by MaxBytes
	}
	return None
}

// Len returns how many elements or members a container has.
func (d *Doc) Len(r Ref) int {
	n := 0
	for c := d.First(r); c != None; c = d.After(r, c) {
		n++
	}
	return n
}

// Member returns the value of a name in an object, or None.
func (d *Doc) Member(r Ref, name string) Ref {
	if d.Kind(r) != Object {
		return None
	}
	end := d.nodes[r].next
	for i := uint32(r) + 1; i < end; { // #nosec G115 -- Ref counts nodes
		n := &d.nodes[i]
		if int(n.keyHi-n.keyLo) == len(name) && string(d.key(n)) == name {
			return Ref(i) // #nosec G115 -- bounded by MaxBytes
		}
		i = n.next
	}
	return None
}

// Elem returns the element at an index of an array, counted from the end when
// negative, or None.
func (d *Doc) Elem(r Ref, index int) Ref {
	if d.Kind(r) != Array {
		return None
	}
	if index < 0 {
		index += d.Len(r)
	}
	for c := d.First(r); c != None && index >= 0; c = d.After(r, c) {
		if index == 0 {
			return c
		}
		index--
	}
	return None
}

// Number returns the value of a number and how many digits after the point it
// was sent with, and false for any other kind and for what no float64 can hold.
func (d *Doc) Number(r Ref) (v float64, decimals int8, ok bool) {
	if d.Kind(r) != Number {
		return 0, 0, false
	}
	return ParseNumber(d.Raw(r))
}

// Int returns the value of a number that is written as an integer of at most
// 64 bits.
func (d *Doc) Int(r Ref) (int64, bool) {
	if d.Kind(r) != Number {
		return 0, false
	}
	raw := d.Raw(r)
	negative := raw[0] == '-'
	if negative {
		raw = raw[1:]
	}
	var v int64
	for _, c := range raw {
		if c < '0' || c > '9' || v > (math.MaxInt64-9)/10 {
			return 0, false
		}
		v = v*10 + int64(c-'0')
	}
	if negative {
		v = -v
	}
	return v, true
}

// pow10 holds the powers of ten that float64 has exactly.
var pow10 = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// ParseNumber reads the text of a JSON number: its value and how many digits
// after the point it was written with (at most 100). It is false for what is
// not a JSON number or is beyond float64.
func ParseNumber(text []byte) (v float64, decimals int8, ok bool) {
	if end := scanNumber(text, 0); end != len(text) {
		return 0, 0, false
	}
	i, negative := 0, text[0] == '-'
	if negative {
		i++
	}
	var mantissa uint64
	digits, fraction, point, exact := 0, 0, false, true
	for ; i < len(text); i++ {
		c := text[i]
		if c == '.' {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			break
		}
		if mantissa > 0 || c != '0' {
			digits++
		}
		if digits <= 15 {
			mantissa = mantissa*10 + uint64(c-'0')
		}
		if point {
			fraction++
		}
	}
	if digits > 15 || i < len(text) || fraction >= len(pow10) {
		exact = false
	}
	exponent := 0
	if i < len(text) {
		exponent = scanExponent(text[i+1:])
	}
	decimals = int8(min(max(fraction-exponent, 0), 100)) // #nosec G115 -- bounded
	if exact {
		v = float64(mantissa) / pow10[fraction]
		if negative {
			v = -v
		}
		return v, decimals, true
	}
	v, err := strconv.ParseFloat(string(text), 64)
	return v, decimals, err == nil
}

// scanExponent reads what stands behind the e, bounded to what matters.
func scanExponent(text []byte) int {
	e := 0
	for _, c := range text {
		if c >= '0' && c <= '9' && e < 1000 {
			e = e*10 + int(c-'0')
		}
	}
	if text[0] == '-' {
		return -e
	}
	return e
}
