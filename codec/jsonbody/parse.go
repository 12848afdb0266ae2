package jsonbody

import (
	"bytes"
	"hash/maphash"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
)

// manyKeys is from how many members on duplicates are looked for by hash.
const manyKeys = 16

// Parse reads a text. The Doc refers to src, which must not change as long as
// the Doc is in use. A byte order mark before the text is skipped.
func (d *Doc) Parse(src []byte) error {
	if cap(d.nodes) > keepValues {
		d.nodes, d.text, d.hashes = nil, nil, nil
	}
	d.src, d.text, d.nodes = src, d.text[:0], d.nodes[:0]
	if len(src) > MaxBytes {
		return d.fail(0, "longer than %d bytes", MaxBytes)
	}
	if !utf8.Valid(src) {
		return d.fail(firstInvalid(src), "not valid UTF-8")
	}
	d.pos = 0
	if bytes.HasPrefix(src, []byte("\ufeff")) {
		d.pos = 3
	}
	if err := d.value(0); err != nil {
		return err
	}
	d.space()
	if d.pos < len(d.src) {
		return d.fail(d.pos, "more text behind the value")
	}
	return nil
}

// firstInvalid returns the offset of the first byte that is not UTF-8.
func firstInvalid(src []byte) int {
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(src)
}

// space skips white space.
func (d *Doc) space() {
	for d.pos < len(d.src) {
		switch d.src[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// value parses one value and appends its nodes.
func (d *Doc) value(depth int) error {
	d.space()
	if d.pos >= len(d.src) {
		return d.fail(d.pos, "text ends where a value should be")
	}
	at := len(d.nodes)
	if at >= MaxValues {
		return d.fail(d.pos, "more than %d values", MaxValues)
	}
	d.nodes = append(d.nodes, node{start: uint32(d.pos)}) // #nosec G115 -- MaxBytes
	var err error
	switch c := d.src[d.pos]; {
	case c == '{':
		err = d.object(at, depth+1)
	case c == '[':
		err = d.array(at, depth+1)
	case c == '"':
		n := &d.nodes[at]
		n.kind = String
		n.textLo, n.textHi, n.inText, err = d.string()
	case c == '-' || c >= '0' && c <= '9':
		end := scanNumber(d.src, d.pos)
		if end < 0 {
			return d.fail(d.pos, "not a JSON number")
		}
		d.nodes[at].kind, d.pos = Number, end
	default:
		err = d.word(at)
	}
	if err != nil {
		return err
	}
	d.nodes[at].end = uint32(d.pos)         // #nosec G115 -- MaxBytes
	d.nodes[at].next = uint32(len(d.nodes)) // #nosec G115 -- MaxBytes
	return nil
}

// word parses true, false and null.
func (d *Doc) word(at int) error {
	rest := d.src[d.pos:]
	for _, w := range [...]struct {
		text string
		kind Kind
	}{{"true", True}, {"false", False}, {"null", Null}} {
		if len(rest) >= len(w.text) && string(rest[:len(w.text)]) == w.text {
			d.nodes[at].kind = w.kind
			d.pos += len(w.text)
			return nil
		}
	}
	return d.fail(d.pos, "not a JSON value")
}

// array parses [ … ].
func (d *Doc) array(at, depth int) error {
	if depth > MaxDepth {
		return d.fail(d.pos, "more than %d arrays and objects within each other", MaxDepth)
	}
	d.nodes[at].kind = Array
	d.pos++
	d.space()
	if d.pos < len(d.src) && d.src[d.pos] == ']' {
		d.pos++
		return nil
	}
	for {
		if err := d.value(depth); err != nil {
			return err
		}
		if done, err := d.separator(']'); done || err != nil {
			return err
		}
	}
}

// object parses { … }.
func (d *Doc) object(at, depth int) error {
	if depth > MaxDepth {
		return d.fail(d.pos, "more than %d arrays and objects within each other", MaxDepth)
	}
	d.nodes[at].kind = Object
	d.pos++
	d.space()
	if d.pos < len(d.src) && d.src[d.pos] == '}' {
		d.pos++
		return nil
	}
	for count := 0; ; count++ {
		if err := d.member(at, count, depth); err != nil {
			return err
		}
		if done, err := d.separator('}'); err != nil {
			return err
		} else if done {
			return d.unique(at, count+1)
		}
	}
}

// member parses "name": value.
func (d *Doc) member(at, count, depth int) error {
	d.space()
	if d.pos >= len(d.src) {
		return d.fail(d.pos, "text ends inside an object")
	}
	start := d.pos
	if d.src[d.pos] != '"' {
		return d.fail(d.pos, "want a name in quotes")
	}
	lo, hi, inText, err := d.string()
	if err != nil {
		return err
	}
	d.space()
	if d.pos >= len(d.src) || d.src[d.pos] != ':' {
		return d.fail(d.pos, "want a colon")
	}
	d.pos++
	me := len(d.nodes)
	if err := d.value(depth); err != nil {
		return err
	}
	n := &d.nodes[me]
	n.keyLo, n.keyHi, n.keyInTxt = lo, hi, inText
	if count < manyKeys {
		key := d.key(n)
		for i := at + 1; i < me; i = int(d.nodes[i].next) {
			if o := &d.nodes[i]; int(o.keyHi-o.keyLo) == len(key) && bytes.Equal(d.key(o), key) {
				return d.fail(start, "the name %q is there twice", key)
			}
		}
	}
	return nil
}

// unique looks for duplicates among many members.
func (d *Doc) unique(at, count int) error {
	if count <= manyKeys {
		return nil
	}
	d.hashes = d.hashes[:0]
	seed := maphash.MakeSeed()
	for i := at + 1; i < len(d.nodes); i = int(d.nodes[i].next) {
		d.hashes = append(d.hashes, maphash.Bytes(seed, d.key(&d.nodes[i])))
	}
	slices.Sort(d.hashes)
	for i := 1; i < len(d.hashes); i++ {
		if d.hashes[i] == d.hashes[i-1] {
			return d.fail(int(d.nodes[at].start), "an object has a name twice")
		}
	}
	return nil
}

// separator takes a comma, or the closing bracket.
func (d *Doc) separator(closing byte) (done bool, err error) {
	d.space()
	if d.pos >= len(d.src) {
		return false, d.fail(d.pos, "text ends before %q", closing)
	}
	switch d.src[d.pos] {
	case ',':
		d.pos++
		return false, nil
	case closing:
		d.pos++
		return true, nil
	}
	return false, d.fail(d.pos, "want a comma or %q", closing)
}

// string parses a string and returns where its content lies: in the source, or
// in d.text when it had escapes.
func (d *Doc) string() (lo, hi uint32, inText bool, err error) {
	d.pos++
	start := d.pos
	for i := start; i < len(d.src); i++ {
		switch c := d.src[i]; {
		case c == '"':
			d.pos = i + 1
			return uint32(start), uint32(i), false, nil // #nosec G115 -- MaxBytes
		case c == '\\':
			return d.escaped(start)
		case c < 0x20:
			return 0, 0, false, d.fail(i, "control character inside a string")
		}
	}
	return 0, 0, false, d.fail(len(d.src), "text ends inside a string")
}

// escaped parses a string with escapes into d.text.
func (d *Doc) escaped(start int) (lo, hi uint32, inText bool, err error) {
	lo = uint32(len(d.text)) // #nosec G115 -- not longer than the source
	for i := start; i < len(d.src); {
		switch c := d.src[i]; {
		case c == '"':
			d.pos = i + 1
			return lo, uint32(len(d.text)), true, nil // #nosec G115 -- not longer than the source
		case c < 0x20:
			return 0, 0, false, d.fail(i, "control character inside a string")
		case c != '\\':
			d.text = append(d.text, c)
			i++
		default:
			n, ok := d.escape(d.src[i+1:])
			if !ok {
				return 0, 0, false, d.fail(i, "not an escape that JSON has")
			}
			i += 1 + n
		}
	}
	return 0, 0, false, d.fail(len(d.src), "text ends inside a string")
}

// escape appends what the escape behind a backslash means and returns its
// length.
func (d *Doc) escape(s []byte) (int, bool) {
	if len(s) == 0 {
		return 0, false
	}
	if s[0] == 'u' {
		r, ok := hex4(s[1:])
		if !ok {
			return 0, false
		}
		if utf16.IsSurrogate(r) {
			if len(s) < 11 || s[5] != '\\' || s[6] != 'u' {
				return 0, false
			}
			low, ok := hex4(s[7:])
			if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
				return 0, false
			}
			d.text = utf8.AppendRune(d.text, r)
			return 11, true
		}
		d.text = utf8.AppendRune(d.text, r)
		return 5, true
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	at := bytes.IndexByte([]byte(from), s[0])
	if at < 0 {
		return 0, false
	}
	d.text = append(d.text, to[at])
	return 1, true
}

// hex4 reads four hexadecimal digits.
func hex4(s []byte) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// scanNumber returns the end of the JSON number at i, or -1.
func scanNumber(s []byte, i int) int {
	if i < len(s) && s[i] == '-' {
		i++
	}
	first := i
	i = digits(s, i)
	if i == first || s[first] == '0' && i > first+1 {
		return -1
	}
	if i < len(s) && s[i] == '.' {
		if i++; digits(s, i) == i {
			return -1
		}
		i = digits(s, i)
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if digits(s, i) == i {
			return -1
		}
		i = digits(s, i)
	}
	return i
}

// digits returns the end of the digits at i.
func digits(s []byte, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}
