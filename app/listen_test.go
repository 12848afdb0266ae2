package app

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/vigil-iomt/vigil"
)

// failing is a driver that fails in two ways before it serves.
type failing struct {
	runs    int
	serving chan struct{}
}

// Run panics, then fails, then serves until ctx is done.
func (f *failing) Run(ctx context.Context, _ vigil.Sink) error {
	f.runs++
	switch f.runs {
	case 1:
		panic("a driver's mistake")
	case 2:
		return errors.New("the wire broke")
	}
	close(f.serving)
	<-ctx.Done()
	return nil
}

// TestDriverThatPanics: one wire that breaks is mended, and stops nothing else.
//
// Seen to fail when contained does not recover.
func TestDriverThatPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		s, d := &server{log: slog.New(slog.DiscardHandler)}, &failing{serving: make(chan struct{})}
		ended := make(chan error, 1)
		go func() { ended <- s.supervise(ctx, "a wire", d) }()
		<-d.serving
		stop()
		if err := <-ended; err != nil || d.runs != 3 {
			t.Errorf("ended with %v after %d runs", err, d.runs)
		}
	})
}
