package app

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/stream"
)

// A consumer takes the frames of the journal in order. Consumers are listed in
// consumers; a new one is one folder and one line there.
type consumer struct {
	name    string
	consume func(context.Context, vigil.Frame) error
}

// storeName is the name of the store among the consumers.
const storeName = "store"

// consumers lists the consumers in the order in which they see a frame: the
// store first, because the screens ask it for series.
func (s *server) consumers() []consumer {
	return []consumer{
		{storeName, s.db.Consume},
		{"posted", s.posted.consume},
		{"live", s.hub.Consume},
		{"subscriptions", s.feeder.consume},
		{"sightings", s.watch.sightings.consume},
	}
}

// consumeAll runs the consumers of all partitions until ctx is done or one
// fails.
func (s *server) consumeAll(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for p := range s.journal.Partitions() {
		g.Go(func() error { return s.consume(ctx, p) })
	}
	g.Go(func() error { return s.hub.Run(ctx) })
	g.Go(func() error { return s.quarantinePoison(ctx) })
	return g.Wait()
}

// consume feeds one partition of the journal to the consumers, from where the
// store has committed.
func (s *server) consume(ctx context.Context, partition int) error {
	handle := func(ctx context.Context, f vigil.Frame) error {
		for _, c := range s.chain {
			var err error
			if f, err = s.feed(ctx, c, f); err != nil {
				return fmt.Errorf("%s: partition %d frame %d: %w", c.name, f.Partition, f.Seq, err)
			}
		}
		return nil
	}
	for {
		err := s.journal.Consume(ctx, partition, s.db.Applied(partition), handle)
		var purged *stream.PurgedError
		if !errors.As(err, &purged) {
			return err
		}
		s.log.Error("the journal does not reach back to the store's position", "partition", partition,
			"wanted", purged.Seq, "first", purged.First)
		s.db.SkipTo(partition, purged.First-1)
	}
}

// guarded turns a panic of a consumer into its error.
func guarded(ctx context.Context, c consumer, f vigil.Frame) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, debug.Stack()}
		}
	}()
	return c.consume(ctx, f)
}
