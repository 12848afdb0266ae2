// Package play turns recordings into messages of the devices that could have
// made them: WFDB records into an ECG recorder's blocks, tables into rows of
// vital signs or glucose. The messages go the same way as live ones.
package play

import (
	"context"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A Sender takes messages on their way to a server; sim/wire has some. Send may
// return before the message has arrived, and blocks while too many are under
// way.
type Sender interface {
	Send(ctx context.Context, m vigil.Message) error
}

// A Flusher is a Sender that can wait until all messages that it took have
// arrived.
type Flusher interface {
	Flush(ctx context.Context) error
}

// flush waits for s if it is a Flusher.
func flush(ctx context.Context, s Sender) error {
	if f, ok := s.(Flusher); ok {
		return f.Flush(ctx)
	}
	return nil
}

// Timing says when a recording is played.
type Timing struct {
	// Speed is recorded time per real time: 1 is real time, 0 is as fast as
	// the server takes it.
	Speed float64
	// ShiftTo moves all times by the same amount, so that the recording is
	// live: when it is paced (Speed > 0) its first sample comes to lie at
	// ShiftTo, otherwise its last. 0 keeps the recorded times.
	ShiftTo vigil.Instant
	// Historical marks every message as a recording: no clock is corrected
	// and no alarm sounds. It is implied when ShiftTo is 0.
	Historical bool
	Now        func() time.Time // time.Now if nil
}

func (t *Timing) defaults() {
	if t.Now == nil {
		t.Now = time.Now
	}
	if t.ShiftTo == 0 {
		t.Historical = true
	}
}

// Undated is when a recording begins that does not say when it was made, unless
// the caller knows better: 2000-01-01T00:00:00Z. It is fixed, so that a second
// import gives the same readings.
const Undated = vigil.Instant(946684800_000_000)

// A Summary says what was played.
type Summary struct {
	Messages int64         `json:"messages"`
	Skipped  int64         `json:"skipped"` // rows without anything to send
	First    vigil.Instant `json:"first,omitzero"`
	Last     vigil.Instant `json:"last,omitzero"`
}

// A pacer holds messages back until their time has come.
type pacer struct {
	t     Timing
	begun time.Time
	first vigil.Instant
}

// wait waits until a recorded time has come.
func (p *pacer) wait(ctx context.Context, at vigil.Instant, s Sender) error {
	if p.t.Speed <= 0 {
		return ctx.Err()
	}
	if p.begun.IsZero() {
		p.begun, p.first = p.t.Now(), at
	}
	d := p.begun.Add(time.Duration(float64(at.Sub(p.first)) / p.t.Speed)).Sub(p.t.Now())
	if d <= 0 {
		return ctx.Err()
	}
	// What was said so far must not wait in a batch for what comes later.
	if err := flush(ctx, s); err != nil {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// span notes the first and the last time.
func (s *Summary) span(at vigil.Instant) {
	if s.First == 0 || at < s.First {
		s.First = at
	}
	s.Last = max(s.Last, at)
}
