package rest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A draft is a resource on its way into the record: everything that can be
// known of it before its version is.
type draft struct {
	typ    string
	doc    *tree.Doc
	engine *search.Engine // that keys were found with
	keys   vigil.ResourceKeys
	owner  string
}

// draft works out what a resource will be found by, and whose it is.
func (s *Server) draft(typ string, doc *tree.Doc) *draft {
	if s.c.Shape != nil {
		doc = s.c.Shape(typ, doc)
	}
	engine := s.engine()
	values := engine.Extract(doc.Root())
	return &draft{typ: typ, doc: doc, engine: engine, keys: values.Keys(), owner: s.ownerOf(typ, doc.Root(), values)}
}

// maxIssues bounds how much an OperationOutcome says.
const maxIssues = 100

// check validates what is to be written: 400 where it is no FHIR at all, 422
// where it breaks a rule (http.html#rejecting-updates).
func (s *Server) check(ctx context.Context, c *call, doc *tree.Doc) error {
	if s.c.Check == nil {
		return nil
	}
	p := &Problem{Status: http.StatusUnprocessableEntity}
	failed := false
	for _, i := range s.c.Check(ctx, doc) {
		issue := c.origin.locate(issueOf(i))
		if issue.Severity == "error" || issue.Severity == "fatal" {
			failed = true
			if issue.Code == "structure" {
				p.Status = http.StatusBadRequest
			}
		}
		if len(p.Issues) < maxIssues {
			p.Issues = append(p.Issues, issue)
		}
	}
	if failed {
		return p
	}
	c.hints = append(c.hints, p.Issues...)
	return nil
}

// ownerOf names whose key seals a resource: that of the one patient whose
// compartment it is in (compartmentdefinition-patient.html), or "" for the
// system's.
func (s *Server) ownerOf(typ string, root tree.Node, values *search.Values) string {
	if typ == "Patient" {
		return "" // its id is settled when it is written
	}
	for _, name := range [...]string{"subject", "patient"} { // most resources
		ref := root.Get(name).Get("reference").Text()
		if id, ok := strings.CutPrefix(ref, "Patient/"); ok && validID(id) {
			return "patient/" + id
		}
	}
	owner, several := "", false
	for _, code := range s.set().Compartment("Patient", typ) {
		values.Of(code, func(v *search.Value) bool {
			ref, ok := v.Ref()
			if ok && ref.Type == "Patient" && ref.URL == "" && validID(ref.ID) {
				several = several || owner != "" && owner != "patient/"+ref.ID
				owner = "patient/" + ref.ID
			}
			return true
		})
	}
	if several {
		return ""
	}
	return owner
}

// validID tells whether s has the form of an id (datatypes.html#id).
func validID(s string) bool {
	return vigil.ValidID(s) && !strings.Contains(s, "_")
}

// put writes the next version of a resource.
func (s *Server) put(ctx context.Context, tx Tx, c *call, d *draft, id string, old vigil.Resource) (vigil.Resource, error) {
	r := next(c, tx, d.typ, id, old)
	r.Body = tree.Stamp{ID: id, Version: versionText(r.Version), Updated: string(appendTime(nil, r.Changed))}.Apply(d.doc)
	if e := s.engine(); e != d.engine { // there are other parameters by now
		d.engine, d.keys = e, e.Extract(d.doc.Root()).Keys()
	}
	r.Keys, r.Owner = d.keys, d.owner
	if d.typ == "Patient" {
		r.Owner = "patient/" + id
	}
	return tx.Put(ctx, r)
}

// bury writes the version that says that a resource was deleted.
func (s *Server) bury(ctx context.Context, tx Tx, c *call, old vigil.Resource) (vigil.Resource, error) {
	r := next(c, tx, old.Type, old.ID, old)
	r.Deleted, r.Owner = true, old.Owner
	return tx.Put(ctx, r)
}

// next begins the version behind old. Times never run backwards, and are whole
// milliseconds: no client loses a digit of them.
func next(c *call, tx Tx, typ, id string, old vigil.Resource) vigil.Resource {
	const millisecond = 1000
	now := tx.At()
	return vigil.Resource{
		Type: typ, ID: id, Version: old.Version + 1, Changed: max(now-now%millisecond, old.Changed), Method: c.method, Actor: c.actor,
	}
}

// newest returns the newest version of a resource, one that says that it is
// deleted included; the zero Resource when there never was one. What a source
// shows counts as long as nobody has written on it; shown says that it is that.
func (s *Server) newest(ctx context.Context, tx Tx, typ, id string) (r vigil.Resource, shown bool, err error) {
	r, err = tx.Newest(ctx, typ, id)
	if err == nil || vigil.KindOf(err) != vigil.NotFound {
		return r, false, err
	}
	if r, err = s.shown(ctx, typ, id, 0); err == nil {
		return r, true, nil
	}
	if isStatus(err, http.StatusNotFound) {
		err = nil
	}
	return vigil.Resource{}, false, err
}

// adopt writes down all versions of what a source shows, so that the record
// keeps what was there before somebody wrote on it.
func (s *Server) adopt(ctx context.Context, tx Tx, typ, id string) error {
	for _, src := range s.sourcesOf(typ) {
		versions, err := src.History(ctx, typ, id)
		if err != nil && vigil.KindOf(err) == vigil.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		slices.SortFunc(versions, func(a, b vigil.Resource) int { return int(a.Version - b.Version) })
		for _, r := range versions {
			if _, err := tx.Put(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// lives is the version that a condition is compared with: 0 when there is
// nothing or it is deleted.
func lives(r vigil.Resource) int64 {
	if r.Deleted {
		return 0
	}
	return r.Version
}

// unreadable is the problem of a body that is no JSON.
func (s *Server) unreadable(err error) error {
	var e *tree.Error
	if !errors.As(err, &e) {
		return err
	}
	return &Problem{http.StatusBadRequest, []Issue{{
		Severity: "fatal", Code: "structure", Text: e.Msg, Expression: e.Path, Line: e.Line, Col: e.Col,
	}}}
}

// issueOf is what validation says as an issue of an OperationOutcome.
func issueOf(i check.Issue) Issue {
	return Issue{
		Severity: i.Severity.String(), Code: i.Code, Text: i.Message, Expression: i.Expression, Line: i.Line, Col: i.Col,
	}
}
