package app

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/vigil-iomt/vigil"
)

// A consumer takes the frames of the journal in order. Consumers are listed in
// chain; a new one is one folder and one line there.
type consumer struct {
	name    string
	consume func(context.Context, vigil.Frame) error
}

// chain lists the consumers in the order in which they see a frame: the store
// first, because the screens ask it for series.
func (s *server) chain() []consumer {
	return []consumer{
		{"store", s.db.Consume},
		{"live", s.hub.Consume},
	}
}

// consume feeds one partition of the journal to the consumers, from where the
// store has committed.
func (s *server) consume(ctx context.Context, partition int) error {
	chain := s.chain()
	after := s.db.Position(partition)
	if first := s.journal.First(partition); first > after+1 {
		s.log.Error("the journal does not reach back to the store's position", "partition", partition,
			"position", after, "first", first)
		s.db.SkipTo(partition, first-1)
		after = first - 1
	}
	err := s.journal.Consume(ctx, partition, after, func(ctx context.Context, f vigil.Frame) error {
		for _, c := range chain {
			if err := guarded(ctx, c, f); err != nil {
				return fmt.Errorf("%s: partition %d frame %d: %w", c.name, f.Partition, f.Seq, err)
			}
		}
		return nil
	})
	if ctx.Err() == nil && err != nil {
		s.fail(err)
	}
	return err
}

// guarded turns a panic of a consumer into its error.
func guarded(ctx context.Context, c consumer, f vigil.Frame) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return c.consume(ctx, f)
}
