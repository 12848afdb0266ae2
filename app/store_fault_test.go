package app

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
)

// TestStoreDiesWithinAFrame takes a table away that one record of a frame needs,
// so that the store comes to a stop with half of the frame taken in, and ends the
// process there: after the start nothing of the frame is missing or doubled,
// whether a checkpoint had kept the half or not.
//
// Seen to fail when a checkpoint that is made within a frame claims the whole of
// it.
func TestStoreDiesWithinAFrame(t *testing.T) {
	const half = 100
	for _, checkpointed := range []bool{true, false} {
		t.Run(fmt.Sprintf("checkpoint %t", checkpointed), func(t *testing.T) {
			dir := t.TempDir()
			s := newSpine(t, dir)
			ida := s.patient("Ida")
			s.device("d", ida, vigil.Interval{})
			s.say(`{"o":40}`)
			crashed := image(t, dir)
			s.close()

			s = stopped(t, crashed)
			want := []string{"40 good v1"}
			done := make(chan error, 2*half+1)
			for i := range 2*half + 1 {
				m := vigil.Message{Device: "d", Arrived: arrived.Add(time.Duration(i) * time.Second), Payload: fmt.Appendf(nil, `{"o":%d}`, i%90)}
				if i == half {
					m.ID = "the one that needs the table"
				}
				want = append(want, fmt.Sprintf("%d good v1", i%90))
				s.ingest.Take(m, func(err error) { done <- err })
			}
			for range 2*half + 1 {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			alter(t, crashed, `ALTER TABLE seen RENAME TO elsewhere`)
			p := s.journal.PartitionOf(ida)
			within := make(chan bool, 1)
			ctx, stop := context.WithCancel(s.ctx)
			consumed := make(chan error, 1)
			go func() {
				consumed <- s.journal.Consume(ctx, p, s.db.Applied(p), func(ctx context.Context, f vigil.Frame) error {
					for i := range f.Records {
						if f.Records[i].Message.ID != "" {
							within <- i > 0 && i < len(f.Records)-1
						}
					}
					return s.db.Consume(ctx, f)
				})
			}()
			until(t, "the store meets the trouble", func() bool { return s.db.LastError() != nil })
			if !<-within {
				t.Skip("the record came to lie at the edge of its frame")
			}
			if checkpointed {
				if err := s.db.Checkpoint(s.ctx); err != nil {
					t.Fatal(err)
				}
			}
			again := image(t, crashed)
			stop()
			if err := <-consumed; err == nil {
				t.Error("the consumer went on")
			}
			if err := s.server.close(); err != nil {
				t.Fatal(err)
			}
			alter(t, again, `ALTER TABLE elsewhere RENAME TO seen`)
			s = newSpine(t, again)
			s.drain()
			s.expect("after a restart", ida, "spo2", want...)
			s.close()
		})
	}
}
