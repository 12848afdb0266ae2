package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-iomt/vigil"
)

// maxStep is how far the clock of the server may step before that is a
// technical alarm (design, "Time").
const maxStep = 2 * time.Second

// A watch compares the wall clock with the monotonic clock, and remembers what
// the doctor tells of the recent past.
type watch struct {
	log       *slog.Logger
	recent    recent
	sightings sightings
	turned    *turned
	cut       atomic.Int64 // when raw messages were last deleted before their time, ns since 1970

	begun time.Time // with its monotonic reading
	mu    sync.Mutex
	last  time.Time     // by the wall clock
	up    time.Duration // by the monotonic clock, since begun
	step  time.Duration
	at    time.Time     // of the step, by the wall clock after it
	since time.Duration // of the step, by the monotonic clock
}

// newWatch starts a watch.
func newWatch(_ string, log *slog.Logger) *watch {
	now := time.Now()
	w := &watch{log: log, begun: now, turned: newTurned(time.Now)}
	w.look(now)
	return w
}

// look notes a step since the last look.
func (w *watch) look(now time.Time) { w.note(now.Round(0), now.Sub(w.begun)) }

// note compares the wall clock with the time that has gone by.
func (w *watch) note(wall time.Time, up time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.last.IsZero() {
		if step := wall.Sub(w.last) - (up - w.up); step > maxStep || step < -maxStep {
			w.step, w.at, w.since = step, wall, up
			w.log.Error("the clock of this machine stepped", "by", step.Round(time.Millisecond))
		}
	}
	w.last, w.up = wall, up
}

// check tells of a step within the last hour.
func (w *watch) check() Check {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.step != 0 && w.up-w.since < time.Hour {
		return bad("clock", "find out what sets the clock; keep it with NTP, which slews", "stepped by %s at %s",
			w.step.Round(time.Millisecond), vigil.InstantOf(w.at))
	}
	return checkClock()
}

// checkPort tells whether a listener could open its port.
func checkPort(flag, addr string) Check {
	name := flag + " port"
	if addr == "" {
		return good(name, "turned off")
	}
	l, err := listenOn(context.Background(), "tcp", addr)
	if err != nil {
		return bad(name, fmt.Sprintf("choose another with --%s, or stop the program that has it (`ss -ltnp` names it)", flag), "%v", err)
	}
	_ = l.Close()
	return good(name, "%s is free", addr)
}
