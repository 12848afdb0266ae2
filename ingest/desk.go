package ingest

import (
	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

// A desk is what one message is worked on with. The message, its device and
// what is decoded are overwritten by the next message; what is taken from the
// slabs is given away for good.
type desk struct {
	message  vigil.Message
	device   vigil.Device
	said     devices.Decoded
	records  slab[vigil.Record]
	readings slab[vigil.Reading]
}

// leave lets go of the message.
func (d *desk) leave() { d.message, d.device = vigil.Message{}, vigil.Device{} }

// slabSize is how many items one allocation of a slab holds.
const slabSize = 128

// A slab cuts runs of items off larger allocations: a message makes a record
// and some readings, thousands of times a second. Whoever takes a run owns it;
// the memory goes when the last run of an allocation does, and runs that were
// taken one after the other are mostly let go so.
type slab[T any] struct{ free []T }

// take returns an empty run with room for n items.
func (s *slab[T]) take(n int) []T {
	if n > slabSize/4 {
		return make([]T, 0, n)
	}
	if n > len(s.free) {
		s.free = make([]T, slabSize)
	}
	run := s.free[:0:n]
	s.free = s.free[n:]
	return run
}
