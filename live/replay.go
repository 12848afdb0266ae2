package live

import (
	"context"
	"fmt"

	"github.com/vigil-iomt/vigil"
)

// A missed run is the events of one partition that a client missed, read page
// by page.
type missedRun struct {
	partition    int
	after, until uint64
	page         []vigil.StoredEvent
	done         bool
}

// fill reads the next page when there is none.
func (m *missedRun) fill(ctx context.Context, e Events) error {
	for len(m.page) == 0 && !m.done {
		page, err := e.EventsAfter(ctx, m.partition, m.after, eventPage)
		if err != nil {
			return fmt.Errorf("read events behind %d of partition %d: %w", m.after, m.partition, err)
		}
		m.done = len(page) < eventPage
		for i := range page {
			if page[i].Position > m.until {
				page, m.done = page[:i], true
				break
			}
			m.after = page[i].Position
		}
		m.page = page
	}
	return nil
}

// replay queues the events between since and until that pass the filter, then
// those that arrived meanwhile. Within a partition they come in the order of the
// journal, across partitions in the order of their arrival.
func (c *client) replay(ctx context.Context, since, until []uint64, wanted func(vigil.Subject) bool) error {
	runs := make([]*missedRun, 0, len(since))
	for p := range since {
		if since[p] < until[p] {
			runs = append(runs, &missedRun{partition: p, after: since[p], until: until[p]})
		}
	}
	for {
		var first *missedRun
		for _, r := range runs {
			if err := r.fill(ctx, c.h.c.Events); err != nil {
				return err
			}
			if len(r.page) > 0 && (first == nil || r.page[0].Arrived < first.page[0].Arrived) {
				first = r
			}
		}
		if first == nil {
			break
		}
		e := &first.page[0]
		if wanted(e.Subject) && !c.push(eventMessage(e)) {
			return nil // the client is gone
		}
		first.page = first.page[1:]
	}
	c.release()
	return nil
}

// release queues the events that were held back during a replay.
func (c *client) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, c.held...)
	c.held, c.holding = nil, false
	c.signal()
}
