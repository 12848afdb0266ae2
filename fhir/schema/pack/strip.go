package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/schema"
)

func decode(b []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber() // numbers stay as they are written
	var o object
	err := d.Decode(&o)
	return o, err
}

// frameSize is how much of the definitions is compressed together: reading one
// definition unpacks its whole frame.
const frameSize = 384 << 10

// definitions gives the index and the frames of what is read on demand.
func definitions(all []object) ([]schema.PackSection, error) {
	var (
		index  strings.Builder
		frames []schema.PackSection
		frame  []byte
		last   string
		seen   = map[string]bool{}
	)
	flush := func() {
		if len(frame) > 0 {
			frames = append(frames, schema.PackSection{Name: fmt.Sprint("frame", len(frames)), Data: frame})
			frame = nil
		}
	}
	sort.SliceStable(all, func(i, j int) bool { return rank(all[i]) < rank(all[j]) })
	for _, o := range all {
		kind, url := text(o, "resourceType"), text(o, "url")
		if seen[kind+url] {
			continue
		}
		seen[kind+url] = true
		b, err := json.Marshal(strip(o, kind))
		if err != nil {
			return nil, err
		}
		if len(frame)+len(b) > frameSize || last != group(o) {
			flush()
		}
		last = group(o)
		row(&index, "D", kind, url, text(o, "version"), text(o, "id"), text(o, "name"),
			text(o, "type"), text(o, "derivation"), fmt.Sprint(len(frames)), fmt.Sprint(len(frame)), fmt.Sprint(len(b)))
		frame = append(frame, b...)
	}
	flush()
	return append([]schema.PackSection{{Name: "index", Data: []byte(index.String())}}, frames...), nil
}

// group keeps together what is used together: the value sets and code systems
// of HL7 version 2 and 3 apart from those of FHIR.
func group(o object) string {
	url, kind := text(o, "url"), text(o, "resourceType")
	switch {
	case kind == "StructureDefinition" && text(o, "derivation") != "constraint":
		return "3 types"
	case kind == "StructureDefinition" && text(o, "type") == "Extension":
		return "5 extensions"
	case kind == "StructureDefinition":
		return "4 profiles"
	case kind == "CodeSystem" || kind == "ValueSet":
		switch {
		case strings.Contains(url, "/v2-"):
			return "2 v2 " + kind
		case strings.Contains(url, "/v3-"):
			return "1 v3 " + kind
		}
		return "0 fhir " + kind
	}
	return "6 others"
}

func rank(o object) string { return group(o) }

// row writes one line of a table.
func row(w *strings.Builder, fields ...string) {
	for i, f := range fields {
		if i > 0 {
			w.WriteByte('\t')
		}
		w.WriteString(clean(f))
	}
	w.WriteByte('\n')
}

func clean(s string) string {
	return strings.TrimSpace(strings.NewReplacer("\t", " ", "\r", " ", "\n", " ").Replace(s))
}

func text(o object, name string) string {
	s, _ := o[name].(string)
	return s
}

func objects(o object, name string) []object {
	list, _ := o[name].([]any)
	out := make([]object, 0, len(list))
	for _, e := range list {
		if m, ok := e.(object); ok {
			out = append(out, m)
		}
	}
	return out
}

func texts(o object, name string) []string {
	list, _ := o[name].([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// prose is what no program asks for, at the top of a definition.
var prose = []string{
	"text", "meta", "extension", "publisher", "contact", "description", "_description", "purpose", "copyright",
	"useContext", "jurisdiction", "date", "identifier", "mapping", "keyword", "differential", "language",
	"requirements", "comment", "contained",
}

func strip(o object, kind string) object {
	out := object{}
	for k, v := range o {
		out[k] = v
	}
	for _, k := range prose {
		if k != "contained" || kind != "ValueSet" {
			delete(out, k)
		}
	}
	switch kind {
	case "StructureDefinition":
		stripStructure(out)
	case "CodeSystem":
		out["concept"] = concepts(out)
		if len(objects(out, "concept")) == 0 {
			delete(out, "concept")
		}
	case "ValueSet":
		if out["compose"] != nil {
			delete(out, "expansion")
		}
	case "OperationDefinition", "CapabilityStatement", "ConceptMap":
		out, _ = unworded(out).(object)
	}
	return out
}

// unworded drops the documentation at every depth.
func unworded(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, e := range v {
			if k != "documentation" && k != "comment" && k != "definition" || kindOf(e) != "string" {
				out[k] = unworded(e)
			} else if k == "definition" {
				out[k] = e
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = unworded(e)
		}
		return out
	}
	return v
}

func kindOf(v any) string {
	if _, ok := v.(string); ok {
		return "string"
	}
	return "other"
}

func concepts(o object) []any {
	var out []any
	for _, c := range objects(o, "concept") {
		n := object{"code": c["code"]}
		for _, k := range []string{"display", "designation", "property"} {
			if c[k] != nil {
				n[k] = c[k]
			}
		}
		if sub := concepts(c); len(sub) > 0 {
			n["concept"] = sub
		}
		out = append(out, n)
	}
	return out
}

// elementProse is what no program asks for in an element.
var elementProse = []string{
	"short", "definition", "comment", "requirements", "alias", "mapping", "example", "isModifierReason",
	"meaningWhenMissing", "orderMeaning", "condition", "extension",
}

func stripStructure(o object) {
	snap, _ := o["snapshot"].(object)
	if snap == nil {
		return
	}
	var out []any
	for _, e := range objects(snap, "element") {
		for _, k := range elementProse {
			delete(e, k)
		}
		for _, k := range []string{"isModifier", "isSummary", "mustSupport"} {
			if e[k] == false {
				delete(e, k)
			}
		}
		var cs []any
		for _, c := range objects(e, "constraint") {
			delete(c, "xpath")
			delete(c, "extension")
			delete(c, "requirements")
			cs = append(cs, c)
		}
		if len(cs) > 0 {
			e["constraint"] = cs
		}
		if b, ok := e["binding"].(object); ok {
			delete(b, "description")
			keepExtensions(b, "maxValueSet", "minValueSet")
		}
		out = append(out, e)
	}
	o["snapshot"] = object{"element": out}
}

func keepExtensions(o object, ends ...string) {
	var kept []any
	for _, x := range objects(o, "extension") {
		for _, end := range ends {
			if strings.HasSuffix(text(x, "url"), end) {
				kept = append(kept, x)
			}
		}
	}
	delete(o, "extension")
	if len(kept) > 0 {
		o["extension"] = kept
	}
}
