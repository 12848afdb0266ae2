package jsontree

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// An Error says what is wrong with a text, and where.
type Error struct {
	Line, Col int
	Msg       string
}

// Error returns position and message.
func (e *Error) Error() string { return fmt.Sprintf("line %d column %d: %s", e.Line, e.Col, e.Msg) }

// MaxDepth is how deep arrays and objects may lie in each other.
const MaxDepth = 64

// Parse reads one JSON document (RFC 8259). A byte order mark before it is
// passed over. Of members with the same name the last counts.
func Parse(text []byte) (*Value, error) { return parse(text, false) }

// ParseFile reads a file that people write: as Parse, and comments, commas
// before a closing bracket and texts in single quotes are allowed.
func ParseFile(text []byte) (*Value, error) { return parse(text, true) }

func parse(text []byte, lax bool) (*Value, error) {
	p := parser{text: bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), line: 1, lax: lax}
	p.space()
	v := p.value(0)
	p.space()
	if p.err == nil && p.at < len(p.text) {
		p.wrong("something follows the document")
	}
	if p.err != nil {
		return nil, p.err
	}
	return v, nil
}

// A parser walks a text.
type parser struct {
	text  []byte
	at    int
	line  int
	begin int // where the line begins
	lax   bool
	err   *Error
}

// wrong notes the first thing that is wrong and stops.
func (p *parser) wrong(format string, args ...any) {
	if p.err == nil {
		col := utf8.RuneCount(p.text[p.begin:min(p.at, len(p.text))]) + 1
		p.err = &Error{p.line, col, fmt.Sprintf(format, args...)}
	}
	p.at = len(p.text)
}

// peek returns the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// space passes white space and comments over.
func (p *parser) space() {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == '\n':
			p.line++
			p.begin = p.at + 1
		case c == ' ' || c == '\t' || c == '\r':
		case c == '/' && p.lax:
			p.comment()
			continue
		default:
			return
		}
		p.at++
	}
}

// comment passes a comment over.
func (p *parser) comment() {
	rest := p.text[p.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		n := bytes.IndexByte(rest, '\n')
		if n < 0 {
			n = len(rest)
		}
		p.at += n
	case bytes.HasPrefix(rest, []byte("/*")):
		n := bytes.Index(rest, []byte("*/"))
		if n < 0 {
			p.wrong("the comment does not end")
			return
		}
		for range bytes.Count(rest[:n], []byte("\n")) {
			p.line++
		}
		if i := bytes.LastIndexByte(rest[:n], '\n'); i >= 0 {
			p.begin = p.at + i + 1
		}
		p.at += n + 2
	default:
		p.wrong("want a value")
	}
}

// value reads a value.
func (p *parser) value(depth int) *Value {
	if depth > MaxDepth {
		p.wrong("deeper than %d levels", MaxDepth)
		return nil
	}
	v := &Value{Line: p.line, Col: utf8.RuneCount(p.text[p.begin:p.at]) + 1}
	switch c := p.peek(); {
	case p.at >= len(p.text):
		p.wrong("the text ends where a value should be")
	case c == '{':
		v.Kind = Object
		p.object(v, depth)
	case c == '[':
		v.Kind = Array
		p.array(v, depth)
	case c == '"' || c == '\'' && p.lax:
		v.Kind, v.Text = String, p.str()
	case c == '-' || c >= '0' && c <= '9':
		v.Kind, v.Text = Number, p.number()
	case p.word("true"):
		v.Kind, v.True = Bool, true
	case p.word("false"):
		v.Kind = Bool
	case p.word("null"):
	default:
		p.wrong("want a value, not %q", string(rune(c)))
	}
	return v
}

// word passes a word over.
func (p *parser) word(w string) bool {
	if !bytes.HasPrefix(p.text[p.at:], []byte(w)) {
		return false
	}
	p.at += len(w)
	return true
}

// array reads the elements.
func (p *parser) array(v *Value, depth int) {
	p.at++
	for p.space(); p.err == nil; p.space() {
		if p.peek() == ']' && (len(v.Items) == 0 || p.lax) {
			p.at++
			return
		}
		v.Items = append(v.Items, p.value(depth+1))
		if !p.next(']') {
			return
		}
	}
}

// next passes the comma between elements over; it is false after the last.
func (p *parser) next(end byte) bool {
	p.space()
	switch p.peek() {
	case end:
		p.at++
		return false
	case ',':
		p.at++
		return true
	}
	p.wrong("want a comma or %q", string(rune(end)))
	return false
}

// object reads the members.
func (p *parser) object(v *Value, depth int) {
	p.at++
	at := map[string]int{}
	for p.space(); p.err == nil; p.space() {
		if p.peek() == '}' && (len(v.Items) == 0 || p.lax) {
			p.at++
			return
		}
		if c := p.peek(); c != '"' && (c != '\'' || !p.lax) {
			p.wrong("want the name of a member in quotes")
			return
		}
		name := p.str()
		p.space()
		if p.peek() != ':' {
			p.wrong("want a colon after the name")
			return
		}
		p.at++
		p.space()
		item := p.value(depth + 1)
		if i, again := at[name]; again {
			v.Items[i] = item
		} else {
			at[name] = len(v.Items)
			v.Names, v.Items = append(v.Names, name), append(v.Items, item)
		}
		if !p.next('}') {
			return
		}
	}
}

// number reads the digits of a number.
func (p *parser) number() string {
	start := p.at
	digits := func() bool {
		n := p.at
		for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
			p.at++
		}
		return p.at > n
	}
	if p.peek() == '-' {
		p.at++
	}
	first := p.at
	ok := digits()
	if ok && p.at-first > 1 && p.text[first] == '0' {
		ok = false
	}
	if ok && p.peek() == '.' {
		p.at++
		ok = digits()
	}
	if c := p.peek(); ok && (c == 'e' || c == 'E') {
		p.at++
		if c := p.peek(); c == '+' || c == '-' {
			p.at++
		}
		ok = digits()
	}
	text := string(p.text[start:p.at])
	if _, err := strconv.ParseFloat(text, 64); !ok || err != nil {
		p.wrong("not a number")
	}
	return text
}

// str reads a text in quotes.
func (p *parser) str() string {
	quote := p.peek()
	p.at++
	start := p.at
	var b strings.Builder
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == quote:
			b.Write(p.text[start:p.at])
			p.at++
			return strings.ToValidUTF8(b.String(), "\uFFFD")
		case c == '\\':
			b.Write(p.text[start:p.at])
			p.escape(&b)
			start = p.at
		case c < 0x20:
			p.wrong("a control character in a text")
		default:
			p.at++
		}
	}
	p.wrong("the text does not end")
	return ""
}

// escape reads an escape sequence.
func (p *parser) escape(b *strings.Builder) {
	p.at++
	c := p.peek()
	p.at++
	switch c {
	case '"', '\\', '/', '\'':
		b.WriteByte(c)
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'u':
		r := p.hex()
		if utf16.IsSurrogate(r) && bytes.HasPrefix(p.text[min(p.at, len(p.text)):], []byte(`\u`)) {
			p.at += 2
			r = utf16.DecodeRune(r, p.hex())
		}
		b.WriteRune(r)
	default:
		p.wrong("not an escape sequence")
	}
}

// hex reads four hexadecimal digits.
func (p *parser) hex() rune {
	if p.at+4 <= len(p.text) {
		if n, err := strconv.ParseUint(string(p.text[p.at:p.at+4]), 16, 16); err == nil {
			p.at += 4
			return rune(n)
		}
	}
	p.wrong("want four hexadecimal digits")
	return 0
}
