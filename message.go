package vigil

import "errors"

// A Message is bytes that came from a device, with who, when and how.
type Message struct {
	Device   DeviceID // whose words these are; known and authenticated
	Gateway  DeviceID // who delivered it, when that is another device
	Channel  string   // the device's own sub-stream, "" for the only one
	ID       string   // message id or Idempotency-Key, "" if none
	Arrived  Instant
	Stated   Instant // time given beside the payload (an NDJSON line's "time"); 0 if none
	Protocol string  // mqtt, http, import, replay, …
	Payload  []byte  // owned by the receiver of the message
	// BestEffort: nobody waits for an acknowledgement (MQTT QoS 0).
	BestEffort bool
	// Historical: a recording; no clock correction, no sounding alarm.
	Historical bool
	// Replay names the quarantine entry that this message repairs.
	Replay string
}

// A Sink takes messages into safe keeping. It returns at once when the message
// is queued, or later when the queues are full: that is the back-pressure. It
// calls done exactly once, perhaps on another goroutine, perhaps before it
// returns: with nil when the message is on disk, with a *Refusal when it is on
// disk but in the quarantine because it could not be understood, with an *Error
// when it was not kept. A driver acknowledges in the first two cases (see Safe)
// and never in the third. Messages put by one goroutine are kept in the order in which they were put; their done calls may
// come in another order.
type Sink func(m Message, done func(error))

// Put takes one message and waits until it is safe or refused.
func (s Sink) Put(m Message) error {
	c := make(chan error, 1)
	s(m, func(err error) { c <- err })
	return <-c
}

// Safe tells whether the error that a Sink reported means that the message is
// on disk: understood, or quarantined.
func Safe(err error) bool {
	var r *Refusal
	return err == nil || errors.As(err, &r)
}

// A Refusal says why a message, or a part of it, could not be understood, and
// where.
type Refusal struct {
	// Pos is "line 3 column 7" for text that does not parse, or a JSON
	// pointer or path into a body that does.
	Pos    string `json:"pos,omitempty"`
	Reason string `json:"reason"`
	// Entry is the id of the quarantine entry, once there is one.
	Entry string `json:"-"`
}

// Error makes a Refusal an error with its position first.
func (r *Refusal) Error() string {
	if r.Pos == "" {
		return r.Reason
	}
	return r.Pos + ": " + r.Reason
}

// A RecordKind tells what a journal record says.
type RecordKind uint8

// The kinds. Their values are on disk: never renumber.
const (
	// Understood: a message and what it said about one subject.
	Understood RecordKind = 1
	// Quarantined: a message that nobody could understand, with the reason.
	Quarantined RecordKind = 2
	// Reattributed: readings of a device change their subject from one
	// instant to another.
	Reattributed RecordKind = 3
)

// A Record is one entry of the journal: a message, and what it said about one
// subject. A message that speaks of several subjects makes several records; its
// payload is in the first.
type Record struct {
	Kind     RecordKind
	Message  Message
	Subject  Subject
	Profile  string // name of the profile that understood it
	Readings []Reading
	Waves    []Wave
	Events   []Event
	Refusal  *Refusal       // for Quarantined
	Change   *Reattribution // for Reattributed
	// Attribution counts earlier subjects of these readings.
	Attribution uint8
	// Known is At of the newest reattribution that ingest had taken into
	// account; what is newer overtook this record and it has to follow.
	Known Instant
}

// A Reattribution moves the readings of a device taken in an interval to
// another subject: the old ones become entered-in-error, the new subject gets
// new versions.
type Reattribution struct {
	ID     string   `json:"id"`
	Device DeviceID `json:"device"`
	During Interval `json:"during"`
	To     Subject  `json:"to"`
	Actor  Actor    `json:"actor"`
	Reason string   `json:"reason"`
	// At is when it was decided; it grows with every decision.
	At Instant `json:"at"`
}

// A Frame is a run of records that were synced to the journal together.
type Frame struct {
	Partition int
	Seq       uint64 // position in the partition, from 1, without gaps
	At        Instant
	Records   []Record
}
