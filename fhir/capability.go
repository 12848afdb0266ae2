package fhir

import "net/http"

// A capability is a search parameter as the CapabilityStatement lists it.
type capability struct{ name, kind, definition, text string }

const definitions = "http://hl7.org/fhir/SearchParameter/"

// observationCapabilities and its siblings name the parameters with their
// definitions in R4 (search-parameters.json).
func observationCapabilities() []capability {
	return []capability{
		{"_id", "token", definitions + "Resource-id", ""},
		{"_lastUpdated", "date", definitions + "Resource-lastUpdated", "When the reading arrived."},
		{"patient", "reference", definitions + "clinical-patient", ""},
		{"subject", "reference", definitions + "Observation-subject", ""},
		{"device", "reference", definitions + "Observation-device", ""},
		{"code", "token", definitions + "clinical-code", "The code of the Observation; parts of panels are found by component-code and combo-code."},
		{"component-code", "token", definitions + "Observation-component-code", ""},
		{"combo-code", "token", definitions + "Observation-combo-code", ""},
		{"category", "token", definitions + "Observation-category", ""},
		{"status", "token", definitions + "Observation-status", "Observations that were entered in error are found only when this asks for them."},
		{"date", "date", definitions + "clinical-date", ""},
	}
}

func patientCapabilities() []capability {
	return []capability{
		{"_id", "token", definitions + "Resource-id", ""},
		{"identifier", "token", definitions + "Patient-identifier", ""},
		{"name", "string", definitions + "Patient-name", ""},
		{"family", "string", definitions + "individual-family", ""},
		{"given", "string", definitions + "individual-given", ""},
		{"birthdate", "date", definitions + "individual-birthdate", ""},
		{"gender", "token", definitions + "individual-gender", ""},
	}
}

func deviceCapabilities() []capability {
	return []capability{
		{"_id", "token", definitions + "Resource-id", ""},
		{"identifier", "token", definitions + "Device-identifier", ""},
		{"patient", "reference", definitions + "Device-patient", "Whom the device serves now."},
		{"type", "token", definitions + "Device-type", ""},
		{"model", "string", definitions + "Device-model", ""},
		{"manufacturer", "string", definitions + "Device-manufacturer", ""},
		{"device-name", "string", definitions + "Device-device-name", ""},
		{"udi-carrier", "string", definitions + "Device-udi-carrier", ""},
		{"status", "token", definitions + "Device-status", ""},
	}
}

// sendCapabilities answers /metadata.
func (h *Handler) sendCapabilities(w http.ResponseWriter, r *http.Request) error {
	body := h.appendCapabilities(nil, h.base(r))
	return h.sendResource(w, r, versionOf(body), h.started, func(dst []byte) []byte { return append(dst, body...) })
}

func (h *Handler) appendCapabilities(dst []byte, base string) []byte {
	dst = append(dst, `{"resourceType":"CapabilityStatement","status":"active","date":"`...)
	dst = appendTime(dst, h.started-h.started%1_000_000)
	dst = append(dst, `","kind":"instance","software":{"name":"Vigil"`...)
	dst = appendMember(dst, "version", h.c.Version)
	dst = append(dst, `},"implementation":{"description":"Vigil, patient monitoring","url":`...)
	dst = appendString(dst, base)
	dst = append(dst, `},"fhirVersion":"4.0.1","format":["application/fhir+json","json"],"rest":[{"mode":"server",`...)
	dst = append(dst, `"documentation":"Observations are projected from series of readings. Parameters that are not supported are reported in an OperationOutcome entry, or refused with Prefer: handling=strict.",`...)
	dst = append(dst, `"resource":[`...)
	dst = appendType(dst, "Device", "versioned", []string{"read", "search-type"}, deviceCapabilities())
	dst = append(dst, `},`...)
	dst = appendType(dst, "Observation", "versioned", []string{"read", "vread", "history-instance", "search-type"}, observationCapabilities())
	dst = append(dst, `,"operation":[{"name":"lastn","definition":"http://hl7.org/fhir/OperationDefinition/Observation-lastn"}]},`...)
	dst = appendType(dst, "Patient", "versioned", []string{"read", "search-type"}, patientCapabilities())
	return append(dst, `}]}]}`...)
}

// appendType appends what can be done with one type, without the closing brace.
func appendType(dst []byte, name, versioning string, interactions []string, params []capability) []byte {
	dst = append(dst, `{"type":"`+name+`","profile":"http://hl7.org/fhir/StructureDefinition/`+name+`","interaction":[`...)
	for i, x := range interactions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"code":"`+x+`"}`...)
	}
	dst = append(dst, `],"versioning":"`+versioning+`","readHistory":`...)
	if name == "Observation" {
		dst = append(dst, "true"...)
	} else {
		dst = append(dst, "false"...)
	}
	dst = append(dst, `,"updateCreate":false,"conditionalRead":"not-match","searchParam":[`...)
	for i, p := range params {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"name":"`+p.name+`","definition":"`+p.definition+`","type":"`+p.kind+`"`...)
		dst = appendMember(dst, "documentation", p.text)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// searchNames lists the parameters of capabilities, so that what is announced
// and what is understood cannot differ.
func searchNames(params []capability) []string {
	names := make([]string, len(params))
	for i, p := range params {
		names[i] = p.name
	}
	return names
}
