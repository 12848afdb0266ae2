package table_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/codec/table"
)

func rows(t *testing.T, text string, columns ...string) (out []string) {
	t.Helper()
	r, err := table.New(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			return append(out, err.Error())
		}
		var cells []string
		for _, c := range columns {
			cells = append(cells, row.Get(c))
		}
		out = append(out, strings.Join(cells, "|"))
	}
}

func TestTables(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"comma":                       {"a,b\n1,2\n3,4\n", []string{"1|2", "3|4"}},
		"semicolon and decimal comma": {"a;b\n1,5;2\n", []string{"1,5|2"}},
		"tab":                         {"a\tb\n1\t2\n", []string{"1|2"}},
		"byte order mark, CRLF":       {"\xef\xbb\xbfa,b\r\n1,2\r\n", []string{"1|2"}},
		"spaces around names":         {"a, b\n1, 2\n", []string{"1|2"}},
		"quotes":                      {"\"a\",b\n\"x, \"\"y\"\"\",2\n", []string{"x, \"y\"|2"}},
		"short and long rows":         {"a,b\n1\n1,2,3\n", []string{"1|", "1|2"}},
		"empty lines":                 {"a,b\n\n1,2\n\n", []string{"1|2"}},
		"a quote that does not end":   {"a,b\n1,\"2\n", []string{"read table: parse error on line 2, column 6: extraneous or missing \" in quoted-field"}},
	} {
		if got := rows(t, c.text, "a", "b"); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestCompressed(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write([]byte("a,b\n1,2\n"))
	_ = w.Close()
	if got := rows(t, z.String(), "a", "b"); !slices.Equal(got, []string{"1|2"}) {
		t.Errorf("got %q", got)
	}
}

func TestBadHeaders(t *testing.T) {
	for text, want := range map[string]string{
		"":                "no header",
		"\n1,2\n":         "no header",
		"a,a\n1,2\n":      "column \"a\" is there twice",
		"\x1f\x8brubbish": "read table",
		"a\xff,b\n":       "not UTF-8",
	} {
		if _, err := table.New(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestARowWithoutEndIsRefused(t *testing.T) {
	r, err := table.New(io.MultiReader(strings.NewReader("a,b\n"), strings.NewReader(strings.Repeat("x", 3<<20))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v", err)
	}
}

func FuzzTable(f *testing.F) {
	f.Add([]byte("a,b\n1,2\n"))
	f.Add([]byte("\xef\xbb\xbfa;b\r\n\"1;\";2\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := table.New(bytes.NewReader(b))
		if err != nil {
			return
		}
		for range len(b) + 1 {
			row, err := r.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err == nil && row.Line < 1 {
				t.Fatal("a row without a line")
			}
		}
	})
}
