package stream

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/internal/seal"
)

// BenchmarkAppend: 1,000 appenders, each waiting for its acknowledgement before
// it goes on; a record is six readings and a payload of 200 bytes.
func BenchmarkAppend(b *testing.B) {
	const appenders = 1000
	j, ms := open(b, b.TempDir()), testMetrics()
	recs := make([]vigil.Record, appenders)
	for i := range recs {
		recs[i] = vitals(ms, i, i)
	}
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	begun := time.Now()
	var wg sync.WaitGroup
	for i := range appenders {
		wg.Go(func() {
			c := make(chan error, 1)
			done := func(err error) { c <- err }
			one := recs[i : i+1]
			for left.Add(-1) >= 0 {
				j.Append(one, done)
				if err := <-c; err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	frames, bytes, sync := uint64(0), uint64(0), time.Duration(0)
	for _, p := range j.Stats().Partitions {
		frames += p.Frames
		bytes += p.Bytes
		sync = max(sync, p.Sync.Quantile(0.5))
	}
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "records/s")
	b.ReportMetric(float64(b.N)/float64(frames), "records/frame")
	b.ReportMetric(float64(bytes)/float64(b.N), "bytes/record")
	b.ReportMetric(sync.Seconds()*1000, "sync-p50-ms")
}

func BenchmarkEncode(b *testing.B) {
	ms := testMetrics()
	rec := vitals(ms, 1, 1)
	e := encoder{symbols: newSymbols()}
	b.ReportAllocs()
	for b.Loop() {
		e.buf, e.used = e.buf[:0], e.used[:0]
		if _, err := e.record(&rec, false); err != nil {
			b.Fatal(err)
		}
	}
}

// benchFrame is a frame of 500 records of as many subjects.
func benchFrame(table *symbols) ([]byte, func() []byte) {
	ms := testMetrics()
	var e encoder
	e.symbols = table
	var recs []vigil.Record
	var pieces []piece
	for i := range 500 {
		r := vitals(ms, i, i)
		pc, err := e.record(&r, false)
		if err != nil {
			panic(err)
		}
		recs, pieces = append(recs, r), append(pieces, pc)
	}
	p := newPacker(table, seal.Plain{})
	pack := func() []byte {
		p.begin()
		p.use(e.used)
		from := 0
		for i, pc := range pieces {
			p.add(recs[i].Subject, e.buf[from:pc.body], pc)
			from = pc.body
		}
		return p.finish(frameHead{partition: 1, producer: 2, first: 3, at: 1_790_000_000_000_000})
	}
	return pack(), pack
}

func BenchmarkPack(b *testing.B) {
	_, pack := benchFrame(newSymbols())
	b.ReportAllocs()
	for b.Loop() {
		pack()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
}

func BenchmarkDecode(b *testing.B) {
	table := newSymbols()
	f, _ := benchFrame(table)
	d := newDecoder(table)
	b.ReportAllocs()
	for b.Loop() {
		if _, recs, dam := d.frame(f, seal.Plain{}); dam != nil || len(recs) != 500 {
			b.Fatal(dam)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
}

// BenchmarkAcknowledgement appends 10,000 records a second, evenly and without
// waiting, and reports how long the acknowledgements take from the time at
// which each record was due.
func BenchmarkAcknowledgement(b *testing.B) {
	const pace = time.Second / 10_000
	j, ms := open(b, b.TempDir()), testMetrics()
	recs := make([]vigil.Record, 1000)
	for i := range recs {
		recs[i] = vitals(ms, i, i)
	}
	took := make([]time.Duration, b.N)
	var wg sync.WaitGroup
	wg.Add(b.N)
	b.ResetTimer()
	begun := time.Now()
	for i := range b.N {
		due := begun.Add(time.Duration(i) * pace)
		if d := time.Until(due); d > 0 {
			<-time.After(d)
		}
		j.Append(recs[i%1000:i%1000+1], func(err error) {
			if err != nil {
				b.Error(err)
			}
			took[i] = time.Since(due)
			wg.Done()
		})
	}
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "records/s")
	b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
}

// BenchmarkConsume reads frames from the server and decodes them, as a consumer
// that is far behind does.
func BenchmarkConsume(b *testing.B) {
	j, ms := open(b, b.TempDir(), onePartition), testMetrics()
	var recs []vigil.Record
	for i := range 20_000 {
		recs = append(recs, vitals(ms, i%500, i))
	}
	if err := put(j, recs...); err != nil {
		b.Fatal(err)
	}
	j.parts[0].ring.frames = nil
	b.ReportAllocs()
	b.ResetTimer()
	n := 0
	for b.Loop() {
		for _, f := range all(b, j, 0, 0) {
			n += len(f.Records)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
