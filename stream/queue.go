package stream

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/vigil-iomt/vigil"
)

// A batch is one Append: its done is called when all its parcels are settled.
// Then it is ready for another.
type batch struct {
	done func(error)
	left atomic.Int32
	err  atomic.Pointer[error]
	home *sync.Pool
}

// settle takes the outcome of one parcel. Nobody knows the batch any more when
// that was the last one.
func (b *batch) settle(err error) {
	if err != nil {
		first := err // only here, because its address takes memory
		b.err.CompareAndSwap(nil, &first)
	}
	if b.left.Add(-1) > 0 {
		return
	}
	if p := b.err.Load(); p != nil {
		err = *p
	}
	done := b.done
	b.done = nil
	b.err.Store(nil)
	b.home.Put(b)
	done(err)
}

// A parcel is what one Append has for one partition, encoded, and small enough
// for one frame.
type parcel struct {
	encoder
	batch   *batch
	records []vigil.Record
	pieces  []piece
	samples int
	cost    int   // bytes in memory
	weight  int64 // bytes in the queue
}

// reset makes the parcel ready for another use.
func (p *parcel) reset() {
	clear(p.records)
	p.batch, p.records, p.pieces = nil, p.records[:0], p.pieces[:0]
	p.buf, p.used = p.buf[:0], p.used[:0]
	p.samples, p.cost, p.weight = 0, 0, 0
}

// A queue holds the parcels of a partition that wait for the next frame. Its
// size in bytes is bounded, and who waits for room is served in order.
type queue struct {
	room *semaphore.Weighted
	size int64

	mu      sync.Mutex
	parcels []*parcel
	bytes   int
	target  int // parcels that are worth waking the committer for
	closed  bool
	wake    chan struct{}
	waiting atomic.Int64 // bytes, for the gauges
}

func newQueue(size int) *queue {
	return &queue{room: semaphore.NewWeighted(int64(size)), size: int64(size), target: 1, wake: make(chan struct{}, 1)}
}

// put appends a parcel. It blocks while the queue is full, for as long as
// patience lasts.
func (q *queue) put(p *parcel, patience time.Duration) error {
	weight := min(q.size, int64(len(p.buf)+len(p.records)*recordCost))
	p.weight = weight
	if !q.room.TryAcquire(weight) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := q.room.Acquire(ctx, weight)
		cancel()
		if err != nil {
			return vigil.Errorf(vigil.Overloaded, "the journal's queue was full for %v", patience)
		}
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		q.room.Release(weight)
		return errClosed()
	}
	q.parcels = append(q.parcels, p)
	q.bytes += len(p.buf)
	n := len(q.parcels)
	signal := n == 1 || n == q.target
	q.mu.Unlock() // from here on the parcel may be written, and used again
	q.waiting.Add(weight)
	if signal {
		q.signal()
	}
	return nil
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// close lets what waits go through and takes no more.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

// ready tells whether there is anything, whether there is as much as was
// aimed for, and whether no more will come.
func (q *queue) ready(target, bytes int) (some, enough, closed bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.target = target
	n := len(q.parcels)
	return n > 0, n >= target || q.bytes >= bytes, q.closed
}

// take returns what fits into a frame, in order, at least one parcel when there
// is any.
func (q *queue) take(bytes int) []*parcel {
	q.mu.Lock()
	defer q.mu.Unlock()
	size, records, samples, n := 0, 0, 0, 0
	for _, p := range q.parcels {
		size += len(p.buf)
		records += len(p.records)
		samples += p.samples
		if n > 0 && (size > bytes || records > recordsMax || samples > frameSamplesMax) {
			break
		}
		n++
		q.bytes -= len(p.buf)
	}
	out := make([]*parcel, n)
	copy(out, q.parcels)
	rest := copy(q.parcels, q.parcels[n:])
	clear(q.parcels[rest:])
	q.parcels = q.parcels[:rest]
	return out
}

// free gives back the room of parcels that are settled.
func (q *queue) free(parcels []*parcel) {
	total := int64(0)
	for _, p := range parcels {
		total += p.weight
	}
	q.waiting.Add(-total)
	q.room.Release(total)
}

func errClosed() error {
	return vigil.Errorf(vigil.Unavailable, "the journal is closed")
}
