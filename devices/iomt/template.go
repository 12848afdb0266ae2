package iomt

import (
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/internal/jsontree"
)

// A Period says which measurements make one Observation together.
type Period int

// The periods, with the numbers that mappings write.
const (
	Single      Period = 0    // each is one
	Hourly      Period = 60   // those of one hour
	Daily       Period = 1440 // those of one day
	Correlation Period = -1   // those with one correlation id
)

// A ValueType says what becomes of a value in an Observation.
type ValueType string

// The value types.
const (
	SampledData     ValueType = "SampledData"
	Quantity        ValueType = "Quantity"
	Text            ValueType = "String"
	CodeableConcept ValueType = "CodeableConcept"
)

// Numeric tells whether values of the type are numbers.
func (t ValueType) Numeric() bool { return t == SampledData || t == Quantity }

// A Template is one CodeValueFhir template: the Observation of a type.
type Template struct {
	TypeName   string
	Codes      []vigil.Code
	Category   []Concept
	Period     Period
	Value      *Value
	Components []Component

	at *jsontree.Value
}

// A Concept is a CodeableConcept.
type Concept struct {
	Text  string
	Codes []vigil.Code
}

// A Component is a part of an Observation.
type Component struct {
	Codes []vigil.Code
	Value *Value

	at *jsontree.Value
}

// A Value says what a value becomes.
type Value struct {
	Name string
	Type ValueType
	// DefaultPeriod is the time between samples of SampledData, in
	// milliseconds.
	DefaultPeriod float64
	Unit          string
	Code          string // of a Quantity's unit, in System
	System        string
	Concept       // of a CodeableConcept

	at *jsontree.Value
}

// Values returns the template's value and those of its components.
func (t *Template) Values() []*Value {
	var out []*Value
	if t.Value != nil {
		out = append(out, t.Value)
	}
	for _, c := range t.Components {
		if c.Value != nil {
			out = append(out, c.Value)
		}
	}
	return out
}

// fhirMapping reads fhirmapping.json.
func (r *reader) fhirMapping(text []byte) []*Template {
	var out []*Template
	seen := map[string]bool{}
	for _, v := range r.collection(text, "CollectionFhir") {
		kind, body, ok := r.container(v)
		if !ok {
			continue
		}
		if kind != "codevaluefhir" {
			r.wrong(v, "there is no template type %q for FHIR", kind)
			continue
		}
		t := r.template(body)
		if t.TypeName != "" && seen[t.TypeName] {
			r.wrong(body, "a second template for the type %q", t.TypeName)
		}
		seen[t.TypeName] = true
		out = append(out, t)
	}
	return out
}

// template reads one template.
func (r *reader) template(v *jsontree.Value) *Template {
	t := &Template{at: v}
	o, ok := r.object(v, "a FHIR template", "typeName", "codes", "category", "periodInterval", "value", "components")
	if !ok {
		return t
	}
	t.TypeName = o.text("typeName", true)
	t.Codes = o.codes("codes", true)
	t.Period = o.period()
	for _, c := range o.list("category", false) {
		if k, ok := r.object(c, "a category", "text", "codes"); ok {
			t.Category = append(t.Category, Concept{k.text("text", false), k.codes("codes", false)})
		}
	}
	if value := o.members["value"]; value != nil {
		t.Value = r.value(value)
	}
	for _, c := range o.list("components", false) {
		if k, ok := r.object(c, "a component", "codes", "value"); ok {
			part := Component{Codes: k.codes("codes", true), at: c}
			if value := k.members["value"]; value != nil {
				part.Value = r.value(value)
			}
			t.Components = append(t.Components, part)
		}
	}
	names := map[string]bool{}
	for _, value := range t.Values() {
		if names[value.Name] && value.Name != "" {
			r.wrong(value.at, "a second value %q", value.Name)
		}
		names[value.Name] = true
	}
	return t
}

// period reads periodInterval: a number, or the name that it has.
func (o *object) period() Period {
	v := o.members["periodInterval"]
	if v == nil {
		return Single
	}
	switch strings.ToLower(v.Text) {
	case "0", "single":
		return Single
	case "60", "hourly":
		return Hourly
	case "1440", "daily":
		return Daily
	case "-1", "correlationid":
		return Correlation
	}
	o.r.wrong(v, "periodInterval is 0 (each measurement), 60 (an hour), 1440 (a day) or -1 (a correlation id), not %s", v.JSON())
	return Single
}

// codes reads a list of codes.
func (o *object) codes(name string, required bool) []vigil.Code {
	var out []vigil.Code
	for _, item := range o.list(name, required) {
		if c, ok := o.r.object(item, "a code", "code", "system", "display"); ok {
			out = append(out, vigil.Code{System: c.text("system", false), Value: c.text("code", false), Display: c.text("display", false)})
		}
	}
	return out
}

// value reads what a value becomes.
func (r *reader) value(v *jsontree.Value) *Value {
	out := &Value{at: v}
	if v.Kind != jsontree.Object {
		r.wrong(v, "value should be an object")
		return out
	}
	names := []string{"valueType", "valueName"}
	kind := ""
	for i, n := range v.Names {
		if strings.EqualFold(n, "valueType") {
			kind = v.Items[i].Text
		}
	}
	switch strings.ToLower(kind) {
	case "sampleddata":
		out.Type = SampledData
		names = append(names, "defaultPeriod", "unit")
	case "quantity":
		out.Type = Quantity
		names = append(names, "unit", "code", "system")
	case "string":
		out.Type = Text
	case "codeableconcept":
		out.Type = CodeableConcept
		names = append(names, "text", "codes")
	case "":
		r.wrong(v, "value: required member valueType is missing")
		return out
	default:
		r.wrong(v, "there is no valueType %q; there are SampledData, Quantity, String and CodeableConcept", kind)
		return out
	}
	o, _ := r.object(v, "a "+string(out.Type)+" value", names...)
	out.Name = o.text("valueName", true)
	out.Unit, out.Code, out.System = o.text("unit", false), o.text("code", false), o.text("system", false)
	out.Concept = Concept{o.text("text", false), o.codes("codes", false)}
	if p := o.members["defaultPeriod"]; p != nil {
		f, err := strconv.ParseFloat(p.Text, 64)
		if err != nil || f < 0 {
			r.wrong(p, "defaultPeriod should be milliseconds")
		}
		out.DefaultPeriod = f
	}
	return out
}
