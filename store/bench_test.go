package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/store/storetest"
)

// A ward makes readings as monitors send them: every second, with jitter of
// some milliseconds, values that wander.
type ward struct {
	db      *store.DB
	rng     *rand.Rand
	beds    int
	metrics []*vigil.Metric
	values  []float64
	seq     [4]uint64
	tick    int
	records []vigil.Record
}

// firstTick is when every ward begins.
var firstTick = vigil.InstantOf(time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC))

func newWard(b *testing.B, dir string, beds int) *ward {
	b.Helper()
	w := &ward{rng: rand.New(rand.NewPCG(1, 2)), beds: beds}
	for _, n := range []string{"pulse", "spo2", "resp", "temp", "systolic", "diastolic"} {
		w.metrics = append(w.metrics, &vigil.Metric{Name: n, Unit: "1", Cadence: 1e6})
	}
	w.values = make([]float64, beds*len(w.metrics))
	for i := range w.values {
		w.values[i] = float64(60 + i%40)
	}
	w.db = openBench(b, dir)
	return w
}

func openBench(b *testing.B, dir string) *store.DB {
	b.Helper()
	c := storetest.Config()
	c.Path = dir
	db, err := store.Open(context.Background(), c)
	if err != nil {
		b.Fatal(err)
	}
	return db
}

// second makes the frames of one second, one for each partition, and gives them
// to the store. Readings arrive some milliseconds after they were taken.
func (w *ward) second(b *testing.B) int {
	b.Helper()
	n := 0
	for part := range 4 {
		w.records = w.records[:0]
		for bed := part; bed < w.beds; bed += 4 {
			taken := firstTick + vigil.Instant(w.tick*1e6) + vigil.Instant(w.rng.IntN(4)*1000)
			arrived := taken + vigil.Instant(3000+w.rng.IntN(2000))
			r := vigil.Record{Kind: vigil.Understood, Subject: vigil.PatientSubject(vigil.PatientID(fmt.Sprint("p", bed))), Profile: "monitor",
				Message: vigil.Message{Device: vigil.DeviceID(fmt.Sprint("monitor-", bed)), Arrived: arrived, Protocol: "mqtt"}}
			for i, m := range w.metrics {
				v := &w.values[bed*len(w.metrics)+i]
				*v += float64(w.rng.IntN(3) - 1)
				r.Readings = append(r.Readings, vigil.Reading{Metric: m, Taken: taken, Stated: taken, Value: *v, KeyKind: vigil.KeyTime, Key: uint64(taken)})
			}
			n += len(r.Readings)
			w.records = append(w.records, r)
		}
		if len(w.records) == 0 {
			continue
		}
		b.StartTimer()
		w.seq[part]++
		if err := w.db.Consume(context.Background(), vigil.Frame{Partition: part, Seq: w.seq[part], Records: w.records}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
	}
	w.tick++
	return n
}

func (w *ward) checkpoint(b *testing.B) {
	b.Helper()
	b.StartTimer()
	defer b.StopTimer()
	if err := w.db.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkConsume is an hour of 100 beds with six readings a second each, with
// a checkpoint every minute.
func BenchmarkConsume(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		w := newWard(b, dir, 100)
		n := 0
		b.ResetTimer()
		for w.tick < 3600 {
			n += w.second(b)
			if w.tick%60 == 0 {
				w.checkpoint(b)
			}
		}
		b.StartTimer()
		if err := w.db.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		size := int64(0)
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			if s, err := os.Stat(f); err == nil {
				size += s.Size()
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "readings/s")
		b.ReportMetric(float64(size)/float64(n), "B/reading")
		b.StartTimer()
	}
}

// BenchmarkDay reads 24 hours at 1 Hz of one series.
func BenchmarkDay(b *testing.B) {
	w := newWard(b, b.TempDir(), 1)
	for w.tick < 86_400 {
		w.second(b)
		if w.tick%600 == 0 {
			w.checkpoint(b)
		}
	}
	id, _ := w.db.SeriesFor(vigil.PatientSubject("p0"), "monitor-0", "", w.metrics[0])
	b.Run("points", func(b *testing.B) {
		for b.Loop() {
			pts, err := w.db.Points(context.Background(), vigil.PointQuery{Series: id})
			if err != nil || len(pts) != 86_400 {
				b.Fatal(len(pts), err)
			}
		}
	})
	b.Run("minutes", func(b *testing.B) {
		for b.Loop() {
			bs, err := w.db.Buckets(context.Background(), vigil.BucketQuery{Series: id, Width: time.Minute})
			if err != nil || len(bs) < 1440 {
				b.Fatal(len(bs), err)
			}
		}
	})
	b.Run("newest", func(b *testing.B) {
		for b.Loop() {
			pts, err := w.db.Points(context.Background(), vigil.PointQuery{Series: id, Desc: true, Limit: 10})
			if err != nil || len(pts) != 10 {
				b.Fatal(len(pts), err)
			}
		}
	})
	if err := w.db.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLatest reads the newest point of 10,000 series.
func BenchmarkLatest(b *testing.B) {
	w := newWard(b, b.TempDir(), 1667)
	w.second(b)
	all, err := w.db.Series(context.Background(), vigil.SeriesQuery{})
	if err != nil {
		b.Fatal(err)
	}
	var ids []vigil.SeriesID
	for _, s := range all[:10_000] {
		ids = append(ids, s.ID)
	}
	b.StartTimer()
	b.ResetTimer()
	for b.Loop() {
		got, err := w.db.Latest(context.Background(), ids)
		if err != nil || len(got) != 10_000 {
			b.Fatal(len(got), err)
		}
	}
	b.StopTimer()
	if err := w.db.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLate puts two hours of late data of 60 series between live data, a
// second of all of them after the other.
func BenchmarkLate(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		w := newWard(b, b.TempDir(), 10)
		w.tick = 48 * 3600
		for w.tick < 49*3600 {
			w.second(b)
		}
		w.checkpoint(b)
		w.tick = 0
		b.ResetTimer()
		n := 0
		for w.tick < 2*3600 {
			n += w.second(b)
			if w.tick%600 == 0 {
				w.checkpoint(b)
			}
		}
		b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "readings/s")
		if err := w.db.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkBusy is five minutes of 60,000 busy series: what they cost in memory.
func BenchmarkBusy(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		before := heap()
		w := newWard(b, b.TempDir(), 10_000)
		b.ResetTimer()
		var longest time.Duration
		for w.tick < 300 {
			w.second(b)
			if w.tick%60 == 0 {
				from := time.Now()
				w.checkpoint(b)
				longest = max(longest, time.Since(from))
			}
		}
		b.ReportMetric(longest.Seconds(), "s/checkpoint")
		b.ReportMetric((heap()-before)/60_000, "B/series")
		if err := w.db.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// heap returns the live bytes of the heap.
func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkOpen opens a store with 60,000 series and 12 million points.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	w := newWard(b, dir, 10_000)
	for w.tick < 200 {
		w.second(b)
	}
	if err := w.db.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.StartTimer()
	b.ResetTimer()
	for b.Loop() {
		db := openBench(b, dir)
		b.StopTimer()
		if err := db.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
