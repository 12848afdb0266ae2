package markup

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	d, err := Parse("<a x='1&#10;2' xmlns:p=\"u\"\n>t&lt;\r\n<![CDATA[<&]]><p:b p:y=\"\t\"/><!--c--></a>")
	if err != nil {
		t.Fatal(err)
	}
	a := d.Root()
	if v, ok := a.Attr("x"); v != "1\n2" || !ok {
		t.Errorf("x: got %q", v)
	}
	var kids []Node
	for c := range a.Children() {
		kids = append(kids, c)
	}
	if len(kids) != 3 || kids[0].Text() != "t<\n<&" || kids[2].Text() != "c" || kids[2].Kind() != Comment {
		t.Fatalf("got %d children: %q", len(kids), kids[0].Text())
	}
	b := kids[1]
	if b.Name() != "b" || b.Prefix() != "p" || b.Space() != "u" || b.Parent() != a || b.Path() != "a.b" {
		t.Errorf("got %s %s %s %s", b.Name(), b.Prefix(), b.Space(), b.Path())
	}
	for at := range b.Attrs() {
		if at.Space != "u" || at.Name != "y" || at.Value() != " " {
			t.Errorf("got %+v", at)
		}
	}
	if line, col := b.Pos(); line != 3 || col != 15 {
		t.Errorf("got %d:%d", line, col)
	}
	for prefix, space := range a.Declarations() {
		if prefix != "p" || space != "u" {
			t.Errorf("got %s=%s", prefix, space)
		}
	}
	if a.Text() != "t<\n<&" {
		t.Errorf("got %q", a.Text())
	}
}

// FuzzParse compares with the standard library, which is less strict: what is
// taken here is taken there, with the same names and texts.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`<a x="1"><b/>t&amp;<![CDATA[x]]><!-- c --><?p i?></a>`, "<?xml version=\"1.0\"?>\n<p:a xmlns:p='u' p:b=''/>",
		"<a>\r\n</a>", `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`, `<a b="1" b="2"/>`, `<é/>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 1<<14 {
			return
		}
		d, err := Parse(src)
		if err != nil {
			return
		}
		if i := strings.IndexFunc(src, func(r rune) bool { return r >= 0x80 }); i >= 0 || strings.Contains(src, "<?") {
			return // the library knows the names of an older XML, and declarations in part
		}
		var text strings.Builder
		for dec := xml.NewDecoder(strings.NewReader(src)); ; {
			tok, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("accepted %q, but: %v", src, err)
			}
			if c, ok := tok.(xml.CharData); ok {
				text.Write(c)
			}
		}
		if got, want := strings.TrimSpace(d.Root().Text()), strings.TrimSpace(text.String()); got != want {
			t.Fatalf("text of %q: got %q, want %q", src, got, want)
		}
	})
}
