package app

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
)

const (
	// poisonSpan is how long health speaks of a record that was left out.
	poisonSpan = time.Hour
	// poisonAgain is how long to wait until a record is given to a journal
	// again that did not take it.
	poisonAgain = time.Second
)

// A poison keeps the records that made a consumer panic: those that are on their
// way into the quarantine, and which ones were left out of which frame.
type poison struct {
	mu      sync.Mutex
	waiting []vigil.Record // for the quarantine, oldest first
	left    []leftOut      // what the store may read again
	panics  map[string]uint64
	last    leftOut
	at      time.Time // of last, with its monotonic reading
	filled  chan struct{}
}

// A leftOut names records that a consumer was given as inert.
type leftOut struct {
	consumer  string
	partition int
	frame     uint64
	records   []int
	device    vigil.DeviceID // of the first
}

// newPoison returns one that is empty.
func newPoison() *poison {
	return &poison{panics: map[string]uint64{}, filled: make(chan struct{}, 1)}
}

// A panicked is the error of a consumer that panicked.
type panicked struct {
	value any
	stack []byte
}

// Error says what the consumer said, and where.
func (p *panicked) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }

// feed gives a frame to a consumer. When the consumer panics it gets the frame
// again, then with one record after the other made inert, then all of a device,
// then all, until it goes through: one record must not stop the others, nor the
// next start. What was made inert goes to the quarantine. It returns the frame as
// the consumer took it, for those behind it.
func (s *server) feed(ctx context.Context, c consumer, f vigil.Frame) (vigil.Frame, error) {
	err := guarded(ctx, c, f)
	first, ok := errors.AsType[*panicked](err)
	if !ok {
		return f, err
	}
	s.poison.note(c.name)
	s.log.Error("a consumer panicked", "consumer", c.name, "partition", f.Partition, "frame", f.Seq, "error", first)
	for out := range suspects(f.Records) {
		without := inert(f, out)
		err = guarded(ctx, c, without)
		if _, again := errors.AsType[*panicked](err); again {
			continue
		}
		if err == nil && len(out) > 0 {
			s.leaveOut(c.name, f, out)
		}
		return without, err
	}
	return f, err
}

// suspects yields what to leave out of a frame, the least first: nothing, each
// record, all records of each device, all.
func suspects(recs []vigil.Record) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		if !yield(nil) {
			return
		}
		var all []int
		var devices []vigil.DeviceID
		of := map[vigil.DeviceID][]int{}
		for k := range recs {
			if !yield([]int{k}) {
				return
			}
			d := recs[k].Message.Device
			if of[d] == nil {
				devices = append(devices, d)
			}
			of[d] = append(of[d], k)
			all = append(all, k)
		}
		for _, d := range devices {
			if len(of[d]) > 1 && !yield(of[d]) {
				return
			}
		}
		if len(devices) > 1 {
			yield(all)
		}
	}
}

// inert returns the frame with some records without a kind, as consumers see
// records that are lost. They keep what they hold: items behind them keep their
// numbers.
func inert(f vigil.Frame, out []int) vigil.Frame {
	f.Records = slices.Clone(f.Records)
	for _, k := range out {
		f.Records[k].Kind = 0
	}
	return f
}

// leaveOut notes what was left out of a frame, and has it put into the
// quarantine.
func (s *server) leaveOut(consumer string, f vigil.Frame, out []int) {
	l := leftOut{consumer, f.Partition, f.Seq, out, f.Records[out[0]].Message.Device}
	var entries []vigil.Record
	for _, k := range out {
		r := &f.Records[k]
		s.log.Error("a record was left out because a consumer panics on it", "consumer", consumer,
			"partition", f.Partition, "frame", f.Seq, "record", k, "device", r.Message.Device)
		if r.Kind == vigil.Understood || r.Kind == vigil.Reattributed { // an entry that is poison would make the next one
			entries = append(entries, quarantined(consumer, f, k))
		}
	}
	s.poison.add(l, entries, s.db.Position(f.Partition), time.Now())
}

// quarantined makes the quarantine's record of a record that was left out. Its
// id follows from where the record is: a frame that is read again, or by another
// process, makes no second entry.
func quarantined(consumer string, f vigil.Frame, k int) vigil.Record {
	r := &f.Records[k]
	m := r.Message
	m.Replay = ""
	reason := fmt.Sprintf("%s cannot take what this message says (it panics); the log tells more. Replay it after an update", consumer)
	switch {
	case r.Kind == vigil.Reattributed:
		reason = fmt.Sprintf("%s cannot carry out a reattribution of this device's readings (it panics); the log tells more. Decide it again after an update", consumer)
	case len(m.Payload) == 0:
		m.Payload = payloadOf(f.Records, &m)
	}
	return vigil.Record{
		Kind: vigil.Quarantined, Message: m, Subject: vigil.Unattributed(m.Device), Profile: r.Profile,
		Refusal: &vigil.Refusal{Reason: reason, Entry: entryID(f, k)},
	}
}

// payloadOf finds the payload of a message that speaks of several subjects: the
// first of its records has it.
func payloadOf(recs []vigil.Record, m *vigil.Message) []byte {
	for i := range recs {
		o := &recs[i].Message
		if len(o.Payload) > 0 && o.Device == m.Device && o.Channel == m.Channel && o.ID == m.ID && o.Arrived == m.Arrived {
			return o.Payload
		}
	}
	return nil
}

// entryID makes the id of a record's quarantine entry: a UUIDv8 (RFC 9562) with
// the frame's time in front, so that it sorts among the others.
func entryID(f vigil.Frame, k int) string {
	var where []byte
	for _, n := range []int64{int64(f.Partition), int64(f.Seq), int64(f.At), int64(k)} { // #nosec G115 -- only to be told apart
		where = binary.BigEndian.AppendUint64(where, uint64(n)) // #nosec G115 -- only to be told apart
	}
	b := sha256.Sum256(where)
	at := binary.BigEndian.AppendUint64(nil, uint64(f.At.Time().UnixMilli())) // #nosec G115 -- after 1970
	copy(b[:6], at[2:])
	b[6] = 0x80 | b[6]&0x0f
	b[8] = 0x80 | b[8]&0x3f
	t := hex.EncodeToString(b[:16])
	return t[:8] + "-" + t[8:12] + "-" + t[12:16] + "-" + t[16:20] + "-" + t[20:]
}

// note counts a panic of a consumer.
func (p *poison) note(consumer string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.panics[consumer]++
}

// count returns how often a consumer panicked.
func (p *poison) count(consumer string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.panics[consumer]
}

// add notes what was left out, and forgets what is committed and so is not read
// again.
func (p *poison) add(l leftOut, entries []vigil.Record, committed uint64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = slices.DeleteFunc(p.left, func(o leftOut) bool { return o.partition == l.partition && o.frame <= committed })
	p.left = append(p.left, l)
	p.waiting = append(p.waiting, entries...)
	p.last, p.at = l, now
	select {
	case p.filled <- struct{}{}:
	default:
	}
}

// without returns a frame that is read again without what the store could not
// take.
func (p *poison) without(f vigil.Frame) vigil.Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.left {
		if l.consumer == storeName && l.partition == f.Partition && l.frame == f.Seq {
			f = inert(f, l.records)
		}
	}
	return f
}

// next returns the oldest entry that waits.
func (p *poison) next() (vigil.Record, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) == 0 {
		return vigil.Record{}, false
	}
	return p.waiting[0], true
}

// done forgets the oldest entry.
func (p *poison) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = slices.Delete(p.waiting, 0, 1)
}

// quarantinePoison puts what was left out into the quarantine until ctx is done.
// Consumers do not wait for it: the journal may hold back who appends.
func (s *server) quarantinePoison(ctx context.Context) error {
	for {
		r, ok := s.poison.next()
		if !ok {
			select {
			case <-s.poison.filled:
				continue
			case <-ctx.Done():
				return nil
			}
		}
		err := s.append(ctx, r)
		switch kind := vigil.KindOf(err); {
		case err == nil:
			s.poison.done()
			continue
		case ctx.Err() != nil:
			return nil
		case kind == vigil.Invalid || kind == vigil.TooLarge: // it will not be taken later either
			s.log.Error("a record that was left out has no place in the quarantine", "entry", r.Refusal.Entry, "error", err)
			s.poison.done()
			continue
		}
		select {
		case <-time.After(poisonAgain):
		case <-ctx.Done():
			return nil
		}
	}
}

// settlePoison waits until nothing is on its way into the quarantine.
func (s *server) settlePoison(ctx context.Context) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, waits := s.poison.next(); !waits {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// append puts a record into the journal and waits until it is synced.
func (s *server) append(ctx context.Context, r vigil.Record) error {
	done := make(chan error, 1)
	s.journal.Append([]vigil.Record{r}, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// check names what a consumer could not take in the last hour.
func (p *poison) check(now time.Time) Check {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at.IsZero() || now.Sub(p.at) > poisonSpan {
		return good("poison", "every consumer takes every record")
	}
	l := p.last
	return bad("poison", "the message is in the quarantine: report this with the log, and replay the entry after an update",
		"%s panicked and %d record(s) were left out, last at %s: partition %d frame %d, of device %s",
		l.consumer, len(l.records), vigil.InstantOf(p.at), l.partition, l.frame, l.device)
}
