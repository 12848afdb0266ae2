package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vigil-iomt/vigil"
)

const (
	// followPause is between two looks at a replica that lags behind its leader.
	followPause = 50 * time.Millisecond
	// awayPause is between two questions to a cluster that does not answer.
	awayPause = time.Second
	// readOp marks the errors of reading.
	readOp = "read journal"
)

// Consume hands every frame of a partition from after+1 on to handle, in order
// and without gaps, and waits for new ones. It returns ctx.Err() when ctx is
// done, the error of handle when that fails, a NotFound *vigil.Error with a
// *PurgedError in it when frame after+1 was trimmed, Conflicting when the
// journal ends before after, Unavailable when the journal is closed.
//
// A damaged frame is reported to Config.Damaged and then handed on with what
// still reads: a lost record is a zero Record (Kind 0) in its place, and a frame
// that is lost as a whole has none.
func (j *Journal) Consume(ctx context.Context, partition int, after uint64, handle func(context.Context, vigil.Frame) error) error {
	p, err := j.partition(partition)
	if err != nil {
		return err
	}
	if err := p.reaches(ctx, after); err != nil {
		return err
	}
	c := &consumer{p: p, next: after + 1, last: math.MaxUint64 - 1, handle: handle, dec: newDecoder(j.symbols)}
	return c.run(ctx)
}

// Frames hands on the frames after+1 to upTo of a partition again, as Consume
// does, and returns when handle has taken the last one. Frames that are not
// there yet it waits for.
func (j *Journal) Frames(ctx context.Context, partition int, after, upTo uint64, handle func(context.Context, vigil.Frame) error) error {
	p, err := j.partition(partition)
	if err != nil {
		return err
	}
	d, _ := j.decoders.Get().(*decoder)
	if d == nil {
		d = newDecoder(j.symbols)
	}
	defer j.decoders.Put(d)
	c := &consumer{p: p, next: after + 1, last: upTo, handle: handle, dec: d}
	return c.run(ctx)
}

// run hands on frames up to the last one that is wanted.
func (c *consumer) run(ctx context.Context) error {
	p := c.p
	if err := c.hear(ctx); err != nil {
		return cmp.Or(ctx.Err(), err)
	}
	for c.next <= c.last {
		if err := ctx.Err(); err != nil {
			return err
		}
		if f, first, ok := p.ring.get(c.next); ok {
			if err := c.hand(ctx, c.once(f, frameHead{producer: p.j.producer, first: first, count: len(f.Records)})); err != nil {
				return err
			}
			continue
		}
		head, news := p.watch()
		if c.next <= head {
			err := c.read(ctx, min(head, c.last))
			if p.j.away(err) {
				p.j.c.Log.Warn("read journal; trying again", "partition", p.number, "error", err)
				err = p.j.wait(ctx, awayPause)
			}
			if err != nil {
				return cmp.Or(ctx.Err(), err)
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-news:
		case <-p.j.ctx.Done():
			return errClosed()
		}
	}
	return nil
}

// away tells whether a read failed because a cluster does not answer now. It
// comes back, and whoever consumes goes on; an embedded server does not.
func (j *Journal) away(err error) bool {
	var e *vigil.Error
	return j.server == nil && !j.closing.Load() && errors.As(err, &e) && e.Kind == vigil.Unavailable && e.Op == readOp
}

// reaches refuses a consumer that is ahead of the journal: it would wait for
// frames that it has, as it believes, and skip them when they come.
func (p *partition) reaches(ctx context.Context, after uint64) error {
	if after <= p.head.Load() {
		return nil
	}
	info, err := p.stream.Info(ctx)
	if err != nil {
		return p.j.readError(err)
	}
	p.setHead(info.State.LastSeq)
	if head := p.head.Load(); after > head {
		return vigil.Errorf(vigil.Conflicting, "partition %d of the journal ends at frame %d, but frame %d was consumed: this is not the journal that the consumer knows", p.number, head, after)
	}
	return nil
}

// A consumer is one running Consume.
type consumer struct {
	p      *partition
	next   uint64
	last   uint64
	handle func(context.Context, vigil.Frame) error
	dec    *decoder
	heard  heard // nil where nothing is there twice
}

func (c *consumer) hand(ctx context.Context, f vigil.Frame) error {
	if err := c.handle(ctx, f); err != nil {
		return err
	}
	c.next = f.Seq + 1
	return nil
}

// read hands on what the server has from the next frame on.
func (c *consumer) read(ctx context.Context, head uint64) error {
	raws, err := c.p.j.fetch(ctx, c.p.number, c.next, int(min(fetchFrames, head-c.next+1))) // #nosec G115 -- at most fetchFrames
	if err != nil {
		return c.p.j.readError(err)
	}
	if len(raws) == 0 {
		return c.nothing(ctx, head)
	}
	for _, r := range raws {
		if r.seq > c.next {
			if err := c.gap(ctx, min(r.seq, c.last+1)); err != nil {
				return err
			}
		}
		if r.seq > c.last {
			return nil
		}
		f, damaged := c.p.decode(c.dec, r)
		if damaged != nil {
			c.p.j.report(damaged)
		}
		if c.heard != nil {
			if h, err := readHead(r.data); err == nil {
				f = c.once(f, h)
			}
		}
		if err := c.hand(ctx, f); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// nothing decides what it means that frames up to head were acknowledged and
// the server has none from next on.
func (c *consumer) nothing(ctx context.Context, head uint64) error {
	info, err := c.p.stream.Info(ctx)
	if err != nil {
		return c.p.j.readError(err)
	}
	switch st := info.State; {
	case c.next < st.FirstSeq:
		return purged(c.p.number, c.next, st.FirstSeq)
	case c.next > st.LastSeq || c.p.j.server == nil:
		return c.p.j.wait(ctx, followPause)
	}
	return c.gap(ctx, head+1)
}

// gap hands on what can be saved of the frames before `to`, which the server no
// longer gives: often nothing.
func (c *consumer) gap(ctx context.Context, to uint64) error {
	info, err := c.p.stream.Info(ctx)
	if err != nil {
		return c.p.j.readError(err)
	}
	if c.next < info.State.FirstSeq {
		return purged(c.p.number, c.next, info.State.FirstSeq)
	}
	seqs := make([]uint64, 0, to-c.next)
	for seq := c.next; seq < to; seq++ {
		seqs = append(seqs, seq)
	}
	return c.p.mourn(c.dec, seqs, func(f vigil.Frame) error { return c.hand(ctx, f) })
}

// decode reads one frame of the server.
func (p *partition) decode(d *decoder, r raw) (vigil.Frame, *DamagedError) {
	h, recs, dam := d.frame(r.data, p.j.c.Sealer)
	f := vigil.Frame{Partition: p.number, Seq: r.seq, At: h.at, Records: recs}
	if dam == nil && h.partition != p.number {
		dam = &damage{err: fmt.Errorf("a frame of partition %d", h.partition), whole: true}
		f.Records = nil
	}
	if dam == nil {
		return f, nil
	}
	if dam.whole || errors.Is(dam.err, errFrameCRC) {
		f.At = vigil.InstantOf(r.at) // the header itself may be what is wrong
	}
	return f, &DamagedError{Partition: p.number, Seq: r.seq, Last: r.seq, At: f.At, Whole: dam.whole, Lost: dam.lost, Err: dam.err}
}

// Read returns one frame. Kinds: NotFound when it was trimmed (with a
// *PurgedError) or is not there yet. A damaged frame comes with a *DamagedError
// and what of it still reads.
func (j *Journal) Read(ctx context.Context, partition int, seq uint64) (vigil.Frame, error) {
	p, err := j.partition(partition)
	if err != nil {
		return vigil.Frame{}, err
	}
	if f, _, ok := p.ring.get(seq); ok {
		return f, nil
	}
	raws, err := j.fetch(ctx, partition, seq, 1)
	if err != nil {
		return vigil.Frame{}, j.readError(err)
	}
	d, _ := j.decoders.Get().(*decoder)
	if d == nil {
		d = newDecoder(j.symbols)
	}
	defer j.decoders.Put(d)
	var f vigil.Frame
	var damaged *DamagedError
	if len(raws) == 1 && raws[0].seq == seq {
		f, damaged = p.decode(d, raws[0])
	} else if f, damaged, err = p.absent(ctx, d, seq); err != nil {
		return f, err
	}
	if damaged != nil {
		j.report(damaged)
		return f, damaged
	}
	return f, nil
}

// absent says why the server has no frame: it was trimmed, it is yet to come, or
// it is damaged.
func (p *partition) absent(ctx context.Context, d *decoder, seq uint64) (vigil.Frame, *DamagedError, error) {
	info, err := p.stream.Info(ctx)
	if err != nil {
		return vigil.Frame{}, nil, p.j.readError(err)
	}
	switch {
	case seq < info.State.FirstSeq:
		return vigil.Frame{}, nil, purged(p.number, seq, info.State.FirstSeq)
	case seq > info.State.LastSeq:
		return vigil.Frame{}, nil, vigil.Errorf(vigil.NotFound, "partition %d of the journal ends at frame %d", p.number, info.State.LastSeq)
	}
	f, damaged := p.salvage(d, seq)
	return f, damaged, nil
}

// readError classifies what the server or the connection answered.
func (j *Journal) readError(err error) error {
	switch {
	case j.closing.Load():
		return errClosed()
	case errors.Is(err, context.Canceled):
		return err
	}
	return &vigil.Error{Kind: vigil.Unavailable, Op: readOp, Msg: "the journal does not answer", Err: err}
}
