package markup

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

const (
	declares = math.MaxUint16 // the namespace of attributes that declare one
	none     = math.MaxUint32
	xmlSpace = "http://www.w3.org/XML/1998/namespace"
)

// Parse reads one document. How long it may be is for the caller to bound. The
// error is a *tree.Error.
func Parse(src string) (*Doc, error) {
	d := &Doc{src: src, spaces: []string{"", xmlSpace}}
	d.findLines()
	tags := min(strings.Count(src, "<"), len(src)/16) // there may be comments full of them
	d.nodes = make([]node, 0, tags+1)
	d.attrs = make([]attribute, 0, min(tags, strings.Count(src, "=")))
	p := parser{d: d, s: src}
	if err := p.document(); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Doc) findLines() {
	d.lines = append(d.lines, 0)
	for i := 0; ; {
		j := strings.IndexByte(d.src[i:], '\n')
		if j < 0 {
			return
		}
		i += j + 1
		d.lines = append(d.lines, uint32(i))
	}
}

type parser struct {
	d      *Doc
	s      string
	i      int
	open   []uint32 // elements that are being read
	scopes []scope  // declarations in force
	rooted bool
}

// A scope is one declaration of a namespace.
type scope struct {
	prefix string
	space  uint16
	depth  int // of the element that has it
}

func (p *parser) fail(off int, format string, a ...any) error {
	e := &tree.Error{Msg: fmt.Sprintf(format, a...)}
	e.Line, e.Col = p.d.Pos(min(off, len(p.s)))
	if n := len(p.open); n > 0 {
		e.Path = Node{p.d, p.open[n-1]}.Path()
	}
	return e
}

func (p *parser) document() error {
	if len(p.s) > math.MaxInt32 {
		return p.fail(0, "the document is longer than 2 GB")
	}
	if i := badChar(p.s); i >= 0 {
		return p.charFail(i)
	}
	if strings.HasPrefix(p.s, "\ufeff") {
		p.i = len("\ufeff")
	}
	if err := p.declaration(); err != nil {
		return err
	}
	for p.i < len(p.s) {
		if err := p.one(); err != nil {
			return err
		}
	}
	switch {
	case len(p.open) > 0:
		return p.fail(p.i, "the document ends within an element")
	case !p.rooted:
		return p.fail(p.i, "the document has no element")
	}
	return nil
}

func (p *parser) charFail(i int) error {
	r, n := utf8.DecodeRuneInString(p.s[i:])
	if r == utf8.RuneError && n == 1 {
		return p.fail(i, "byte 0x%02x is not UTF-8", p.s[i])
	}
	return p.fail(i, "the character U+%04X has no place in XML", r)
}

// declaration goes over <?xml version="1.0" encoding="UTF-8"?>.
func (p *parser) declaration() error {
	rest := p.s[p.i:]
	if !strings.HasPrefix(rest, "<?xml") || len(rest) < 6 || !isSpace(rest[5]) {
		return nil
	}
	end := strings.Index(rest, "?>")
	if end < 0 {
		return p.fail(p.i, "an XML declaration without an end")
	}
	text := " " + strings.Join(strings.Fields(rest[5:end]), " ")
	if v, ok := pseudo(text, "version"); !ok || !strings.HasPrefix(v, "1.") {
		return p.fail(p.i, "an XML declaration without version 1.0")
	}
	if enc, ok := pseudo(text, "encoding"); ok && !strings.EqualFold(enc, "utf-8") && !strings.EqualFold(enc, "us-ascii") {
		return p.fail(p.i, "the encoding %.20q; only UTF-8 is read", enc)
	}
	p.i += end + 2
	return nil
}

// pseudo finds name="value" in the text of a declaration.
func pseudo(text, name string) (value string, ok bool) {
	i := strings.Index(text, " "+name)
	if i < 0 {
		return "", false
	}
	text = strings.TrimLeft(text[i+1+len(name):], " \t\r\n")
	text, ok = strings.CutPrefix(text, "=")
	text = strings.TrimLeft(text, " \t\r\n")
	if !ok || text == "" || text[0] != '"' && text[0] != '\'' {
		return "", false
	}
	value, _, ok = strings.Cut(text[1:], text[:1])
	return value, ok
}

// one reads the next piece, whatever it is.
func (p *parser) one() error {
	rest := p.s[p.i:]
	switch {
	case strings.HasPrefix(rest, "<!--"):
		return p.comment()
	case strings.HasPrefix(rest, "<![CDATA["):
		return p.text()
	case strings.HasPrefix(rest, "<!"):
		return p.fail(p.i, "document type declarations and their entities are refused")
	case strings.HasPrefix(rest, "<?"):
		return p.instruction()
	case strings.HasPrefix(rest, "</"):
		return p.endTag()
	case rest[0] == '<':
		return p.startTag()
	default:
		return p.text()
	}
}

func (p *parser) add(n node) {
	n.next = uint32(len(p.d.nodes) + 1)
	n.parent = none
	if len(p.open) > 0 {
		n.parent = p.open[len(p.open)-1]
	}
	p.d.nodes = append(p.d.nodes, n)
}

func (p *parser) comment() error {
	start := p.i
	end := strings.Index(p.s[start+4:], "--")
	if end < 0 {
		return p.fail(start, "a comment without an end")
	}
	end += start + 4
	if end+2 >= len(p.s) || p.s[end+2] != '>' {
		return p.fail(end, "-- within a comment")
	}
	p.i = end + 3
	p.add(node{kind: Comment, off: uint32(start), end: uint32(p.i), in: uint32(start + 4), inEnd: uint32(end)})
	return nil
}

func (p *parser) instruction() error {
	start := p.i
	end := strings.Index(p.s[start:], "?>")
	if end < 0 {
		return p.fail(start, "a processing instruction without an end")
	}
	p.i += 2
	name, err := p.name()
	if err != nil {
		return err
	}
	if strings.EqualFold(name, "xml") {
		return p.fail(start, "an XML declaration that is not at the start of the document")
	}
	if end += start; p.i > end || p.i < end && !isSpace(p.s[p.i]) {
		return p.fail(p.i, "a processing instruction without a target")
	}
	p.add(node{kind: Instruction, off: uint32(start), end: uint32(end + 2), in: uint32(start + 2), inEnd: uint32(end)})
	p.i = end + 2
	return nil
}

// text reads characters, references and CDATA sections up to the next tag.
func (p *parser) text() error {
	start, plain := p.i, true
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '<' && strings.HasPrefix(p.s[p.i:], "<![CDATA["):
			end := strings.Index(p.s[p.i:], "]]>")
			if end < 0 {
				return p.fail(p.i, "a CDATA section without an end")
			}
			p.i, plain = p.i+end+3, false
		case c == '<':
			return p.textEnd(start, plain)
		case c == '&':
			_, n, msg := reference(p.s[p.i:])
			if msg != "" {
				return p.fail(p.i, "%s", msg)
			}
			p.i, plain = p.i+n, false
		case c == ']' && strings.HasPrefix(p.s[p.i:], "]]>"):
			return p.fail(p.i, "]]> in a text")
		default:
			plain = plain && c != '\r'
			p.i++
		}
	}
	return p.textEnd(start, plain)
}

func (p *parser) textEnd(start int, plain bool) error {
	if len(p.open) == 0 {
		if strings.Trim(p.s[start:p.i], " \t\r\n") != "" {
			return p.fail(start, "text outside of the document's element")
		}
		return nil
	}
	p.add(node{kind: Text, plain: plain, off: uint32(start), end: uint32(p.i), in: uint32(start), inEnd: uint32(p.i)})
	return nil
}

// space goes over white space and reports whether there was any.
func (p *parser) space() bool {
	start := p.i
	for p.i < len(p.s) && isSpace(p.s[p.i]) {
		p.i++
	}
	return p.i > start
}

// name reads a name.
func (p *parser) name() (string, error) {
	start := p.i
	for p.i < len(p.s) {
		r, n := utf8.DecodeRuneInString(p.s[p.i:])
		if !inName(r, p.i == start) {
			break
		}
		p.i += n
	}
	switch {
	case p.i == start:
		return "", p.fail(start, "a name is missing")
	case p.i-start > 1000:
		return "", p.fail(start, "a name of more than 1000 bytes")
	}
	return p.s[start:p.i], nil
}

// qualified reads a name with perhaps a prefix; it returns the length of the
// prefix with its colon.
func (p *parser) qualified() (name string, prefix uint16, err error) {
	start := p.i
	if name, err = p.name(); err != nil {
		return "", 0, err
	}
	colon := strings.IndexByte(name, ':')
	if colon == 0 || colon == len(name)-1 || strings.Count(name, ":") > 1 {
		return "", 0, p.fail(start, "the name %.60q", name)
	}
	return name, uint16(colon + 1), nil
}
