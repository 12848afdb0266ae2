package app

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/devices/iomt"
	"github.com/vigil-iomt/vigil/store"
)

const (
	profilesEvery = time.Second
	guidesEvery   = time.Second
	lookEvery     = time.Second
	trimEvery     = time.Minute
	pruneEvery    = time.Hour
	heartbeat     = 10 * time.Second
	// rawShare is the part of the disk that messages as they came may take.
	rawShare = 5
)

// keepHouse does what has to be done now and then until ctx is done.
func (s *server) keepHouse(ctx context.Context) error {
	s.lookAround(time.Now())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		devices.Watch(ctx, s.c.Profiles(), profilesEvery, s.reload, iomt.ReadFolder)
		return nil
	})
	g.Go(func() error { return every(ctx, guidesEvery, s.guides.refresh) })
	g.Go(func() error { return every(ctx, lookEvery, func() { s.lookAround(time.Now()) }) })
	g.Go(func() error { return every(ctx, trimEvery, func() { s.trim(ctx) }) })
	g.Go(func() error { return every(ctx, pruneEvery, func() { s.prune(ctx) }) })
	if s.c.shared() {
		g.Go(func() error {
			return every(ctx, syncEvery, s.spell(ctx, "changes of other processes cannot be read",
				"changes of other processes can be read again", s.syncRegistry))
		})
		g.Go(func() error {
			return every(ctx, resumeEvery, s.spell(ctx, "a reattribution could not be finished",
				"unfinished reattributions are finished", s.resumeMoves))
		})
	}
	if s.c.Watchdog != "" {
		g.Go(func() error { return every(ctx, heartbeat, func() { s.beat(ctx) }) })
	}
	return g.Wait()
}

// lookAround notes the clock and how the journal goes.
func (s *server) lookAround(now time.Time) {
	s.watch.look(now)
	s.watch.recent.add(s.look(now))
}

// every calls f now and then until ctx is done.
func every(ctx context.Context, d time.Duration, f func()) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			f()
		case <-ctx.Done():
			return nil
		}
	}
}

// trim deletes frames that every consumer has committed and whose time as raw
// messages is over: older than the retention, or beyond their share of the disk,
// where the journal is on this machine's.
func (s *server) trim(ctx context.Context) {
	_, size, err := freeBytes(s.c.Data)
	if err != nil {
		s.log.Error("cannot look at the disk", "error", err)
		return
	}
	tooMuch := s.c.NATS == "" && s.journal.Bytes() > size/rawShare
	for p, st := range s.journal.Stats().Partitions {
		if !s.holds(p) {
			continue
		}
		committed := s.db.Position(p)
		before, err := s.journal.OldestAfter(ctx, p, time.Now().Add(-s.c.RawRetention))
		if err != nil {
			s.log.Error("cannot find the end of raw retention", "partition", p, "error", err)
			continue
		}
		if half := st.First + (committed-min(committed, st.First))/2; tooMuch && half > before {
			before = half
			s.watch.cut.Store(time.Now().UnixNano())
		}
		if before = min(before, committed+1); before <= st.First {
			continue
		}
		if err := s.journal.Trim(ctx, p, before); err != nil {
			s.log.Error("cannot trim the journal", "partition", p, "error", err)
		}
	}
}

// prune deletes what is older than the installation keeps it.
func (s *server) prune(ctx context.Context) {
	err := s.db.Prune(ctx, store.Retention{Points: s.c.Keep, Waves: s.c.KeepWaves, Events: s.c.KeepEvents}, time.Now())
	if err != nil && ctx.Err() == nil {
		s.log.Error("cannot delete what is over its time", "error", err)
	}
}

// beat tells the outside watchdog that this server is well. When it is not, the
// watchdog hears nothing.
func (s *server) beat(ctx context.Context) {
	if !s.caughtUp.Load() || s.journalError() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	body, _ := json.Marshal(map[string]any{"vigil": Version().Vigil, "time": time.Now().UTC(), "started": s.started.UTC()})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.c.Watchdog, bytes.NewReader(body))
	if err != nil {
		s.log.Error("the watchdog's address is not usable", "error", err)
		return
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.log.Warn("the watchdog does not answer", "error", err)
		return
	}
	_ = resp.Body.Close()
}
