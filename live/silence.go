package live

import (
	"context"
	"fmt"
	"time"

	"github.com/vigil-iomt/vigil"
)

// minAfterStart is how long after a start nothing is called silent: devices
// need the time to find the server again.
const minAfterStart = time.Minute

// A State says that a series fell silent, or is heard again; with series 0 and
// no metric it is a device that missed its heartbeat.
type State struct {
	Series  vigil.SeriesID `json:"series"`
	Subject vigil.Subject  `json:"subject"`
	Device  vigil.DeviceID `json:"device"`
	Metric  string         `json:"metric"`
	State   string         `json:"state"` // silent or heard
	// Since is when the last usable reading arrived: before the silence, or
	// the one that ended it. Of a device it is any message, or the start when
	// none came since.
	Since vigil.Instant `json:"since"`
}

// state returns what is to be said about the series now.
func (s *series) state() State {
	word := "heard"
	if s.silent {
		word = "silent"
	}
	return State{Series: s.ID, Subject: s.Subject, Device: s.Device, Metric: s.Metric.Name, State: word, Since: s.heardAt}
}

// hear notes that a new usable reading arrived, and tells whether that ended a
// silence. The caller holds the shard.
func (sh *shard) hear(s *series, at time.Duration, arrived vigil.Instant) bool {
	s.watched = s.limit > 0
	s.heard, s.heardAt = at, arrived
	if !s.silent {
		return false
	}
	s.silent = false
	delete(sh.silent, s)
	return true
}

// due tells whether the series has passed its limit. Nothing has before it was
// given the chance to be heard since the start.
func (s *series) due(now time.Duration) bool {
	return s.watched && !s.silent && now-s.heard >= s.limit && now >= max(s.limit, minAfterStart)
}

// uptime returns how long the hub runs, on the monotonic clock where Config.Now
// carries one.
func (h *Hub) uptime(now time.Time) time.Duration { return now.Sub(h.started) }

// expected tells whether the device still serves the subject of the series.
// Readings that belong to nobody are expected as long as nobody is served.
func (h *Hub) expected(s *series, now vigil.Instant) bool {
	if h.c.Serves == nil {
		return true
	}
	served := h.c.Serves(s.Device, now)
	if served.Kind == vigil.NoSubject {
		served = vigil.Unattributed(s.Device)
	}
	return served == s.Subject
}

// watch finds the series and devices that fell silent, and drops those that nobody expects
// any more.
func (h *Hub) watch(now time.Time) {
	up, at := h.uptime(now), vigil.InstantOf(now)
	var changed []State
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		for _, s := range sh.byID {
			switch {
			case up-s.heard > Horizon:
				sh.forget(s)
			case s.silent && !h.expected(s, at):
				s.silent, s.watched = false, false
				delete(sh.silent, s)
			case s.due(up) && !h.expected(s, at):
				s.watched = false
			case s.due(up):
				s.silent = true
				sh.silent[s] = struct{}{}
				changed = append(changed, s.state())
			}
		}
		sh.mu.Unlock()
	}
	h.sendStates(changed)
	h.watchDevices(up, at)
}

// silences returns the silent series and devices that pass a filter.
func (h *Hub) silences(wanted func(vigil.Subject) bool) []State {
	out := []State{}
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		for s := range sh.silent {
			if wanted(s.Subject) {
				out = append(out, s.state())
			}
		}
		sh.mu.Unlock()
	}
	return append(out, h.missingDevices(wanted)...)
}

// expect puts the series that were heard before the start under watch. They
// wait in a shard of their own until the shard that hears one takes it over.
func (h *Hub) expect(ctx context.Context) error {
	all, err := h.c.Snapshot.Series(ctx, vigil.SeriesQuery{})
	if err != nil {
		return fmt.Errorf("read series to watch: %w", err)
	}
	ids := make([]vigil.SeriesID, 0, len(all))
	for i := range all {
		if all[i].Metric.Silence > 0 {
			ids = append(ids, all[i].ID)
		}
	}
	latest, err := h.c.Snapshot.Latest(ctx, ids)
	if err != nil {
		return fmt.Errorf("read series to watch: %w", err)
	}
	start := vigil.InstantOf(h.started)
	for i := range all {
		p, ok := latest[all[i].ID]
		age := start.Sub(p.Arrived)
		if !ok || age > Horizon || p.Quality.Has(vigil.Historical) {
			continue
		}
		h.expectOne(all[i], p, -max(age, 0))
	}
	return nil
}

// expectOne puts one series under watch unless it was heard already.
func (h *Hub) expectOne(v vigil.Series, p vigil.Point, heard time.Duration) {
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		_, ok := sh.byID[v.ID]
		sh.mu.Unlock()
		if ok {
			return
		}
	}
	sh := h.unheard()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s := sh.add(v)
	s.taken, s.key, s.value = p.Taken, p.Key, p.Value
	s.watched, s.heard, s.heardAt = true, heard, p.Arrived
}

// unheard is the shard of series that were not heard since the start.
func (h *Hub) unheard() *shard { return &h.shards[h.c.Partitions] }

// adopt takes a series over that was heard before the start. The caller holds
// sh, which is not the shard of the unheard.
func (h *Hub) adopt(sh *shard, id vigil.SeriesID) {
	un := h.unheard()
	un.mu.Lock()
	defer un.mu.Unlock()
	s, ok := un.byID[id]
	if !ok {
		return
	}
	un.forget(s)
	sh.byID[id] = s
	if s.silent {
		sh.silent[s] = struct{}{}
	}
}
