package jmespath

import (
	"strings"

	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// A tokenKind tells one token from another.
type tokenKind uint8

const (
	tEnd tokenKind = iota
	tName
	tQuoted
	tNumber
	tLiteral
	tDot
	tStar
	tFlatten
	tFilter
	tOpen  // [
	tClose // ]
	tLeft  // (
	tRight // )
	tBraceOpen
	tBraceClose
	tComma
	tColon
	tAt
	tAmp
	tAnd
	tOr
	tPipe
	tNot
	tCompare
)

// A token is a piece of an expression.
type token struct {
	kind  tokenKind
	at    int
	text  string
	value *jsontree.Value // of a literal
}

// signs are the tokens that are signs, longer ones before shorter ones.
func signs() []struct {
	text string
	kind tokenKind
} {
	return []struct {
		text string
		kind tokenKind
	}{
		{"[]", tFlatten}, {"[?", tFilter}, {"[", tOpen}, {"]", tClose}, {"(", tLeft}, {")", tRight},
		{"{", tBraceOpen}, {"}", tBraceClose}, {",", tComma}, {":", tColon}, {"@", tAt}, {"&&", tAnd}, {"&", tAmp},
		{"||", tOr}, {"|", tPipe}, {"==", tCompare}, {"!=", tCompare}, {"<=", tCompare}, {">=", tCompare},
		{"<", tCompare}, {">", tCompare}, {"!", tNot}, {".", tDot}, {"*", tStar},
	}
}

// scan cuts an expression into tokens.
func scan(text string) ([]token, error) {
	var out []token
	for at := 0; at < len(text); {
		c := text[at]
		if strings.IndexByte(" \t\r\n", c) >= 0 {
			at++
			continue
		}
		t, n, err := next(text, at)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
		at += n
	}
	return append(out, token{kind: tEnd, at: len(text)}), nil
}

// next returns the token at a place and its length.
func next(text string, at int) (token, int, error) {
	c := text[at]
	switch {
	case letter(c):
		n := 1
		for at+n < len(text) && (letter(text[at+n]) || digit(text[at+n])) {
			n++
		}
		return token{kind: tName, at: at, text: text[at : at+n]}, n, nil
	case digit(c) || c == '-':
		n := 1
		for at+n < len(text) && digit(text[at+n]) {
			n++
		}
		if c == '-' && n == 1 {
			return token{}, 0, &Error{at + 1, "want a number after the minus"}
		}
		return token{kind: tNumber, at: at, text: text[at : at+n]}, n, nil
	case c == '"' || c == '\'' || c == '`':
		return inQuotes(text, at)
	}
	for _, s := range signs() {
		if strings.HasPrefix(text[at:], s.text) {
			return token{kind: s.kind, at: at, text: s.text}, len(s.text), nil
		}
	}
	return token{}, 0, &Error{at + 1, "unexpected character"}
}

// inQuotes reads a name, a raw text or a JSON literal in its quotes.
func inQuotes(text string, at int) (token, int, error) {
	quote := text[at]
	n := 1
	for ; at+n < len(text) && text[at+n] != quote; n++ {
		if text[at+n] == '\\' {
			n++
		}
	}
	if at+n >= len(text) {
		return token{}, 0, &Error{at + 1, "the quotes are not closed"}
	}
	inner := text[at+1 : at+n]
	t := token{kind: tLiteral, at: at}
	switch quote {
	case '\'':
		t.value = jsontree.Text(strings.NewReplacer(`\\`, `\`, `\'`, `'`).Replace(inner))
	case '`':
		inner = strings.TrimSpace(strings.ReplaceAll(inner, "\\`", "`"))
		v, err := jsontree.Parse([]byte(inner))
		if err != nil { // the older form of a text, without quotes
			if inner == "" || strings.IndexByte(`"[{`, inner[0]) >= 0 {
				return token{}, 0, &Error{at + 1, "not a JSON literal"}
			}
			v = jsontree.Text(inner)
		}
		t.value = v
	case '"':
		v, err := jsontree.Parse([]byte(text[at : at+n+1]))
		if err != nil {
			return token{}, 0, &Error{at + 1, "not a name in quotes"}
		}
		t.kind, t.text = tQuoted, v.Text
	}
	return t, n + 1, nil
}

func letter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }
