// Package vigil holds the words that the rooms of Vigil share: what a device,
// a subject, a message, a reading, a wave and an event are, who acts, and what
// an error is. It knows no wire, no format and no database, and imports the
// standard library only.
//
// A reading walks through the rooms once, in the order of the folders:
//
//	protocol → ingest → stream → store, live → api, fhir, web
package vigil
