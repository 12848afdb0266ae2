package vigil

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Quality says how far a reading can be trusted: flags, and in the top byte the
// State that explains a missing value. Zero is a good reading.
type Quality uint32

// The flags. Their values are on disk: never renumber.
const (
	Implausible     Quality = 1 << iota // outside what the sensor can give
	ClockSuspect                        // device time unusable; arrival time stands in
	ClockCorrected                      // device time moved by evidence of its offset
	Conflict                            // another value has the same identity
	BestEffort                          // came without a promise (MQTT QoS 0)
	Unverified                          // firmware outside the profile's verified range
	Historical                          // imported, not live
	Above                               // the true value is above Value
	Below                               // the true value is below Value
	EnteredInError                      // withdrawn: wrong patient or wrong value
	Derived                             // computed by software from other readings
	StoredElsewhere                     // the record is a document; not kept as series
)

// qualityWords are the words of the API, in bit order.
var qualityWords = [...]string{
	"implausible", "clock-suspect", "clock-corrected", "conflict", "best-effort", "unverified",
	"historical", "above", "below", "entered-in-error", "derived", "stored-elsewhere",
}

// A State is what a device says instead of a value. The list is closed so that
// rules and screens know every word.
type State uint8

// The states. Their values are on disk: never renumber.
const (
	NoState State = iota
	SensorOff
	LeadsOff
	Artifact
	LowPerfusion
	Searching
	Calibrating
	NotMeasured
	DeviceError
	NotANumber
	OutOfRange
	WarmingUp
	BatteryLow
	lastState
)

var stateWords = [...]string{
	"", "sensor-off", "leads-off", "artifact", "low-perfusion", "searching", "calibrating",
	"not-measured", "device-error", "not-a-number", "out-of-range", "warming-up", "battery-low",
}

// String returns the word for the state.
func (s State) String() string {
	if s < lastState {
		return stateWords[s]
	}
	return fmt.Sprintf("state-%d", uint8(s))
}

// ParseState finds the state for a word.
func ParseState(word string) (State, bool) {
	for i, w := range stateWords {
		if i > 0 && w == word {
			return State(i), true
		}
	}
	return NoState, false
}

// StateWords lists every state's word.
func StateWords() []string { return append([]string(nil), stateWords[1:]...) }

// With returns the quality with the state set.
func (q Quality) With(s State) Quality { return q&0x00ffffff | Quality(s)<<24 }

// State returns why there is no value, or NoState.
func (q Quality) State() State { return State(q >> 24) }

// Has tells whether all flags of f are set.
func (q Quality) Has(f Quality) bool { return q&f == f }

// Usable tells whether the value may be weighed by rules and scores: it has a
// value, the sensor can give it, and nobody has withdrawn it.
func (q Quality) Usable() bool {
	return q.State() == NoState && q&(Implausible|EnteredInError) == 0
}

// Words lists the flags and the state as words; a good reading has none.
func (q Quality) Words() []string {
	var w []string
	for i, word := range qualityWords {
		if q&(1<<i) != 0 {
			w = append(w, word)
		}
	}
	if s := q.State(); s != NoState {
		w = append(w, s.String())
	}
	return w
}

// String returns the words joined by a space, or "good".
func (q Quality) String() string {
	if w := q.Words(); len(w) > 0 {
		return strings.Join(w, " ")
	}
	return "good"
}

// MarshalJSON writes the words as a list; a good reading is an empty list.
func (q Quality) MarshalJSON() ([]byte, error) {
	w := q.Words()
	if w == nil {
		w = []string{}
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads a list of words.
func (q *Quality) UnmarshalJSON(b []byte) error {
	var words []string
	if err := json.Unmarshal(b, &words); err != nil {
		return fmt.Errorf("read quality: %w", err)
	}
	var v Quality
	for _, w := range words {
		if i := slices.Index(qualityWords[:], w); i >= 0 {
			v |= 1 << i
		} else if s, ok := ParseState(w); ok {
			v = v.With(s)
		} else {
			return fmt.Errorf("read quality: there is no word %q", w)
		}
	}
	*q = v
	return nil
}
