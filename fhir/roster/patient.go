package roster

import (
	"regexp"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// Nobody is the family name of who has none in the registry.
const Nobody = "Unknown"

// PatientOf is what the registry holds of a Patient (patient.html).
func PatientOf(root tree.Node) vigil.Patient {
	p := vigil.Patient{ID: vigil.PatientID(text(root, "id")), Sex: text(root, "gender"), Born: text(root, "birthDate")}
	name := nameOf(root)
	p.Family, p.Given = text(name, "family"), strings.Join(given(name), " ")
	if p.Family == "" && p.Given == "" {
		p.Family = text(name, "text")
	}
	if p.Family == "" {
		p.Family = Nobody
	}
	switch p.Sex {
	case "male", "female", "other":
	default:
		p.Sex = "unknown"
	}
	if !date.MatchString(p.Born) {
		p.Born = ""
	}
	p.MRN = text(recordNumber(root), "value")
	return p
}

// date is a FHIR date (datatypes.html#date).
var date = regexp.MustCompile(`^\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?$`)

// nameOf picks the name that people call a patient by: the official one, else
// the usual one, else the first that is still used.
func nameOf(root tree.Node) tree.Node {
	names := root.Get("name")
	for _, use := range [...]string{"official", "usual", ""} {
		if n := first(names, func(n tree.Node) bool { return text(n, "use") == use }); n.Ok() {
			return n
		}
	}
	if n := first(names, func(n tree.Node) bool { return text(n, "use") != "old" && text(n, "use") != "maiden" }); n.Ok() {
		return n
	}
	return first(names, func(tree.Node) bool { return true })
}

// given are the given names of a name.
func given(name tree.Node) []string {
	var out []string
	for g := range name.Get("given").Items() {
		if g.Kind() == tree.String {
			out = append(out, strings.Fields(g.Text())...)
		}
	}
	return out
}

// recordNumber is the identifier that is a medical record number.
func recordNumber(root tree.Node) tree.Node {
	return first(root.Get("identifier"), func(n tree.Node) bool {
		return coded(n.Get("type"), vigil.Code{System: identifierType, Value: "MR"}) && text(n, "value") != ""
	})
}

// Patient returns the Patient that the registry's patient is, without meta: a
// new one, or an old one with what the registry knows otherwise. It is not
// changed when the old one says the same already.
func Patient(old *tree.Doc, id string, p vigil.Patient) (body []byte, changed bool) {
	p.Family, p.MRN, p.Given = clean(p.Family), clean(p.MRN), strings.Join(strings.Fields(clean(p.Given)), " ")
	if old == nil {
		return newPatient(id, p), true
	}
	root, have, e := old.Root(), PatientOf(old.Root()), tree.NewEdit(old)
	if p.MRN != "" && p.MRN != have.MRN {
		changed = true
		if n := recordNumber(root); n.Ok() {
			put(e, n, "value", p.MRN)
		} else {
			add(e, root, "identifier", recordNumberOf(p.MRN))
		}
	}
	if p.Family != have.Family || p.Given != have.Given {
		changed = true
		rename(e, root, p)
	}
	if p.Sex != "" && p.Sex != have.Sex {
		changed = true
		put(e, root, "gender", p.Sex)
	}
	if p.Born != "" && p.Born != have.Born {
		changed = true
		put(e, root, "birthDate", p.Born)
	}
	if !changed {
		return old.Bytes(), false
	}
	return e.Bytes(), true
}

// rename notes the name that the registry knows.
func rename(e *tree.Edit, root tree.Node, p vigil.Patient) {
	n := nameOf(root)
	if !n.Ok() {
		add(e, root, "name", appendName(nil, p))
		return
	}
	put(e, n, "family", p.Family)
	drop(e, n, "text")
	drop(e, n, "_text")
	if names := appendGiven(nil, p.Given); names != nil {
		e.Put(n, "given", names)
	} else {
		drop(e, n, "given")
	}
	drop(e, n, "_given")
}

// newPatient is a Patient that says what the registry knows.
func newPatient(id string, p vigil.Patient) []byte {
	w := tree.NewWriter(nil).Object().Text("resourceType", "Patient").Text("id", id)
	if p.MRN != "" {
		w.Name("identifier").Array().Raw(recordNumberOf(p.MRN)).End()
	}
	w.Name("name").Array().Raw(appendName(nil, p)).End()
	if p.Sex != "" {
		w.Text("gender", p.Sex)
	}
	if p.Born != "" {
		w.Text("birthDate", p.Born)
	}
	return w.End().Bytes()
}

func recordNumberOf(mrn string) []byte {
	b := []byte(`{"use":"usual","type":{"coding":[{"system":"` + identifierType + `","code":"MR","display":"Medical record number"}]},"value":`)
	return append(tree.AppendString(b, mrn), '}')
}

func appendName(dst []byte, p vigil.Patient) []byte {
	dst = tree.AppendString(append(dst, `{"family":`...), p.Family)
	if names := appendGiven(nil, p.Given); names != nil {
		dst = append(append(dst, `,"given":`...), names...)
	}
	return append(dst, '}')
}

// appendGiven appends the list of given names; nothing when there are none.
func appendGiven(dst []byte, names string) []byte {
	for i, g := range strings.Fields(names) {
		if i == 0 {
			dst = append(dst, '[')
		} else {
			dst = append(dst, ',')
		}
		dst = tree.AppendString(dst, g)
	}
	if len(dst) > 0 {
		dst = append(dst, ']')
	}
	return dst
}
