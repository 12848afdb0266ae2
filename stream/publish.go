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

// publish writes a frame exactly once and returns its sequence. Every attempt
// names the sequence that it expects the stream to end with, so that of an
// attempt whose answer got lost and its repetition only one can land; before
// each repetition the stream is asked whether the frame is there.
func (p *partition) publish(frame []byte, first uint64) (uint64, error) {
	if e := p.failing.Load(); e != nil && errors.Is(*e, errStore) {
		return 0, p.refused(*e)
	}
	for begun, pause := time.Now(), retryPause; ; pause = min(2*pause, retryPauseMax) {
		seq, err := p.attempt(frame)
		if err == nil {
			return p.written(seq)
		}
		if p.lost(err) {
			return 0, p.refused(err)
		}
		moved := wrongSequence(err)
		if !moved {
			p.j.c.Log.Warn("publish journal frame", "partition", p.number, "error", err)
			p.failing.Store(&err)
		}
		seq, lookErr := p.find(first)
		if lookErr != nil {
			p.failing.Store(&lookErr)
			moved = false
		}
		if seq > 0 {
			return p.written(seq)
		}
		// Where the server lost the end of a file while it recovered, what it
		// says of the stream and what it expects differ.
		if moved {
			p.expected = max(p.expected, namedSequence(err))
		}
		// When another node wrote in between, find has noted where the
		// stream ends now, and there is nothing to wait for.
		if time.Since(begun) > p.j.c.GiveUp || !moved && !p.pause(pause) {
			return 0, p.refused(err)
		}
	}
}

// written notes that the partition works and where its stream ends, once the
// names of its files are on disk, too.
func (p *partition) written(seq uint64) (uint64, error) {
	p.expected = seq
	if err := p.blocks.sync(); err != nil {
		p.dead(err)
		return 0, p.refused(err)
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
	failed := errors.As(err, &e) && e.ErrorCode == storeFailed
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
// first record, behind the sequence that was expected. It returns 0 when the
// frame is not there, and notes where the stream ends now.
func (p *partition) find(first uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(p.j.ctx, answerLimit)
	defer cancel()
	info, err := p.stream.Info(ctx)
	if err != nil {
		return 0, err
	}
	for at := p.expected + 1; at <= info.State.LastSeq; {
		raws, err := p.j.fetch(ctx, p.number, at, fetchFrames)
		if err != nil {
			return 0, err
		}
		for _, raw := range raws {
			h, err := readHead(raw.data)
			if err == nil && h.producer == p.j.producer && h.first == first {
				return raw.seq, nil
			}
		}
		if len(raws) == 0 {
			break
		}
		at = raws[len(raws)-1].seq + 1
	}
	p.expected = info.State.LastSeq
	return 0, nil
}
