package stream

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-iomt/vigil"
)

// A partition is one stream, its queue, and the two goroutines that serve it:
// the committer writes frames, one at a time, and the acker tells the senders.
type partition struct {
	j      *Journal
	number int
	queue  *queue
	ring   ring
	stream jetstream.Stream
	acks   chan settled
	stats  partitionStats

	// For the committer alone.
	pack     *packer
	expected uint64  // the stream's last sequence as we know it
	next     uint64  // producer's sequence of the next record
	usual    float64 // parcels per frame, smoothed
	took     float64 // seconds per frame, smoothed
	msg      nats.Msg
	timer    *time.Timer
	blocks   blockDir

	head atomic.Uint64
	mu   sync.Mutex
	news chan struct{} // closed and renewed when head grows

	failing atomic.Pointer[error] // why nothing can be written now
}

// settled is a frame's parcels and what became of them.
type settled struct {
	parcels []*parcel
	err     error
}

func newPartition(j *Journal, n int, s jetstream.Stream, st jetstream.StreamState) *partition {
	p := &partition{
		j: j, number: n, queue: newQueue(j.c.MaxQueue), stream: s, acks: make(chan settled, 2),
		pack: newPacker(j.symbols, j.c.Sealer), expected: st.LastSeq, next: 1,
		news: make(chan struct{}), timer: time.NewTimer(time.Hour),
	}
	p.ring.max = j.c.Ring
	if j.server != nil {
		p.blocks.path = blocksDir(j.c.Dir, n)
	}
	p.msg.Subject = frameSubject(n)
	p.timer.Stop()
	p.head.Store(st.LastSeq)
	p.stats.first.Store(st.FirstSeq)
	return p
}

// trouble returns why the partition takes nothing at the moment, nil when it
// does.
func (p *partition) trouble() error {
	if e := p.failing.Load(); e != nil {
		return &vigil.Error{Kind: vigil.Overloaded, Msg: "the journal cannot write at the moment", Err: *e}
	}
	return nil
}

// setHead makes a frame visible to the consumers.
func (p *partition) setHead(seq uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if seq > p.head.Load() {
		p.head.Store(seq)
		close(p.news)
		p.news = make(chan struct{})
	}
}

// watch returns the head and a channel that is closed when it has grown.
func (p *partition) watch() (uint64, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.head.Load(), p.news
}

// commit writes frames until the queue is closed and empty.
func (p *partition) commit() {
	defer close(p.acks)
	for p.gather() {
		p.write(p.queue.take(p.j.c.MaxFrame))
	}
}

// acknowledge tells the senders, in order.
func (p *partition) acknowledge() {
	for s := range p.acks {
		for _, parcel := range s.parcels {
			p.settle(parcel.batch, s.err)
			p.j.recycle(parcel)
		}
	}
}

// settle calls a sender's done. A panic in it must not stop the partition.
func (p *partition) settle(b *batch, err error) {
	defer func() {
		if r := recover(); r != nil {
			p.j.c.Log.Error("sender panicked on its acknowledgement", "partition", p.number, "panic", r)
		}
	}()
	b.settle(err)
}

// gather waits until there is something to write and, when the frames before
// were fuller than what is there, a little longer for the others: after a frame
// is acknowledged its senders come again nearly at once, and a frame made of the
// first of them would let all the others wait for two syncs. It returns false
// when the queue is closed and empty.
func (p *partition) gather() bool {
	target := max(1, int(p.usual*0.75))
	for {
		some, enough, closed := p.queue.ready(1, p.j.c.MaxFrame)
		if enough || closed {
			if !some {
				return false
			}
			break
		}
		<-p.queue.wake
	}
	if target <= 1 {
		return true
	}
	wait := min(p.j.c.MaxWait, time.Duration(p.took*float64(time.Second)))
	p.timer.Reset(wait)
	defer p.timer.Stop()
	for {
		if _, enough, closed := p.queue.ready(target, p.j.c.MaxFrame); enough || closed {
			return true
		}
		select {
		case <-p.queue.wake:
		case <-p.timer.C:
			return true
		}
	}
}

// write makes one frame of the parcels, publishes it and hands the outcome on.
func (p *partition) write(parcels []*parcel) {
	at := vigil.InstantOf(p.j.c.Now())
	begun := time.Now()
	p.pack.begin()
	cost := 0
	for _, parcel := range parcels {
		p.pack.use(parcel.used)
		from := 0
		for i, pc := range parcel.pieces {
			p.pack.add(parcel.records[i].Subject, parcel.buf[from:pc.body], pc)
			from = pc.body
		}
		cost += parcel.cost
	}
	n := len(p.pack.parts)
	frame := p.pack.finish(frameHead{partition: p.number, producer: p.j.producer, first: p.next, at: at})
	first := p.next
	p.next += uint64(n) // #nosec G115 -- a count
	seq, err := p.publish(frame, first)
	if err == nil {
		f := vigil.Frame{Partition: p.number, Seq: seq, At: at, Records: make([]vigil.Record, 0, n)}
		for _, parcel := range parcels {
			f.Records = append(f.Records, parcel.records...)
		}
		p.j.spend(len(frame))
		p.ring.put(f, first, cost)
		p.setHead(seq)
	}
	took := time.Since(begun)
	p.usual += (float64(len(parcels)) - p.usual) / 4
	p.took += (took.Seconds() - p.took) / 4
	p.stats.wrote(n, len(frame), took, err)
	p.queue.free(parcels)
	p.acks <- settled{parcels, err}
}
