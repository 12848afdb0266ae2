package store

import (
	"testing"

	"github.com/vigil-iomt/vigil"
)

// TestClusterReplayBeforeItsEntry: of two stores each writes one partition. The
// one that writes the replay reads it before the entry, and may write it before
// or after the other wrote the entry; both, and one that starts behind them, say
// why the message was refused. Seen to forget the reason when an early replay
// counts like any other entry, in memory and in the database.
func TestClusterReplayBeforeItsEntry(t *testing.T) {
	for _, replayFirst := range []bool{true, false} {
		t.Run(map[bool]string{true: "replay written first", false: "entry written first"}[replayFirst], func(t *testing.T) {
			dsn, _ := schema(t)
			c := newCluster(dsn)
			c.journal(2, bad("entry"))
			c.journal(1, vigil.Record{Kind: vigil.Understood, Subject: person(1), Message: vigil.Message{Device: "d", Replay: "entry"}})
			early, other := c.start(t), c.start(t)
			c.take(t, early, 1)
			c.take(t, other, 2)
			c.feed(t, early, 1, 1)
			c.feedAll(t, other)
			if replayFirst {
				c.checkpoint(t, early)
			}
			c.checkpoint(t, other)
			c.checkpoint(t, early)
			c.feedAll(t, early)
			late := c.start(t)
			for who, db := range map[string]*DB{"who read it early": early, "the other": other, "a third": late} {
				c.follow(t, db)
				c.feedAll(t, db)
				e, err := db.QuarantineEntry(t.Context(), "entry")
				if err != nil || e.State != vigil.Replayed || e.Reason != "bad" || db.QuarantineOpen("d") != 0 {
					t.Errorf("%s: %+v, %v, %d open", who, e, err, db.QuarantineOpen("d"))
				}
				c.die(t, db)
			}
		})
	}
}
