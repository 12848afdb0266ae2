package vigil

// A Resource is one version of a FHIR R4 resource as the record keeps it: raw
// JSON bytes and what has to be known of them to find it.
type Resource struct {
	Type, ID string
	// Version counts from 1. Written is the number of the write that made this
	// version: it grows with every write in the whole record, without meaning
	// beyond its order.
	Version, Written int64
	Changed          Instant // meta.lastUpdated
	Deleted          bool    // this version says that the resource was deleted
	Method           string  // HTTP method that made the version: POST, PUT, PATCH, DELETE
	Actor            Actor   // who made it
	// Body is the resource as JSON; nil when deleted.
	Body []byte
	// Owner names whose key seals the body: patient/ID, or "" for the system's.
	Owner string
	// Keys is what the newest version is found by.
	Keys ResourceKeys
}

// ResourceKeys is the search index of one resource: keyed hashes and numbers,
// no text.
type ResourceKeys struct {
	// Tokens are exact values of search parameters, each hashed together with
	// its resource type, its parameter and how it is to be compared.
	Tokens []uint64
	// Spans are values with an order: dates as microseconds, numbers and
	// quantities as ordered bits.
	Spans []ResourceSpan
	// Lines put the resource into timelines, such as that of a patient and a
	// code.
	Lines []ResourceLine
}

// A ResourceSpan is one value with an order: everything from Lo to Hi, both
// included.
type ResourceSpan struct {
	Param  uint64 // hash of resource type, parameter and unit
	Lo, Hi int64
}

// A ResourceLine is one place of a resource in a timeline.
type ResourceLine struct {
	Line uint64 // hash of resource type, patient and code
	At   Instant
}

// A ResourceQuery selects resources by their keys. It selects the newest
// versions of what is not deleted.
type ResourceQuery struct {
	Types []string // any of these; empty: any
	// All of these tests must hold.
	All []ResourceTest
	// Order names what comes first; the zero value is the order of creation.
	Order ResourceOrder
	// After continues behind a hit that was returned earlier under the same
	// query, nil from the start.
	After *ResourceMark
	// Limit bounds how many are returned; 0 means 1,000.
	Limit int
	// Cost bounds how many index entries may be looked at before the query is
	// given up as vigil.TooLarge; 0 means a million.
	Cost int
	// Bodies says that the bodies are wanted, too.
	Bodies bool
}

// A ResourceTest is one condition; exactly one of its fields but Not is set. One
// with none passes nothing: what was forgotten must not find everything.
type ResourceTest struct {
	Tokens []uint64       // one of these tokens
	IDs    []string       // one of these ids
	Span   *ResourceRange // a span that lies like this
	Line   *ResourceSlice // a place in one of these timelines
	Any    []ResourceTest // one of these holds
	Every  []ResourceTest // each of these holds
	Not    bool           // the condition must not hold
}

// A ResourceRange is a condition on the spans of a parameter: there is one with
// LoMin ≤ Lo ≤ LoMax and HiMin ≤ Hi ≤ HiMax.
type ResourceRange struct {
	Param                      uint64
	LoMin, LoMax, HiMin, HiMax int64
}

// ChangedParam is the Param of a range that stands for the time of the last
// change of the resource itself: Lo and Hi both are Resource.Changed. It needs
// no span in the keys.
const ChangedParam uint64 = 0

// A ResourceSlice is a piece of timelines: From ≤ At < To; 0 is no bound. Where
// results are sorted by just these timelines, places in the piece count.
type ResourceSlice struct {
	Lines    []uint64
	From, To Instant
}

// A ResourceOrder is an order of results. Resources without a value come last.
type ResourceOrder struct {
	By   ResourceSort
	Desc bool
	// Param is the parameter of a sort by spans: by the least Lo upwards, by the
	// greatest Hi downwards.
	Param uint64
	// Lines are the timelines of a sort by time.
	Lines []uint64
}

// A ResourceSort says what results are sorted by.
type ResourceSort uint8

// What results can be sorted by. Order of creation never changes, so pages stay
// stable while resources are written.
const (
	ByCreation ResourceSort = iota
	ByID
	ByChange // time of the last change; the mark's value is Written
	BySpan
	ByLine
)

// A ResourceMark is where a page ended.
type ResourceMark struct {
	Value int64  // of the sort
	Text  string // of a sort by id
	Row   int64
	// Last says that what follows has no value to sort by.
	Last bool
}

// A ResourceHit is one result.
type ResourceHit struct {
	Resource
	Mark ResourceMark
}

// ResourceHistory selects versions, the newest first, deletions included.
type ResourceHistory struct {
	Type, ID string // all resources when empty
	// Since and Until bound the time of the change: Since ≤ Changed < Until; 0
	// is no bound.
	Since, Until Instant
	Before       int64 // only versions with a lower Written; 0: all
	Limit        int
}
