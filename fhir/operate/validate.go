package operate

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// maxLookups bounds how many resources one validation reads to see what
// references point to.
const maxLookups = 200

// A trial is what $validate is asked (resource-operation-validate.html).
type trial struct {
	in       *rest.Invocation
	doc      *tree.Doc // nil without a resource
	line     int       // where it begins in the body
	col      int
	mode     string
	profiles []string
	lookups  int
}

// validate is $validate. It answers 200 whatever it finds; what it finds is in
// the OperationOutcome.
func (c Config) validate(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
	t := &trial{in: in}
	if err := t.read(); err != nil {
		return nil, err
	}
	if err := t.settle(ctx); err != nil {
		return nil, err
	}
	var issues []rest.Issue
	if t.doc != nil {
		issues = t.ofMode()
		found := c.Checker().Check(t.doc, check.Options{
			Level: check.Profiles, Profiles: t.profiles, Now: in.Now.Time(),
			Resolver: func(reference string) *tree.Doc { return t.resolve(ctx, reference) },
		})
		for i := range found {
			issues = append(issues, t.place(&found[i]))
		}
	}
	if len(issues) == 0 {
		issues = []rest.Issue{{Severity: "information", Code: "informational", Text: "no issues found"}}
	}
	return &rest.Result{Body: rest.AppendOutcome(nil, issues...)}, nil
}

// read finds the resource and the parameters, wherever they came.
func (t *trial) read() error {
	args := t.in.Args()
	if t.in.Type == "Parameters" && !t.in.Parameter("resource").Ok() {
		args = t.in.Query // they are what is to be validated
	}
	for name := range args {
		switch name {
		case "mode", "profile", "_format", "_pretty", "_summary":
		default:
			return bad(name, "$validate has no parameter %s", clip(name))
		}
	}
	t.mode, t.profiles = args.Get("mode"), args["profile"]
	switch t.mode {
	case "", "create", "update", "delete", "profile":
	default:
		return bad("mode", "the mode is create, update, delete or profile")
	}
	if t.mode == "profile" && len(t.profiles) == 0 {
		return bad("profile", "which profile is it to be validated against?")
	}
	if (t.mode == "update" || t.mode == "delete") && t.in.ID == "" {
		return bad("mode", "%s is validated at the resource: %s/id/$validate", t.mode, t.in.Type)
	}
	if t.in.Body == nil {
		return nil
	}
	root := t.in.Body.Root()
	t.doc, t.line, t.col = t.in.Body, 1, 1
	inner := t.in.Parameter("resource").Get("resource")
	if root.Get("resourceType").Text() != "Parameters" || t.in.Type == "Parameters" && !inner.Ok() {
		return nil
	}
	if !inner.Ok() {
		t.doc = nil
		return nil
	}
	t.line, t.col = inner.Pos()
	doc, err := tree.Parse(inner.Raw())
	t.doc = doc
	return err
}

// settle reads what is there, where nothing was sent or something is to be
// replaced.
func (t *trial) settle(ctx context.Context) error {
	if t.in.ID == "" {
		if t.doc == nil {
			return bad("resource", "which resource is to be validated?")
		}
		return nil
	}
	r, err := t.in.Read(ctx, t.in.Type, t.in.ID, "")
	switch {
	case err != nil && t.mode == "update" && t.doc != nil && gone(err): // it may be made by an update
	case err != nil:
		return err
	case t.doc == nil && t.mode != "delete":
		t.line, t.col = 0, 0
		t.doc, err = tree.Parse(r.Body)
		return err
	}
	return nil
}

// gone tells whether an error says that there is no such resource.
func gone(err error) bool {
	var p *rest.Problem
	return errors.As(err, &p) && (p.Status == http.StatusNotFound || p.Status == http.StatusGone)
}

// place says where an issue is in the body, not only in the resource.
func (t *trial) place(i *check.Issue) rest.Issue {
	out := rest.Issue{Severity: i.Severity.String(), Code: i.Code, Text: i.Message, Expression: i.Expression, Line: i.Line, Col: i.Col}
	switch {
	case t.line == 0:
		out.Line, out.Col = 0, 0
	case i.Line == 1:
		out.Line, out.Col = t.line, i.Col+t.col-1
	case i.Line > 1:
		out.Line += t.line - 1
	}
	return t.in.Place(out)
}

// ofMode is what would be in the way of the interaction itself.
func (t *trial) ofMode() []rest.Issue {
	root := t.doc.Root()
	var out []rest.Issue
	if typ := root.Get("resourceType").Text(); typ != t.in.Type {
		out = append(out, rest.Issue{Code: "invalid", Expression: typ, Text: "a " + clip(typ) + " is not validated at " + t.in.Type})
	}
	if id := root.Get("id").Text(); t.mode == "update" && id != t.in.ID {
		out = append(out, rest.Issue{Code: "invalid", Expression: t.in.Type + ".id", Text: "the id of the resource is not that of the address"})
	}
	return out
}

// resolve reads what a reference points to on this server.
func (t *trial) resolve(ctx context.Context, reference string) *tree.Doc {
	r := t.in.Engine().ParseRef(strings.TrimPrefix(reference, t.in.Base+"/"))
	if t.lookups++; t.lookups > maxLookups || r.Type == "" || r.ID == "" || r.URL != "" || !vigil.ValidID(r.ID) {
		return nil
	}
	found, err := t.in.Read(ctx, r.Type, r.ID, r.Version)
	if err != nil {
		return nil
	}
	doc, err := tree.Parse(found.Body)
	if err != nil {
		return nil
	}
	return doc
}

// clip shortens what a client sent, for a message.
func clip(s string) string {
	if len(s) <= 80 {
		return s
	}
	return strings.ToValidUTF8(s[:80], "") + "…"
}
