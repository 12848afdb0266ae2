package stream

import (
	"fmt"

	"github.com/vigil-iomt/vigil"
)

// A DamagedError says that what had been synced to the journal no longer reads.
// Its text holds no patient data; Lost does.
type DamagedError struct {
	Partition int
	Seq       uint64        // the frame; the first one of a range
	Last      uint64        // the last frame of the range, Seq when it is one frame
	At        vigil.Instant // when the frame was written; 0 if that does not read, either
	Whole     bool          // nothing of it could be read
	// Lost says whose records are gone, as far as the readable parts tell.
	Lost []Lost
	Err  error
}

// Lost is what is gone of one subject. A Subject of NoSubject means messages
// that belong to none or to several.
type Lost struct {
	Subject vigil.Subject
	// During is the time that the lost records speak of, To inclusive.
	During  vigil.Interval
	Records int
}

// Error names the place and the cause.
func (e *DamagedError) Error() string {
	if e.Last > e.Seq {
		return fmt.Sprintf("journal partition %d, frames %d to %d: %v", e.Partition, e.Seq, e.Last, e.Err)
	}
	return fmt.Sprintf("journal partition %d, frame %d: %v", e.Partition, e.Seq, e.Err)
}

// Unwrap returns the cause.
func (e *DamagedError) Unwrap() error { return e.Err }

// A PurgedError says that frames are no longer there because they were trimmed.
// It is the cause in an *vigil.Error of kind NotFound.
type PurgedError struct {
	Partition int
	Seq       uint64 // what was asked for
	First     uint64 // the first frame that is still there, or the next to come
}

// Error names the first frame that is still there.
func (e *PurgedError) Error() string {
	return fmt.Sprintf("journal partition %d begins at frame %d; frame %d is no longer there", e.Partition, e.First, e.Seq)
}

// purged wraps a PurgedError for the border.
func purged(partition int, seq, first uint64) error {
	err := &PurgedError{Partition: partition, Seq: seq, First: first}
	return &vigil.Error{Kind: vigil.NotFound, Op: "read journal", Msg: err.Error(), Err: err}
}
