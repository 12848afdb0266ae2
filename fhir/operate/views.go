package operate

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/view"
)

// views are the names of the operation that runs a view (SQL on FHIR 2,
// $viewdefinition-run): at the base, where R4 has it, and at a type that R4 does
// not have; and $run, which it was called before.
func views() []rest.Operation {
	const definition = "http://sql-on-fhir.org/OperationDefinition/$viewdefinition-run"
	return []rest.Operation{
		{Name: "viewdefinition-run", Definition: definition, System: true, Type: true, Types: []string{"ViewDefinition"}, Raw: true, Foreign: true, Handle: runView},
		{Name: "run", Type: true, Types: []string{"ViewDefinition"}, Raw: true, Foreign: true, Handle: runView},
	}
}

// The bounds of one run.
const (
	maxGiven   = 10_000    // resources that come with the request
	maxMembers = 1000      // patients of groups
	maxReady   = 256 << 10 // bytes that are made before the answer begins
)

// A table is a view with what it runs over.
type table struct {
	in       *rest.Invocation
	view     *view.View
	format   view.Format
	header   bool
	given    []tree.Node // resources to run over; nil: those of the server
	patients []string    // Patient/1; nil: no matter whose
	of       bool        // some patients were named
	since    string
	limit    int // rows; 0: all
}

// runView runs a view over the resources of this server, those of readings
// included, or over those that came with it. What is wrong with the view or the
// first rows is told before the answer begins.
func runView(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
	t, err := readTable(ctx, in)
	if err != nil {
		return nil, err
	}
	ready := &ready{}
	err = t.write(ctx, ready)
	out := &rest.Result{Media: t.format.MediaType}
	switch {
	case errors.Is(err, errEnough):
		out.Stream = func(w io.Writer) error { return t.write(ctx, w) }
	case err != nil:
		return nil, err
	default:
		out.Stream = func(w io.Writer) error {
			_, err := w.Write(ready.Bytes())
			return err
		}
	}
	return out, nil
}

// ready takes the beginning of an answer, and ends what writes more.
type ready struct{ bytes.Buffer }

func (r *ready) Write(p []byte) (int, error) {
	if r.Len()+len(p) > maxReady {
		return 0, errEnough
	}
	return r.Buffer.Write(p)
}

// readTable reads the parameters.
func readTable(ctx context.Context, in *rest.Invocation) (*table, error) {
	t := &table{in: in, header: true}
	args := in.Query
	var def tree.Node
	if len(in.Raw) > 0 {
		doc, err := tree.Parse(in.Raw)
		if err != nil {
			return nil, bad("viewResource", "the body is no JSON: %v", err)
		}
		def = doc.Root()
		if def.Get("resourceType").Text() == "Parameters" {
			given := *in
			given.Body = doc
			args = given.Args()
			def = given.Parameter("viewResource").Get("resource")
			for p := range given.Parameters() {
				if p.Get("name").Text() == "resource" {
					t.given = append(t.given, p.Get("resource"))
				}
			}
		}
	}
	if len(t.given) > maxGiven {
		return nil, rest.Refuse(http.StatusRequestEntityTooLarge, "too-long", "at most %d resources come with a view; store them", maxGiven)
	}
	reference := args.Get("viewReference")
	var err error
	switch {
	case def.Ok() && reference != "":
		return nil, bad("viewReference", "there is a viewResource, too; which one is meant?")
	case def.Ok():
	case reference != "":
		if def, err = storedView(ctx, in, reference); err != nil {
			return nil, err
		}
	default:
		return nil, bad("viewResource", "which view? it is the body, viewResource in Parameters, or a viewReference")
	}
	if t.view, err = view.Compile(in.Engine().Schema(), def); err != nil {
		var e *view.Error
		if errors.As(err, &e) {
			return nil, &rest.Problem{Status: http.StatusUnprocessableEntity, Issues: []rest.Issue{{Code: "invalid", Text: e.Msg, Expression: "ViewDefinition." + e.Path}}}
		}
		return nil, err
	}
	return t, t.read(ctx, args)
}

// read reads what the view runs over, and how its rows are written.
func (t *table) read(ctx context.Context, args url.Values) error {
	for name := range args {
		switch name {
		case "_format", "header", "viewReference", "patient", "group", "_since", "_limit":
		default:
			return rest.Refuse(http.StatusBadRequest, "not-supported", "the parameter %s is not supported here; the others are", clip(name))
		}
	}
	t.header = args.Get("header") != "false"
	if text := args.Get("_limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return bad("_limit", "_limit is how many rows are wanted, 1 or more")
		}
		t.limit = n
	}
	t.since = args.Get("_since")
	if err := t.readFormat(args.Get("_format")); err != nil {
		return err
	}
	for _, p := range args["patient"] {
		if err := t.patient(p); err != nil {
			return err
		}
	}
	for _, g := range args["group"] {
		if err := t.group(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// readFormat settles the format: _format before Accept; NDJSON is what is given
// to who does not mind.
func (t *table) readFormat(name string) error {
	var ok bool
	if name != "" {
		if t.format, ok = view.FormatOf(strings.ReplaceAll(name, " ", "+")); !ok {
			return t.strange(name)
		}
		return nil
	}
	for kind := range strings.SplitSeq(t.in.Accept, ",") {
		if t.format, ok = view.FormatOf(strings.TrimSpace(kind)); ok {
			return nil
		}
	}
	t.format, _ = view.FormatOf("ndjson")
	return nil
}

func (t *table) strange(name string) error {
	var names []string
	for _, f := range view.Formats() {
		names = append(names, f.Name)
	}
	return rest.Refuse(http.StatusNotAcceptable, "not-supported", "the format %s is not spoken here; %s are", clip(name), strings.Join(names, ", "))
}

// patient narrows the view to a patient.
func (t *table) patient(reference string) error {
	t.of = true
	r := t.in.Engine().ParseRef(strings.TrimPrefix(reference, t.in.Base+"/"))
	if r.Type == "" && r.URL == "" && vigil.ValidID(r.ID) {
		r.Type = "Patient"
	}
	if r.Type != "Patient" || r.URL != "" || !vigil.ValidID(r.ID) {
		return bad("patient", "a patient is named such as Patient/1")
	}
	if p := "Patient/" + r.ID; !slices.Contains(t.patients, p) {
		t.patients = append(t.patients, p)
	}
	if len(t.patients) > maxMembers {
		return rest.Refuse(http.StatusUnprocessableEntity, "too-costly", "a view runs over at most %d patients", maxMembers)
	}
	return nil
}

// group narrows the view to the members of a group.
func (t *table) group(ctx context.Context, reference string) error {
	t.of = true
	r := t.in.Engine().ParseRef(strings.TrimPrefix(reference, t.in.Base+"/"))
	if r.Type == "" && r.URL == "" {
		r.Type = "Group"
	}
	if r.Type != "Group" || r.URL != "" {
		return bad("group", "a group is named such as Group/1")
	}
	found, err := t.in.Read(ctx, r.Type, r.ID, "")
	if err != nil {
		return err
	}
	doc, err := tree.Parse(found.Body)
	if err != nil {
		return err
	}
	for m := range doc.Root().Get("member").Items() {
		if text := m.Get("entity").Get("reference").Text(); strings.Contains(text, "Patient/") && !m.Get("inactive").Bool() {
			if err := t.patient(text); err != nil {
				return err
			}
		}
	}
	return nil
}

// storedView reads a view that is kept as a Binary: R4 has no ViewDefinition.
func storedView(ctx context.Context, in *rest.Invocation, reference string) (tree.Node, error) {
	r := in.Engine().ParseRef(strings.TrimPrefix(reference, in.Base+"/"))
	if r.Type != "Binary" || r.URL != "" {
		return tree.Node{}, bad("viewReference", "views are kept as a Binary whose data is the ViewDefinition as JSON; R4 has no other place for them")
	}
	found, err := in.Read(ctx, r.Type, r.ID, r.Version)
	if err != nil {
		return tree.Node{}, err
	}
	doc, err := tree.Parse(found.Body)
	if err != nil {
		return tree.Node{}, err
	}
	raw, err := base64.StdEncoding.DecodeString(doc.Root().Get("data").Text())
	if err == nil {
		doc, err = tree.Parse(raw)
	}
	if err != nil {
		return tree.Node{}, rest.Refuse(http.StatusUnprocessableEntity, "invalid", "the data of this Binary is no ViewDefinition as JSON")
	}
	return doc.Root(), nil
}

// write runs the view and writes its rows.
func (t *table) write(ctx context.Context, to io.Writer) error {
	w, err := t.view.Writer(t.format, to, t.header)
	if err != nil {
		return err
	}
	rows := 0
	err = t.each(ctx, func(n tree.Node) error {
		for row, err := range t.view.Rows(n, t.in.Now.Time()) {
			if err != nil {
				return rest.Refuse(http.StatusUnprocessableEntity, "processing", "%s/%s: %v", t.view.Resource, n.Get("id").Text(), err)
			}
			if rows++; t.limit > 0 && rows > t.limit {
				return errLast
			}
			if err := w.Write(row); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, errLast) {
		return err
	}
	return w.End()
}

// errLast ends a run whose last row was written.
var errLast = errors.New("the last row")

// each calls f with each resource that the view runs over.
func (t *table) each(ctx context.Context, f func(tree.Node) error) error {
	if t.given != nil {
		for _, n := range t.given {
			if err := f(n); err != nil {
				return err
			}
		}
		return nil
	}
	query := ""
	if t.since != "" {
		query = "?_lastUpdated=" + url.QueryEscape("ge"+t.since)
	}
	seen := map[string]bool{} // what may be of several patients
	one := func(r vigil.Resource) error {
		if len(t.patients) > 1 && bytes.Count(r.Body, []byte("Patient/")) > 1 {
			if seen[r.ID] {
				return nil
			}
			seen[r.ID] = true
		}
		doc, err := tree.Parse(r.Body)
		if err != nil {
			return fmt.Errorf("read %s/%s: %w", r.Type, r.ID, err)
		}
		return f(doc.Root())
	}
	if !t.of {
		return t.in.Find(ctx, url.PathEscape(t.view.Resource)+query, one)
	}
	set := t.in.Engine().Schema()
	if t.view.Resource != "Patient" && len(set.Compartment("Patient", t.view.Resource)) == 0 {
		return nil // nobody has any
	}
	for _, p := range t.patients {
		if err := t.in.Find(ctx, p+"/"+t.view.Resource+query, one); err != nil {
			return err
		}
	}
	return nil
}
