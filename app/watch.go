package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
)

// maxStep is how far the clock of the server may step before that is a
// technical alarm (design, "Time").
const maxStep = 2 * time.Second

// A watch compares the wall clock with the monotonic clock.
type watch struct {
	log  *slog.Logger
	mu   sync.Mutex
	last time.Time // with its monotonic reading
	step time.Duration
	at   time.Time
}

// newWatch starts a watch.
func newWatch(_ string, log *slog.Logger) *watch { return &watch{log: log, last: time.Now()} }

// look notes a step since the last look.
func (w *watch) look(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wall := now.Round(0).Sub(w.last.Round(0))
	step := wall - now.Sub(w.last)
	w.last = now
	if step > maxStep || step < -maxStep {
		w.step, w.at = step, now
		w.log.Error("the clock of this machine stepped", "by", step.Round(time.Millisecond))
	}
}

// check tells of a step within the last hour.
func (w *watch) check() Check {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.step != 0 && w.last.Sub(w.at) < time.Hour {
		return bad("clock", "find out what sets the clock; keep it with NTP, which slews", "stepped by %s at %s",
			w.step.Round(time.Millisecond), vigil.InstantOf(w.at))
	}
	return checkClock()
}

// checkPort tells whether a listener could open its port.
func checkPort(name, addr string) Check {
	if addr == "" {
		return good(name, "turned off")
	}
	l, err := listenOn(context.Background(), "tcp", addr)
	if err != nil {
		return bad(name, fmt.Sprintf("choose another with --%s, or stop the program that has it", name[:4]), "%v", err)
	}
	_ = l.Close()
	return good(name, "%s is free", addr)
}
