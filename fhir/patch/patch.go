// Package patch changes documents: JSON Patch (RFC 6902), FHIRPath Patch (FHIR
// R4 fhirpatch.html) and XML Patch (RFC 5261), as FHIR R4 §3.1.0.7.1 lets
// clients send them. What a patch does not touch stays byte for byte; in XML
// Patch, which sees the XML form, every value stays.
//
// Each patch is bounded: by its operations, and by the bytes that all of them
// together read and write.
package patch

import (
	"errors"
	"fmt"
	"math"

	"github.com/vigil-iomt/vigil/fhir/path"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/xmlform"
)

const (
	maxOperations = 10_000
	minBudget     = 64 << 20 // bytes that a patch may read and write in all
)

// A Fault says how a patch failed.
type Fault uint8

// The faults. Malformed is a patch that is none, whatever it is applied to;
// Unfit one that does not fit the document; Untrue one whose test operation
// found something else; Costly one that is too much work.
const (
	Malformed Fault = iota
	Unfit
	Untrue
	Costly
)

// An Error says which operation of a patch failed.
type Error struct {
	Fault Fault
	Op    int    // the operation, counted from 0; -1 for the whole patch
	Path  string // what the operation is about, as it is written there
	Msg   string
	Err   error // what was below, such as a *tree.Error with its place
}

// Error returns the operation and what is wrong with it.
func (e *Error) Error() string {
	msg := e.Msg
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	switch {
	case e.Op < 0:
		return msg
	case e.Path == "":
		return fmt.Sprintf("operation %d: %s", e.Op, msg)
	default:
		return fmt.Sprintf("operation %d, %.200s: %s", e.Op, e.Path, msg)
	}
}

// Unwrap returns what was below.
func (e *Error) Unwrap() error { return e.Err }

func malformed(op int, format string, a ...any) *Error {
	return &Error{Fault: Malformed, Op: op, Msg: fmt.Sprintf(format, a...)}
}

func unfit(format string, a ...any) *Error {
	return &Error{Fault: Unfit, Msg: fmt.Sprintf(format, a...)}
}

// at puts an error to its operation.
func at(err error, op int, path string) error {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Fault: Unfit, Msg: "the document cannot be changed so", Err: err}
	}
	e.Op, e.Path = op, path
	return e
}

// A budget bounds the work of one patch.
type budget struct{ left int }

func newBudget(size int) budget { return budget{minBudget + 4*size} }

func (b *budget) spend(n int) error {
	if b.left -= n; b.left < 0 {
		return &Error{Fault: Costly, Op: -1, Msg: "the operations are too much work for a document of this size"}
	}
	return nil
}

// parse reads a document that an operation made.
func (b *budget) parse(src []byte) (*tree.Doc, error) {
	if err := b.spend(2 * len(src)); err != nil {
		return nil, err
	}
	return tree.Parse(src)
}

// A Language is what a patch is written in.
type Language uint8

// The languages, by their media types.
const (
	JSONPatch     Language = iota // application/json-patch+json
	XMLPatch                      // application/xml-patch+xml
	FHIRPathPatch                 // application/fhir+json and application/fhir+xml
)

// Apply changes a resource. A FHIRPath Patch is the JSON of its Parameters. The
// type, the id and the version of the resource cannot be changed. Errors are
// *Error.
func Apply(set *schema.Set, doc *tree.Doc, in Language, patch []byte) (*tree.Doc, error) {
	var after *tree.Doc
	var err error
	switch in {
	case JSONPatch:
		if after, err = JSON(doc, patch); err == nil {
			after, err = pruned(after)
		}
	case XMLPatch:
		after, err = resourceXML(set, doc, patch)
	default:
		var parameters *tree.Doc
		if parameters, err = tree.Parse(patch); err != nil {
			return nil, &Error{Fault: Malformed, Op: -1, Msg: "the patch is no JSON", Err: err}
		}
		after, err = FHIRPath(set, doc, parameters.Root())
	}
	if err != nil {
		return nil, err
	}
	if err := same(doc.Root(), after.Root()); err != nil {
		return nil, err
	}
	return after, nil
}

// same makes sure that a resource is still the one that it was.
func same(before, after tree.Node) error {
	if after.Kind() != tree.Object {
		return &Error{Fault: Unfit, Op: -1, Msg: "the patch leaves no resource"}
	}
	for _, name := range []string{"resourceType", "id"} {
		if before.Get(name).Text() != after.Get(name).Text() {
			return &Error{Fault: Unfit, Op: -1, Path: name, Msg: "a patch cannot change the " + name + " of a resource"}
		}
	}
	was, is := before.Get("meta").Get("versionId"), after.Get("meta").Get("versionId")
	if is.Ok() && was.Text() != is.Text() {
		return &Error{Fault: Unfit, Op: -1, Path: "meta.versionId", Msg: "a patch cannot change the version of a resource"}
	}
	return nil
}

// resourceXML applies an XML Patch to the XML form of a resource.
func resourceXML(set *schema.Set, doc *tree.Doc, patch []byte) (*tree.Doc, error) {
	before, err := xmlform.XML(set, doc.Root(), false)
	if err != nil {
		return nil, &Error{Fault: Unfit, Op: -1, Msg: "the resource cannot be written as XML", Err: err}
	}
	after, err := XML(string(before), string(patch))
	if err != nil {
		return nil, err
	}
	json, _, err := xmlform.JSON(set, []byte(after))
	if err == nil {
		doc, err = tree.Parse(json)
	}
	if err != nil {
		return nil, &Error{Fault: Unfit, Op: -1, Msg: "what the patch makes is no resource", Err: err}
	}
	return doc, nil
}

// evaluate runs the path of an operation.
func evaluate(set *schema.Set, doc *tree.Doc, text string, steps int) ([]path.Item, error) {
	e, err := path.Compile(text)
	if err != nil {
		return nil, &Error{Fault: Malformed, Msg: "the path is no FHIRPath", Err: err}
	}
	items, err := e.Eval(&path.Context{Set: set, Steps: steps}, path.ItemOf(set, doc.Root()))
	if errors.Is(err, path.ErrCost) {
		return nil, &Error{Fault: Costly, Msg: "the path is too much work"}
	}
	if err != nil {
		return nil, &Error{Fault: Unfit, Msg: "the path cannot be evaluated", Err: err}
	}
	return items, nil
}

// whole returns the number of an index, or -1.
func whole(n tree.Node) int {
	s := n.Text()
	if s == "" || len(s) > 9 {
		return -1
	}
	i := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return -1
		}
		i = i*10 + int(c-'0')
	}
	return min(i, math.MaxInt32)
}
