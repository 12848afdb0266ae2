package api

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
)

// cpu returns the processor time that this process has taken.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure reads a path over HTTP, to its last byte. What a busy machine cannot
// change is the processor time that client and server take together.
func (h *house) measure(b *testing.B, path string) {
	server := httptest.NewServer(h.handler)
	defer server.Close()
	b.Run(path, func(b *testing.B) {
		size, before := int64(0), cpu(b)
		for b.Loop() {
			resp, err := http.Get(server.URL + Prefix + path)
			if err != nil || resp.StatusCode != http.StatusOK {
				b.Fatal(resp, err)
			}
			size, err = io.Copy(io.Discard, resp.Body)
			if err != nil || resp.Body.Close() != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(b.N), "cpu-ms/op")
		b.ReportMetric(float64(size), "B")
	})
}

// BenchmarkDay reads 24 hours at 1 Hz of one series.
func BenchmarkDay(b *testing.B) {
	h := open(b)
	rng := rand.New(rand.NewPCG(1, 2))
	base, value := vigil.InstantOf(h.now.AddDate(0, 0, -1)), 70.0
	metric := &vigil.Metric{Name: "hr", Unit: "/min", Cadence: 1e6}
	for n := 0; n < 86_400; {
		f := vigil.Frame{Seq: uint64(n/600 + 1)}
		for range 600 {
			taken := base + vigil.Instant(n)*1_000_000 + vigil.Instant(rng.IntN(50))*1000
			value += float64(rng.IntN(3) - 1)
			f.Records = append(f.Records, vigil.Record{
				Kind: vigil.Understood, Subject: vigil.PatientSubject("p1"), Profile: "monitor",
				Message:  vigil.Message{Device: "m-1", Arrived: taken + vigil.Instant(2000+rng.IntN(3000))},
				Readings: []vigil.Reading{{Metric: metric, Taken: taken, Stated: taken, Value: value, KeyKind: vigil.KeyTime, Key: uint64(taken)}},
			})
			n++
		}
		if err := h.db.Consume(context.Background(), f); err != nil {
			b.Fatal(err)
		}
	}
	if err := h.db.Checkpoint(context.Background()); err != nil {
		b.Fatal(err)
	}
	h.measure(b, "/readings?patient=p1&form=columns")
	h.measure(b, "/readings?patient=p1&limit=10000")
	h.measure(b, "/readings?patient=p1&bucket=60s&limit=10000")
}

// BenchmarkLatest reads the newest readings of 10,000 series.
func BenchmarkLatest(b *testing.B) {
	h := open(b)
	metric := &vigil.Metric{Name: "hr", Unit: "/min", Cadence: 1e6}
	f := vigil.Frame{Seq: 1}
	taken := vigil.InstantOf(h.now)
	for n := range 10_000 {
		f.Records = append(f.Records, vigil.Record{
			Kind: vigil.Understood, Subject: vigil.PatientSubject(vigil.PatientID(fmt.Sprintf("0190a1b2-c3d4-7e5f-8a6b-%012d", n))), Profile: "monitor",
			Message:  vigil.Message{Device: vigil.DeviceID(fmt.Sprint("monitor-", n)), Arrived: taken + 2500},
			Readings: []vigil.Reading{{Metric: metric, Taken: taken, Stated: taken, Value: 72, KeyKind: vigil.KeyTime, Key: uint64(taken)}},
		})
	}
	if err := h.db.Consume(context.Background(), f); err != nil {
		b.Fatal(err)
	}
	h.measure(b, "/latest")
}
