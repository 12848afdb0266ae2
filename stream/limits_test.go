package stream

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
)

func TestFullQueueHoldsAppendersBack(t *testing.T) {
	ms := testMetrics()
	recs := []vigil.Record{vitals(ms, 1, 1)}
	q := newQueue(1000)
	parcelOf := func() *parcel {
		return &parcel{encoder: encoder{buf: make([]byte, 80)}, records: recs} // 400 in the queue
	}
	for range 2 {
		if err := q.put(parcelOf(), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.put(parcelOf(), time.Millisecond); vigil.KindOf(err) != vigil.Overloaded {
		t.Fatalf("got %v, want overloaded", err)
	}
	waits := make(chan error)
	go func() { waits <- q.put(parcelOf(), time.Minute) }()
	select {
	case err := <-waits:
		t.Fatalf("did not wait: %v", err)
	default:
	}
	taken := q.take(1 << 20)
	if len(taken) != 2 {
		t.Fatalf("took %d parcels, want 2", len(taken))
	}
	q.free(taken)
	if err := <-waits; err != nil {
		t.Errorf("after there was room: %v", err)
	}
	q.close()
	if err := q.put(parcelOf(), time.Minute); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("closed queue: %v", err)
	}
}

func TestQueueStaysWithinItsBytes(t *testing.T) {
	const size = 64 << 10
	j := open(t, t.TempDir(), onePartition, func(c *Config) { c.MaxQueue = size })
	ms := testMetrics()
	var wg sync.WaitGroup
	var most atomic.Int64
	for a := range 300 {
		wg.Go(func() {
			for n := range 5 {
				if err := put(j, vitals(ms, a, n)); err != nil {
					t.Errorf("append: %v", err)
				}
				if q := j.Stats().Partitions[0].Queued; q > most.Load() {
					most.Store(q)
				}
			}
		})
	}
	wg.Wait()
	if most.Load() > size || most.Load() == 0 {
		t.Errorf("%d bytes waited, want 1 to %d", most.Load(), size)
	}
}

func TestNearlyFullDiskIsRefusedAndRecovers(t *testing.T) {
	var free atomic.Uint64
	free.Store(math.MaxUint64)
	j := open(t, t.TempDir(), func(c *Config) {
		c.MinFree = 1 << 30
		c.free = func(string) (uint64, error) { return free.Load(), nil }
	})
	rec := vitals(testMetrics(), 1, 1)
	if err := put(j, rec); err != nil {
		t.Fatal(err)
	}
	free.Store(1<<30 - 1)
	j.look()
	if err := put(j, rec); vigil.KindOf(err) != vigil.Full {
		t.Errorf("got %v, want full", err)
	}
	if s := j.Stats(); !s.Full || s.Free != 1<<30-1 {
		t.Errorf("stats %+v", s)
	}
	free.Store(1 << 30)
	j.look()
	if err := put(j, rec); err != nil {
		t.Errorf("after room was made: %v", err)
	}
}

// TestWhatIsWrittenBetweenTwoLooksCounts: the disk is asked four times a second,
// and a fast writer fills its reserve in less.
func TestWhatIsWrittenBetweenTwoLooksCounts(t *testing.T) {
	var asked atomic.Int32
	j := open(t, t.TempDir(), func(c *Config) {
		c.MinFree = 1 << 30
		c.free = func(string) (uint64, error) {
			if asked.Add(1) > 1 {
				return 0, errors.New("not now")
			}
			return 1<<30 + 10, nil
		}
	})
	rec := vitals(testMetrics(), 1, 1)
	if err := put(j, rec); err != nil {
		t.Fatal(err)
	}
	if err := put(j, rec); vigil.KindOf(err) != vigil.Full {
		t.Errorf("got %v, want full", err)
	}
}

func TestRealDiskIsAsked(t *testing.T) {
	_, err := freeBytes(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	j := open(t, t.TempDir(), func(c *Config) { c.MinFree = math.MaxUint64 })
	if err := put(j, vitals(testMetrics(), 1, 1)); vigil.KindOf(err) != vigil.Full {
		t.Errorf("got %v, want full", err)
	}
}

func TestOversizeRecordIsRefusedAndLargeOnesPass(t *testing.T) {
	j := open(t, t.TempDir(), onePartition)
	rec := vitals(testMetrics(), 1, 1)
	rec.Message.Payload = make([]byte, payloadMax)
	if err := put(j, rec); vigil.KindOf(err) != vigil.TooLarge {
		t.Errorf("got %v, want too large", err)
	}
	rec.Message.Payload = noise(j.recordMax - 2000)
	if err := put(j, rec, vitals(testMetrics(), 1, 2)); err != nil {
		t.Errorf("the largest: %v", err)
	}
	if n := len(all(t, j, 0, 0)); n != 2 {
		t.Errorf("%d frames, want 2", n)
	}
}

func TestInvalidRecordKeepsNothingOfItsBatch(t *testing.T) {
	j := open(t, t.TempDir(), onePartition)
	if err := put(j, vitals(testMetrics(), 1, 1), vigil.Record{}); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("got %v, want invalid", err)
	}
	if err := put(j); err != nil {
		t.Errorf("nothing to append: %v", err)
	}
	if j.Head(0) != 0 {
		t.Errorf("head %d, want 0", j.Head(0))
	}
}

func TestCloseWritesWhatWaits(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, onePartition)
	ms := testMetrics()
	errs := make(chan error, 100)
	for n := range 100 {
		j.Append([]vigil.Record{vitals(ms, n, n)}, func(err error) { errs <- err })
	}
	shut(t, j)
	for range 100 {
		if err := <-errs; err != nil {
			t.Errorf("append: %v", err)
		}
	}
	if err := put(j, vitals(ms, 1, 1)); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("closed journal: %v", err)
	}
	if err := j.Consume(t.Context(), 0, j.Head(0), stopAtOnce); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("closed journal: %v", err)
	}
	n := 0
	for _, f := range all(t, open(t, dir), 0, 0) {
		n += len(f.Records)
	}
	if n != 100 {
		t.Errorf("%d records, want 100", n)
	}
}

func TestPanickingSenderDoesNotStopThePartition(t *testing.T) {
	j := open(t, t.TempDir(), onePartition)
	rec := vitals(testMetrics(), 1, 1)
	j.Append([]vigil.Record{rec}, func(error) { panic("sender") })
	if err := put(j, rec); err != nil {
		t.Error(err)
	}
}

func TestServerThatDiesIsFatalAndNothingIsAcknowledged(t *testing.T) {
	fatal := make(chan error, 10)
	j := open(t, t.TempDir(), onePartition, func(c *Config) {
		c.Answer, c.GiveUp = 50*time.Millisecond, time.Millisecond
		c.Fatal = func(err error) { fatal <- err }
	})
	rec := vitals(testMetrics(), 1, 1)
	if err := put(j, rec); err != nil {
		t.Fatal(err)
	}
	stopServer(j.server)
	if err := put(j, rec); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("got %v, want unavailable", err)
	}
	if err := <-fatal; err == nil {
		t.Error("fatal without a cause")
	}
	if err := put(j, rec); vigil.KindOf(err) != vigil.Overloaded {
		t.Errorf("afterwards: got %v, want overloaded", err)
	}
	if j.Stats().Partitions[0].Err == nil || j.Stats().Partitions[0].Failures == 0 {
		t.Errorf("stats do not tell: %+v", j.Stats().Partitions[0])
	}
}

func TestServerFatalIsReported(t *testing.T) {
	got := make(chan error, 1)
	l := &serverLog{fatal: func(err error) { got <- err }, failed: make(chan error, 1)}
	l.Fatalf("cannot %s", "listen")
	if err := <-got; vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("got %v", err)
	}
	if len(l.failed) != 1 {
		t.Error("the start does not see it")
	}
}

func TestConsumeWaitsAndFollows(t *testing.T) {
	j := open(t, t.TempDir(), onePartition)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan uint64)
	ended := make(chan error, 1)
	go func() {
		ended <- j.Consume(ctx, 0, 0, func(_ context.Context, f vigil.Frame) error {
			got <- f.Seq
			return nil
		})
	}()
	rec := vitals(testMetrics(), 1, 1)
	for want := uint64(1); want <= 5; want++ {
		if err := put(j, rec); err != nil {
			t.Fatal(err)
		}
		if seq := <-got; seq != want {
			t.Fatalf("got frame %d, want %d", seq, want)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := j.Consume(t.Context(), 0, 1, stopAtOnce); !errors.Is(err, errStop) {
		t.Errorf("handler's error: got %v", err)
	}
	if err := j.Consume(t.Context(), 0, 99, stopAtOnce); vigil.KindOf(err) != vigil.Conflicting {
		t.Errorf("consumer ahead of the journal: got %v", err)
	}
	if err := j.Consume(t.Context(), 7, 0, stopAtOnce); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("no such partition: got %v", err)
	}
}

func TestTrimAndOldestAfter(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, onePartition)
	fillFrames(t, j, 10)
	before := j.Bytes()
	raws, err := j.fetch(t.Context(), 0, 1, 64)
	if err != nil || len(raws) != 10 {
		t.Fatalf("%d frames, %v", len(raws), err)
	}
	for i, r := range raws {
		for d, want := range map[time.Duration]uint64{0: r.seq, 1: r.seq + 1, -1: r.seq} {
			if got, err := j.OldestAfter(t.Context(), 0, r.at.Add(d)); err != nil || got != want {
				t.Errorf("frame %d %+d: got %d, %v; want %d", i, d, got, err, want)
			}
		}
	}
	if err := j.Trim(t.Context(), 0, 6); err != nil {
		t.Fatal(err)
	}
	if after := j.Bytes(); after >= before || after == 0 {
		t.Errorf("%d bytes before, %d after", before, after)
	}
	shut(t, j)
	j = open(t, dir)
	if d := j.Stats().Damage; len(d) > 0 {
		t.Errorf("trimmed frames are taken for damage: %v", d)
	}
	var p *PurgedError
	if err := j.Consume(t.Context(), 0, 2, stopAtOnce); vigil.KindOf(err) != vigil.NotFound || !errors.As(err, &p) || p.First != 6 {
		t.Errorf("got %v, want that the journal begins at 6", err)
	}
	if n := len(all(t, j, 0, 5)); n != 5 {
		t.Errorf("%d frames, want 5", n)
	}
	for seq, kind := range map[uint64]vigil.Kind{5: vigil.NotFound, 11: vigil.NotFound} {
		if _, err := j.Read(t.Context(), 0, seq); vigil.KindOf(err) != kind {
			t.Errorf("read %d: %v", seq, err)
		}
	}
	if f, err := j.Read(t.Context(), 0, 6); err != nil || f.Seq != 6 || len(f.Records) != 1 {
		t.Errorf("read 6: %+v, %v", f, err)
	}
	if err := j.Trim(t.Context(), 0, 1000); err != nil {
		t.Fatal(err)
	}
	shut(t, j)
	j = open(t, dir)
	if d := j.Stats().Damage; len(d) > 0 || j.Head(0) != 10 {
		t.Errorf("emptied journal: head %d, damage %v", j.Head(0), d)
	}
}
