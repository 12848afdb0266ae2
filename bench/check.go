package bench

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// A keptReading is a reading as the API returns it.
type keptReading struct {
	Taken   vigil.Instant `json:"time"`
	Value   *float64      `json:"value"`
	Quality []string      `json:"quality"`
	Version int           `json:"version"`
	Metric  string        `json:"metric"`
}

// A keptBlock is a wave block as the API returns it.
type keptBlock struct {
	Start   vigil.Instant `json:"start"`
	Samples []int32       `json:"samples"`
}

// ever is the end of time for check.
const ever = math.MaxInt64

// check reads back every device and compares with what was acknowledged until a
// time in ns.
func (w *witness) check(ctx context.Context, s *Server, until int64) (CrashReport, error) {
	r := CrashReport{Missing: []string{}, Doubled: []string{}, Wrong: []string{}, until: until}
	for _, l := range w.logs {
		for n := range l.acked {
			if r.owes(l, n) {
				r.Acked++
			}
		}
		r.Unknown += len(l.open)
		if err := l.readings(ctx, s, &r); err != nil {
			return r, err
		}
		if err := l.blocks(ctx, s, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// owes tells whether message n must be there.
func (r *CrashReport) owes(l *ledger, n int) bool { return l.acked[n] != 0 && l.acked[n] <= r.until }

// fault notes one fault.
func (r *CrashReport) fault(list *[]string, format string, args ...any) {
	r.Faults++
	if len(*list) < faultsTold {
		*list = append(*list, fmt.Sprintf(format, args...))
	}
}

// number returns which message was taken at an instant; false when none was.
func (l *ledger) number(at vigil.Instant) (int, bool) {
	since := int64(at)/1000 - l.base
	n := int(since / messageStep)
	return n, int64(at)%1000 == 0 && since >= 0 && since%messageStep == 0 && n < len(l.acked)
}

// readings compares the readings of the device.
func (l *ledger) readings(ctx context.Context, s *Server, r *CrashReport) error {
	seen := map[string][]uint8{}
	for metric := range l.values(0) {
		seen[metric] = make([]uint8, len(l.acked))
	}
	query := url.Values{"device": {l.ID}, "limit": {"10000"}, "history": {"true"}}
	err := pages(ctx, s, "/api/v1/readings", query, func(page *struct {
		Readings []keptReading `json:"readings"`
		Next     string        `json:"next"`
	}) string {
		r.Readings += len(page.Readings)
		for _, p := range page.Readings {
			n, ok := l.number(p.Taken)
			if !ok || seen[p.Metric] == nil {
				r.fault(&r.Wrong, "%s: %s at %s was never sent", l.ID, p.Metric, p.Taken)
				continue
			}
			seen[p.Metric][n]++
			if p.Value == nil || *p.Value != l.values(n)[p.Metric] || p.Version != 1 || len(p.Quality) > 0 {
				r.fault(&r.Wrong, "%s: %s of message %d is not what was sent: %+v", l.ID, p.Metric, n, p)
			}
		}
		return page.Next
	})
	for metric, counts := range seen {
		l.compare(r, metric, counts)
	}
	return err
}

// blocks compares the waves of the device.
func (l *ledger) blocks(ctx context.Context, s *Server, r *CrashReport) error {
	if l.samples(0) == nil {
		return nil
	}
	counts := make([]uint8, len(l.acked))
	query := url.Values{"device": {l.ID}, "limit": {"5000"}, "from": {vigil.Instant(l.base * 1000).String()}}
	err := pages(ctx, s, "/api/v1/waves", query, func(page *struct {
		Blocks []keptBlock `json:"blocks"`
		Next   string      `json:"next"`
	}) string {
		r.Blocks += len(page.Blocks)
		for _, b := range page.Blocks {
			n, ok := l.number(b.Start)
			if !ok {
				r.fault(&r.Wrong, "%s: a wave at %s was never sent", l.ID, b.Start)
				continue
			}
			counts[n]++
			if !slices.Equal(b.Samples, l.samples(n)) {
				r.fault(&r.Wrong, "%s: the samples of message %d are not what was sent: %v", l.ID, n, b.Samples)
			}
		}
		return page.Next
	})
	l.compare(r, "wave", counts)
	return err
}

// compare finds what is missing or there more than once.
func (l *ledger) compare(r *CrashReport, what string, counts []uint8) {
	for n, count := range counts {
		switch {
		case count == 0 && r.owes(l, n):
			r.fault(&r.Missing, "%s: %s of message %d is not there", l.ID, what, n)
		case count > 1:
			r.fault(&r.Doubled, "%s: %s of message %d is there %d times", l.ID, what, n, count)
		}
	}
}

// pages fetches page after page; each is handed to use, which returns the
// cursor of the next, "" at the end.
func pages[T any](ctx context.Context, s *Server, path string, query url.Values, use func(*T) string) error {
	for {
		var page T
		if err := s.Call(ctx, http.MethodGet, path+"?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		next := use(&page)
		if next == "" {
			return nil
		}
		query.Set("cursor", next)
	}
}
