package search

import (
	"testing"

	"github.com/vigil-iomt/vigil/fhir/tree"
)

// These are for the tests that need a store, which are outside of the package.

// ReadExamples reads the examples of the specification.
func ReadExamples(t testing.TB) map[string]tree.Node { return examples(t) }

// EngineForTests is an engine with everything that R4 has.
func EngineForTests() *Engine { return testEngine() }

// QueriesFor makes queries from the values of a resource.
func QueriesFor(v *Values) (out []string) {
	for _, p := range v.model.list {
		if p.Code != "_lastUpdated" {
			out = append(out, queriesFor(v, p)...)
		}
	}
	return out
}
