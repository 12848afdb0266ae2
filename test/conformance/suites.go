package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/vigil-iomt/vigil/fhir/graph/graphtest"
	"github.com/vigil-iomt/vigil/fhir/patch/patchtest"
	"github.com/vigil-iomt/vigil/fhir/path/pathtest"
	"github.com/vigil-iomt/vigil/fhir/path/ucumtest"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/view/viewtest"
)

// suites lists everything that is run, in the order of the report.
func suites() []suite {
	return []suite{
		{"FHIRPath R4", fhirPath},
		{"UCUM functional tests", units},
		{"SQL on FHIR", views},
		{"FHIRPath Patch", patches(func(dir string) ([]patchtest.Result, error) { return patchtest.FHIRPath(schema.R4(), dir) })},
		{"JSON Patch", patches(patchtest.JSON)},
		{"XML Patch", patches(patchtest.XML)},
		{"GraphQL", graphs},
		{"FHIR R4 examples: accepted, read back", specification.roundTrips},
		{"FHIR R4 examples: found by every parameter", specification.searches},
		{"US Core 6.1 examples: accepted, read back", usCore.roundTrips},
		{"US Core 6.1 examples: found by every parameter", usCore.searches},
		{"US Core 6.1 searches of the server", usCore.plan},
		{"PHD examples: follow the rules, read back", devices.roundTrips},
		{"PHD examples: found by every parameter", devices.searches},
		{"PHD transactions twice", transactions},
	}
}

func contains(name, part string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(part))
}

// in is a folder of the data.
func (b *bench) in(parts ...string) string {
	return filepath.Join(append([]string{b.data}, parts...)...)
}

func why(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func fhirPath(_ context.Context, b *bench) ([]outcome, error) {
	results, err := pathtest.Run(schema.R4(), b.in("fhir-test-cases", "r4"))
	out := make([]outcome, len(results))
	for i, r := range results {
		out[i] = outcome{name: r.Group + "/" + r.Name, failed: r.Failed, skipped: r.Skipped}
	}
	return out, err
}

func units(_ context.Context, b *bench) ([]outcome, error) {
	results, err := ucumtest.Run(b.in("ucum", "UcumFunctionalTests.xml"))
	out := make([]outcome, len(results))
	for i, r := range results {
		out[i] = outcome{name: r.Kind + " " + r.ID, failed: r.Failed}
	}
	return out, err
}

func views(_ context.Context, b *bench) ([]outcome, error) {
	results, err := viewtest.Run(schema.R4(), b.in("sql-on-fhir", "tests"))
	out := make([]outcome, len(results))
	for i, r := range results {
		out[i] = outcome{name: fmt.Sprintf("%s: %s", r.File, r.Title), failed: r.Failed}
	}
	return out, err
}

func patches(run func(dir string) ([]patchtest.Result, error)) func(context.Context, *bench) ([]outcome, error) {
	return func(_ context.Context, b *bench) ([]outcome, error) {
		results, err := run(b.in("fhir-test-cases", "r4", "patch"))
		out := make([]outcome, len(results))
		for i, r := range results {
			out[i] = outcome{name: r.Name, failed: why(r.Err)}
		}
		return out, err
	}
}

func graphs(_ context.Context, b *bench) ([]outcome, error) {
	results, err := graphtest.Run(b.in("fhir-test-cases", "r4", "graphql"), b.in("fhir-test-cases", "r4", "examples"), b.in("fhir-r4-examples"))
	out := make([]outcome, len(results))
	for i, r := range results {
		out[i] = outcome{name: r.Name, failed: why(r.Err)}
	}
	return out, err
}
