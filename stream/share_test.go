package stream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A registrar stands where the shared store is: it knows who writes which
// partition, and refuses an epoch that is not new.
type registrar struct {
	t *testing.T

	mu     sync.Mutex
	moved  *sync.Cond
	holds  map[string]map[int]uint64 // by process, partition: epoch
	epochs map[int]uint64
}

func newRegistrar(t *testing.T) *registrar {
	r := &registrar{t: t, holds: map[string]map[int]uint64{}, epochs: map[int]uint64{}}
	r.moved = sync.NewCond(&r.mu)
	return r
}

func (r *registrar) take(who string, p int, epoch uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.moved.Broadcast()
	if epoch <= r.epochs[p] {
		r.t.Errorf("%s takes partition %d with epoch %d after %d", who, p, epoch, r.epochs[p])
	}
	if r.holds[who][p] != 0 {
		r.t.Errorf("%s takes partition %d twice", who, p)
	}
	r.epochs[p] = epoch
	if r.holds[who] == nil {
		r.holds[who] = map[int]uint64{}
	}
	r.holds[who][p] = epoch
	return nil
}

func (r *registrar) drop(who string, p int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.moved.Broadcast()
	if r.holds[who][p] == 0 {
		r.t.Errorf("%s drops partition %d, which it does not hold", who, p)
	}
	delete(r.holds[who], p)
	return nil
}

func (r *registrar) epoch(p int) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epochs[p]
}

// wait returns when every process holds as many as it should.
func (r *registrar) wait(want map[string]int) {
	r.t.Helper()
	over := false
	stop := time.AfterFunc(30*time.Second, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		over = true
		r.moved.Broadcast()
	})
	defer stop.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for !over {
		ok := true
		for who, n := range want {
			ok = ok && len(r.holds[who]) == n
		}
		if ok {
			return
		}
		r.moved.Wait()
	}
	for who, held := range r.holds {
		r.t.Logf("%s holds %d", who, len(held))
	}
	r.t.Fatalf("want %v", want)
}

// share lets a journal take part and returns how to end it, and a channel that
// says that it has ended.
func share(t *testing.T, j *Journal, r *registrar, who string, change ...func(*ShareConfig)) (context.CancelFunc, <-chan error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := ShareConfig{
		Holder: who, TTL: 4 * time.Second, Every: 50 * time.Millisecond,
		Take: func(_ context.Context, p int, epoch uint64) error { return r.take(who, p, epoch) },
		Drop: func(_ context.Context, p int) error { return r.drop(who, p) },
	}
	for _, f := range change {
		f(&c)
	}
	ended := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { ended <- j.Share(ctx, c) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return cancel, ended
}

// TestPartitionsAreShared: processes come, leave and vanish, and each time the
// partitions are shared among those who are there.
func TestPartitionsAreShared(t *testing.T) {
	const partitions = 12
	s := outside(t, t.TempDir(), -1, true)
	node := func() *Journal {
		return open(t, "", func(c *Config) { c.URL, c.Partitions = s.ClientURL(), partitions })
	}
	r := newRegistrar(t)
	a := node()
	share(t, a, r, "a")
	r.wait(map[string]int{"a": 12})
	b := node()
	leave, left := share(t, b, r, "b")
	r.wait(map[string]int{"a": 6, "b": 6})
	c := node()
	share(t, c, r, "c", func(c *ShareConfig) { c.TTL = time.Second })
	r.wait(map[string]int{"a": 4, "b": 4, "c": 4})
	begun := time.Now()
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("share ended with %v", err)
	}
	r.wait(map[string]int{"a": 6, "b": 0, "c": 6})
	t.Logf("taken over after leaving: %v", time.Since(begun))
	begun = time.Now()
	c.reads.Close() // as when its network is gone: it drops what it has, and a takes over
	c.writes.Close()
	r.wait(map[string]int{"a": 12, "c": 0})
	t.Logf("taken over after vanishing: %v", time.Since(begun))
	all, err := a.Holders(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for p, l := range all {
		if l.Partition != p || l.Holder != "a" || !l.Live || l.Epoch != r.epoch(p) || l.Seen.IsZero() {
			t.Errorf("partition %d: %+v, want it held by a with epoch %d", p, l, r.epoch(p))
		}
	}
}

// TestPartitionThatCannotBeTakenGoesToAnother: a process whose store fails keeps
// nothing from those whose store works.
func TestPartitionThatCannotBeTakenGoesToAnother(t *testing.T) {
	s := outside(t, t.TempDir(), -1, true)
	node := func() *Journal { return open(t, "", func(c *Config) { c.URL, c.Partitions = s.ClientURL(), 4 }) }
	r := newRegistrar(t)
	failed := make(chan struct{}, 1000)
	share(t, node(), r, "broken", func(c *ShareConfig) {
		c.Take = func(context.Context, int, uint64) error { failed <- struct{}{}; return errors.New("no database") }
		c.Drop = func(context.Context, int) error { return nil }
	})
	<-failed
	share(t, node(), r, "sound")
	r.wait(map[string]int{"sound": 4, "broken": 0})
}

// TestSameNameIsNotTheSameProcess: a process that was started anew takes its
// leases only after its former run is gone, and with new epochs.
func TestSameNameIsNotTheSameProcess(t *testing.T) {
	s := outside(t, t.TempDir(), -1, true)
	node := func() *Journal { return open(t, "", func(c *Config) { c.URL, c.Partitions = s.ClientURL(), 2 }) }
	r := newRegistrar(t)
	short := func(c *ShareConfig) { c.TTL = time.Second }
	first := node()
	share(t, first, r, "x", short)
	r.wait(map[string]int{"x": 2})
	was := r.epoch(0)
	first.reads.Close()
	first.writes.Close()
	r.wait(map[string]int{"x": 0})
	share(t, node(), r, "x", short)
	r.wait(map[string]int{"x": 2})
	if now := r.epoch(0); now <= was {
		t.Errorf("epoch %d after %d", now, was)
	}
}

func TestQuota(t *testing.T) {
	const none = math.MaxInt
	type proc struct{ has, limit, want int }
	for name, procs := range map[string][]proc{
		"alone":              {{0, none, 64}},
		"a new one":          {{64, none, 32}, {0, none, 32}},
		"three":              {{32, none, 22}, {32, none, 21}, {0, none, 21}},
		"who has most":       {{21, none, 21}, {22, none, 22}, {21, none, 21}},
		"one is leaving":     {{22, 0, 0}, {21, none, 32}, {21, none, 32}},
		"one cannot":         {{5, 5, 5}, {21, none, 30}, {21, none, 29}},
		"nobody can":         {{0, 0, 0}, {0, 0, 0}},
		"a limit not hit":    {{10, 40, 32}, {10, none, 32}},
		"more than there is": slices.Repeat([]proc{{1, none, 1}}, 64),
	} {
		t.Run(name, func(t *testing.T) {
			for i, me := range procs {
				table := &leaseTable{leases: make([]leaseEntry, 64), members: map[string]member{}}
				at := 0
				for k, p := range procs {
					run := fmt.Sprintf("run%02d", k)
					table.members[run] = member{attendee: attendee{Run: run, Limit: p.limit}, live: true}
					for range p.has {
						table.leases[at].Run = run
						at++
					}
				}
				table.members["dead"] = member{attendee: attendee{Run: "dead", Limit: none}}
				if got, _ := table.quota(fmt.Sprintf("run%02d", i), me.limit); got != me.want {
					t.Errorf("process %d: %d, want %d", i, got, me.want)
				}
			}
		})
	}
}

func TestShareNeedsItsParts(t *testing.T) {
	j := open(t, t.TempDir())
	if err := j.Share(t.Context(), ShareConfig{Holder: "x"}); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("got %v, want invalid", err)
	}
}

// TestFramesAreHandedOnAgain: exactly those asked for, from memory and from the
// server.
func TestFramesAreHandedOnAgain(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, onePartition)
	fillFrames(t, j, 200)
	check := func(after, upTo uint64) {
		t.Helper()
		var got []uint64
		err := j.Frames(t.Context(), 0, after, upTo, func(_ context.Context, f vigil.Frame) error {
			if len(f.Records) != 1 {
				t.Errorf("frame %d has %d records", f.Seq, len(f.Records))
			}
			got = append(got, f.Seq)
			return nil
		})
		var want []uint64
		for n := after + 1; n <= upTo; n++ {
			want = append(want, n)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%d to %d: got %v, %v", after+1, upTo, got, err)
		}
	}
	ranges := func() {
		t.Helper()
		check(0, 200)
		check(3, 3)
		check(3, 4)
		check(10, 150)
		check(199, 200)
	}
	ranges()
	shut(t, j)
	j = open(t, dir)
	ranges()
	if err := j.Frames(t.Context(), 0, 0, 5, stopAtOnce); !errors.Is(err, errStop) {
		t.Errorf("handler's error: %v", err)
	}
	if err := j.Trim(t.Context(), 0, 50); err != nil {
		t.Fatal(err)
	}
	if err := j.Frames(t.Context(), 0, 10, 60, stopAtOnce); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("trimmed frames: %v", err)
	}
}
