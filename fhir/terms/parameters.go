package terms

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// args are the parameters of an operation, wherever they came from.
type args struct {
	query    url.Values
	body     tree.Node
	instance []byte
}

func arguments(a Ask) (*args, error) {
	if a.Body.Ok() && a.Body.Get("resourceType").Text() != "Parameters" {
		return nil, vigil.Errorf(vigil.Invalid, "the body has to be Parameters, not %q", a.Body.Get("resourceType").Text())
	}
	return &args{a.Query, a.Body, a.Instance}, nil
}

// part finds a parameter of the body.
func (a *args) part(name string) tree.Node {
	for p := range a.body.Get("parameter").Items() {
		if p.Get("name").Text() == name {
			return p
		}
	}
	return tree.Node{}
}

// value finds the value[x] of a parameter.
func value(p tree.Node) tree.Node {
	for name, v := range p.Members() {
		if strings.HasPrefix(name, "value") {
			return v
		}
	}
	return tree.Node{}
}

func (a *args) text(name string) string {
	if v := value(a.part(name)); v.Ok() {
		return v.Text()
	}
	return a.query.Get(name)
}

func (a *args) number(name string, otherwise int) (int, error) {
	s := a.text(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, vigil.Errorf(vigil.Invalid, "%s is no number that counts: %q", name, short(s))
	}
	return n, nil
}

func short(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

func (a *args) yes(name string) bool { return a.text(name) == "true" }

// resource returns a resource that was sent as a parameter, or the one at which
// the operation was invoked.
func (a *args) resource(name string) []byte {
	if r := a.part(name).Get("resource"); r.Ok() {
		return r.Raw()
	}
	return a.instance
}

func (a *args) valueSet() (string, *schema.ValueSet, error) {
	if b := a.resource("valueSet"); b != nil {
		vs, err := schema.ParseValueSet(b)
		if err != nil {
			return "", nil, vigil.Errorf(vigil.Invalid, "valueSet: %w", err)
		}
		return "", vs, nil
	}
	u := a.text("url")
	if u == "" {
		u = a.text("identifier")
	}
	if u == "" {
		return "", nil, vigil.Errorf(vigil.Invalid, "one of url and valueSet is needed")
	}
	if v := a.text("valueSetVersion"); v != "" && !strings.Contains(u, "|") {
		u += "|" + v
	}
	return u, nil, nil
}

// codings returns the code, coding or codeableConcept that is asked about.
func (a *args) codings(system string) []Coding {
	if c := value(a.part("codeableConcept")); c.Ok() {
		var out []Coding
		for n := range c.Get("coding").Items() {
			out = append(out, codingOf(n))
		}
		return out
	}
	if c := value(a.part("coding")); c.Ok() {
		return []Coding{codingOf(c)}
	}
	if s := a.query.Get("coding"); s != "" { // system|code, as in a search
		sys, code, _ := strings.Cut(s, "|")
		return []Coding{{System: sys, Code: code}}
	}
	if code := a.text("code"); code != "" {
		return []Coding{{System: system, Version: a.text("systemVersion") + a.text("version"), Code: code, Display: a.text("display")}}
	}
	return nil
}

func codingOf(n tree.Node) Coding {
	return Coding{n.Get("system").Text(), n.Get("version").Text(), n.Get("code").Text(), n.Get("display").Text()}
}

var errNoCode = vigil.Errorf(vigil.Invalid, "one of code, coding and codeableConcept is needed")

// parameters writes a Parameters resource.
type parameters struct{ w *tree.Writer }

func newParameters() *parameters {
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "Parameters").Name("parameter").Array()
	return &parameters{w}
}

func namedText(w *tree.Writer, name, kind, s string) {
	if s != "" {
		w.Object().Text("name", name).Text(kind, s).End()
	}
}

func (p *parameters) text(name, kind, s string) { namedText(p.w, name, kind, s) }

func (p *parameters) word(name, kind, s string) {
	p.w.Object().Text("name", name).Name(kind).Word(s).End()
}

func (p *parameters) part(name string, write func(w *tree.Writer)) {
	p.w.Object().Text("name", name).Name("part").Array()
	write(p.w)
	p.w.End().End()
}

func (p *parameters) end() []byte { return p.w.End().End().Bytes() }
