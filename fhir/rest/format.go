package rest

import (
	"cmp"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// A form is how a resource is written.
type form uint8

const (
	noForm form = iota
	jsonForm
	xmlForm
)

// mediaType is the Content-Type of a form (http.html#mime-type).
func (f form) mediaType() string {
	if f == xmlForm {
		return "application/fhir+xml; charset=utf-8"
	}
	return "application/fhir+json; charset=utf-8"
}

// formOf reads a media type or a short form of one; noForm when it is neither
// JSON nor XML of FHIR R4.
func formOf(t string) form {
	kind, params, err := mime.ParseMediaType(t)
	if err != nil {
		return noForm
	}
	if v, ok := params["fhirversion"]; ok && v != "4.0" && v != "4.0.1" {
		return noForm
	}
	switch kind {
	case "json", "application/json", "application/fhir+json", "text/json":
		return jsonForm
	case "xml", "application/xml", "application/fhir+xml", "text/xml":
		return xmlForm
	}
	return noForm
}

// wanted settles the form of the answer: _format before Accept
// (http.html#mime-type). JSON is what is given to who does not mind.
func wanted(r *http.Request, format string) (form, error) {
	if format != "" {
		// An unescaped plus arrives as a space.
		if f := formOf(strings.ReplaceAll(format, " ", "+")); f != noForm {
			return f, nil
		}
		return jsonForm, notSupported(http.StatusNotAcceptable, "the format %s is not spoken here; application/fhir+json and application/fhir+xml are", clip(format)).at("_format")
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(accept) == "" {
		return jsonForm, nil
	}
	if f := accepted(accept); f != noForm {
		return f, nil
	}
	return jsonForm, notSupported(http.StatusNotAcceptable, "nothing in Accept is spoken here; application/fhir+json and application/fhir+xml are")
}

// maxAccept bounds how many media types of an Accept header are looked at.
const maxAccept = 32

// accepted picks the form that a client likes best (RFC 9110, 12.5.1): by q,
// then by the order in which they stand.
func accepted(accept string) form {
	type choice struct {
		form
		q float64
	}
	var choices []choice
	for t := range strings.SplitSeq(accept, ",") {
		kind, params, err := mime.ParseMediaType(t)
		if err != nil || len(choices) == maxAccept {
			continue
		}
		q := 1.0
		if v, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(v, 64); err != nil || q <= 0 {
				continue
			}
		}
		switch kind {
		case "*/*", "application/*":
			choices = append(choices, choice{jsonForm, q})
		case "text/*":
			choices = append(choices, choice{xmlForm, q})
		default:
			if f := formOf(t); f != noForm {
				choices = append(choices, choice{f, q})
			}
		}
	}
	if len(choices) == 0 {
		return noForm
	}
	slices.SortStableFunc(choices, func(a, b choice) int { return cmp.Compare(b.q, a.q) })
	return choices[0].form
}

// clip shortens what a client sent, for a message.
func clip(s string) string { return clipTo(s, 80) }

func clipTo(s string, longest int) string {
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}
