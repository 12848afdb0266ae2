// Package graphtest runs the GraphQL cases of the FHIR test cases (r4/graphql).
package graphtest

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/graph"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fhir/xmlform"
)

// A Result is what became of one case; Err is nil when it passed.
type Result struct {
	Name string
	Err  error
}

// A trial is one case of the manifest.
type trial struct {
	Name      string `xml:"name,attr"`
	Source    string `xml:"source,attr"`
	Output    string `xml:"output,attr"`
	Context   string `xml:"context,attr"`
	Operation string `xml:"operation,attr"`
}

// Run runs the cases in a folder; the resources they are about are looked for in
// folders of JSON and XML files.
func Run(dir string, examples ...string) ([]Result, error) {
	text, err := os.ReadFile(filepath.Join(dir, "manifest.xml")) // #nosec G304 -- a suite's folder
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	var manifest struct {
		Tests []trial `xml:"test"`
	}
	if err := xml.Unmarshal(text, &manifest); err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	shelf, err := stock(examples)
	if err != nil {
		return nil, err
	}
	var out []Result
	for _, c := range manifest.Tests {
		out = append(out, Result{c.Name, c.run(dir, shelf)})
	}
	return out, nil
}

// A shelf is a source of the resources that the cases are about. What it finds
// is what the suite's own host finds: two patients, one condition.
type shelf map[string]tree.Node

// stock reads folders of examples; the first that has a resource is right.
func stock(folders []string) (shelf, error) {
	s := shelf{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.xml"))
		if err != nil {
			return nil, fmt.Errorf("list examples: %w", err)
		}
		more, err := filepath.Glob(filepath.Join(folder, "*.json"))
		if err != nil {
			return nil, fmt.Errorf("list examples: %w", err)
		}
		for _, f := range append(more, files...) {
			n, err := example(f)
			if err != nil {
				return nil, err
			}
			// The manifest calls one by the name of its file.
			name := strings.TrimSuffix(filepath.Base(f), filepath.Ext(f))
			_, name, _ = strings.Cut(name, "-")
			for _, id := range []string{n.Get("id").Text(), name} {
				if id = n.Get("resourceType").Text() + "/" + id; !s[id].Ok() {
					s[id] = n
				}
			}
		}
	}
	return s, nil
}

// example reads a file; one that shows what is wrong is nothing.
func example(file string) (tree.Node, error) {
	text, err := os.ReadFile(file) // #nosec G304 -- a suite's folder
	if err != nil {
		return tree.Node{}, fmt.Errorf("read example: %w", err)
	}
	if filepath.Ext(file) == ".xml" {
		if text, _, err = xmlform.JSON(schema.R4(), text); err != nil {
			return tree.Node{}, nil
		}
	}
	d, err := tree.Parse(text)
	if err != nil {
		return tree.Node{}, nil
	}
	return d.Root(), nil
}

// Read returns an example.
func (s shelf) Read(_ context.Context, reference string) (tree.Node, error) {
	if n, ok := s[reference]; ok && !strings.HasPrefix(reference, "MedicationRequest/") {
		return n, nil
	}
	return tree.Node{}, vigil.Errorf(vigil.NotFound, "there is no %s", reference)
}

// Search finds what the manifest's host finds.
func (s shelf) Search(_ context.Context, resource string, params url.Values) (graph.Page, error) {
	switch {
	case resource == "Condition" && params.Get("patient") == "Patient/example":
		return graph.Page{Total: 1, Size: 50, Entries: []graph.Entry{{Resource: s["Condition/example"]}}}, nil
	case resource == "Patient" && params.Get("active") == "true":
		return graph.Page{Total: 50, Size: 50, Next: "77c97e03-8a6c-415f-a63d-11c80cf73f:50", Entries: []graph.Entry{
			{Resource: s["Patient/example"]}, {Resource: s["Patient/xds"], Mode: "match", Score: "0.5"},
		}}, nil
	}
	return graph.Page{}, vigil.Errorf(vigil.Invalid, "the cases search for nothing like %s?%s", resource, params.Encode())
}

// run runs one case.
func (c trial) run(dir string, s shelf) error {
	query, err := os.ReadFile(filepath.Join(dir, c.Source)) // #nosec G304 -- a suite's folder
	if err != nil {
		return fmt.Errorf("read query: %w", err)
	}
	focus := tree.Node{}
	if id, ok := strings.CutSuffix(c.Context, "/$graphql"); ok {
		if focus, ok = s[id]; !ok {
			return fmt.Errorf("the example %s is not there", id)
		}
	}
	variables, err := tree.Parse([]byte(`{"var":true}`)) // what the suite's runner sets
	if err != nil {
		return fmt.Errorf("read variables: %w", err)
	}
	e := graph.Engine{Set: schema.R4(), Source: s}
	got, problems := e.Run(context.Background(), graph.Request{Query: string(query), Operation: c.Operation, Variables: variables.Root()},
		focus, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	if c.Output == "$error" {
		if len(problems) == 0 {
			return fmt.Errorf("no problem was found: %s", got)
		}
		return nil
	}
	if len(problems) > 0 {
		return fmt.Errorf("it is refused: %w", problems[0])
	}
	want, err := os.ReadFile(filepath.Join(dir, c.Output)) // #nosec G304 -- a suite's folder
	if err != nil {
		return fmt.Errorf("read expected answer: %w", err)
	}
	var a, b any
	if err := errors.Join(json.Unmarshal(got, &a), json.Unmarshal(want, &b)); err != nil {
		return fmt.Errorf("read answers: %w", err)
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Errorf("got %s", got)
	}
	return nil
}
