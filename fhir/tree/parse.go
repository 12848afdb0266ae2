package tree

import (
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"unicode/utf8"
)

// Parse reads one JSON document strictly: valid UTF-8 without a byte order
// mark, numbers as JSON has them, no member twice, strings without control
// characters and lone surrogates, nothing behind the document, no deeper than
// MaxDepth. How long it may be is for the caller to bound. The bytes belong to
// the document from then on. The error is an *Error.
func Parse(src []byte) (*Doc, error) {
	d := new(Doc)
	if err := d.Read(src); err != nil {
		return nil, err
	}
	return d, nil
}

// Read is Parse into a Doc that held another document before, to use its memory
// again. Nodes of that document must not be used any more. After an error the
// Doc is empty.
func (d *Doc) Read(src []byte) error {
	d.src, d.text, d.once, d.line = src, string(src), sync.Once{}, d.line[:0]
	if d.tape = d.tape[:0]; cap(d.tape) == 0 {
		d.tape = make([]entry, 0, 8+len(src)/16)
	}
	p := parser{d: d, s: d.text, tape: d.tape}
	err := p.document()
	if err != nil {
		p.tape = p.tape[:0]
	}
	d.tape = p.tape
	return err
}

// few is up to how many members an object's names are compared one by one.
const few = 24

type parser struct {
	d     *Doc
	tape  []entry // of d, which gets it back at the end
	s     string
	i     int
	open  [MaxDepth]uint32 // the arrays and objects that are being read
	depth int
	names []uint64 // hashes of the names of a big object
	seed  maphash.Seed
}

func (p *parser) document() error {
	if len(p.s) > math.MaxInt32 {
		return &Error{Line: 1, Col: 1, Msg: "the document is longer than 2 GB"}
	}
	if len(p.s) >= 3 && p.s[:3] == "\ufeff" {
		return p.fail(0, "the document starts with a byte order mark; JSON has none")
	}
	if !utf8.ValidString(p.s) {
		return p.invalid()
	}
	p.space()
	if p.i == len(p.s) {
		return p.fail(p.i, "the document is empty")
	}
	if err := p.value(0, 0, false); err != nil {
		return err
	}
	p.space()
	if p.i < len(p.s) {
		return p.fail(p.i, "something follows the end of the document")
	}
	return nil
}

// invalid is the error for bytes that are no UTF-8.
func (p *parser) invalid() error {
	for i, r := range p.s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(p.s[i:]); n == 1 {
				return p.fail(i, fmt.Sprintf("byte 0x%02x is not UTF-8", p.s[i]))
			}
		}
	}
	return p.fail(0, "the document is not UTF-8")
}

// fail makes the error for a place.
func (p *parser) fail(off int, msg string) error {
	p.d.tape = p.tape
	e := &Error{Msg: msg, Path: p.path()}
	e.Line, e.Col = p.d.pos(off)
	return e
}

// path returns where in the document the reader is.
func (p *parser) path() string {
	d, b := p.d, []byte(nil)
	for k, at := range p.open[:p.depth] {
		// The entry that is being read within is the next open one, or the
		// last child that was begun.
		child := uint32(0)
		if k+1 < p.depth {
			child = p.open[k+1]
		} else {
			for c := at + 1; int(c) < len(d.tape); c = d.tape[c].next {
				child = c
				if d.tape[c].next <= c {
					break
				}
			}
		}
		if child != 0 {
			b = appendStep(b, d, &d.tape[at], &d.tape[child], int(max(d.tape[at].count, 1)-1))
		}
	}
	return string(b)
}

func (p *parser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\n', '\r', '\t':
			p.i++
		default:
			return
		}
	}
}

// value reads one value. key and length say where its name is.
func (p *parser) value(key, length uint32, escKey bool) error {
	if p.i == len(p.s) {
		return p.fail(p.i, "the document ends where a value should be")
	}
	at := uint32(len(p.tape))
	p.tape = append(p.tape, entry{off: uint32(p.i), key: key, len: length, escKey: escKey})
	var kind Kind
	var escaped bool
	var err error
	switch c := p.s[p.i]; c {
	case '{':
		kind, err = Object, p.object(at)
	case '[':
		kind, err = Array, p.array(at)
	case '"':
		kind = String
		escaped, err = p.text()
	case 't':
		kind, err = Bool, p.word("true")
	case 'f':
		kind, err = Bool, p.word("false")
	case 'n':
		kind, err = Null, p.word("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		kind, err = Number, p.number()
	default:
		err = p.unexpected("a value")
	}
	if err != nil {
		return err
	}
	e := &p.tape[at]
	e.kind, e.escaped, e.end, e.next = kind, escaped, uint32(p.i), uint32(len(p.tape))
	return nil
}

func (p *parser) unexpected(want string) error {
	if p.i >= len(p.s) {
		return p.fail(len(p.s), "the document ends where "+want+" should be")
	}
	r, _ := utf8.DecodeRuneInString(p.s[p.i:])
	return p.fail(p.i, fmt.Sprintf("%q where %s should be", r, want))
}

func (p *parser) word(w string) error {
	if len(p.s)-p.i < len(w) || p.s[p.i:p.i+len(w)] != w {
		return p.fail(p.i, "a word that is not true, false or null")
	}
	p.i += len(w)
	return nil
}

// enter opens an array or object and reports whether it is empty.
func (p *parser) enter(at uint32, kind Kind, end byte) (empty bool, err error) {
	if p.depth == MaxDepth {
		return false, p.fail(p.i, fmt.Sprintf("more than %d arrays and objects within each other", MaxDepth))
	}
	p.tape[at].kind = kind
	p.open[p.depth] = at
	p.depth++
	p.i++
	p.space()
	if p.i < len(p.s) && p.s[p.i] == end {
		p.i++
		p.depth--
		return true, nil
	}
	return false, nil
}

// more goes over what follows an element, and reports whether it was the last.
func (p *parser) more(end byte) (last bool, err error) {
	p.space()
	if p.i == len(p.s) || p.s[p.i] != ',' && p.s[p.i] != end {
		return false, p.unexpected(fmt.Sprintf("a comma or %q", end))
	}
	p.i++
	if p.s[p.i-1] == end {
		p.depth--
		return true, nil
	}
	p.space()
	return false, nil
}

func (p *parser) array(at uint32) error {
	if empty, err := p.enter(at, Array, ']'); empty || err != nil {
		return err
	}
	for {
		p.tape[at].count++
		if err := p.value(0, 0, false); err != nil {
			return err
		}
		if last, err := p.more(']'); last || err != nil {
			return err
		}
	}
}

func (p *parser) object(at uint32) error {
	if empty, err := p.enter(at, Object, '}'); empty || err != nil {
		return err
	}
	for {
		if p.i == len(p.s) || p.s[p.i] != '"' {
			return p.unexpected("the name of a member")
		}
		start := p.i
		escaped, err := p.text()
		if err != nil {
			return err
		}
		key, length := uint32(start+1), uint32(p.i-start-2)
		p.space()
		if p.i == len(p.s) || p.s[p.i] != ':' {
			return p.unexpected("a colon")
		}
		p.i++
		p.space()
		e := &p.tape[at]
		e.escaped = e.escaped || escaped // for now: one of the names has escapes
		if e.count++; e.count <= few && p.again(at, key, length, escaped) {
			return p.twice(start, key, length, escaped)
		}
		if err := p.value(key, length, escaped); err != nil {
			return err
		}
		last, err := p.more('}')
		if err != nil {
			return err
		}
		if last {
			return p.unique(at)
		}
	}
}

func (p *parser) twice(start int, key, length uint32, escaped bool) error {
	return p.fail(start, fmt.Sprintf("the member %.60q is there twice", p.d.name(&entry{key: key, len: length, escKey: escaped})))
}

// again reports whether a small object has a member of the name already.
func (p *parser) again(at, key, length uint32, escaped bool) bool {
	d := p.d
	if p.tape[at].escaped { // compare what the escapes mean
		name := d.name(&entry{key: key, len: length, escKey: escaped})
		for i := at + 1; int(i) < len(p.tape); i = p.tape[i].next {
			if d.name(&p.tape[i]) == name {
				return true
			}
		}
		return false
	}
	for i := at + 1; int(i) < len(p.tape); i = p.tape[i].next {
		if e := &p.tape[i]; e.len == length && p.s[e.key:e.key+length] == p.s[key:key+length] {
			return true
		}
	}
	return false
}

// unique looks for names that are twice in a big object, by sorting hashes that
// nobody outside can foresee.
func (p *parser) unique(at uint32) error {
	d := p.d
	if p.tape[at].count <= few {
		return nil
	}
	if p.names == nil {
		p.seed = maphash.MakeSeed()
	}
	p.names = p.names[:0]
	for i := at + 1; int(i) < len(p.tape); i = p.tape[i].next {
		p.names = append(p.names, maphash.String(p.seed, d.name(&p.tape[i])))
	}
	slices.Sort(p.names)
	same := uint64(0)
	found := false
	for k := 1; k < len(p.names); k++ {
		if p.names[k] == p.names[k-1] {
			same, found = p.names[k], true
			break
		}
	}
	if !found {
		return nil
	}
	return p.same(at, same)
}

// same makes the error for the second member whose name has the hash.
func (p *parser) same(at uint32, hash uint64) error {
	d, seen := p.d, ""
	for i := at + 1; int(i) < len(p.tape); i = p.tape[i].next {
		e := &p.tape[i]
		name := d.name(e)
		if maphash.String(p.seed, name) != hash {
			continue
		}
		if seen != "" || i > at+1 && name == seen {
			return p.twice(int(e.key)-1, e.key, e.len, e.escKey)
		}
		seen = name
	}
	return p.fail(int(p.tape[at].off), "a member is there twice")
}

// number goes over a number as RFC 8259 §6 has it.
func (p *parser) number() error {
	start := p.i
	if p.s[p.i] == '-' {
		p.i++
	}
	switch {
	case p.i < len(p.s) && p.s[p.i] == '0':
		p.i++
	case !p.digits():
		return p.fail(start, "a minus without a number")
	}
	if p.i < len(p.s) && p.s[p.i] == '.' {
		p.i++
		if !p.digits() {
			return p.fail(start, "a number without digits behind its point")
		}
	}
	if p.i < len(p.s) && p.s[p.i]|0x20 == 'e' {
		p.i++
		if p.i < len(p.s) && (p.s[p.i] == '+' || p.s[p.i] == '-') {
			p.i++
		}
		if !p.digits() {
			return p.fail(start, "a number without digits in its exponent")
		}
	}
	if p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9' {
		return p.fail(start, "a number that starts with 0")
	}
	return nil
}

func (p *parser) digits() bool {
	start := p.i
	for p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9' {
		p.i++
	}
	return p.i > start
}

// IsNumber reports whether a text is a JSON number.
func IsNumber(s string) bool {
	if s == "" || s[0] != '-' && (s[0] < '0' || s[0] > '9') {
		return false
	}
	p := parser{d: &Doc{text: s}, s: s}
	return p.number() == nil && p.i == len(s)
}
