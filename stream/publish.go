package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-iomt/vigil"
)

const (
	// answerLimit is how long any question to the server but the writing of a
	// frame waits for the answer.
	answerLimit = 5 * time.Second
	// retryPause is between attempts; it doubles up to retryPauseMax.
	retryPause    = 20 * time.Millisecond
	retryPauseMax = time.Second
	// storeFailed is the server's code for a message that it could not write
	// (JSStreamStoreFailedF): what of it is on disk nobody knows.
	storeFailed jetstream.ErrorCode = 10077
)

var errStore = errors.New("the journal's server could not write or sync")

// publish writes a frame exactly once and returns its sequence.
func (p *partition) publish(frame []byte, first uint64) (uint64, error) {
	if e := p.failing.Load(); e != nil && errors.Is(*e, errStore) {
		return 0, p.refused(*e)
	}
	p.expected = max(p.expected, p.head.Load()) // what other nodes wrote meanwhile
	t := trial{p: p, frame: frame, first: first, searched: p.expected}
	return t.run()
}

// A trial is the writing of one frame. Every attempt names the sequence that it
// expects the stream to end with, so that of an attempt whose answer got lost
// and its repetition only one can land. An attempt that the server refused for
// a wrong sequence did not land: it is repeated at once behind the sequence that
// the refusal names, because another node's frame came first. Only when there
// was an attempt whose outcome is not known is the stream searched for the frame.
type trial struct {
	p        *partition
	frame    []byte
	first    uint64 // the producer's sequence of its first record
	searched uint64 // the frame is not at or before this sequence
	doubtful bool   // an attempt may have landed, or may still
	latest   uint64 // the greatest sequence that such an attempt expected
}

func (t *trial) run() (uint64, error) {
	p := t.p
	for begun, pause := time.Now(), retryPause; ; {
		seq, err := p.attempt(t.frame)
		if err == nil {
			return p.written(seq)
		}
		if p.lost(err) {
			return 0, p.refused(err)
		}
		again := false
		if wrongSequence(err) && !t.doubtful {
			again = p.moved(err)
		} else {
			if seq, again = t.look(err); seq > 0 {
				return p.written(seq)
			}
		}
		if time.Since(begun) > p.j.c.GiveUp {
			return 0, p.refused(err)
		}
		if again { // another node was faster: there is nothing to wait for
			continue
		}
		if !p.pause(pause) {
			return 0, p.refused(err)
		}
		pause = min(2*pause, retryPauseMax)
	}
}

// moved notes where the stream ends as the refusal says, or, when it does not
// say, as the server says now. It returns whether that has changed.
func (p *partition) moved(refusal error) bool {
	last := namedSequence(refusal)
	if last == 0 {
		ctx, cancel := context.WithTimeout(p.j.ctx, answerLimit)
		defer cancel()
		info, err := p.stream.Info(ctx)
		if err != nil {
			p.failing.Store(&err)
			return false
		}
		last = info.State.LastSeq
	}
	changed := last != p.expected
	p.expected = last
	return changed
}

// look searches the stream for the frame after an attempt whose outcome is not
// known. It returns its sequence, or 0 and whether the next attempt can be made
// at once.
func (t *trial) look(err error) (seq uint64, again bool) {
	p, refused := t.p, wrongSequence(err)
	if !refused {
		t.doubtful, t.latest = true, max(t.latest, p.expected)
		p.j.c.Log.Warn("publish journal frame", "partition", p.number, "error", err)
		p.failing.Store(&err)
	}
	expected := p.expected
	seq, last, err2 := p.find(t.first, t.searched)
	if err2 != nil {
		p.failing.Store(&err2)
		return 0, false
	}
	if seq > 0 {
		return seq, false
	}
	t.searched = max(t.searched, last)
	if last > t.latest {
		// Every attempt that may have landed expected the stream to end
		// earlier than it does now: none can land any more. It is not enough
		// to look at the attempt before: a cluster names frames that it has
		// accepted but not yet stored when it refuses, and does not count
		// them when it is asked where the stream ends.
		t.doubtful = false
	}
	p.expected = last
	if refused {
		// Where the server lost the end of a file while it recovered, what it
		// says of the stream and what it expects differ.
		p.expected = max(last, namedSequence(err))
	}
	return 0, refused && p.expected != expected
}

// written notes that the partition works and where its stream ends, once the
// names of its files are on disk, too.
func (p *partition) written(seq uint64) (uint64, error) {
	p.expected = seq
	if err := p.blocks.sync(); err != nil {
		p.dead(err)
		return 0, p.refused(err)
	}
	if err := p.j.slots.put(p.number, seq); err != nil {
		p.j.c.Log.Error("journal", "partition", p.number, "error", err) // the frame itself is safe
	}
	p.failing.Store(nil)
	return seq, nil
}

func (p *partition) refused(err error) error {
	return &vigil.Error{Kind: vigil.Unavailable, Op: "append to journal", Msg: "the journal could not write; nothing was kept", Err: err}
}

// attempt publishes once.
func (p *partition) attempt(frame []byte) (uint64, error) {
	ctx, cancel := context.WithTimeout(p.j.ctx, p.j.c.Answer)
	defer cancel()
	p.msg.Header = nil
	p.msg.Data = frame
	ack, err := p.j.js.PublishMsg(ctx, &p.msg,
		jetstream.WithExpectLastSequence(p.expected), jetstream.WithExpectStream(streamName(p.number)), jetstream.WithRetryAttempts(0))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// wrongSequence tells whether the stream did not end where it was expected to.
func wrongSequence(err error) bool {
	var e *jetstream.APIError
	return errors.As(err, &e) &&
		(e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence || e.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}

// namedSequence returns where the stream ends as the server says when it refuses
// a wrong sequence, 0 when it does not say.
func namedSequence(err error) (last uint64) {
	var e *jetstream.APIError
	if errors.As(err, &e) {
		_, _ = fmt.Sscanf(e.Description, "wrong last sequence: %d", &last)
	}
	return last
}

// lost tells whether the embedded server can no longer write: after a failed
// write or sync nobody knows what is on disk, and only a new start finds out.
func (p *partition) lost(err error) bool {
	var e *jetstream.APIError
	if p.j.server == nil || p.j.closing.Load() {
		return false
	}
	failed := p.j.c.broken.Load() || errors.As(err, &e) && e.ErrorCode == storeFailed
	if !failed && p.j.server.JetStreamEnabled() {
		return false
	}
	p.dead(err)
	return true
}

// dead closes the partition for good and says so.
func (p *partition) dead(err error) {
	err = fmt.Errorf("%w: %w", errStore, err)
	p.failing.Store(&err)
	p.j.c.Fatal(&vigil.Error{Kind: vigil.Unavailable, Op: "append to journal", Msg: err.Error(), Err: err})
}

// pause waits, and returns false when the journal is given up meanwhile.
func (p *partition) pause(d time.Duration) bool {
	p.timer.Reset(d)
	defer p.timer.Stop()
	select {
	case <-p.timer.C:
		return true
	case <-p.j.ctx.Done():
		return false
	}
}

// find looks for a frame of this process, by the producer's sequence of its
// first record, behind a sequence. It returns 0 when the frame is not there, and
// where the stream ends. A replica that lags behind is given time: what it does
// not have yet is not missing.
func (p *partition) find(first, after uint64) (seq, last uint64, err error) {
	ctx, cancel := context.WithTimeout(p.j.ctx, answerLimit)
	defer cancel()
	info, err := p.stream.Info(ctx)
	if err != nil {
		return 0, 0, err
	}
	last = info.State.LastSeq
	for at := max(after+1, info.State.FirstSeq); at <= last; {
		raws, err := p.j.fetch(ctx, p.number, at, fetchFrames)
		if err != nil {
			return 0, 0, err
		}
		for _, raw := range raws {
			h, err := readHead(raw.data)
			if err == nil && h.producer == p.j.producer && h.first == first {
				return raw.seq, last, nil
			}
			at = raw.seq + 1
		}
		if len(raws) == 0 && p.j.server != nil {
			break // the only server there is
		}
		if len(raws) == 0 {
			if err := p.j.wait(ctx, followPause); err != nil {
				return 0, 0, err
			}
		}
	}
	return 0, last, nil
}
