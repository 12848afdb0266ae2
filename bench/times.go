package bench

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// times gathers durations. It is safe for many goroutines.
type times struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram // microseconds
}

// newTimes returns an empty one for durations of up to two minutes.
func newTimes() *times {
	return &times{h: hdrhistogram.New(1, (2 * time.Minute).Microseconds(), 3)}
}

// add notes one duration; one that is out of range counts as the longest.
func (t *times) add(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.h.RecordValue(max(d.Microseconds(), 1)) != nil {
		_ = t.h.RecordValue(t.h.HighestTrackableValue())
	}
}

// count returns how many there are.
func (t *times) count() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.h.TotalCount()
}

// reset forgets what was noted: the warm-up.
func (t *times) reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.h.Reset()
}

// millis returns a percentile in milliseconds.
func (t *times) millis(percentile float64) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return float64(t.h.ValueAtQuantile(percentile)) / 1000
}
