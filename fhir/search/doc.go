// Package search is FHIR R4 search without a store: what a resource is found
// by, what a query asks for, and whether the one fits the other (search.html,
// searchparameter.html).
//
// An Engine knows the parameters of a schema. Extract gives the typed values
// of a resource, Keys turns them into the keyed hashes and numbers that a store
// keeps (vigil.ResourceKeys). Parse reads a query; Plan says which resources a
// store has to look at, and Match decides on one of them.
//
// The index holds paths, not parameters: what subject, patient and a composite
// have in common is kept once. An index never decides more than it knows: the
// plan says when the resource itself has to be asked (Plan.Check). What it
// holds is worth nothing without the key: equality of values can be seen in
// it, and the order of dates and numbers, but no text.
//
// Chains, _has, _list and value sets need others: Resolve asks a Finder and
// Terms, and leaves a query that does not.
package search
