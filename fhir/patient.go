package fhir

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
)

// appendPatient appends the resource with the given version; none with "".
func appendPatient(dst []byte, p vigil.Patient, version string) []byte {
	dst = append(dst, `{"resourceType":"Patient","id":`...)
	dst = appendString(dst, reading.WireID(string(p.ID)))
	dst = appendVersion(dst, version)
	if p.MRN != "" {
		dst = append(dst, `,"identifier":[{"use":"usual","type":`...)
		dst = appendConcept(dst, []vigil.Code{{System: reading.IdentifierType, Value: "MR", Display: "Medical record number"}}, "")
		dst = appendMember(dst, "value", p.MRN)
		dst = append(dst, `}]`...)
	}
	dst = append(dst, `,"name":[{"family":`...)
	dst = appendString(dst, p.Family)
	for i, given := range strings.Fields(p.Given) {
		if i == 0 {
			dst = append(dst, `,"given":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendString(dst, given)
	}
	if strings.TrimSpace(p.Given) != "" {
		dst = append(dst, ']')
	}
	dst = append(dst, `}]`...)
	dst = appendMember(dst, "gender", p.Sex)
	dst = appendMember(dst, "birthDate", p.Born)
	return append(dst, '}')
}

func appendVersion(dst []byte, version string) []byte {
	if version == "" {
		return dst
	}
	dst = append(dst, `,"meta":{"versionId":"`...)
	return append(append(dst, version...), `"}`...)
}

// versionOf names the state of a record whose versions are not counted here: a
// hash of what it says.
func versionOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

func (h *Handler) readPatient(w http.ResponseWriter, r *http.Request, id, version string) error {
	p, ok := h.c.Registry.Patient(h.source.PatientID(id))
	current := versionOf(appendPatient(nil, p, ""))
	if !ok || reading.WireID(string(p.ID)) != id || version != "" && version != current {
		return notFound("there is no such Patient, or no such version")
	}
	return h.sendResource(w, r, current, 0, func(dst []byte) []byte { return appendPatient(dst, p, current) })
}

func (h *Handler) searchPatients(w http.ResponseWriter, r *http.Request, more url.Values) error {
	s, err := h.parseSearch(r, "Patient", more, searchNames(patientCapabilities())...)
	if err != nil {
		return err
	}
	items := h.c.Registry.Patients()
	for _, p := range s.params {
		keep, err := h.patientTest(p)
		if err != nil {
			return err
		}
		items = slices.DeleteFunc(items, func(x vigil.Patient) bool { return !keep(x) })
	}
	return sendRecords(h, w, r, s, items, recordType[vigil.Patient]{
		id: func(p vigil.Patient) string { return reading.WireID(string(p.ID)) },
		keys: map[string]func(a, b vigil.Patient) int{
			"_id":       func(a, b vigil.Patient) int { return cmp.Compare(a.ID, b.ID) },
			"name":      func(a, b vigil.Patient) int { return cmp.Compare(fold(a.Family), fold(b.Family)) },
			"family":    func(a, b vigil.Patient) int { return cmp.Compare(fold(a.Family), fold(b.Family)) },
			"given":     func(a, b vigil.Patient) int { return cmp.Compare(fold(a.Given), fold(b.Given)) },
			"birthdate": func(a, b vigil.Patient) int { return cmp.Compare(a.Born, b.Born) },
			"gender":    func(a, b vigil.Patient) int { return cmp.Compare(a.Sex, b.Sex) },
		},
		write: func(dst []byte, p vigil.Patient) []byte {
			return appendPatient(dst, p, versionOf(appendPatient(nil, p, "")))
		},
	})
}

// patientTest is what one parameter asks of a patient.
func (h *Handler) patientTest(p param) (func(vigil.Patient) bool, error) {
	switch p.name {
	case "name", "family", "given":
		return p.text(func(x vigil.Patient) []string {
			switch p.name {
			case "family":
				return []string{x.Family}
			case "given":
				return strings.Fields(x.Given)
			}
			return append(strings.Fields(x.Given), x.Family, x.Given+" "+x.Family)
		})
	}
	if err := p.plainOnly(); err != nil {
		return nil, err
	}
	switch p.name {
	case "_id":
		return func(x vigil.Patient) bool { return slices.Contains(p.values, reading.WireID(string(x.ID))) }, nil
	case "identifier":
		tokens := p.tokens()
		return func(x vigil.Patient) bool {
			return x.MRN != "" && anyToken(tokens, []vigil.Code{{Value: x.MRN}})
		}, nil
	case "gender":
		tokens := p.tokens()
		return func(x vigil.Patient) bool {
			return anyToken(tokens, []vigil.Code{{System: "http://hl7.org/fhir/administrative-gender", Value: x.Sex}})
		}, nil
	}
	d, err := parseDates(p, vigil.InstantOf(h.c.Now()))
	return func(x vigil.Patient) bool {
		from, to, err := reading.ParseDate(x.Born)
		return err == nil && d.Holds(from, to)
	}, err
}

// text compares strings as search.html#string says: from the beginning, without
// case and accents; :contains anywhere; :exact every character.
func (p param) text(of func(vigil.Patient) []string) (func(vigil.Patient) bool, error) {
	test, err := p.textTest()
	return func(x vigil.Patient) bool { return slices.ContainsFunc(of(x), test) }, err
}

func (p param) textTest() (func(string) bool, error) {
	var fits func(have, want string) bool
	switch p.modifier {
	case "":
		fits = func(have, want string) bool { return strings.HasPrefix(fold(have), fold(want)) }
	case "contains":
		fits = func(have, want string) bool { return strings.Contains(fold(have), fold(want)) }
	case "exact":
		fits = func(have, want string) bool { return have == want }
	default:
		return nil, p.plainOnly()
	}
	return func(have string) bool {
		return slices.ContainsFunc(p.values, func(v string) bool { return fits(have, unescape(v)) })
	}, nil
}

// fold takes case and the accents of Latin letters away.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		for _, f := range [...]struct {
			base    rune
			letters string
		}{
			{'a', "àáâãäåāăą"},
			{'c', "çćĉċč"},
			{'d', "ďđð"},
			{'e', "èéêëēĕėęě"},
			{'g', "ĝğġģ"},
			{'h', "ĥħ"},
			{'i', "ìíîïĩīĭįı"},
			{'j', "ĵ"},
			{'k', "ķ"},
			{'l', "ĺļľŀł"},
			{'n', "ñńņňŉ"},
			{'o', "òóôõöøōŏő"},
			{'r', "ŕŗř"},
			{'s', "śŝşšș"},
			{'t', "ţťŧț"},
			{'u', "ùúûüũūŭůűų"},
			{'w', "ŵ"},
			{'y', "ýÿŷ"},
			{'z', "źżž"},
		} {
			if r > 0x7f && strings.ContainsRune(f.letters, r) {
				return f.base
			}
		}
		return r
	}, strings.ToLower(s))
}
