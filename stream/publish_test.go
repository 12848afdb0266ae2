package stream

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/vigil-iomt/vigil"
)

// TestRepeatedFrameLandsOnce plays the ways in which an answer can get lost.
func TestRepeatedFrameLandsOnce(t *testing.T) {
	j := open(t, t.TempDir(), onePartition)
	fillFrames(t, j, 3)
	p := j.parts[0] // its committer sleeps: the test publishes in its place
	frame := func(first uint64) []byte {
		return frameOf(t, j.symbols, frameHead{producer: j.producer, first: first}, []vigil.Record{vitals(testMetrics(), 1, 1)})
	}
	foreign := func() {
		if _, err := j.js.Publish(t.Context(), frameSubject(0), []byte("of another node")); err != nil {
			t.Fatal(err)
		}
	}
	count := func() uint64 {
		info, err := p.stream.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return info.State.Msgs
	}
	landed := func(first, want, total uint64) {
		t.Helper()
		doubtful := trial{p: p, frame: frame(first), first: first, searched: p.expected, doubtful: true, latest: p.expected}
		seq, err := doubtful.run()
		if err != nil || seq != want || count() != total {
			t.Errorf("frame %d, %v, %d in all; want %d, %d", seq, err, count(), want, total)
		}
	}
	if _, err := p.attempt(frame(100)); err != nil { // the answer is not seen
		t.Fatal(err)
	}
	landed(100, 4, 4)
	landed(200, 5, 5)
	if _, err := p.attempt(frame(300)); err != nil {
		t.Fatal(err)
	}
	foreign()
	landed(300, 6, 7) // found before the other node's, which is behind it
	foreign()
	landed(400, 9, 9)
	p.expected = 8 // what was sent first comes late, after its repetition
	if _, err := p.attempt(frame(400)); !wrongSequence(err) {
		t.Errorf("a late copy was not refused: %v", err)
	}
	if count() != 9 {
		t.Errorf("%d messages, want 9", count())
	}
}

// TestImpatientWriterDoublesNothing gives up on nearly every answer before it
// comes, so that frames are looked for and repeated all the time.
func TestImpatientWriterDoublesNothing(t *testing.T) {
	const appenders, each = 30, 8
	j := open(t, t.TempDir(), onePartition, func(c *Config) { c.Answer = 300 * time.Microsecond })
	ms := testMetrics()
	var wg sync.WaitGroup
	for a := range appenders {
		wg.Go(func() {
			for n := 0; n < each; {
				switch err := put(j, vitals(ms, a, n)); vigil.KindOf(err) {
				case vigil.Overloaded: // as a device does: once more
				default:
					if err != nil {
						t.Errorf("append: %v", err)
					}
					n++
				}
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	total := 0
	j.parts[0].ring.frames = nil
	for _, f := range all(t, j, 0, 0) {
		for _, r := range f.Records {
			total++
			if want := fmt.Sprint("m", next[r.Subject.ID]); r.Message.ID != want {
				t.Errorf("got %s, want %s", r.Message.ID, want)
			}
			next[r.Subject.ID]++
		}
	}
	if total != appenders*each {
		t.Errorf("%d records, want %d", total, appenders*each)
	}
}

// outside starts a server as a cluster's node is: with listeners of its own.
func outside(t testing.TB, dir string, port int, sync bool) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "outside", Host: "127.0.0.1", Port: port, HTTPHost: "127.0.0.1", HTTPPort: -1,
		JetStream: true, StoreDir: dir, SyncAlways: sync, NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("server did not start")
	}
	t.Cleanup(func() { stopServer(s) })
	return s
}

func monitorOf(s *server.Server) string { return "http://" + s.MonitorAddr().String() }

func TestExternalServerMustSync(t *testing.T) {
	s := outside(t, t.TempDir(), -1, false)
	if _, err := Open(t.Context(), Config{URL: s.ClientURL(), Monitor: []string{monitorOf(s)}}); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("got %v, want a refusal", err)
	}
	j := open(t, "", func(c *Config) { c.URL = s.ClientURL() })
	if j.Stats().SyncVerified {
		t.Error("nobody was asked, and it says that they sync")
	}
}

// TestTwoNodesShareACluster: both append to the same partitions at once, and
// both see the same frames in the same order, none twice.
func TestTwoNodesShareACluster(t *testing.T) {
	const each = 200
	s := outside(t, t.TempDir(), -1, true)
	node := func(c *Config) { c.URL, c.Monitor, c.Partitions = s.ClientURL(), []string{monitorOf(s)}, 2 }
	nodes := []*Journal{open(t, t.TempDir(), node), open(t, "", node)}
	ms := testMetrics()
	var wg sync.WaitGroup
	for n, j := range nodes {
		for a := range 10 {
			wg.Go(func() {
				for i := range each / 10 {
					if err := put(j, vitals(ms, 100*n+a, i)); err != nil {
						t.Errorf("append: %v", err)
					}
				}
			})
		}
	}
	wg.Wait()
	var seen [2][]string
	for n, j := range nodes {
		once := map[string]bool{}
		for p := range j.Partitions() {
			if err := j.parts[p].reaches(t.Context(), 1<<40); vigil.KindOf(err) != vigil.Conflicting {
				t.Fatal(err) // asks the server for the newest head
			}
			for _, f := range all(t, j, p, 0) {
				for _, r := range f.Records {
					id := r.Subject.ID + r.Message.ID
					if once[id] {
						t.Errorf("%s twice", id)
					}
					once[id] = true
					seen[n] = append(seen[n], fmt.Sprint(p, f.Seq, id))
				}
			}
		}
	}
	if len(seen[0]) != 2*each || fmt.Sprint(seen[0]) != fmt.Sprint(seen[1]) {
		t.Errorf("one node sees %d records, the other %d, or in another order; want %d", len(seen[0]), len(seen[1]), 2*each)
	}
}

// TestFollowsWhatAnotherNodeWrites: a waiting consumer gets what it did not
// write itself.
func TestFollowsWhatAnotherNodeWrites(t *testing.T) {
	s := outside(t, t.TempDir(), -1, true)
	node := func(c *Config) { c.URL, c.Partitions = s.ClientURL(), 1 }
	a, b := open(t, "", node), open(t, "", node)
	got := make(chan string, 1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- b.Consume(ctx, 0, 0, func(_ context.Context, f vigil.Frame) error {
			got <- f.Records[0].Message.ID
			return nil
		})
	}()
	ms := testMetrics()
	for n := range 3 {
		if err := put(a, vitals(ms, 1, n)); err != nil {
			t.Fatal(err)
		}
		if id := <-got; id != fmt.Sprint("m", n) {
			t.Errorf("got %s, want m%d", id, n)
		}
	}
	cancel()
	<-ended
}

// TestClusterThatComesBackIsUsedAgain stops the server while senders wait.
func TestClusterThatComesBackIsUsedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := outside(t, dir, -1, true)
	port := s.Addr().(*net.TCPAddr).Port
	j := open(t, "", func(c *Config) { c.URL, c.Partitions, c.Answer = s.ClientURL(), 1, 100*time.Millisecond })
	ms := testMetrics()
	if err := put(j, vitals(ms, 1, 0)); err != nil {
		t.Fatal(err)
	}
	stopServer(s)
	kept := make(chan error, 1)
	j.Append([]vigil.Record{vitals(ms, 1, 1)}, func(err error) { kept <- err })
	outside(t, dir, port, true)
	if err := <-kept; err != nil {
		t.Fatalf("after the server came back: %v", err)
	}
	n := 0
	for _, f := range all(t, j, 0, 0) {
		n += len(f.Records)
	}
	if n != 2 {
		t.Errorf("%d records, want 2", n)
	}
}
