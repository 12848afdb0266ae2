package store_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/store/storetest"
)

// TestFrameThatFailedInItsMiddle takes a table away while a frame is taken in:
// when the frame is given again, what was done is not done twice. Folded entries
// of the quarantine tell, because they are counted.
//
// Seen to fail when the records that were taken in are not skipped.
func TestFrameThatFailedInItsMiddle(t *testing.T) {
	c := storetest.Config()
	c.Path, c.QuarantinePerDevice = t.TempDir(), 1
	db, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	other, err := sql.Open("sqlite", "file:"+filepath.Join(c.Path, "vigil.db")+"?_pragma=busy_timeout(30000)")
	if err != nil {
		t.Fatal(err)
	}
	run := func(text string) {
		t.Helper()
		if _, err := other.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	at := vigil.InstantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	f := vigil.Frame{Seq: 1, At: at}
	for _, id := range []string{"q1", "q2", "q3"} {
		f.Records = append(f.Records, vigil.Record{
			Kind: vigil.Quarantined, Subject: vigil.Unattributed("d"), Message: vigil.Message{Device: "d", Arrived: at, Payload: []byte("?")},
			Refusal: &vigil.Refusal{Reason: "odd", Entry: id},
		})
	}
	f.Records = append(f.Records, vigil.Record{
		Kind: vigil.Understood, Subject: vigil.Unattributed("d"), Message: vigil.Message{Device: "d", ID: "m", Arrived: at},
		Readings: []vigil.Reading{{Metric: &vigil.Metric{Name: "spo2", Unit: "%"}, Taken: at, Value: 97, KeyKind: vigil.KeyMessage}},
	})
	run(`ALTER TABLE seen RENAME TO gone`)
	ctx, giveUp := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- db.Consume(ctx, f) }()
	for tick := time.NewTicker(time.Millisecond); db.LastError() == nil; {
		<-tick.C
	}
	giveUp()
	if err := <-failed; err == nil {
		t.Fatal("a frame was taken in without its table")
	}
	run(`ALTER TABLE gone RENAME TO seen`)
	if err := db.Consume(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	if n := db.QuarantineOpen("d"); n != 3 {
		t.Errorf("%d messages wait in the quarantine, want 3", n)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}
