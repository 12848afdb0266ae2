package stream

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// TestRefusedFrameIsRepeatedWithoutASearch: another node's frame came first; the
// refusal says where the stream ends, and nothing else is asked.
func TestRefusedFrameIsRepeatedWithoutASearch(t *testing.T) {
	j := open(t, t.TempDir(), onePartition)
	fillFrames(t, j, 1)
	asked, err := j.reads.SubscribeSync("$JS.API.>")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := j.js.Publish(t.Context(), frameSubject(0), []byte("of another node")); err != nil {
			t.Fatal(err)
		}
		if err := put(j, vitals(testMetrics(), 1, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.reads.Flush(); err != nil {
		t.Fatal(err)
	}
	if n, _, err := asked.Pending(); err != nil || n > 0 {
		m, _ := asked.NextMsg(time.Second)
		t.Errorf("%d questions to the server, %v; the first: %+v", n, err, m)
	}
	if j.Head(0) != 7 {
		t.Errorf("head %d, want 7", j.Head(0))
	}
}

// TestDoubtLastsUntilNoAttemptCanLand: a cluster refuses with the sequence of a
// frame that it has accepted but not stored; an attempt behind that one may land
// when the stream ends, as far as can be seen, before it.
func TestDoubtLastsUntilNoAttemptCanLand(t *testing.T) {
	j := open(t, t.TempDir(), onePartition)
	fillFrames(t, j, 5)
	p := j.parts[0] // its committer sleeps
	refusal := &jetstream.APIError{ErrorCode: jetstream.JSErrCodeStreamWrongLastSequence, Description: "wrong last sequence: 6"}
	for latest, doubtful := range map[uint64]bool{4: false, 5: true, 6: true} {
		p.expected = 4
		tr := trial{p: p, first: 500, searched: 4, doubtful: true, latest: latest}
		if seq, again := tr.look(refusal); seq != 0 || !again || p.expected != 6 || tr.searched != 5 {
			t.Errorf("found %d, again %v, expects %d, searched to %d; want 0, true, 6, 5", seq, again, p.expected, tr.searched)
		}
		if tr.doubtful != doubtful {
			t.Errorf("an attempt expected %d and the stream ends at 5: doubtful %v", latest, tr.doubtful)
		}
	}
}

// TestBusyNodeDoesNotStarveAnother: while two nodes write to a partition as fast
// as they can, a third one with a single sender gets its frames in, too.
func TestBusyNodeDoesNotStarveAnother(t *testing.T) {
	s := outside(t, t.TempDir(), -1, true)
	node := func() *Journal { return open(t, "", func(c *Config) { c.URL, c.Partitions = s.ClientURL(), 1 }) }
	ms := testMetrics()
	quiet := node()
	var over atomic.Bool
	var busy sync.WaitGroup
	for n := range 2 {
		j := node()
		for a := range 100 {
			busy.Go(func() {
				for i := 0; !over.Load(); i++ {
					if err := put(j, vitals(ms, 1000*n+a, i)); err != nil {
						t.Errorf("append: %v", err)
						return
					}
				}
			})
		}
	}
	var took []time.Duration
	for i := range 100 {
		begun := time.Now()
		if err := put(quiet, vitals(ms, 5000, i)); err != nil {
			t.Errorf("append beside busy nodes: %v", err)
		}
		took = append(took, time.Since(begun))
	}
	over.Store(true)
	busy.Wait()
	slices.Sort(took)
	t.Logf("a single sender beside two busy nodes: median %v, slowest %v", took[len(took)/2], took[len(took)-1])
}

// BenchmarkNodes: 1,000 appenders, all in one process or spread over several that
// write to the same four partitions of one external server.
func BenchmarkNodes(b *testing.B) {
	for _, nodes := range []int{1, 2, 3} {
		b.Run(map[int]string{1: "one", 2: "two", 3: "three"}[nodes], func(b *testing.B) {
			const appenders = 1000
			s := outside(b, b.TempDir(), -1, true)
			ms := testMetrics()
			var js []*Journal
			for range nodes {
				js = append(js, open(b, "", func(c *Config) { c.URL, c.Partitions = s.ClientURL(), 4 }))
			}
			var left atomic.Int64
			left.Store(int64(b.N))
			took := make([]time.Duration, appenders)
			counts := make([]atomic.Int64, nodes)
			b.ResetTimer()
			begun := time.Now()
			var wg sync.WaitGroup
			for a := range appenders {
				rec := vitals(ms, a, a)
				wg.Go(func() {
					j := js[a%nodes]
					for left.Add(-1) >= 0 {
						at := time.Now()
						if err := put(j, rec); err != nil {
							b.Error(err)
							return
						}
						took[a] = max(took[a], time.Since(at))
						counts[a%nodes].Add(1)
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/time.Since(begun).Seconds(), "records/s")
			b.ReportMetric(float64(slices.Max(took).Milliseconds()), "slowest-ms")
			least, most := counts[0].Load(), counts[0].Load()
			for i := range counts {
				least, most = min(least, counts[i].Load()), max(most, counts[i].Load())
			}
			b.ReportMetric(float64(least)/float64(most), "least/most")
		})
	}
}
