package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Writer writes the rows of a view in one of the formats of $run. End writes
// what comes behind the last row.
type Writer interface {
	Write(r Row) error
	End() error
}

// A Format is one in which rows are written: its _format and its media type.
type Format struct{ Name, MediaType string }

// Formats are those that there are.
func Formats() []Format {
	return []Format{
		{"ndjson", "application/x-ndjson"},
		{"json", "application/json"},
		{"csv", "text/csv"},
		{"parquet", "application/vnd.apache.parquet"},
	}
}

// FormatOf finds a format by its name or media type, parameters such as
// charset aside.
func FormatOf(name string) (Format, bool) {
	name, _, _ = strings.Cut(strings.ToLower(name), ";")
	name = strings.TrimSpace(name)
	for _, f := range Formats() {
		if f.Name == name || f.MediaType == name || name == "application/ndjson" && f.Name == "ndjson" || name == "application/fhir+json" && f.Name == "json" {
			return f, true
		}
	}
	return Format{}, false
}

// Writer returns a writer for a format; header is for CSV.
func (v *View) Writer(f Format, w io.Writer, header bool) (Writer, error) {
	switch f.Name {
	case "ndjson":
		return v.NDJSON(w), nil
	case "json":
		return v.JSON(w), nil
	case "csv":
		return v.CSV(w, header), nil
	case "parquet":
		return v.Parquet(w)
	}
	return nil, fmt.Errorf("there is no format %q", f.Name)
}

// flushAt is how much is gathered before it is written.
const flushAt = 32 << 10

// AppendJSON appends a row as a JSON object. Values that are not there are null.
func (v *View) AppendJSON(b []byte, r Row) []byte {
	b = append(b, '{')
	for i := range v.Columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"') // the names of columns need no escapes
		b = append(b, v.Columns[i].Name...)
		b = append(b, '"', ':')
		b = appendValue(b, r[i])
	}
	return append(b, '}')
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case path.Decimal:
		return append(b, v.String()...)
	case string:
		return tree.AppendString(b, v)
	case []any:
		b = append(b, '[')
		for i := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, v[i])
		}
		return append(b, ']')
	}
	return append(b, "null"...)
}

// A textWriter gathers lines.
type textWriter struct {
	w    io.Writer
	v    *View
	b    []byte
	rows int
	add  func(t *textWriter, r Row)
	end  string
}

func (t *textWriter) Write(r Row) error {
	t.add(t, r)
	t.rows++
	if len(t.b) >= flushAt {
		return t.flush()
	}
	return nil
}

func (t *textWriter) flush() error {
	_, err := t.w.Write(t.b)
	t.b = t.b[:0]
	return err
}

func (t *textWriter) End() error {
	t.b = append(t.b, t.end...)
	return t.flush()
}

// NDJSON writes one JSON object to a line.
func (v *View) NDJSON(w io.Writer) Writer {
	return &textWriter{w: w, v: v, add: func(t *textWriter, r Row) {
		t.b = append(t.v.AppendJSON(t.b, r), '\n')
	}}
}

// JSON writes an array of objects.
func (v *View) JSON(w io.Writer) Writer {
	return &textWriter{w: w, v: v, b: []byte{'['}, end: "]\n", add: func(t *textWriter, r Row) {
		if t.rows > 0 {
			t.b = append(t.b, ',')
		}
		t.b = t.v.AppendJSON(append(t.b, '\n'), r)
	}}
}

// CSV writes comma-separated values (RFC 4180), with the names of the columns
// in the first line when header is set. Lists are written as JSON.
func (v *View) CSV(w io.Writer, header bool) Writer {
	t := &textWriter{w: w, v: v, add: func(t *textWriter, r Row) {
		for i := range r {
			if i > 0 {
				t.b = append(t.b, ',')
			}
			t.b = appendField(t.b, r[i])
		}
		t.b = append(t.b, '\r', '\n')
	}}
	if header {
		for i := range v.Columns {
			if i > 0 {
				t.b = append(t.b, ',')
			}
			t.b = append(t.b, v.Columns[i].Name...)
		}
		t.b = append(t.b, '\r', '\n')
	}
	return t
}

// appendField appends a field of CSV: nothing for null, "" for an empty text.
func appendField(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return b
	case string:
		if v != "" && !strings.ContainsAny(v, "\",\r\n") && v[0] != ' ' && v[len(v)-1] != ' ' {
			return append(b, v...)
		}
		return appendQuoted(b, v)
	case []any:
		return appendQuoted(b, string(appendValue(nil, v)))
	}
	return appendValue(b, v)
}

func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}
