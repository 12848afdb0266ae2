package graph

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A tokenKind is a sort of token.
type tokenKind uint8

const (
	atEnd tokenKind = iota
	mark            // one of ! $ ( ) ... : = @ [ ] { } | &
	name
	number
	quoted
)

// A token is a piece of a query. The text of a quoted one is what it means.
type token struct {
	kind      tokenKind
	text      string
	line, col int
}

// A lexer cuts a query into tokens (GraphQL §2.1).
type lexer struct {
	text      string
	at        int
	line, col int
}

// wrong is a problem at a token.
func (t token) wrong(format string, args ...any) *Problem {
	return &Problem{Line: t.line, Col: t.col, Msg: fmt.Sprintf(format, args...)}
}

// step goes on by n bytes that hold no line end.
func (l *lexer) step(n int) { l.at, l.col = l.at+n, l.col+n }

// skip goes over white space, commas and comments.
func (l *lexer) skip() {
	for l.at < len(l.text) {
		switch c := l.text[l.at]; {
		case c == '\n':
			l.at, l.line, l.col = l.at+1, l.line+1, 1
		case c == ' ' || c == '\t' || c == '\r' || c == ',':
			l.step(1)
		case c == '#':
			end := strings.IndexByte(l.text[l.at:], '\n')
			if end < 0 {
				end = len(l.text) - l.at
			}
			l.step(end)
		case strings.HasPrefix(l.text[l.at:], "\ufeff"):
			l.step(len("\ufeff"))
		default:
			return
		}
	}
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// next returns the next token.
func (l *lexer) next() (token, error) {
	l.skip()
	t := token{line: l.line, col: l.col}
	if l.at >= len(l.text) {
		return t, nil
	}
	rest := l.text[l.at:]
	switch c := rest[0]; {
	case letter(c):
		t.kind, t.text = name, rest[:span(rest, func(c byte) bool { return letter(c) || digit(c) })]
	case digit(c) || c == '-':
		t.kind, t.text = number, rest[:span(rest, func(c byte) bool { return letter(c) || digit(c) || strings.IndexByte("+-.", c) >= 0 })]
		if d, err := tree.Parse([]byte(t.text)); err != nil || d.Root().Kind() != tree.Number {
			return t, t.wrong("%q is no number", t.text)
		}
	case c == '"':
		return l.quoted(t)
	case strings.HasPrefix(rest, "..."):
		t.kind, t.text = mark, "..."
	case strings.IndexByte("!$():=@[]{}|&", c) >= 0:
		t.kind, t.text = mark, rest[:1]
	default:
		r, _ := utf8.DecodeRuneInString(rest)
		return t, t.wrong("the character %q is not expected here", r)
	}
	l.step(len(t.text))
	return t, nil
}

// span returns how many bytes at the start are like this.
func span(s string, like func(byte) bool) int {
	n := 1
	for n < len(s) && like(s[n]) {
		n++
	}
	return n
}

// quoted reads a string.
func (l *lexer) quoted(t token) (token, error) {
	t.kind = quoted
	rest := l.text[l.at:]
	if strings.HasPrefix(rest, `"""`) {
		return l.block(t, rest[3:])
	}
	for end := 1; end < len(rest) && rest[end] != '\n'; end++ {
		switch rest[end] {
		case '\\':
			end++
		case '"':
			d, err := tree.Parse([]byte(rest[:end+1])) // escapes are those of JSON
			if err != nil {
				return t, t.wrong("the text is not written as a string: %v", err)
			}
			t.text = d.Root().Text()
			l.step(end + 1)
			return t, nil
		}
	}
	return t, t.wrong("the string has no end")
}

// block reads a block string behind its quotes.
func (l *lexer) block(t token, rest string) (token, error) {
	var b strings.Builder
	for at := 0; at < len(rest); {
		switch {
		case strings.HasPrefix(rest[at:], `\"""`):
			b.WriteString(`"""`)
			at += 4
		case strings.HasPrefix(rest[at:], `"""`):
			raw := rest[:at]
			l.at += at + 6
			if n := strings.Count(raw, "\n"); n > 0 {
				l.line, l.col = l.line+n, len(raw)-strings.LastIndexByte(raw, '\n')+3
			} else {
				l.col += at + 6
			}
			t.text = dedent(b.String())
			return t, nil
		default:
			b.WriteByte(rest[at])
			at++
		}
	}
	return t, t.wrong("the block string has no end")
}

// dedent takes the common indent and empty lines at both ends away
// (GraphQL §2.9.4, BlockStringValue).
func dedent(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	common := -1
	for _, line := range lines[1:] {
		if indent := len(line) - len(strings.TrimLeft(line, " \t")); indent < len(line) && (common < 0 || indent < common) {
			common = indent
		}
	}
	for i := range lines {
		if i > 0 && common > 0 {
			lines[i] = lines[i][min(common, len(lines[i])):]
		}
	}
	for len(lines) > 0 && strings.TrimSpace(lines[0]) == "" {
		lines = lines[1:]
	}
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}
