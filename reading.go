package vigil

import "math"

// A KeyKind tells what makes a reading itself and not another one.
type KeyKind uint8

// The kinds of identity, best first (design, "Identity of a reading").
const (
	// KeyPosition: nothing in the message tells two readings apart; each is
	// new. The store sets Key to the journal position.
	KeyPosition KeyKind = iota
	// KeyNumber: the device's record number, in Key.
	KeyNumber
	// KeyTime: the device time as sent, in microseconds, in Key.
	KeyTime
	// KeyMessage: the message id; the store sets Key to the journal position
	// of the first message that had this id and drops the others.
	KeyMessage
)

// A Reading is one measured value. It is immutable: a correction is a new
// version.
type Reading struct {
	Metric *Metric
	Taken  Instant // when it was measured, after the clock was settled
	Stated Instant // when the device said it was measured; 0 if it did not
	// Value is in Metric.Unit. With Above or Below it is the limit that was
	// passed; with a State it has no meaning and is 0.
	Value      float64
	Decimals   int8 // digits after the point that the device meant
	KeyKind    KeyKind
	Correction bool // the device says that this replaces the reading with the same key
	Key        uint64
	Quality    Quality
}

// Usable tells whether the reading carries a value that a rule may weigh.
func (r *Reading) Usable() bool { return r.Quality.Usable() }

// A Wave is a block of equally spaced samples: value = Offset + Gain*sample.
type Wave struct {
	Metric  *Metric
	Start   Instant // time of the first sample, settled
	Stated  Instant // as the device said it; 0 if it did not
	Gain    float64
	Offset  float64
	Samples []int32 // Missing where the device sent none
	KeyKind KeyKind
	Key     uint64
	Quality Quality
}

// Missing is the sample that says "no sample here".
const Missing = math.MinInt32

// End returns the time just after the last sample.
func (w *Wave) End() Instant {
	n := int64(len(w.Samples))
	return w.Start + Instant(n*1_000_000*w.Metric.RateDen/w.Metric.RateNum)
}

// An Event is something that happened: dose-taken, fall, bed-exit, button,
// tag-seen, door-open. Type is kebab-case; Data is a JSON object or nil.
type Event struct {
	Type    string
	Title   string
	Codes   []Code
	Taken   Instant
	Stated  Instant
	Data    []byte
	KeyKind KeyKind
	Key     uint64
	Quality Quality
}
