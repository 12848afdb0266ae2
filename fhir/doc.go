// Package fhir is FHIR R4 (4.0.1) in Vigil: the record of resources that people
// and programs write, and readings as resources that nobody wrote.
//
// Observations of readings are not stored: they are projected from series when
// somebody asks, with ids that name the reading itself (see docs/adr/0003), so
// that a reading costs three bytes and still behaves like a resource with
// versions, ETag and search. Who writes on one makes it a stored resource that
// begins with all that was projected.
//
// The parts are rooms of their own, each of which imports only those before it:
//
//	tree    documents: JSON read in one pass, every value with its place
//	markup  documents: XML, the same way
//	schema  what the definitions say: types, parameters, value sets, profiles
//	xmlform resources in XML and JSON, both ways
//	path    FHIRPath
//	terms   terminology: expand, validate, look up, translate
//	check   validation
//	search  parameters: what a resource is found by, what a query asks for
//	patch   JSON Patch, FHIRPath Patch, XML Patch
//	view    SQL on FHIR
//	graph   GraphQL
//	topic   subscriptions
//	reading readings as resources
//	roster  patients and devices of the registry as resources
//	rest    the RESTful API: reads, writes, searches, Bundles
//	bulk    export and import
//	push    pushing resources into another server
//	vocabulary terminology in the API, and what clients store of it
//	operate operations in the API: validation, statistics, GraphQL, views
//	reindex search parameters that come and go, and the index after them
//
// The tests of this package try the rooms together.
package fhir
