package stream

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/vigil-iomt/vigil"
)

// testMetrics are six metrics as a bedside monitor has them.
func testMetrics() []*vigil.Metric {
	var ms []*vigil.Metric
	for i, name := range []string{"pulse", "spo2", "resp", "temp", "systolic", "diastolic"} {
		ms = append(ms, &vigil.Metric{
			Name: name, Title: "Metric " + name, Unit: "/min", Category: "vital-signs", Decimals: int8(i % 2),
			Codes: []vigil.Code{{System: vigil.LOINC, Value: fmt.Sprint("test-", i)}}, Cadence: 1_000_000, Silence: 10_000_000,
		})
	}
	return ms
}

// vitals is a message of six readings with a payload of 200 bytes.
func vitals(ms []*vigil.Metric, patient, n int) vigil.Record {
	at := vigil.Instant(1_790_000_000_000_000 + int64(n)*1_000_000)
	payload := fmt.Appendf(nil, `{"t":%d,"patient":%d,"v":[72.5,97,16,36.6,121,80],"state":"ok"}`, at, patient)
	for len(payload) < 200 {
		payload = fmt.Appendf(payload, " %x", n*len(payload))
	}
	rec := vigil.Record{
		Kind: vigil.Understood, Profile: "bedside-monitor",
		Subject: vigil.PatientSubject(vigil.PatientID(fmt.Sprintf("018f0000-0000-7000-8000-%012d", patient))),
		Message: vigil.Message{
			Device: vigil.DeviceID(fmt.Sprintf("018f0000-0000-7000-9000-%012d", patient)), Arrived: at + 1234,
			Protocol: "mqtt", Payload: payload[:200:200], ID: fmt.Sprint("m", n),
		},
	}
	for i, m := range ms {
		rec.Readings = append(rec.Readings, vigil.Reading{
			Metric: m, Taken: at, Stated: at, Value: float64(60+(n+i)%40) + float64(i%2)/2, Decimals: m.Decimals,
			KeyKind: vigil.KeyTime, Key: uint64(at),
		})
	}
	return rec
}

// open opens a journal in dir and closes it with the test.
func open(t testing.TB, dir string, change ...func(*Config)) *Journal {
	t.Helper()
	c := Config{Dir: dir, MinFree: 1}
	for _, f := range change {
		f(&c)
	}
	j, err := Open(t.Context(), c)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { shut(t, j) })
	return j
}

func shut(t testing.TB, j *Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// put appends and waits.
func put(j *Journal, recs ...vigil.Record) error {
	c := make(chan error, 1)
	j.Append(recs, func(err error) { c <- err })
	return <-c
}

// all returns every frame of a partition after a sequence up to its head.
func all(t testing.TB, j *Journal, partition int, after uint64) []vigil.Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	head := j.Head(partition)
	var out []vigil.Frame
	if head == after {
		return nil
	}
	end := errors.New("end")
	err := j.Consume(ctx, partition, after, func(_ context.Context, f vigil.Frame) error {
		if want := after + uint64(len(out)) + 1; f.Seq != want {
			t.Errorf("frame %d: want %d", f.Seq, want)
		}
		out = append(out, f)
		if f.Seq == head {
			return end
		}
		return nil
	})
	if !errors.Is(err, end) {
		t.Fatalf("consume: %v", err)
	}
	return out
}

func TestAppendIsReadBackFromMemoryAndFromDisk(t *testing.T) {
	dir, ms := t.TempDir(), testMetrics()
	j := open(t, dir, func(c *Config) { c.Partitions = 2 })
	want := map[string]vigil.Record{}
	for i := range 50 {
		r := vitals(ms, i%7, i)
		want[r.Message.ID] = r
		if err := put(j, r); err != nil {
			t.Fatal(err)
		}
	}
	check := func(j *Journal) {
		t.Helper()
		n := 0
		for p := range j.Partitions() {
			for _, f := range all(t, j, p, 0) {
				if f.At == 0 || f.Partition != p {
					t.Errorf("frame without time or partition: %+v", f)
				}
				for _, r := range f.Records {
					n++
					if !reflect.DeepEqual(r, want[r.Message.ID]) {
						t.Errorf("got %+v\nwant %+v", r, want[r.Message.ID])
					}
					if j.PartitionOf(r.Subject) != p {
						t.Errorf("record in partition %d, want %d", p, j.PartitionOf(r.Subject))
					}
				}
			}
		}
		if n != len(want) {
			t.Errorf("read %d records, want %d", n, len(want))
		}
	}
	check(j)
	shut(t, j)
	again := open(t, dir)
	if again.Partitions() != 2 {
		t.Fatalf("opened with %d partitions, want the 2 it was made with", again.Partitions())
	}
	check(again)
}

func TestThousandAppendersKeepTheirOrder(t *testing.T) {
	const appenders, each = 1000, 10
	j, ms := open(t, t.TempDir()), testMetrics()
	var wg sync.WaitGroup
	for a := range appenders {
		wg.Go(func() {
			for n := range each {
				if err := put(j, vitals(ms, a, n)); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, fromDisk := range []bool{false, true} {
		next := map[string]int{}
		total := 0
		for p := range j.Partitions() {
			if fromDisk {
				j.parts[p].ring.frames = nil
			}
			for _, f := range all(t, j, p, 0) {
				for _, r := range f.Records {
					total++
					if want := fmt.Sprint("m", next[r.Subject.ID]); r.Message.ID != want {
						t.Fatalf("subject %s: got %s, want %s", r.Subject.ID, r.Message.ID, want)
					}
					next[r.Subject.ID]++
				}
			}
		}
		if total != appenders*each {
			t.Errorf("got %d records, want %d", total, appenders*each)
		}
	}
}

func TestBatchOfSeveralPartitionsIsDoneOnce(t *testing.T) {
	j, ms := open(t, t.TempDir()), testMetrics()
	var recs []vigil.Record
	for i := range 5000 {
		recs = append(recs, vitals(ms, i, i))
	}
	calls := make(chan error, 10)
	j.Append(recs, func(err error) { calls <- err })
	if err := <-calls; err != nil {
		t.Fatal(err)
	}
	total, used := 0, 0
	for p := range j.Partitions() {
		frames := all(t, j, p, 0)
		if len(frames) > 0 {
			used++
		}
		for _, f := range frames {
			total += len(f.Records)
		}
	}
	if total != len(recs) || used != j.Partitions() || len(calls) != 0 {
		t.Errorf("%d records in %d partitions, %d more calls; want %d in %d, none", total, used, len(calls), len(recs), j.Partitions())
	}
}

func TestRefusesAServerThatDoesNotSync(t *testing.T) {
	_, err := Open(t.Context(), Config{Dir: t.TempDir(), MinFree: 1, tune: func(o *server.Options) { o.SyncAlways = false }})
	if vigil.KindOf(err) != vigil.Unavailable {
		t.Fatalf("opened a journal without sync: %v", err)
	}
	j := open(t, t.TempDir())
	if c := j.server.JetStreamConfig(); !c.SyncAlways {
		t.Error("the running server does not sync always")
	}
	v, err := j.server.Varz(nil)
	if err != nil || !v.JetStream.Config.SyncAlways {
		t.Errorf("the running server does not say that it syncs: %v", err)
	}
}

func TestRefusesAStreamThatDoesNotSync(t *testing.T) {
	good := streamConfig(Config{}, 0, 4, 0)
	if err := checkStream(good); err != nil {
		t.Fatalf("its own stream: %v", err)
	}
	for name, spoil := range map[string]func(*jetstream.StreamConfig){
		"memory":       func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage },
		"async":        func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode },
		"no ack":       func(c *jetstream.StreamConfig) { c.NoAck = true },
		"limited":      func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour },
		"other format": func(c *jetstream.StreamConfig) { c.Metadata = map[string]string{metaFormat: "99"} },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			spoil(&c)
			if vigil.KindOf(checkStream(c)) != vigil.Unavailable {
				t.Error("accepted")
			}
		})
	}
}

func TestAnotherNumberOfPartitionsIsRefused(t *testing.T) {
	dir := t.TempDir()
	shut(t, open(t, dir, func(c *Config) { c.Partitions = 3 }))
	_, err := Open(t.Context(), Config{Dir: dir, Partitions: 4})
	if vigil.KindOf(err) != vigil.Conflicting {
		t.Fatalf("got %v, want a conflict", err)
	}
}
