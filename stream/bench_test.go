package stream

import (
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
