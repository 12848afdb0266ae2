package vigil

import "time"

// A SeriesQuery selects series. Empty fields select everything; several fields
// narrow the choice.
type SeriesQuery struct {
	IDs      []SeriesID
	Subjects []Subject
	Devices  []DeviceID
	Metrics  []string // metric names
	Codes    []Code   // any of the metric's or its panel's codes; a Code without System matches in any system
	Waves    bool     // waves only; otherwise numeric series only
}

// A PointQuery reads the points of one series, in the order of Taken, Key,
// Conflict, Version.
type PointQuery struct {
	Series SeriesID
	During Interval
	// After continues behind this point, whose Taken, Key, Conflict and
	// Version are the cursor; nil starts at the edge of During.
	After *Point
	Desc  bool // newest first
	Limit int  // 0 means all
	// History also returns superseded versions and points that were entered
	// in error; otherwise only the newest version of each reading that stands.
	History bool
}

// A BucketQuery summarises the usable points of one series. Buckets begin at
// multiples of Width since 1970; empty ones are not returned.
type BucketQuery struct {
	Series SeriesID
	During Interval
	Width  time.Duration
}

// An EventQuery reads events in the order of Taken.
type EventQuery struct {
	Subjects []Subject
	Devices  []DeviceID
	Types    []string
	During   Interval
	Limit    int
	Desc     bool
}

// A StoredEvent is an event as it is kept.
type StoredEvent struct {
	ID      string   `json:"id"` // deterministic: a replay makes the same
	Subject Subject  `json:"subject"`
	Device  DeviceID `json:"device"`
	Channel string   `json:"channel,omitempty"`
	Type    string   `json:"type"`
	Title   string   `json:"title,omitempty"`
	Codes   []Code   `json:"codes,omitempty"`
	Taken   Instant  `json:"time"`
	Arrived Instant  `json:"arrived"`
	Data    RawJSON  `json:"data,omitempty"`
	Quality Quality  `json:"quality"`
	// Partition and Position order events as they entered the journal:
	// Position is the frame's sequence times 2^20 plus the index within it.
	Partition int    `json:"-"`
	Position  uint64 `json:"-"`
}

// RawJSON is a JSON value that is passed on as it came.
type RawJSON []byte

// MarshalJSON returns the value itself, null when empty.
func (r RawJSON) MarshalJSON() ([]byte, error) {
	if len(r) == 0 {
		return []byte("null"), nil
	}
	return r, nil
}

// UnmarshalJSON keeps a copy of the value.
func (r *RawJSON) UnmarshalJSON(b []byte) error {
	*r = append((*r)[:0], b...)
	return nil
}

// A QuarantineState says how far an entry has come.
type QuarantineState string

// The states of a quarantine entry.
const (
	Open     QuarantineState = "open"     // waits for someone
	Replayed QuarantineState = "replayed" // understood after a repair; its readings have landed
	Closed   QuarantineState = "closed"   // someone decided that it is not worth repairing
)

// A QuarantineEntry is a message that nobody could understand.
type QuarantineEntry struct {
	ID      string          `json:"id"` // made by ingest, carried in Refusal.Entry
	Device  DeviceID        `json:"device"`
	Profile string          `json:"profile"`
	State   QuarantineState `json:"state"`
	Refusal
	Message Message `json:"-"`
	// Count is 1, or how many messages were folded into this group once the
	// device had 10,000 open entries.
	Count  int     `json:"count"`
	First  Instant `json:"first"`
	Last   Instant `json:"last"`
	Closed Instant `json:"closed,omitzero"`
	By     string  `json:"by,omitempty"`
}

// A QuarantineQuery selects entries, newest first.
type QuarantineQuery struct {
	Device DeviceID
	State  QuarantineState // "" means all
	After  string          // id of the last entry of the page before
	Limit  int
}

// A Document is a record that is not a series: a device, a patient, an
// assignment, a token. Body is JSON; the store keeps every version with its
// actor.
type Document struct {
	Kind    string
	ID      string
	Version int64 // 0 when new; a save must name the version that it replaces
	Body    []byte
	Changed Instant
	Actor   Actor
	Deleted bool
}
