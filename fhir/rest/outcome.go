package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/vigil-iomt/vigil"
)

// An Issue is one thing that an OperationOutcome says
// (operationoutcome.html).
type Issue struct {
	Severity   string // error when empty
	Code       string // of http://hl7.org/fhir/issue-type
	Text       string // for people; without patient data
	Expression string // FHIRPath of the element, or the parameter
	Line, Col  int    // in the body that was sent; 0: not known
}

// A Problem is an answer that is not the one asked for. Operations may return
// one where no kind of vigil.Error has the right status.
type Problem struct {
	Status int
	Issues []Issue
}

// Error is what the first issue says.
func (p *Problem) Error() string {
	if len(p.Issues) == 0 {
		return http.StatusText(p.Status)
	}
	return p.Issues[0].Text
}

// Refuse makes a problem with one issue.
func Refuse(status int, code, format string, args ...any) *Problem {
	return &Problem{status, []Issue{{Code: code, Text: fmt.Sprintf(format, args...)}}}
}

// at says where the problem is.
func (p *Problem) at(expression string) *Problem {
	p.Issues[0].Expression = expression
	return p
}

func bad(format string, args ...any) *Problem {
	return Refuse(http.StatusBadRequest, "invalid", format, args...)
}

func notFound(format string, args ...any) *Problem {
	return Refuse(http.StatusNotFound, "not-found", format, args...)
}

func notSupported(status int, format string, args ...any) *Problem {
	return Refuse(status, "not-supported", format, args...)
}

// failedCondition is for conditions of the client that do not hold.
func failedCondition(code, format string, args ...any) *Problem {
	return Refuse(http.StatusPreconditionFailed, code, format, args...)
}

// problemOf maps every kind of error to a status and an issue code
// (http.html#rejecting-updates, issue-type). What nobody classified keeps its
// details to itself.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var e *vigil.Error
	i := Issue{Text: "something went wrong here; the log says what"}
	if errors.As(err, &e) && e.Kind != vigil.Internal {
		i.Text, i.Expression = e.Msg, e.Path
	}
	var status int
	status, i.Code = statusOf(vigil.KindOf(err))
	return &Problem{status, []Issue{i}}
}

// statusOf gives the HTTP status and the issue code of a kind of error.
func statusOf(k vigil.Kind) (int, string) {
	switch k {
	case vigil.Invalid:
		return http.StatusBadRequest, "invalid"
	case vigil.NotFound:
		return http.StatusNotFound, "not-found"
	case vigil.Conflicting:
		return http.StatusConflict, "conflict"
	case vigil.Unknown:
		return http.StatusUnauthorized, "login"
	case vigil.Forbidden:
		return http.StatusForbidden, "forbidden"
	case vigil.TooLarge:
		return http.StatusRequestEntityTooLarge, "too-long"
	case vigil.Overloaded:
		return http.StatusTooManyRequests, "throttled"
	case vigil.Full:
		return http.StatusInsufficientStorage, "no-store"
	case vigil.Unavailable:
		return http.StatusServiceUnavailable, "transient"
	case vigil.Internal:
	}
	return http.StatusInternalServerError, "exception"
}

// AppendOutcome appends an OperationOutcome.
func AppendOutcome(dst []byte, issues ...Issue) []byte {
	dst = append(dst, `{"resourceType":"OperationOutcome","issue":[`...)
	for i := range issues {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = issues[i].appendTo(dst)
	}
	return append(dst, `]}`...)
}

func (i *Issue) appendTo(dst []byte) []byte {
	severity, code := i.Severity, i.Code
	if severity == "" {
		severity = "error"
	}
	if code == "" {
		code = "processing"
	}
	dst = append(dst, '{')
	if i.Line > 0 {
		// The standard's own extensions for places in the body
		// (extension-operationoutcome-issue-line, -col).
		dst = append(dst, `"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line","valueInteger":`...)
		dst = strconv.AppendInt(dst, int64(i.Line), 10)
		dst = append(dst, `},{"url":"http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col","valueInteger":`...)
		dst = strconv.AppendInt(dst, int64(i.Col), 10)
		dst = append(dst, `}],`...)
	}
	dst = append(append(append(dst, `"severity":"`...), severity...), `","code":"`...)
	dst = append(append(dst, code...), '"')
	if i.Text != "" {
		dst = appendString(append(dst, `,"diagnostics":`...), i.Text)
	}
	if i.Expression != "" {
		dst = append(appendString(append(dst, `,"expression":[`...), i.Expression), ']')
	}
	return append(dst, '}')
}

// isStatus tells whether an error is answered with a status.
func isStatus(err error, status int) bool {
	return err != nil && problemOf(err).Status == status
}
