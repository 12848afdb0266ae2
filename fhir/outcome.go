package fhir

import (
	"errors"
	"net/http"

	"github.com/vigil-iomt/vigil"
)

// A problem is an answer that is not the one asked for: an HTTP status and an
// issue code (http://hl7.org/fhir/issue-type).
type problem struct {
	status int
	code   string
	text   string
	where  string // a parameter, "" if none
}

func (p *problem) Error() string { return p.text }

func bad(where, text string) *problem {
	return &problem{http.StatusBadRequest, "invalid", text, where}
}

func notFound(text string) *problem {
	return &problem{http.StatusNotFound, "not-found", text, ""}
}

func notSupported(status int, where, text string) *problem {
	return &problem{status, "not-supported", text, where}
}

// problemOf maps every kind of error to a status and an issue code. What nobody
// classified keeps its details to itself.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var e *vigil.Error
	text, where := "something went wrong here; the log says what", ""
	if errors.As(err, &e) && e.Kind != vigil.Internal {
		text, where = e.Msg, e.Path
	}
	switch vigil.KindOf(err) {
	case vigil.Invalid:
		return &problem{http.StatusBadRequest, "invalid", text, where}
	case vigil.NotFound:
		return &problem{http.StatusNotFound, "not-found", text, where}
	case vigil.Conflicting:
		return &problem{http.StatusConflict, "conflict", text, where}
	case vigil.Unknown:
		return &problem{http.StatusUnauthorized, "login", text, where}
	case vigil.Forbidden:
		return &problem{http.StatusForbidden, "forbidden", text, where}
	case vigil.TooLarge:
		return &problem{http.StatusRequestEntityTooLarge, "too-long", text, where}
	case vigil.Overloaded:
		return &problem{http.StatusTooManyRequests, "throttled", text, where}
	case vigil.Full:
		return &problem{http.StatusInsufficientStorage, "no-store", text, where}
	case vigil.Unavailable:
		return &problem{http.StatusServiceUnavailable, "transient", text, where}
	case vigil.Internal:
	}
	return &problem{http.StatusInternalServerError, "exception", text, where}
}

// appendOutcome appends an OperationOutcome with one issue for each problem.
func appendOutcome(dst []byte, severity string, problems ...*problem) []byte {
	dst = append(dst, `{"resourceType":"OperationOutcome","issue":[`...)
	for i, p := range problems {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"severity":"`...)
		dst = append(dst, severity...)
		dst = append(dst, `","code":"`...)
		dst = append(dst, p.code...)
		dst = append(dst, `","diagnostics":`...)
		dst = appendString(dst, p.text)
		if p.where != "" {
			dst = append(dst, `,"expression":[`...)
			dst = appendString(dst, p.where)
			dst = append(dst, ']')
		}
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

// isNotFound tells whether an error says that there is no such thing.
func isNotFound(err error) bool {
	return err != nil && problemOf(err).status == http.StatusNotFound
}
