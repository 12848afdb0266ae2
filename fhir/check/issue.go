package check

import (
	"fmt"
	"strconv"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Severity is how bad an issue is (http://hl7.org/fhir/issue-severity).
type Severity uint8

// The severities. Only Error and Fatal refuse a document.
const (
	Information Severity = iota
	Warning
	Error
	Fatal
)

// String returns the code of the severity.
func (s Severity) String() string {
	return [...]string{"information", "warning", "error", "fatal"}[min(s, Fatal)]
}

// An Issue is something wrong at one place of a document.
type Issue struct {
	Severity Severity
	Code     string // http://hl7.org/fhir/issue-type
	// Message says what is wrong. It names elements, types and codes, never the
	// text, number or time that an element has.
	Message string
	// Expression is the element as FHIRPath, in the simple form of
	// OperationOutcome.issue.expression: Patient.name[0].given[1]. What is
	// missing or unknown stands at the element that should have it or has it.
	Expression string
	Line, Col  int    // of the value, counted from 1; 0 when there is no place
	Key        string // names the rule: the key of an invariant, or one of ours
}

// Failed tells whether there is an error among issues.
func Failed(issues []Issue) bool {
	for i := range issues {
		if issues[i].Severity >= Error {
			return true
		}
	}
	return false
}

// AppendOutcome appends an OperationOutcome (R4 operationoutcome.html) with the
// issues. Without any it says that all is well, because an outcome has at least
// one issue.
func AppendOutcome(dst []byte, issues []Issue) []byte {
	dst = append(dst, `{"resourceType":"OperationOutcome","issue":[`...)
	if len(issues) == 0 {
		issues = []Issue{{Severity: Information, Code: "informational", Message: "All OK"}}
	}
	for i := range issues {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendIssue(dst, &issues[i])
	}
	return append(dst, `]}`...)
}

// Where an issue stands in the source, as extensions that the validators of
// others write, too.
const (
	lineURL = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line"
	colURL  = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col"
)

func appendIssue(dst []byte, i *Issue) []byte {
	dst = append(dst, '{')
	if i.Line > 0 {
		dst = append(dst, `"extension":[{"url":"`+lineURL+`","valueInteger":`...)
		dst = strconv.AppendInt(dst, int64(i.Line), 10)
		dst = append(dst, `},{"url":"`+colURL+`","valueInteger":`...)
		dst = strconv.AppendInt(dst, int64(i.Col), 10)
		dst = append(dst, `}],`...)
	}
	dst = append(dst, `"severity":"`...)
	dst = append(dst, i.Severity.String()...)
	dst = append(dst, `","code":"`...)
	dst = append(dst, i.Code...)
	dst = append(dst, '"')
	if i.Key != "" {
		dst = append(dst, `,"details":{"coding":[{"code":`...)
		dst = tree.AppendString(dst, i.Key)
		dst = append(dst, `}]}`...)
	}
	if i.Message != "" {
		dst = append(dst, `,"diagnostics":`...)
		dst = tree.AppendString(dst, i.Message)
	}
	if i.Expression != "" {
		dst = append(dst, `,"expression":[`...)
		dst = tree.AppendString(dst, i.Expression)
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// A frame is one step on the way from the root to where a walk is.
type frame struct {
	name  string
	index int // -1 when the element is no array
}

func (w *walk) push(name string)   { w.frames = append(w.frames, frame{name, -1}) }
func (w *walk) pop()               { w.frames = w.frames[:len(w.frames)-1] }
func (w *walk) index(i int)        { w.frames[len(w.frames)-1].index = i }
func (w *walk) full() bool         { return w.errors >= w.o.Limit }
func (w *walk) expression() string { return string(appendFrames(nil, w.frames)) }

func appendFrames(b []byte, frames []frame) []byte {
	for i, f := range frames {
		if i > 0 {
			b = append(b, '.')
		}
		b = append(b, f.name...)
		if f.index >= 0 {
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(f.index), 10)
			b = append(b, ']')
		}
	}
	return b
}

// fail reports an error at a value.
func (w *walk) fail(n tree.Node, code, key, format string, args ...any) {
	w.report(Error, n, code, key, format, args...)
}

// report adds an issue where the walk is. Arguments are only formatted here, so
// that they cost nothing while all is well.
func (w *walk) report(s Severity, n tree.Node, code, key, format string, args ...any) {
	if w.silent {
		w.wrong = w.wrong || s >= Error
		return
	}
	switch {
	case w.full():
		w.cut = true
		return
	case s >= Error:
		w.errors++
	case len(w.issues)-w.errors >= w.o.Limit:
		w.muted = true
		return
	}
	line, col := n.Pos()
	text := format
	if len(args) > 0 {
		text = fmt.Sprintf(format, args...)
	}
	w.issues = append(w.issues, Issue{
		Severity: s, Code: code, Key: key, Expression: w.expression(), Line: line, Col: col, Message: text,
	})
}

// finish says when there was more than the limit. Where the check ended early,
// that is itself an error, so that a cut list never looks like a good one.
func (w *walk) finish() []Issue {
	switch {
	case w.cut:
		w.issues = append(w.issues, Issue{Severity: Error, Code: "too-costly", Key: "limit", Message: "the check ended before all was looked at"})
	case w.muted:
		w.issues = append(w.issues, Issue{Severity: Information, Code: "informational", Key: "limit", Message: "there are more warnings than are reported"})
	}
	return w.issues
}
