package pages

import (
	"html"
	"html/template"
	"regexp"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// reference is a relative reference to a resource, with or without a version.
var reference = regexp.MustCompile(`^[A-Z][A-Za-z]{2,63}/[A-Za-z0-9.-]{1,64}(/_history/[A-Za-z0-9.-]{1,64})?$`)

// A printer writes a document with links.
type printer struct {
	b    strings.Builder
	base string
	full bool
}

// most is how much text a page shows of a resource: browsers take seconds for
// much more.
const most = 512 << 10

// pretty writes a value as indented JSON whose references are links.
func pretty(n tree.Node, base string) template.HTML {
	p := &printer{base: base}
	p.value(n, "\n")
	if p.full {
		p.b.WriteString("\n… there is more: take it as JSON or XML")
	}
	return template.HTML(p.b.String()) // #nosec G203 -- every text in it was escaped
}

// value writes a value; indent is a line end and the white space before what
// lies in it.
func (p *printer) value(n tree.Node, indent string) {
	if p.b.Len() > most {
		p.full = true
		return
	}
	switch n.Kind() {
	case tree.Object:
		p.list("{", "}", n.Len(), indent, func(each func()) {
			for name, v := range n.Members() {
				each()
				p.b.WriteString(`<span class="n">"` + html.EscapeString(name) + `"</span>: `)
				p.value(v, indent+"  ")
			}
		})
	case tree.Array:
		p.list("[", "]", n.Len(), indent, func(each func()) {
			for v := range n.Items() {
				each()
				p.value(v, indent+"  ")
			}
		})
	case tree.String:
		p.text(n)
	case tree.None, tree.Null, tree.Bool, tree.Number:
		p.b.WriteString(`<span class="k">` + html.EscapeString(string(n.Raw())) + `</span>`)
	}
}

// list writes what is in brackets, each on a line of its own.
func (p *printer) list(open, end string, size int, indent string, each func(each func())) {
	p.b.WriteString(open)
	if size == 0 {
		p.b.WriteString(end)
		return
	}
	first := true
	each(func() {
		if !first {
			p.b.WriteByte(',')
		}
		first = false
		p.b.WriteString(indent + "  ")
	})
	p.b.WriteString(indent + end)
}

// text writes a string, as a link when it leads to a resource here.
func (p *printer) text(n tree.Node) {
	shown := html.EscapeString(string(n.Raw()))
	if to := p.to(n.Text()); to != "" {
		p.b.WriteString(`<a href="` + html.EscapeString(to) + `">` + shown + `</a>`)
		return
	}
	p.b.WriteString(`<span class="t">` + shown + `</span>`)
}

// to returns where a text leads on this server, "" when nowhere.
func (p *printer) to(text string) string {
	if rest, ok := strings.CutPrefix(text, p.base); ok && !strings.Contains(rest, "..") {
		return "/fhir/" + rest
	}
	if reference.MatchString(text) {
		return "/fhir/" + text
	}
	return ""
}
