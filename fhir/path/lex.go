package path

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxText bounds the length of an expression.
const maxText = 1 << 16

// A SyntaxError says where an expression is no expression.
type SyntaxError struct {
	Pos int // bytes from the start
	Msg string
}

// Error returns the message with its place.
func (e *SyntaxError) Error() string { return fmt.Sprintf("character %d: %s", e.Pos+1, e.Msg) }

// tokens are of these kinds.
type tokenKind uint8

const (
	tokenEnd    tokenKind = iota
	tokenSymbol           // . ( ) [ ] { } , + - * / & | = ~ < > and pairs of these
	tokenName             // a word, which may be a keyword
	tokenQuoted           // a name in backticks
	tokenString
	tokenNumber
	tokenDate  // without the @
	tokenTime  // without the @T
	tokenThis  // $this, $index, $total
	tokenConst // %name
)

// A token is one word of an expression.
type token struct {
	kind tokenKind
	text string // without quotes and escapes
	pos  int
}

// A lexer cuts an expression into tokens.
type lexer struct {
	s   string
	pos int
}

func (l *lexer) fail(pos int, format string, args ...any) error {
	return &SyntaxError{pos, fmt.Sprintf(format, args...)}
}

// lex cuts the whole expression.
func lex(s string) ([]token, error) {
	l := &lexer{s: s}
	if len(s) > maxText {
		return nil, l.fail(0, "an expression has at most %d bytes", maxText)
	}
	if !utf8.ValidString(s) {
		return nil, l.fail(0, "an expression is UTF-8")
	}
	var all []token
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		all = append(all, t)
		if t.kind == tokenEnd {
			return all, nil
		}
	}
}

// skip goes over spaces and comments.
func (l *lexer) skip() error {
	for l.pos < len(l.s) {
		rest := l.s[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexAny(rest, "\r\n")
			if end < 0 {
				end = len(rest)
			}
			l.pos += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return l.fail(l.pos, "a comment has no end")
			}
			l.pos += end + 4
		default:
			return nil
		}
	}
	return nil
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// span returns how many bytes from i on satisfy the condition.
func (l *lexer) span(i int, is func(byte) bool) int {
	j := i
	for j < len(l.s) && is(l.s[j]) {
		j++
	}
	return j
}

func isWord(c byte) bool { return isLetter(c) || isDigit(c) }

func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	start := l.pos
	if start == len(l.s) {
		return token{pos: start}, nil
	}
	take := func(kind tokenKind, from, to int) (token, error) {
		l.pos = to
		return token{kind, l.s[from:to], start}, nil
	}
	switch c := l.s[start]; {
	case isLetter(c):
		return take(tokenName, start, l.span(start, isWord))
	case isDigit(c):
		return take(tokenNumber, start, l.number(start))
	case c == '\'':
		return l.quoted(tokenString, start)
	case c == '`':
		return l.quoted(tokenQuoted, start)
	case c == '"': // older texts of the specification quote names so
		return l.quoted(tokenQuoted, start)
	case c == '@':
		return l.temporal(start)
	case c == '$':
		return take(tokenThis, start, l.span(start+1, isWord))
	case c == '%':
		return l.constant(start)
	}
	for _, two := range [...]string{"<=", ">=", "!=", "!~"} {
		if strings.HasPrefix(l.s[start:], two) {
			return take(tokenSymbol, start, start+2)
		}
	}
	if strings.IndexByte(".()[]{},+-*/&|=~<>", l.s[start]) >= 0 {
		return take(tokenSymbol, start, start+1)
	}
	return token{}, l.fail(start, "unexpected %q", []rune(l.s[start:])[0])
}

// number ends a number: a point belongs to it only with a digit behind.
func (l *lexer) number(start int) int {
	i := l.span(start, isDigit)
	if i+1 < len(l.s) && l.s[i] == '.' && isDigit(l.s[i+1]) {
		i = l.span(i+1, isDigit)
	}
	return i
}

// constant reads %name, %`name` or %'name'.
func (l *lexer) constant(start int) (token, error) {
	if start+1 < len(l.s) && strings.IndexByte("`'\"", l.s[start+1]) >= 0 {
		t, err := l.quoted(tokenConst, start+1)
		t.pos = start
		return t, err
	}
	end := l.span(start+1, func(c byte) bool { return isWord(c) || c == '-' })
	if end == start+1 {
		return token{}, l.fail(start, "a name is missing behind %%")
	}
	l.pos = end
	return token{tokenConst, l.s[start+1 : end], start}, nil
}

// temporal reads a date, date with time, or time.
func (l *lexer) temporal(start int) (token, error) {
	kind, from := tokenDate, start+1
	if strings.HasPrefix(l.s[from:], "T") {
		kind, from = tokenTime, from+1
	}
	is := func(c byte) bool { return isDigit(c) || c == ':' }
	if kind == tokenDate {
		is = func(c byte) bool { return isDigit(c) || c == '-' }
	}
	end := l.span(from, is)
	if kind == tokenDate && end < len(l.s) && l.s[end] == 'T' {
		end = l.span(end+1, func(c byte) bool { return isDigit(c) || c == ':' })
	}
	if end+1 < len(l.s) && l.s[end] == '.' && isDigit(l.s[end+1]) {
		end = l.span(end+1, isDigit)
	}
	if end < len(l.s) && (l.s[end] == 'Z' || (l.s[end] == '+' || l.s[end] == '-') && end+3 < len(l.s) && l.s[end+3] == ':') {
		if l.s[end] == 'Z' {
			end++
		} else {
			end = l.span(end+1, func(c byte) bool { return isDigit(c) || c == ':' })
		}
	}
	l.pos = end
	return token{kind, l.s[from:end], start}, nil
}

// quoted reads a text between two equal marks, with its escapes (FHIRPath N1
// §2.1.3).
func (l *lexer) quoted(kind tokenKind, start int) (token, error) {
	mark := l.s[start]
	var b strings.Builder
	for i := start + 1; i < len(l.s); i++ {
		switch c := l.s[i]; {
		case c == mark:
			l.pos = i + 1
			return token{kind, b.String(), start}, nil
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(l.s) && l.s[i+1] == 'u':
			if i+6 > len(l.s) {
				return token{}, l.fail(i, "\\u has four digits")
			}
			v, err := strconv.ParseUint(l.s[i+2:i+6], 16, 16)
			if err != nil {
				return token{}, l.fail(i, "\\u has four digits")
			}
			b.WriteRune(rune(v))
			i += 5
		case i+1 < len(l.s):
			i++
			j := strings.IndexByte("rntf", l.s[i])
			if j >= 0 {
				b.WriteByte("\r\n\t\f"[j])
			} else if strings.IndexByte("\\/'\"`", l.s[i]) >= 0 {
				b.WriteByte(l.s[i])
			} else { // what regular expressions need is often written with one \
				b.WriteByte('\\')
				b.WriteByte(l.s[i])
			}
		default:
			return token{}, l.fail(i, "an escape has no end")
		}
	}
	return token{}, l.fail(start, "a text has no end")
}
