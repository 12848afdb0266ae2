// Package table reads CSV tables with a header: comma, semicolon or tab apart,
// plain or gzip, with or without a byte order mark. It is pure: bytes in, rows
// out. (Device messages that are one CSV line are the profiles' matter, not
// this package's.)
package table

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits on what a table may ask for.
const (
	maxColumns = 10_000
	maxRow     = 1 << 20  // bytes of one row
	sniff      = 64 << 10 // bytes in which the header must end
)

// A Reader reads rows. It is not safe for use by several goroutines.
type Reader struct {
	csv     *csv.Reader
	columns []string
	index   map[string]int
	lines   *lineLimit
}

// A Row is one row of a table. Its cells are valid until the next one is read.
type Row struct {
	Line  int // of the file, from 1
	cells []string
	index map[string]int
}

// New reads the header of a table. The names of columns are trimmed; a name
// that comes twice is an error, an empty one is a column that nobody asks for.
func New(r io.Reader) (*Reader, error) {
	b := bufio.NewReaderSize(r, sniff)
	if magic, _ := b.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("read table: %w", err)
		}
		b = bufio.NewReaderSize(z, sniff)
	}
	if bom, _ := b.Peek(3); bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = b.Discard(3) // they were just seen
	}
	head, err := b.Peek(sniff)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read table: %w", err)
	}
	first, _, _ := bytes.Cut(head, []byte("\n"))
	if len(bytes.TrimSpace(first)) == 0 {
		return nil, errors.New("line 1: no header")
	}
	if !utf8.Valid(first) {
		return nil, errors.New("line 1: not UTF-8 text")
	}
	t := &Reader{lines: &lineLimit{r: b}, index: map[string]int{}}
	t.csv = csv.NewReader(t.lines)
	t.csv.Comma = delimiter(first)
	t.csv.FieldsPerRecord = -1
	t.csv.ReuseRecord = true
	t.csv.TrimLeadingSpace = t.csv.Comma != '\t'
	return t, t.header()
}

// delimiter finds what keeps the columns apart: the most frequent candidate.
func delimiter(header []byte) rune {
	best, most := ',', 0
	for _, c := range []rune{',', ';', '\t', '|'} {
		if n := bytes.Count(header, []byte(string(c))); n > most {
			best, most = c, n
		}
	}
	return best
}

func (t *Reader) header() error {
	names, err := t.csv.Read()
	if err != nil {
		return fmt.Errorf("read table: %w", err)
	}
	if len(names) > maxColumns {
		return fmt.Errorf("line 1: %d columns, more than %d", len(names), maxColumns)
	}
	for i, n := range names {
		n = strings.TrimSpace(n)
		t.columns = append(t.columns, n)
		if n == "" {
			continue
		}
		if _, twice := t.index[n]; twice {
			return fmt.Errorf("line 1: column %q is there twice", n)
		}
		t.index[n] = i
	}
	return nil
}

// Columns returns the names of the columns.
func (t *Reader) Columns() []string { return append([]string(nil), t.columns...) }

// Has tells whether there is a column.
func (t *Reader) Has(column string) bool { _, ok := t.index[column]; return ok }

// Next returns the next row, or io.EOF. Empty lines are skipped. An error says
// the line, and reading can go on after it unless it is an error of the file
// below.
func (t *Reader) Next() (Row, error) {
	cells, err := t.csv.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return Row{}, io.EOF
		}
		return Row{}, fmt.Errorf("read table: %w", err)
	}
	line, _ := t.csv.FieldPos(0)
	return Row{Line: line, cells: cells, index: t.index}, nil
}

// Get returns a cell, trimmed. It is "" for a column that is not there and for
// a row that is too short.
func (r Row) Get(column string) string {
	i, ok := r.index[column]
	if !ok || i >= len(r.cells) {
		return ""
	}
	return strings.TrimSpace(r.cells[i])
}

// lineLimit refuses a row without end.
type lineLimit struct {
	r io.Reader
	n int
}

// Read reads on, and fails when more than maxRow bytes came without the end of
// a line.
func (l *lineLimit) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
		l.n = n - i - 1
	} else {
		l.n += n
	}
	if l.n > maxRow {
		return 0, fmt.Errorf("a row is longer than %d bytes", maxRow)
	}
	return n, err
}
