package bulk

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// An exportAsk is what an export is to have.
type exportAsk struct {
	Level string   `json:"level"` // system, patient, group
	Group string   `json:"group,omitempty"`
	Types []string `json:"types"` // a step each
	// Named says that the client named the types.
	Named    bool                `json:"named,omitempty"`
	Since    vigil.Instant       `json:"since,omitempty"`
	Until    vigil.Instant       `json:"until,omitempty"`
	Filters  map[string][]string `json:"filters,omitempty"` // queries by type
	Elements []string            `json:"elements,omitempty"`
	Patients []string            `json:"patients,omitempty"` // that were asked for
	Notes    []string            `json:"notes,omitempty"`    // what was left out, at the client's wish
}

// The bounds of what an export may be asked for.
const (
	maxFilters  = 100
	maxPatients = 10_000
)

// A parameter is one that was given.
type parameter struct{ name, value string }

// parameters reads those of the address and of a posted Parameters resource
// (operations.html#request).
func parameters(query url.Values, body *tree.Doc) ([]parameter, error) {
	var out []parameter
	for name, values := range query {
		for _, v := range values {
			out = append(out, parameter{name, v})
		}
	}
	if body == nil {
		return out, nil
	}
	if body.Root().Get("resourceType").Text() != "Parameters" {
		return nil, rest.Refuse(http.StatusBadRequest, "invalid", "what is posted to $export is a Parameters resource")
	}
	for p := range body.Root().Get("parameter").Items() {
		name, value := p.Get("name").Text(), ""
		for member, v := range p.Members() {
			if member == "valueReference" {
				value = v.Get("reference").Text()
			} else if strings.HasPrefix(member, "value") {
				value = v.Text()
			}
		}
		out = append(out, parameter{name, value})
	}
	return out, nil
}

// A demand is an exportAsk that is being read.
type demand struct {
	*exportAsk
	set     *schema.Set
	lenient bool
	posted  bool
}

// leave leaves out what cannot be done, if the client agreed to that
// (Prefer: handling=lenient), and refuses it otherwise.
func (d *demand) leave(param, format string, args ...any) error {
	p := rest.Refuse(http.StatusBadRequest, "not-supported", format, args...)
	p.Issues[0].Expression = param
	if !d.lenient {
		return p
	}
	d.Notes = append(d.Notes, param+": "+p.Issues[0].Text)
	return nil
}

// take takes a parameter in.
func (d *demand) take(p parameter) (err error) {
	switch p.name {
	case "_outputFormat":
		switch strings.ReplaceAll(p.value, " ", "+") {
		case "", "application/fhir+ndjson", "application/ndjson", "ndjson":
			return nil
		}
		return d.leave(p.name, "files are application/fhir+ndjson; other formats are not written")
	case "_since":
		d.Since, err = instant(p)
	case "_until":
		d.Until, err = instant(p)
	case "_type":
		d.Named = true
		for t := range strings.SplitSeq(p.value, ",") {
			if err := d.takeType(strings.TrimSpace(t)); err != nil {
				return err
			}
		}
	case "_typeFilter":
		for _, q := range queries(p.value) {
			if err := d.takeFilter(q); err != nil {
				return err
			}
		}
	case "_elements":
		d.Elements = append(d.Elements, strings.Split(p.value, ",")...)
	case "patient":
		return d.takePatient(p)
	case "_format", "_pretty":
	default:
		return d.leave(p.name, "the parameter %.40q is not supported by $export", p.name)
	}
	return err
}

// instant reads a time.
func instant(p parameter) (vigil.Instant, error) {
	// An unescaped plus arrives as a space.
	t, err := time.Parse(time.RFC3339, strings.ReplaceAll(p.value, " ", "+"))
	if err != nil {
		q := rest.Refuse(http.StatusBadRequest, "value", "%s is an instant, such as 2026-03-01T12:00:00Z", p.name)
		q.Issues[0].Expression = p.name
		return 0, q
	}
	return vigil.InstantOf(t), nil
}

func (d *demand) takeType(t string) error {
	if !slices.Contains(d.set.Resources(), t) {
		return d.leave("_type", "%.40q is no type of resource in FHIR R4", t)
	}
	if d.Level != "system" && !inPatient(d.set, t) {
		d.Notes = append(d.Notes, "_type: "+t+" is not in the Patient compartment; none is exported")
		return nil
	}
	if !slices.Contains(d.Types, t) {
		d.Types = append(d.Types, t)
	}
	return nil
}

// inPatient tells whether resources of a type can be in the compartment of a
// patient.
func inPatient(set *schema.Set, t string) bool {
	return t == "Patient" || len(set.Compartment("Patient", t)) > 0
}

// queries cuts a list of queries at its commas: those before a type and a
// question mark.
func queries(list string) []string {
	parts := strings.Split(list, ",")
	out := parts[:1:1]
	for _, p := range parts[1:] {
		head, _, ok := strings.Cut(p, "?")
		if ok && head != "" && head[0] >= 'A' && head[0] <= 'Z' && !strings.ContainsAny(head, "=&|") {
			out = append(out, p)
		} else {
			out[len(out)-1] += "," + p
		}
	}
	return out
}

// takeFilter takes in one query, such as Observation?code=8867-4.
func (d *demand) takeFilter(q string) error {
	typ, query, ok := strings.Cut(q, "?")
	if !ok || !slices.Contains(d.set.Resources(), typ) {
		return d.leave("_typeFilter", "a query of _typeFilter is a type, a question mark and parameters")
	}
	if len(d.Filters[typ]) == maxFilters {
		return d.leave("_typeFilter", "at most %d queries of a type are possible", maxFilters)
	}
	for part := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(part, "=")
		switch name {
		case "_sort", "_count", "_include", "_revinclude", "_summary", "_elements", "_total", "_contained", "_containedType":
			return d.leave("_typeFilter", "%s shapes the result of a search; an export has none", name)
		}
	}
	if d.Filters == nil {
		d.Filters = map[string][]string{}
	}
	d.Filters[typ] = append(d.Filters[typ], query)
	return nil
}

func (d *demand) takePatient(p parameter) error {
	switch {
	case d.Level == "system":
		return d.leave(p.name, "patients are named for Patient/$export and Group/[id]/$export")
	case !d.posted:
		return d.leave(p.name, "patients are named in a posted Parameters resource")
	case len(d.Patients) == maxPatients:
		return rest.Refuse(http.StatusBadRequest, "too-costly", "at most %d patients can be named", maxPatients)
	}
	ref := p.value
	if i := strings.LastIndex(ref, "Patient/"); i >= 0 {
		ref = ref[i+len("Patient/"):]
	}
	if !vigil.ValidID(ref) {
		return rest.Refuse(http.StatusBadRequest, "value", "patient is a reference, such as Patient/1")
	}
	if !slices.Contains(d.Patients, ref) {
		d.Patients = append(d.Patients, ref)
	}
	return nil
}

// askOf reads what an export is to have.
func askOf(in *rest.Invocation, lenient bool) (*exportAsk, error) {
	d := demand{exportAsk: &exportAsk{Level: "system"}, set: in.Engine().Schema(), lenient: lenient, posted: in.Body != nil}
	switch in.Type {
	case "Patient":
		d.Level = "patient"
	case "Group":
		d.Level, d.Group = "group", in.ID
	}
	all, err := parameters(in.Query, in.Body)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if err := d.take(p); err != nil {
			return nil, err
		}
	}
	if !d.Named {
		for _, t := range d.set.Resources() {
			if d.Level == "system" || inPatient(d.set, t) {
				d.Types = append(d.Types, t)
			}
		}
	}
	for t := range d.Filters {
		if !slices.Contains(d.Types, t) {
			if err := d.leave("_typeFilter", "%s is not among the types that are exported", t); err != nil {
				return nil, err
			}
		}
	}
	if len(d.Types) == 0 && d.Level != "system" {
		return nil, rest.Refuse(http.StatusBadRequest, "not-supported", "none of these types is in the Patient compartment")
	}
	slices.Sort(d.Types)
	return d.exportAsk, nil
}
