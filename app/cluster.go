package app

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/stream"
)

// How processes that share a journal and a database notice each other.
const (
	leaseTime   = 3 * time.Second // without a sign of life, before others take over
	leaseEvery  = 750 * time.Millisecond
	syncEvery   = 250 * time.Millisecond
	resumeEvery = 10 * time.Second
)

// share takes part in sharing the partitions until the stop function is called.
// That one gives everything back, so that others take over at once. A process
// that has a cluster's journal for itself takes them all, so that a second one
// notices.
func (s *server) share(ctx context.Context) (stop func()) {
	if s.c.NATS == "" {
		return func() {}
	}
	c := stream.ShareConfig{
		Holder: s.node(), TTL: leaseTime, Every: leaseEvery,
		Take: func(context.Context, int, uint64) error { return nil },
		Drop: func(context.Context, int) error { return nil },
	}
	if s.c.shared() {
		c.Take, c.Drop = s.db.Take, s.db.Drop
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var sharing sync.WaitGroup
	sharing.Go(func() {
		err := s.journal.Share(ctx, c)
		if err != nil && ctx.Err() == nil {
			s.fail(fmt.Errorf("share partitions: %w", err))
		}
	})
	return func() {
		cancel()
		sharing.Wait()
	}
}

// alone refuses to start where another process uses the journal with a store of
// its own: each would delete what the other has not read. It waits for the
// leases of one that died.
func (s *server) alone(ctx context.Context) error {
	if s.c.NATS == "" || s.c.shared() {
		return nil
	}
	for until := time.Now().Add(2 * leaseTime); ; {
		leases, err := s.journal.Holders(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(leases, func(l stream.Lease) bool { return l.Live })
		if i < 0 {
			return nil
		}
		if time.Now().After(until) {
			return vigil.Errorf(vigil.Conflicting,
				"%s uses this journal; several processes share one only with a database that they share, too: --db postgres://…", leases[i].Holder)
		}
		select {
		case <-time.After(leaseEvery / 3):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// notAlone adds to the error of a cluster's journal that contradicts the settings
// what is missing when other processes made it: what they share is more than the
// journal.
func (s *server) notAlone(err error) error {
	if s.c.NATS == "" || s.c.shared() || vigil.KindOf(err) != vigil.Conflicting {
		return err
	}
	return vigil.Errorf(vigil.Conflicting, "%w. To share this journal with other processes, share their database, too: --db postgres://…, with --partitions as they have it", err)
}

// node names this process among those that share.
func (s *server) node() string {
	host, _ := os.Hostname()
	return cmp.Or(s.c.Node, host, "vigil")
}

// syncRegistry takes in what other processes changed.
func (s *server) syncRegistry(ctx context.Context) error { return s.registry.Sync(ctx) }

// resumeMoves finishes reattributions that a process decided and did not live to
// carry out.
func (s *server) resumeMoves(ctx context.Context) error {
	return s.registry.Resume(vigil.WithActor(ctx, vigil.Actor{Kind: vigil.System, ID: s.node()}))
}

// spell makes f one that logs when it begins to fail and when that is over, not
// each time: what is tried several times a second would fill the log.
func (s *server) spell(ctx context.Context, trouble, over string, f func(context.Context) error) func() {
	var since time.Time
	return func() {
		err := f(ctx)
		switch failing := !since.IsZero(); {
		case ctx.Err() != nil:
		case err != nil && !failing:
			since = time.Now()
			s.log.Error(trouble, "error", err)
		case err == nil && failing:
			s.log.Info(over, "after", time.Since(since).Round(time.Millisecond))
			since = time.Time{}
		}
	}
}

// holds tells whether this process writes a partition.
func (s *server) holds(partition int) bool { return !s.c.shared() || s.db.Holds(partition) }

// held counts the partitions that this process writes.
func (s *server) held() int {
	n := 0
	for p := range s.journal.Partitions() {
		if s.holds(p) {
			n++
		}
	}
	return n
}

// checkCluster tells who writes what.
func (s *server) checkCluster(ctx context.Context) Check {
	if !s.c.shared() {
		return good("cluster", "this process alone")
	}
	leases, err := s.journal.Holders(ctx)
	if err != nil {
		return bad("cluster", "look at the NATS servers", "the leases cannot be read: %v", err)
	}
	parts := map[string]int{}
	nobody := 0
	for _, l := range leases {
		if !l.Live {
			nobody++
			continue
		}
		parts[l.Holder]++
	}
	var words []string
	for node, n := range parts {
		words = append(words, fmt.Sprintf("%s writes %d", node, n))
	}
	slices.Sort(words)
	if nobody > 0 {
		words = append(words, fmt.Sprintf("nobody writes %d", nobody))
		return bad("cluster", fmt.Sprintf("wait %s; the journal keeps everything meanwhile", leaseTime),
			"%d partitions: %s", len(leases), strings.Join(words, ", "))
	}
	return good("cluster", "%d partitions: %s", len(leases), strings.Join(words, ", "))
}
