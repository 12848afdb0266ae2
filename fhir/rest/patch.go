package rest

import (
	"context"
	"errors"
	"mime"
	"net/http"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/patch"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A change is a patch: its language and its text, and what it has made of a
// version beforehand.
type change struct {
	in   patch.Language
	text []byte
	of   int64 // the version that the intent's draft was made of; 0 for none
}

// patch is PATCH of a resource (http.html#patch).
func (s *Server) patch(ctx context.Context, c *call) (*answer, error) {
	in, err := s.intendPatch(c)
	if err != nil {
		return nil, err
	}
	in.asked = c.id
	if old, err := s.fetch(ctx, c.typ, c.id, ""); err == nil && !old.Deleted {
		// What takes time is done before the transaction. Should there be
		// another version by then, it is done again.
		if in.draft, err = s.patched(ctx, in, old); err != nil && c.stands(old.Version) == nil {
			return nil, err
		}
		in.change.of = old.Version
	}
	return s.carryOut(ctx, in)
}

// intendPatch reads a patch in the language that its Content-Type names.
func (s *Server) intendPatch(c *call) (*intent, error) {
	in := &intent{c: c, kind: patches, typ: c.typ, asked: c.id, change: &change{}}
	kind, _, err := mime.ParseMediaType(c.media)
	if err != nil {
		kind = ""
	}
	switch {
	case kind == "application/json-patch+json":
		in.change.in = patch.JSONPatch
	case kind == "application/xml-patch+xml":
		in.change.in = patch.XMLPatch
	case formOf(c.media) != noForm:
		return in, s.parametersOf(in)
	default:
		return nil, notSupported(http.StatusUnsupportedMediaType,
			"a patch is application/json-patch+json, application/xml-patch+xml or Parameters as application/fhir+json or +xml, not %s", clip(c.media))
	}
	err = c.load()
	in.change.text = c.body
	return in, err
}

// parametersOf reads a FHIRPath Patch (fhirpatch.html).
func (s *Server) parametersOf(in *intent) error {
	doc, _, err := s.resource(in.c, "Parameters")
	if err != nil {
		return err
	}
	in.change.in, in.change.text = patch.FHIRPathPatch, doc.Bytes()
	return nil
}

// patched applies a patch to a version and checks what comes out.
func (s *Server) patched(ctx context.Context, in *intent, old vigil.Resource) (*draft, error) {
	doc, err := parsed(old)
	if err != nil {
		return nil, err
	}
	after, err := patch.Apply(s.set(), doc, in.change.in, in.change.text)
	if err != nil {
		return nil, patchProblem(err)
	}
	check := &call{} // what is wrong is not in what was sent
	if err := s.check(ctx, check, after); err != nil {
		return nil, err
	}
	in.c.hints = check.hints
	return s.draft(in.typ, after), nil
}

// carryPatch writes what a patch makes of the newest version.
func (s *Server) carryPatch(ctx context.Context, tx Tx, in *intent) error {
	if lives(in.old) == 0 {
		if in.old.Deleted {
			return Refuse(http.StatusGone, "deleted", "this %s was deleted", in.typ)
		}
		return s.absent(in.typ)
	}
	if in.draft == nil || in.change.of != in.old.Version {
		var err error
		if in.draft, err = s.patched(ctx, in, in.old); err != nil {
			return err
		}
		in.change.of = in.old.Version
	}
	made, err := s.put(ctx, tx, in.c, in.draft, in.id, in.old)
	in.made = append(in.made, made)
	return err
}

// patchProblem says how a patch failed: 400 for what is none, 422 for one that
// does not fit (RFC 5789, section 2.2).
func patchProblem(err error) error {
	var e *patch.Error
	if !errors.As(err, &e) {
		return err
	}
	i := Issue{Code: "processing", Text: clipTo(e.Error(), 500)}
	status := http.StatusUnprocessableEntity
	switch e.Fault {
	case patch.Malformed:
		status, i.Code = http.StatusBadRequest, "invalid"
	case patch.Untrue:
		i.Code = "conflict"
	case patch.Costly:
		i.Code = "too-costly"
	case patch.Unfit:
	}
	var at *tree.Error
	if errors.As(err, &at) {
		i.Line, i.Col = at.Line, at.Col
	}
	return &Problem{status, []Issue{i}}
}
