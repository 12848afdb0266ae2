// Package graph answers GraphQL queries over FHIR resources (FHIR R4
// graphql.html; GraphQL June 2018): fields are elements, references are
// followed with resource, resources that point here are found with
// XxxList(_reference: …), and @flatten, @first, @singleton and @slice shape the
// answer.
//
// It differs from plain GraphQL where FHIR asks for it: elements without a value
// are left out, and an element that is asked for twice with different selections
// is answered twice.
package graph

import (
	"context"
	"net/url"

	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A Source is where resources come from.
type Source interface {
	// Read returns what a reference points to: Type/id, Type/id/_history/version
	// or an address of this server. What is not there is vigil.NotFound.
	Read(ctx context.Context, reference string) (tree.Node, error)
	// Search returns a page of the resources of a type.
	Search(ctx context.Context, resource string, params url.Values) (Page, error)
}

// A Page is what a search found.
type Page struct {
	Total   int // -1: not counted
	Offset  int // of the first entry, as far as that is known
	Size    int // how many entries a page has at most
	Entries []Entry
	// Cursors of other pages: the values of the search parameter _cursor, or "".
	First, Previous, Next, Last string
}

// An Entry is one result of a search.
type Entry struct {
	Resource tree.Node
	Mode     string // match, include; "" when it was not said
	Score    string // as a JSON number, "" without one
}

// A Request is a query with what belongs to it.
type Request struct {
	Query     string
	Operation string    // name of the operation; may be empty when there is one
	Variables tree.Node // an object, or nothing
}

// Limits bound what one query may cost.
type Limits struct {
	Length  int // bytes of the query; 0: 64 KiB
	Reads   int // reads and searches; 0: 1,000
	Answer  int // bytes of the answer; 0: 32 MiB
	Results int // resources of all searches together; 0: 10,000
}

// An Engine answers queries. It is safe for concurrent use.
type Engine struct {
	Set    *schema.Set
	Source Source
	Limits Limits
}

// A Problem is one thing that is wrong with a query or its answer.
type Problem struct {
	Line, Col int      // in the query; 0 when it has no place
	Path      []string // of response names, from the outside
	Msg       string
	Err       error // what the source said; nil otherwise
}

// Error returns the message.
func (p *Problem) Error() string { return p.Msg }

// Unwrap returns what the source said.
func (p *Problem) Unwrap() error { return p.Err }
