package terms

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// An Ask is one of the operations of a terminology service, as it comes over
// HTTP: $expand and $validate-code of ValueSet; $lookup, $validate-code and
// $subsumes of CodeSystem; $translate of ConceptMap.
type Ask struct {
	Type, Operation string // ValueSet, expand
	// Instance is the resource at which the operation was invoked; nil without.
	Instance []byte
	// Query are the parameters of the address, Body a Parameters resource.
	Query url.Values
	Body  tree.Node
}

// An Operation is what Operate can do.
type Operation struct{ Type, Name, Definition string }

// Operations lists what Operate can do.
func Operations() []Operation {
	var out []Operation
	for _, o := range [...][2]string{
		{"ValueSet", "expand"}, {"ValueSet", "validate-code"}, {"CodeSystem", "lookup"}, {"CodeSystem", "validate-code"},
		{"CodeSystem", "subsumes"}, {"ConceptMap", "translate"},
	} {
		out = append(out, Operation{o[0], o[1], "http://hl7.org/fhir/OperationDefinition/" + o[0] + "-" + o[1]})
	}
	return out
}

// Operate answers one of the operations with a resource as JSON.
func (t *Terms) Operate(a Ask) ([]byte, error) {
	in, err := arguments(a)
	if err != nil {
		return nil, err
	}
	switch a.Type + "/" + a.Operation {
	case "ValueSet/expand":
		return t.askExpand(in)
	case "ValueSet/validate-code", "CodeSystem/validate-code":
		return t.askValidate(in, a.Type)
	case "CodeSystem/lookup":
		return t.askLookup(in)
	case "CodeSystem/subsumes":
		return t.askSubsumes(in)
	case "ConceptMap/translate":
		return t.askTranslate(in)
	}
	return nil, vigil.Errorf(vigil.NotFound, "there is no operation $%s of %s", a.Operation, a.Type)
}

func (t *Terms) askExpand(in *args) ([]byte, error) {
	u, vs, err := in.valueSet()
	if err != nil {
		return nil, err
	}
	q := Expand{URL: u, ValueSet: vs, Filter: in.text("filter"), Active: in.yes("activeOnly"), Language: in.text("displayLanguage")}
	if q.Offset, err = in.number("offset", 0); err != nil {
		return nil, err
	}
	if q.Count, err = in.number("count", -1); err != nil {
		return nil, err
	}
	e, err := t.Expand(q)
	if err != nil {
		return nil, err
	}
	return expansion(e, in), nil
}

// expansion writes a ValueSet with its codes.
func expansion(e *Expansion, in *args) []byte {
	w := tree.NewWriter(nil)
	w.Object().Text("resourceType", "ValueSet")
	if e.URL != "" {
		w.Text("url", e.URL)
	}
	if e.Version != "" {
		w.Text("version", e.Version)
	}
	w.Text("status", "active").Name("expansion").Object()
	w.Name("total").Word(strconv.Itoa(e.Total)).Name("offset").Word(strconv.Itoa(e.Offset))
	var parameters [][2]string
	for _, name := range [...]string{"filter", "displayLanguage", "count", "activeOnly"} {
		if v := in.text(name); v != "" {
			parameters = append(parameters, [2]string{name, v})
		}
	}
	for _, s := range e.Systems {
		parameters = append(parameters, [2]string{"version", s})
	}
	if len(parameters) > 0 {
		w.Name("parameter").Array()
		for _, p := range parameters {
			kind := "valueString"
			if p[0] == "version" {
				kind = "valueUri"
			}
			w.Object().Text("name", p[0]).Text(kind, p[1]).End()
		}
		w.End()
	}
	if len(e.Entries) > 0 {
		w.Name("contains").Array()
		for i := range e.Entries {
			contains(w, &e.Entries[i], in.yes("includeDesignations"))
		}
		w.End()
	}
	return w.End().End().Bytes()
}

func contains(w *tree.Writer, e *Entry, designations bool) {
	w.Object()
	if e.System != "" {
		w.Text("system", e.System)
	}
	if e.Abstract {
		w.Name("abstract").Word("true")
	}
	if e.Inactive {
		w.Name("inactive").Word("true")
	}
	w.Text("code", e.Code)
	if e.Display != "" {
		w.Text("display", e.Display)
	}
	if designations && len(e.Designations) > 0 {
		w.Name("designation").Array()
		for _, d := range e.Designations {
			w.Object()
			if d.Language != "" {
				w.Text("language", d.Language)
			}
			if d.Use != "" {
				coding(w.Name("use"), Coding{System: d.UseSystem, Code: d.Use, Display: d.UseLabel})
			}
			w.Text("value", d.Value).End()
		}
		w.End()
	}
	w.End()
}

func coding(w *tree.Writer, c Coding) {
	w.Object()
	for _, p := range [...][2]string{{"system", c.System}, {"version", c.Version}, {"code", c.Code}, {"display", c.Display}} {
		if p[1] != "" {
			w.Text(p[0], p[1])
		}
	}
	w.End()
}

func (t *Terms) askValidate(in *args, kind string) ([]byte, error) {
	q := Validate{Language: in.text("displayLanguage"), Abstract: in.yes("abstract")}
	var err error
	if kind == "ValueSet" {
		if q.URL, q.ValueSet, err = in.valueSet(); err != nil {
			return nil, err
		}
		q.Codings = in.codings(in.text("system"))
	} else {
		q.System = in.text("url")
		if in.instance != nil {
			cs, err := schema.ParseCodeSystem(in.instance)
			if err != nil {
				return nil, vigil.Errorf(vigil.Invalid, "CodeSystem: %w", err)
			}
			q.System = cs.URL
		}
		q.Codings = in.codings(q.System)
	}
	if len(q.Codings) == 0 {
		return nil, errNoCode
	}
	v, err := t.Validate(q)
	if err != nil {
		return nil, err
	}
	p := newParameters()
	p.word("result", "valueBoolean", strconv.FormatBool(v.Result == Yes))
	p.text("message", "valueString", v.Message)
	p.text("display", "valueString", v.Display)
	p.text("code", "valueCode", v.Code)
	p.text("system", "valueUri", v.System)
	p.text("version", "valueString", v.Version)
	return p.end(), nil
}

func (t *Terms) askLookup(in *args) ([]byte, error) {
	cs := in.codings(in.text("system"))
	if len(cs) == 0 {
		return nil, errNoCode
	}
	k, err := t.Lookup(cs[0], in.text("displayLanguage"))
	if err != nil {
		return nil, err
	}
	p := newParameters()
	p.text("name", "valueString", k.Name)
	p.text("version", "valueString", k.Version)
	p.text("display", "valueString", k.Display)
	p.text("definition", "valueString", k.Definition)
	for _, d := range k.Designations {
		p.part("designation", func(w *tree.Writer) {
			namedText(w, "language", "valueCode", d.Language)
			if d.Use != "" {
				w.Object().Text("name", "use")
				coding(w.Name("valueCoding"), Coding{System: d.UseSystem, Code: d.Use, Display: d.UseLabel})
				w.End()
			}
			namedText(w, "value", "valueString", d.Value)
		})
	}
	k.properties(p, in.wanted())
	return p.end(), nil
}

// wanted are the properties that are asked for; all of them without one.
func (a *args) wanted() map[string]bool {
	var out map[string]bool
	add := func(s string) {
		if out == nil {
			out = map[string]bool{}
		}
		out[s] = true
	}
	for _, s := range a.query["property"] {
		add(s)
	}
	for p := range a.body.Get("parameter").Items() {
		if p.Get("name").Text() == "property" {
			add(value(p).Text())
		}
	}
	return out
}

func (k *Concept) properties(p *parameters, wanted map[string]bool) {
	write := func(code string, put func(w *tree.Writer)) {
		if wanted != nil && !wanted[code] {
			return
		}
		p.part("property", func(w *tree.Writer) {
			namedText(w, "code", "valueCode", code)
			w.Object().Text("name", "value")
			put(w)
			w.End()
		})
	}
	for _, c := range k.Parents {
		write("parent", func(w *tree.Writer) { w.Text("valueCode", c.Code) })
	}
	for _, c := range k.Children {
		write("child", func(w *tree.Writer) { w.Text("valueCode", c.Code) })
	}
	if k.Inactive && !slices.ContainsFunc(k.Properties, func(p schema.Property) bool { return p.Code == "inactive" }) {
		write("inactive", func(w *tree.Writer) { w.Name("valueBoolean").Word("true") })
	}
	for _, x := range k.Properties {
		if x.Kind != "" && x.Code != "parent" && x.Code != "child" {
			write(x.Code, func(w *tree.Writer) { w.Name("value" + strings.ToUpper(x.Kind[:1]) + x.Kind[1:]).Raw([]byte(x.JSON)) })
		}
	}
}

func (t *Terms) askSubsumes(in *args) ([]byte, error) {
	system := in.text("system")
	if in.instance != nil {
		cs, err := schema.ParseCodeSystem(in.instance)
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "CodeSystem: %w", err)
		}
		system = cs.URL
	}
	side := func(letter string) Coding {
		if c := value(in.part("coding" + letter)); c.Ok() {
			return codingOf(c)
		}
		return Coding{System: system, Version: in.text("version"), Code: in.text("code" + letter)}
	}
	a, b := side("A"), side("B")
	if a.Code == "" || b.Code == "" || a.System == "" {
		return nil, vigil.Errorf(vigil.Invalid, "system, codeA and codeB are needed, or codingA and codingB")
	}
	r, err := t.Subsumes(a, b)
	if err != nil {
		return nil, err
	}
	p := newParameters()
	p.text("outcome", "valueCode", string(r))
	return p.end(), nil
}

func (t *Terms) askTranslate(in *args) ([]byte, error) {
	q := Translate{
		URL: in.text("url"), Source: in.text("source"), Target: in.text("target"), TargetCode: in.text("targetsystem"),
		Reverse: in.yes("reverse"), Codings: in.codings(in.text("system")),
	}
	if b := in.resource("conceptMap"); b != nil {
		m, err := schema.ParseConceptMap(b)
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "conceptMap: %w", err)
		}
		q.Map = m
	}
	if len(q.Codings) == 0 {
		return nil, errNoCode
	}
	ms, err := t.Translate(q)
	if err != nil {
		return nil, err
	}
	p := newParameters()
	p.word("result", "valueBoolean", strconv.FormatBool(Matched(ms)))
	if !Matched(ms) {
		p.text("message", "valueString", "no map that is loaded has a translation")
	}
	for _, m := range ms {
		p.part("match", func(w *tree.Writer) { m.write(w) })
	}
	return p.end(), nil
}

func (m *Match) write(w *tree.Writer) {
	namedText(w, "equivalence", "valueCode", m.Equivalence)
	if m.Code != "" {
		w.Object().Text("name", "concept")
		coding(w.Name("valueCoding"), m.Coding)
		w.End()
	}
	for _, o := range m.Products {
		w.Object().Text("name", "product").Name("part").Array()
		namedText(w, "element", "valueUri", o.Property)
		w.Object().Text("name", "concept")
		coding(w.Name("valueCoding"), Coding{System: o.System, Code: o.Value, Display: o.Display})
		w.End().End().End()
	}
	namedText(w, "source", "valueUri", m.Map)
}
