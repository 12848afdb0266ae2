package stream

import (
	"context"

	"github.com/vigil-iomt/vigil"
)

// lookBack is how many frames before its first a consumer looks at, to know
// what it would otherwise take for new.
const lookBack = 32

// heard knows of each producer the sequence behind its last record. A producer
// writes its records in order: a frame that begins before that is one that the
// stream has already. In a replicated stream an attempt whose answer got lost
// can land long after the repetition that took its place, for instance when the
// stream's leader changes.
type heard map[uint64]uint64

// repeated notes a frame and tells whether it was there before.
func (h heard) repeated(f frameHead) bool {
	if f.count == 0 {
		return false
	}
	if f.first < h[f.producer] {
		return true
	}
	h[f.producer] = f.first + uint64(f.count) // #nosec G115 -- a count
	return false
}

// hear looks at the frames before the first that a consumer wants. An embedded
// server knows the outcome of each attempt: nothing is there twice.
func (c *consumer) hear(ctx context.Context) error {
	if c.p.j.server != nil {
		return nil
	}
	c.heard = heard{}
	for at := c.next - min(c.next-1, lookBack); at < c.next; {
		raws, err := c.p.j.fetch(ctx, c.p.number, at, int(c.next-at)) // #nosec G115 -- at most lookBack
		if err != nil {
			err = c.p.j.readError(err)
			if !c.p.j.away(err) {
				return err
			}
			if err := c.p.j.wait(ctx, awayPause); err != nil {
				return err
			}
			continue
		}
		if len(raws) == 0 {
			return nil
		}
		for _, r := range raws {
			if h, err := readHead(r.data); err == nil && r.seq < c.next {
				c.heard.repeated(h)
			}
		}
		at = raws[len(raws)-1].seq + 1
	}
	return nil
}

// once returns a frame, without its records when they were handed on before.
func (c *consumer) once(f vigil.Frame, h frameHead) vigil.Frame {
	if c.heard == nil || !c.heard.repeated(h) {
		return f
	}
	c.p.j.c.Log.Warn("a frame is in the journal twice; the second one counts for nothing", "partition", c.p.number, "frame", f.Seq)
	f.Records = nil
	return f
}
