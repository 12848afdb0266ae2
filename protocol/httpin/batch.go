package httpin

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/vigil-iomt/vigil"
)

// serveBatch takes a batch of messages.
func (h *Handler) serveBatch(w http.ResponseWriter, r *http.Request) {
	h.serve(w, r, true, h.c.MaxBody, (*job).batch)
}

// batch reads lines and hands them to the sink, many at a time and in order.
func (j *job) batch() (int, outcome, error) {
	b := newBatch(j)
	broken := j.each(b)
	o, err := b.wait()
	switch {
	case err != nil:
		return 0, o, err
	case broken != nil && o.empty():
		return 0, outcome{}, broken
	case broken != nil:
		return 0, o, broken
	case len(o.Refused) == 0:
		return http.StatusOK, o, nil
	case o.empty():
		first := o.Refused[0]
		return 0, o, &vigil.Error{Kind: vigil.KindOf(b.first), Msg: fmt.Sprintf("line %d: %s", first.Line, first.Reason)}
	}
	return http.StatusMultiStatus, o, nil
}

// empty tells whether nothing was kept.
func (o *outcome) empty() bool { return o.Accepted == 0 && len(o.Quarantined) == 0 }

// each puts each line into the batch. It returns an error when the body cannot be
// read to its end.
func (j *job) each(b *batch) error {
	l := lines{r: j.body, max: j.h.c.MaxPayload/3*4 + 4096} // room for base64 and the envelope
	var c cache
	for {
		line, long, err := l.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if l.n == 1 {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if l.n > j.h.c.MaxBatch {
			return vigil.Errorf(vigil.TooLarge, "more than %d lines", j.h.c.MaxBatch)
		}
		var m vigil.Message
		if long {
			err = vigil.Errorf(vigil.TooLarge, "the line is too long")
		} else {
			m, err = j.message(line, l.n, &c)
		}
		if err != nil {
			b.refuse(l.n, err)
		} else if !b.put(l.n, m) {
			return nil
		}
	}
}

// A cache remembers the names of the line before: batches are mostly of one
// device.
type cache struct {
	device, channel string
	valid           bool
	m               vigil.Message // addressed to device
}

// message makes a message of a line.
func (j *job) message(line []byte, n int, c *cache) (vigil.Message, error) {
	e, err := parseEnvelope(line)
	if err != nil {
		return vigil.Message{}, err
	}
	if !c.valid || c.device != string(e.device) {
		c.valid = false
		c.device = string(e.device)
		c.m = vigil.Message{Protocol: "http"}
		if err := j.h.address(&j.from, &c.m, vigil.DeviceID(c.device)); err != nil {
			return c.m, err
		}
		c.valid = true
	}
	if c.channel != string(e.channel) {
		c.channel = string(e.channel)
	}
	m := c.m
	m.Channel, m.ID, m.Stated, m.Payload = c.channel, string(e.id), e.time, e.payload
	m.Historical = j.historical || e.historical
	m.Arrived = vigil.InstantOf(j.h.c.Now())
	switch {
	case len(m.Payload) > j.h.c.MaxPayload:
		return m, vigil.Errorf(vigil.TooLarge, "the payload has more than %d bytes", j.h.c.MaxPayload)
	case len(m.Payload) == 0:
		return m, &vigil.Error{Kind: vigil.Invalid, Path: "/payload", Msg: "empty"}
	case e.historical:
		err = j.from.mayReplay()
	}
	if m.ID == "" && j.key != "" {
		m.ID = j.key + "#" + strconv.Itoa(n)
	}
	return m, err
}

// window is how many messages of one request may be with the sink.
const window = 8192

// A batch is the messages of one request on their way through the sink.
type batch struct {
	j       *job
	unwatch func() bool

	mu       sync.Mutex
	room     sync.Cond
	answered []uint64 // bits, by the order of put
	sent     int
	waiting  int
	gone     bool  // a stop waits no longer
	failed   error // a passing error: all must be sent again
	first    error // the lasting error of the first refused line
	kept     int
	held     []quarantined
	refused  []refused
}

// newBatch begins a batch. Its wait must be called.
func newBatch(j *job) *batch {
	b := &batch{j: j, held: []quarantined{}}
	b.room.L = &b.mu
	b.unwatch = context.AfterFunc(j.h.gone, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.gone = true
		b.room.Broadcast()
	})
	return b
}

// put hands a message to the sink; false when the batch has failed already.
func (b *batch) put(line int, m vigil.Message) bool {
	b.mu.Lock()
	for b.waiting >= window && b.failed == nil && !b.gone {
		b.room.Wait()
	}
	if b.failed != nil || b.gone {
		b.mu.Unlock()
		return false
	}
	n := b.sent
	b.sent++
	b.waiting++
	if n%64 == 0 {
		b.answered = append(b.answered, 0)
	}
	b.mu.Unlock()
	b.j.h.stats.messages.Add(1)
	done := func(err error) { b.done(n, line, err) }
	defer func() {
		if r := recover(); r != nil {
			b.j.h.c.Log.Error("sink panicked", "device", string(m.Device), "panic", fmt.Sprint(r))
			done(vigil.Errorf(vigil.Internal, "the sink panicked"))
		}
	}()
	b.j.sink(m, done)
	return true
}

// done notes what the sink said. Only the first word on a message counts.
func (b *batch) done(n, line int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.answered[n/64]&(1<<(n%64)) != 0 {
		return
	}
	b.answered[n/64] |= 1 << (n % 64)
	b.waiting--
	b.j.h.count(err)
	switch {
	case err == nil:
		b.kept++
	case vigil.Safe(err):
		b.held = append(b.held, hold(line, err))
	case lasting(vigil.KindOf(err)):
		b.note(line, err)
	case b.failed == nil:
		b.failed = err
	}
	if b.waiting == 0 || b.waiting == window-1 || b.failed != nil {
		b.room.Broadcast()
	}
}

// hold describes a line that is in the quarantine.
func hold(line int, err error) quarantined {
	var r *vigil.Refusal
	errors.As(err, &r)
	return quarantined{line, r.Entry, r.Error()}
}

// refuse notes a line that cannot be taken.
func (b *batch) refuse(line int, err error) {
	b.j.h.stats.refused.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note(line, err)
}

// note notes a refused line. The caller holds mu.
func (b *batch) note(line int, err error) {
	if len(b.refused) == 0 || line < b.refused[0].Line {
		b.first = err
	}
	b.refused = append(b.refused, refused{line, vigil.KindOf(err).String(), words(err)})
	if last := len(b.refused) - 1; b.refused[0].Line > line {
		b.refused[0], b.refused[last] = b.refused[last], b.refused[0]
	}
}

// wait waits until the sink has said something about each message, and returns
// what became of them; an error when all must be sent again.
func (b *batch) wait() (outcome, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.waiting > 0 && !b.gone {
		b.room.Wait()
	}
	b.unwatch()
	if b.waiting > 0 && b.failed == nil {
		b.failed = vigil.Errorf(vigil.Unavailable, "the server stops")
	}
	slices.SortFunc(b.held, func(x, y quarantined) int { return cmp.Compare(x.Line, y.Line) })
	slices.SortFunc(b.refused, func(x, y refused) int { return cmp.Compare(x.Line, y.Line) })
	// Copies: words of the sink that come late change nothing any more.
	o := outcome{Accepted: b.kept, Quarantined: slices.Clone(b.held), Refused: slices.Clone(b.refused)}
	if o.Quarantined == nil {
		o.Quarantined = []quarantined{}
	}
	return o, b.failed
}
