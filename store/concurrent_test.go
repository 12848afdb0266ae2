package store_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/store/storetest"
)

// TestReadersWhileWriting has every partition written, checkpoints made and chunks
// compacted, while readers look on: what was applied
// before a read is in it, once, and in order.
func TestReadersWhileWriting(t *testing.T) {
	c := storetest.Config()
	c.Path = t.TempDir()
	db, err := store.Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	metric := &vigil.Metric{Name: "pulse", Unit: "/min"}
	subject := func(p int) vigil.Subject { return vigil.PatientSubject(vigil.PatientID(fmt.Sprint("p", p))) }
	device := func(p int) vigil.DeviceID { return vigil.DeviceID(fmt.Sprint("d", p)) }
	const frames, perFrame = 1200, 20
	var applied [4]atomic.Int64 // readings that stand
	var writers, others sync.WaitGroup
	for p := range 4 {
		writers.Go(func() {
			for f := range frames {
				// Every third frame is late: its readings belong before those of the frame before it.
				slot := f
				switch f % 3 {
				case 1:
					slot = f + 1
				case 2:
					slot = f - 1
				}
				r := vigil.Record{Kind: vigil.Understood, Subject: subject(p), Message: vigil.Message{Device: device(p), Arrived: 9e9}}
				for i := range perFrame {
					at := vigil.Instant((slot*perFrame + i + 1) * 1_000_000)
					r.Readings = append(r.Readings, vigil.Reading{Metric: metric, Taken: at, Stated: at, Value: float64(i), KeyKind: vigil.KeyTime, Key: uint64(at)})
				}
				if err := db.Consume(context.Background(), vigil.Frame{Partition: p, Seq: uint64(f + 1), Records: []vigil.Record{r}}); err != nil {
					t.Errorf("consume: %v", err)
					return
				}
				applied[p].Add(perFrame)
			}
		})
	}
	done := make(chan struct{})
	for p := range 4 {
		others.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				id, ok := db.SeriesFor(subject(p), device(p), "", metric)
				if !ok {
					continue
				}
				before := applied[p].Load()
				pts, err := db.Points(context.Background(), vigil.PointQuery{Series: id, Desc: p%2 == 1})
				if err != nil || int64(len(pts)) < before {
					t.Errorf("%d points, %v; %d were applied", len(pts), err, before)
					return
				}
				for i := 1; i < len(pts); i++ {
					if pts[i].Taken == pts[i-1].Taken || (pts[i].Taken < pts[i-1].Taken) != (p%2 == 1) {
						t.Errorf("point %d is out of order", i)
						return
					}
				}
				if _, err := db.Buckets(context.Background(), vigil.BucketQuery{Series: id, Width: time.Minute}); err != nil {
					t.Errorf("buckets: %v", err)
				}
				if _, err := db.Latest(context.Background(), []vigil.SeriesID{id}); err != nil {
					t.Errorf("latest: %v", err)
				}
			}
		})
	}
	others.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if err := db.Checkpoint(context.Background()); err != nil {
				t.Errorf("checkpoint: %v", err)
				return
			}
		}
	})
	writers.Wait()
	close(done)
	others.Wait()
	for p := range 4 {
		id, _ := db.SeriesFor(subject(p), device(p), "", metric)
		pts, err := db.Points(context.Background(), vigil.PointQuery{Series: id})
		if err != nil || len(pts) != frames*perFrame {
			t.Errorf("partition %d: %d points, %v; want %d", p, len(pts), err, frames*perFrame)
		}
	}
	if err := db.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
