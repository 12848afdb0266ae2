// Package csvbody turns lines of separated values, as devices send and export
// them, into the JSON text of a list of rows, so that they are read by the same
// paths as JSON. A cell that is a number becomes one, an empty cell becomes
// null, and every other cell becomes a text.
package csvbody

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// MaxRows bounds the rows of one message, MaxColumns the cells of a row.
const (
	MaxRows    = 100_000
	MaxColumns = 1024
)

// Options say how the values are written.
type Options struct {
	Separator    byte     // 0 is a comma
	Columns      []string // names of the columns; none means that the first line names them
	DecimalComma bool     // numbers are written 36,6
}

// An Error says where a text stops being a table.
type Error struct {
	Line, Column int // from 1; columns count characters
	Msg          string
}

// Error returns the position and what is wrong.
func (e *Error) Error() string { return e.Pos() + ": " + e.Msg }

// Pos returns "line 3 column 7".
func (e *Error) Pos() string {
	return "line " + strconv.Itoa(e.Line) + " column " + strconv.Itoa(e.Column)
}

// A reader goes through the text.
type reader struct {
	src       []byte
	pos       int
	line      int
	lineStart int
	o         Options
	cell      []byte
}

// AppendJSON appends the rows of a table as a JSON list of objects. A row with
// fewer cells than columns has no value for the rest; one with more is an error.
func AppendJSON(dst, text []byte, o Options) ([]byte, error) {
	if o.Separator == 0 {
		o.Separator = ','
	}
	r := &reader{src: text, line: 1, o: o}
	if len(text) >= 3 && string(text[:3]) == "\ufeff" {
		r.pos, r.lineStart = 3, 3
	}
	if !utf8.Valid(text) {
		return dst, r.fail("not valid UTF-8")
	}
	names, err := r.columns()
	if err != nil {
		return dst, err
	}
	dst = append(dst, '[')
	rows := 0
	for r.skipBlank(); r.pos < len(r.src); r.skipBlank() {
		if rows++; rows > MaxRows {
			return dst, r.fail("more than " + strconv.Itoa(MaxRows) + " rows")
		}
		if rows > 1 {
			dst = append(dst, ',')
		}
		if dst, err = r.row(dst, names); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// fail makes an error at where the reader is.
func (r *reader) fail(msg string) error {
	return &Error{r.line, utf8.RuneCount(r.src[r.lineStart:r.pos]) + 1, msg}
}

// columns returns the names of the columns as JSON, with the colon.
func (r *reader) columns() ([][]byte, error) {
	names := r.o.Columns
	if len(names) == 0 {
		r.skipBlank()
		for more := r.pos < len(r.src); more; {
			var err error
			if more, _, err = r.next(); err != nil {
				return nil, err
			}
			if names = append(names, string(r.cell)); len(names) > MaxColumns {
				return nil, r.fail("more than " + strconv.Itoa(MaxColumns) + " columns")
			}
		}
	}
	out := make([][]byte, len(names))
	for i, n := range names {
		quoted, err := json.Marshal(n)
		if err != nil {
			return nil, fmt.Errorf("name column %d: %w", i+1, err)
		}
		out[i] = append(quoted, ':')
		for _, other := range names[:i] {
			if n == other {
				return nil, &Error{1, 1, fmt.Sprintf("the column %q is there twice", n)}
			}
		}
	}
	return out, nil
}

// row appends one row as an object.
func (r *reader) row(dst []byte, names [][]byte) ([]byte, error) {
	dst = append(dst, '{')
	for i, more := 0, true; more; i++ {
		var quoted bool
		var err error
		if i >= len(names) {
			return dst, r.fail("more cells than columns")
		}
		if more, quoted, err = r.next(); err != nil {
			return dst, err
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, names[i]...)
		dst = r.appendCell(dst, quoted)
	}
	return append(dst, '}'), nil
}

// appendCell appends the cell that was read last.
func (r *reader) appendCell(dst []byte, quoted bool) []byte {
	if len(r.cell) == 0 && !quoted {
		return append(dst, "null"...)
	}
	at := len(dst)
	if dst = r.appendNumber(dst); len(dst) > at {
		return dst
	}
	text, err := json.Marshal(string(r.cell))
	if err != nil {
		return append(dst, "null"...)
	}
	return append(dst, text...)
}

// appendNumber appends the cell when it is a number, in the form that JSON has
// for it: without plus sign and leading zeros, with a point.
func (r *reader) appendNumber(dst []byte) []byte {
	at, c := len(dst), r.cell
	if len(c) > 40 || len(c) == 0 {
		return dst
	}
	if c[0] == '-' {
		dst = append(dst, '-')
	}
	if c[0] == '-' || c[0] == '+' {
		c = c[1:]
	}
	for len(c) > 1 && c[0] == '0' && c[1] >= '0' && c[1] <= '9' {
		c = c[1:]
	}
	if len(c) > 1 && (c[0] == '.' || r.o.DecimalComma && c[0] == ',') {
		dst = append(dst, '0')
	}
	for _, b := range c {
		if b == ',' && r.o.DecimalComma {
			b = '.'
		} else if b == '.' && r.o.DecimalComma {
			return dst[:at]
		}
		dst = append(dst, b)
	}
	number := dst[at:]
	if len(number) == 0 {
		return dst
	}
	if first := number[0]; first != '-' && (first < '0' || first > '9') || !json.Valid(number) {
		return dst[:at]
	}
	return dst
}

// skipBlank skips empty lines.
func (r *reader) skipBlank() {
	for r.pos < len(r.src) && (r.src[r.pos] == '\n' || r.src[r.pos] == '\r') {
		r.newline()
	}
}

// newline steps over the end of a line.
func (r *reader) newline() {
	if r.src[r.pos] == '\r' && r.pos+1 < len(r.src) && r.src[r.pos+1] == '\n' {
		r.pos++
	}
	r.pos++
	r.line++
	r.lineStart = r.pos
}

// next reads one cell into r.cell, without quotes and outer blanks, and tells
// whether another follows in the row.
func (r *reader) next() (more, quoted bool, err error) {
	r.cell = r.cell[:0]
	for r.pos < len(r.src) && r.src[r.pos] == ' ' {
		r.pos++
	}
	if r.pos < len(r.src) && r.src[r.pos] == '"' {
		quoted = true
		if err := r.quoted(); err != nil {
			return false, true, err
		}
	}
	start := r.pos
	for r.pos < len(r.src) && r.src[r.pos] != r.o.Separator && r.src[r.pos] != '\n' && r.src[r.pos] != '\r' {
		r.pos++
	}
	rest := r.src[start:r.pos]
	for len(rest) > 0 && rest[len(rest)-1] == ' ' {
		rest = rest[:len(rest)-1]
	}
	if quoted && len(rest) > 0 {
		r.pos = start
		return false, true, r.fail("more text behind a cell in quotes")
	}
	r.cell = append(r.cell, rest...)
	if r.pos < len(r.src) && r.src[r.pos] == r.o.Separator {
		r.pos++
		return true, quoted, nil
	}
	if r.pos < len(r.src) {
		r.newline()
	}
	return false, quoted, nil
}

// quoted reads a cell in quotes; a quote in it is doubled.
func (r *reader) quoted() error {
	r.pos++
	for r.pos < len(r.src) {
		switch c := r.src[r.pos]; {
		case c != '"':
			r.cell = append(r.cell, c)
			if r.pos++; c == '\n' {
				r.line++
				r.lineStart = r.pos
			}
		case r.pos+1 < len(r.src) && r.src[r.pos+1] == '"':
			r.cell = append(r.cell, '"')
			r.pos += 2
		default:
			r.pos++
			return nil
		}
	}
	return r.fail("text ends inside a cell in quotes")
}
