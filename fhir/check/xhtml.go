package check

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// maxXHTMLDepth bounds how deep the elements of a narrative lie in each other.
const maxXHTMLDepth = 128

// XHTML says what is wrong with a narrative's div (R4 narrative.html), "" if
// nothing, and the key of the invariant. For txt-1 it must be well-formed XML
// without entities but the five of XML, one div in the XHTML namespace, and have
// only the elements and attributes of the formatting chapters of HTML 4.0,
// nothing active; for txt-2 it must have some content.
func XHTML(div []byte) (problem, key string) {
	s := xhtmlScanner{src: div}
	if err := s.run(); err != nil {
		return err.Error(), "txt-1"
	}
	if !s.content {
		return "the narrative has neither text nor an image", "txt-2"
	}
	return "", ""
}

// An xhtmlScanner reads a div once. Names are pieces of the source.
type xhtmlScanner struct {
	src     []byte
	at      int
	open    [maxXHTMLDepth][]byte
	depth   int
	content bool // there was text or an image
	done    bool // the div was closed
}

func (s *xhtmlScanner) run() error {
	for s.at < len(s.src) {
		next := bytes.IndexByte(s.src[s.at:], '<')
		if next < 0 {
			next = len(s.src) - s.at
		}
		if err := s.text(s.src[s.at : s.at+next]); err != nil {
			return err
		}
		s.at += next
		if s.at == len(s.src) {
			break
		}
		if err := s.markup(); err != nil {
			return err
		}
	}
	if !s.done {
		if s.depth > 0 {
			return fmt.Errorf("the element %q of the narrative is not closed", short(s.open[s.depth-1]))
		}
		return fmt.Errorf("the narrative is not a div")
	}
	return nil
}

func (s *xhtmlScanner) text(t []byte) error {
	if len(t) == 0 {
		return nil
	}
	empty := blank(t)
	if s.depth == 0 {
		if !empty {
			return fmt.Errorf("the narrative has text outside of its div")
		}
		return nil
	}
	if !empty {
		s.content = true
	}
	if bytes.Contains(t, []byte("]]>")) {
		return fmt.Errorf("the narrative has ]]> in its text")
	}
	return entities(t)
}

func (s *xhtmlScanner) markup() error {
	rest := s.src[s.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		return s.skipPast(4, "--", "-->", "comment")
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		if s.depth == 0 {
			return fmt.Errorf("the narrative has text outside of its div")
		}
		s.content = true
		return s.skipPast(9, "", "]]>", "CDATA section")
	case bytes.HasPrefix(rest, []byte("<!")):
		return fmt.Errorf("the narrative has a document type, which is not allowed")
	case bytes.HasPrefix(rest, []byte("<?")):
		return fmt.Errorf("the narrative has a processing instruction, which is not allowed")
	case bytes.HasPrefix(rest, []byte("</")):
		return s.closing()
	}
	return s.opening()
}

// skipPast goes past an end, before which a forbidden text must not stand.
func (s *xhtmlScanner) skipPast(head int, forbidden, end, what string) error {
	body := s.src[s.at+head:]
	i := bytes.Index(body, []byte(end))
	if i < 0 || forbidden != "" && bytes.Contains(body[:i], []byte(forbidden)) {
		return fmt.Errorf("the narrative has a %s that does not end as it must", what)
	}
	s.at += head + i + len(end)
	return nil
}

func (s *xhtmlScanner) closing() error {
	s.at += 2
	name := s.name()
	s.white()
	if s.at >= len(s.src) || s.src[s.at] != '>' {
		return fmt.Errorf("the end of the element %q of the narrative is not well-formed", short(name))
	}
	s.at++
	if s.depth == 0 || !bytes.Equal(s.open[s.depth-1], name) {
		return fmt.Errorf("the narrative closes the element %q, which is not the one open", short(name))
	}
	s.depth--
	s.done = s.depth == 0
	return nil
}

func (s *xhtmlScanner) opening() error {
	s.at++
	name := s.name()
	if len(name) == 0 {
		return fmt.Errorf("the narrative has a < that begins no element")
	}
	if s.depth == 0 {
		if s.done {
			return fmt.Errorf("the narrative has more than one element at its top")
		}
		if string(name) != "div" {
			return fmt.Errorf("the narrative must be a div, not %q", short(name))
		}
	}
	if !xhtmlElement(name) {
		return fmt.Errorf("the element %q is not allowed in a narrative", short(name))
	}
	if s.depth == maxXHTMLDepth {
		return fmt.Errorf("the elements of the narrative lie more than %d deep", maxXHTMLDepth)
	}
	if string(name) == "img" {
		s.content = true
	}
	return s.attributes(name)
}

// attributes reads those of an element up to the end of its tag.
func (s *xhtmlScanner) attributes(element []byte) error {
	from := s.at
	namespace := s.depth > 0
	for {
		gap := s.white()
		if s.at >= len(s.src) {
			return fmt.Errorf("the element %q of the narrative does not end", short(element))
		}
		if c := s.src[s.at]; c == '>' || c == '/' {
			break
		}
		if !gap {
			return fmt.Errorf("the element %q of the narrative is not well-formed", short(element))
		}
		start := s.at
		name, value, err := s.attribute(element)
		if err != nil {
			return err
		}
		if string(name) == "xmlns" {
			if string(value) != "http://www.w3.org/1999/xhtml" {
				return fmt.Errorf("the narrative must be in the namespace http://www.w3.org/1999/xhtml")
			}
			namespace = true
		}
		if repeated(s.src[from:start], name) {
			return fmt.Errorf("the attribute %q stands twice on an element of the narrative", short(name))
		}
	}
	if !namespace {
		return fmt.Errorf("the div of the narrative must be in the namespace http://www.w3.org/1999/xhtml")
	}
	if s.src[s.at] == '>' {
		s.open[s.depth] = element
		s.depth++
		s.at++
		return nil
	}
	if s.at+1 >= len(s.src) || s.src[s.at+1] != '>' {
		return fmt.Errorf("the element %q of the narrative is not well-formed", short(element))
	}
	s.done = s.depth == 0
	s.at += 2
	return nil
}

// repeated tells whether an attribute stands in what was read of a tag before.
// The number of different attributes is bounded by those that are allowed.
func repeated(before, name []byte) bool {
	for i := 0; i < len(before); {
		j := bytes.IndexByte(before[i:], '=')
		if j < 0 {
			return false
		}
		if bytes.Equal(bytes.TrimSpace(before[i:i+j]), name) {
			return true
		}
		i += j + 1
		for i < len(before) && space(before[i]) {
			i++
		}
		quote := before[i]
		i += 1 + bytes.IndexByte(before[i+1:], quote) + 1
	}
	return false
}

func (s *xhtmlScanner) attribute(element []byte) (name, value []byte, err error) {
	name = s.name()
	if !xhtmlAttribute(element, name) {
		return nil, nil, fmt.Errorf("the attribute %q of the element %q is not allowed in a narrative", short(name), short(element))
	}
	s.white()
	if s.at >= len(s.src) || s.src[s.at] != '=' {
		return nil, nil, fmt.Errorf("the attribute %q of the narrative has no value", short(name))
	}
	s.at++
	s.white()
	if s.at >= len(s.src) || s.src[s.at] != '"' && s.src[s.at] != '\'' {
		return nil, nil, fmt.Errorf("the value of the attribute %q of the narrative is not in quotes", short(name))
	}
	quote := s.src[s.at]
	s.at++
	n := bytes.IndexByte(s.src[s.at:], quote)
	if n < 0 {
		return nil, nil, fmt.Errorf("the value of the attribute %q of the narrative does not end", short(name))
	}
	value = s.src[s.at : s.at+n]
	s.at += n + 1
	if bytes.IndexByte(value, '<') >= 0 {
		return nil, nil, fmt.Errorf("the value of the attribute %q of the narrative has a <", short(name))
	}
	if active(name, value) {
		return nil, nil, fmt.Errorf("the attribute %q of the narrative has active content", short(name))
	}
	return name, value, entities(value)
}

// active tells whether a link would run something when followed.
func active(name, value []byte) bool {
	if string(name) != "href" && string(name) != "src" {
		return false
	}
	if len(value) > 512 {
		value = value[:512]
	}
	// What a browser would ignore in the scheme of a link must not hide it, nor
	// may a reference to a character.
	var scheme []byte
	for _, c := range value {
		if c == '&' {
			return bytes.IndexByte(value, ':') < 0 || bytes.IndexByte(value, '&') < bytes.IndexByte(value, ':')
		}
		if c == ':' {
			break
		}
		if c == '/' || c == '?' || c == '#' {
			return false
		}
		if c > ' ' {
			scheme = append(scheme, c|0x20)
		}
	}
	return string(scheme) == "javascript" || string(scheme) == "vbscript"
}

// entities refuses an & that does not begin one of the five entities of XML or
// a reference to a character that XML allows: there is no support for those of
// HTML (narrative.html).
func entities(t []byte) error {
	for {
		i := bytes.IndexByte(t, '&')
		if i < 0 {
			return nil
		}
		t = t[i+1:]
		end := bytes.IndexByte(t[:min(len(t), 16)], ';')
		if end < 0 {
			return fmt.Errorf("the narrative has an & that begins no entity")
		}
		switch name := t[:end]; string(name) {
		case "lt", "gt", "amp", "quot", "apos":
		default:
			if !character(name) {
				return fmt.Errorf("the entity %q is not one of XML", short(name))
			}
		}
		t = t[end+1:]
	}
}

// character tells whether a name is a reference to a character: #233, #xE9.
func character(name []byte) bool {
	digits, ok := cut(name, "#")
	if !ok || len(digits) == 0 {
		return false
	}
	base := rune(10)
	if digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	if len(digits) == 0 || len(digits) > 8 {
		return false
	}
	r := rune(0)
	for _, c := range digits {
		d := rune(99)
		switch {
		case c >= '0' && c <= '9':
			d = rune(c - '0')
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			d = rune(c|0x20-'a') + 10
		}
		if d >= base {
			return false
		}
		if r = r*base + d; r > utf8.MaxRune {
			return false
		}
	}
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r != 0xFFFE && r != 0xFFFF && utf8.ValidRune(r)
}

// name reads a name; nothing when there is none.
func (s *xhtmlScanner) name() []byte {
	from := s.at
	for s.at < len(s.src) {
		c := s.src[s.at]
		if !alphanumeric(c) && c != ':' && c != '-' && c != '_' && c != '.' && c < utf8.RuneSelf {
			break
		}
		s.at++
	}
	return s.src[from:s.at]
}

func (s *xhtmlScanner) white() bool {
	from := s.at
	for s.at < len(s.src) && space(s.src[s.at]) {
		s.at++
	}
	return s.at > from
}

// short bounds what of a document is repeated in a message.
func short(b []byte) string {
	const most = 60
	if len(b) <= most {
		return string(b)
	}
	n := most
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return string(b[:n]) + "…"
}
