package check

import (
	"bytes"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// primitive checks the value of a primitive. It returns false when it is not
// what it must be, so that nothing more is said of it.
func (w *walk) primitive(v tree.Node, s *shape, e *element) bool {
	want := s.value.kind()
	if v.Kind() != want {
		w.fail(v, "structure", "kind", "%s of type %s must be a JSON %s, not: %s", e.f.Path, s.t.Name, want, v.Kind())
		return false
	}
	text := v.Raw()
	if want == tree.String {
		text = text[1 : len(text)-1]
		if bytes.IndexByte(text, '\\') >= 0 {
			text = []byte(v.Text())
		}
		if problem := textProblem(text); problem != "" {
			w.fail(v, "value", "value", "%s", problem)
			return false
		}
	}
	return w.form(v, s, e, text)
}

// form checks the text of a value against the grammar of its type.
func (w *walk) form(v tree.Node, s *shape, e *element, text []byte) bool {
	ok, what := true, ""
	switch s.value {
	case formInteger, formUnsigned, formPositive:
		ok, what = isInteger(text, s.value.least()), "an integer of 32 bits"
		if s.value != formInteger {
			what = "such an integer of 32 bits"
		}
	case formCode:
		ok, what = isCode(text), "without white space but single ones inside"
	case formID:
		ok, what = isID(text), "1 to 64 letters, digits, - and ."
	case formURI:
		return w.uri(v, s, text)
	case formOID:
		ok, what = isOID(text), "urn:oid: and numbers"
	case formUUID:
		ok, what = isUUID(text), "urn:uuid: and a UUID in lower case"
	case formBase64:
		ok, what = isBase64(text), "base 64 with padding"
	case formDate:
		ok, what = isDate(text), "YYYY, YYYY-MM or YYYY-MM-DD, and a day that there is"
	case formDateTime:
		ok, what = isDateTime(text), "a date, or YYYY-MM-DDThh:mm:ss with a zone, and a day that there is"
	case formInstant:
		ok, what = isInstant(text), "YYYY-MM-DDThh:mm:ss with a zone, and a day that there is"
	case formTime:
		ok, what = isTime(text), "hh:mm:ss"
	case formString:
		w.string(v, text)
	case formXHTML:
		w.narrative(v, text)
	case formNone, formBoolean, formDecimal: // the reader of the document said all
	case formPattern:
		ok, what = s.pattern == nil || s.pattern.Match(text), "as its definition says"
	}
	if !ok {
		w.fail(v, "value", "value", "the %s of %s must be %s", s.t.Name, e.f.Path, what)
	}
	return ok
}

// narrative checks a div. The specification's own examples have empty ones, so
// that these are only refused where somebody asks for everything.
func (w *walk) narrative(v tree.Node, text []byte) {
	problem, key := XHTML(text)
	if problem == "" {
		return
	}
	severity := Error
	if key == "txt-2" && w.o.Level < Profiles {
		severity = Warning
	}
	w.report(severity, v, "invariant", key, "%s", problem)
}

// string advises against text that XML would trim to nothing.
func (w *walk) string(v tree.Node, text []byte) {
	if space(text[0]) && blank(text) {
		w.report(Warning, v, "value", "blank", "a string should not be only white space")
	}
}

// uri checks an address (R4 datatypes.html#uri): no white space, and advises on
// the forms of OIDs and UUIDs where it says to be one.
func (w *walk) uri(v tree.Node, s *shape, text []byte) bool {
	if !isURI(text) {
		w.fail(v, "value", "value", "a %s must not have white space", s.t.Name)
		return false
	}
	switch text[0] {
	case '#':
		w.points = append(w.points, v.Text())
		return true
	case 'u', 'o':
	default:
		return true
	}
	switch {
	case bytes.HasPrefix(text, []byte("urn:oid:")):
		if !isOID(text) {
			w.report(Warning, v, "value", "oid", "what begins with urn:oid: should be an OID")
		}
	case bytes.HasPrefix(text, []byte("urn:uuid:")):
		if !isUUID(bytes.ToLower(text)) {
			w.report(Warning, v, "value", "uuid", "what begins with urn:uuid: should be a UUID")
		} else if !isUUID(text) {
			w.report(Warning, v, "value", "uuid", "a UUID should be in lower case")
		}
	case bytes.HasPrefix(text, []byte("oid:")), bytes.HasPrefix(text, []byte("uuid:")):
		w.report(Warning, v, "value", "uuid", "an OID or a UUID begins with urn: when it is a %s", s.t.Name)
	}
	return true
}

// A series is an array by place: the array beside another one is asked in step
// with it, and each step through a tree costs as much as its place.
type series struct{ items []tree.Node }

func cursor(v tree.Node) *series {
	s := &series{}
	if v.Kind() == tree.Array {
		s.items = make([]tree.Node, 0, v.Len())
		for item := range v.Items() {
			s.items = append(s.items, item)
		}
	}
	return s
}

// value tells whether there is a value at a place.
func (s *series) value(i int) bool { return i < len(s.items) && s.items[i].Kind() != tree.Null }

// object tells whether there is an object at a place.
func (s *series) object(i int) bool { return i < len(s.items) && s.items[i].Kind() == tree.Object }
