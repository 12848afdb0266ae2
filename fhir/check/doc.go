// Package check validates FHIR R4 resources: their structure, the values of
// their primitives, bindings and invariants, and profiles.
//
// A Checker is made of definitions once, keeps what it compiled of each type
// and profile, and is used by many at a time. One walk over a document does
// the first two levels; each profile that is asked for is one more walk over
// those elements that the profile says something about. Where something is
// wrong, the issue names the element as a FHIRPath expression and its line and
// column; nothing of that is built while all is well.
//
// Nothing a document contains makes a check unbounded: the walk is as deep as
// the document, expressions have a budget, and a check ends after as many
// issues as Options allow.
package check
