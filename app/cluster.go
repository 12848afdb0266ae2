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
// That one gives everything back, so that others take over at once.
func (s *server) share(ctx context.Context) (stop func()) {
	if !s.c.shared() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var sharing sync.WaitGroup
	sharing.Go(func() {
		err := s.journal.Share(ctx, stream.ShareConfig{
			Holder: s.node(), TTL: leaseTime, Every: leaseEvery, Take: s.db.Take, Drop: s.db.Drop,
		})
		if err != nil && ctx.Err() == nil {
			s.fail(fmt.Errorf("share partitions: %w", err))
		}
	})
	return func() {
		cancel()
		sharing.Wait()
	}
}

// node names this process among those that share.
func (s *server) node() string {
	host, _ := os.Hostname()
	return cmp.Or(s.c.Node, host, "vigil")
}

// syncRegistry takes in what other processes changed.
func (s *server) syncRegistry(ctx context.Context) {
	if err := s.registry.Sync(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("changes of other processes cannot be read", "error", err)
	}
}

// resumeMoves finishes reattributions that a process decided and did not live to
// carry out.
func (s *server) resumeMoves(ctx context.Context) {
	ctx = vigil.WithActor(ctx, vigil.Actor{Kind: vigil.System, ID: s.node()})
	if err := s.registry.Resume(ctx); err != nil && ctx.Err() == nil {
		s.log.Error("a reattribution could not be finished", "error", err)
	}
}

// holds tells whether this process writes a partition.
func (s *server) holds(partition int) bool { return !s.c.shared() || s.db.Holds(partition) }

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
