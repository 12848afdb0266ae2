package sim

import (
	"container/heap"
	"context"
	"io/fs"

	"github.com/vigil-iomt/vigil"
)

// An Output takes what the simulation produces, in the order of time. At is
// when the device sends; a payload's own time may be earlier.
type Output interface {
	Line(ctx context.Context, at vigil.Instant, l vigil.Message) error
}

// A Linker is an Output that wants to know when a device loses or regains its
// connection.
type Linker interface {
	Link(ctx context.Context, at vigil.Instant, device vigil.DeviceID, up bool) error
}

// Generate runs the plan from one instant to another without a clock, as fast
// as the output takes the lines. The lines depend on nothing but the plan, the
// recordings and the start. Recordings may be nil.
func Generate(ctx context.Context, p *Plan, recordings fs.FS, from, until vigil.Instant, out Output) error {
	e, err := newEngine(p, recordings, from)
	if err != nil {
		return err
	}
	defer e.close()
	for {
		at := e.next()
		if at >= until {
			return nil
		}
		if err := e.play(ctx, at, out); err != nil {
			return err
		}
	}
}

// An engine plays all stages of a plan in the order of time.
type engine struct{ queue stageQueue }

func newEngine(p *Plan, recordings fs.FS, from vigil.Instant) (*engine, error) {
	e := &engine{}
	for i := range p.Scenes {
		st, err := newStage(p, &p.Scenes[i], recordings, from)
		if err != nil {
			return nil, err
		}
		if st.due = st.next(); st.due != never {
			st.index = i
			e.queue = append(e.queue, st)
		}
	}
	heap.Init(&e.queue)
	return e, nil
}

// next returns when something happens next; never when nothing does.
func (e *engine) next() vigil.Instant {
	if len(e.queue) == 0 {
		return never
	}
	return e.queue[0].due
}

// play does what is due at a time on the stage that comes first.
func (e *engine) play(ctx context.Context, at vigil.Instant, out Output) error {
	st := e.queue[0]
	st.play(at)
	st.due = st.next()
	heap.Fix(&e.queue, 0)
	linker, _ := out.(Linker)
	for _, l := range st.links {
		if linker != nil {
			if err := linker.Link(ctx, at, l.device, l.up); err != nil {
				return err
			}
		}
	}
	for _, l := range st.out {
		if err := out.Line(ctx, at, l); err != nil {
			return err
		}
	}
	clear(st.out)
	st.links, st.out = st.links[:0], st.out[:0]
	return ctx.Err()
}

// close closes the recordings that are being played.
func (e *engine) close() {
	for _, st := range e.queue {
		for _, g := range st.gadgets {
			if s, ok := g.state.(*recorderState); ok && s != nil {
				_ = s.rec.Close() // it was only read
			}
		}
	}
}

// A stageQueue is a heap of stages by the time of their next task; the order of
// the plan decides between equals.
type stageQueue []*stage

// Len returns the number of stages.
func (q stageQueue) Len() int { return len(q) }

// Less orders by time, then by the plan.
func (q stageQueue) Less(i, j int) bool {
	if q[i].due != q[j].due {
		return q[i].due < q[j].due
	}
	return q[i].index < q[j].index
}

// Swap exchanges two stages.
func (q stageQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is part of heap.Interface.
func (q *stageQueue) Push(x any) { *q = append(*q, x.(*stage)) }

// Pop is part of heap.Interface.
func (q *stageQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
