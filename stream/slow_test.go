package stream

import (
	"io"
	"net"
	"net/url"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A thinPipe stands between a journal and its server and lets through only so
// many bytes a second towards the server: what a slow disk looks like from here,
// because the next frame is sent when the one before is acknowledged.
type thinPipe struct {
	to   string
	wide atomic.Bool
}

// listen returns the address to connect to.
func (p *thinPipe) listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { p.wide.Store(true); _ = l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", p.to)
			if err != nil {
				_ = in.Close()
				return
			}
			wg.Go(func() { _, _ = io.Copy(in, out); _ = in.Close() })
			wg.Go(func() { p.squeeze(out, in); _ = out.Close() })
		}
	})
	return "nats://" + l.Addr().String()
}

// squeeze copies 4 KiB every 10 ms, and everything once the pipe is wide.
func (p *thinPipe) squeeze(to io.Writer, from io.Reader) {
	t := time.NewTicker(10 * time.Millisecond)
	defer t.Stop()
	b := make([]byte, 4<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if !p.wide.Load() {
			<-t.C
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// TestSlowDiskHoldsTheSendersBack: while much more comes than can be written,
// what waits stays within MaxQueue and the memory with it, senders wait and are
// refused after Patience, and nothing acknowledged is lost. Afterwards all goes
// on as before.
func TestSlowDiskHoldsTheSendersBack(t *testing.T) {
	const senders, queue, partitions = 400, 1 << 20, 2
	s := outside(t, t.TempDir(), -1, true)
	u, err := url.Parse(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	pipe := &thinPipe{to: u.Host}
	j := open(t, "", func(c *Config) {
		c.URL, c.Partitions, c.MaxQueue, c.Ring = pipe.listen(t), partitions, queue, 1<<20
		c.Patience, c.Answer = 500*time.Millisecond, 20*time.Second
	})
	ms := testMetrics()
	rec := vitals(ms, 0, 0)
	rec.Message.Payload = noise(16 << 10)
	var kept, refused atomic.Int64
	var over atomic.Bool
	var wg sync.WaitGroup
	for a := range senders {
		r := rec
		r.Subject = vitals(ms, a, 0).Subject
		wg.Go(func() {
			for !over.Load() {
				switch err := put(j, r); vigil.KindOf(err) {
				case vigil.Overloaded:
					refused.Add(1)
				default:
					if err != nil {
						t.Errorf("append: %v", err)
						return
					}
					kept.Add(1)
				}
			}
		})
	}
	var most int64
	var heap uint64
	until(t, "senders were refused", func() bool {
		total := int64(0)
		for _, p := range j.Stats().Partitions {
			total += p.Queued
		}
		most = max(most, total)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		heap = max(heap, m.HeapAlloc)
		return refused.Load() > 3*senders
	})
	slow := kept.Load()
	pipe.wide.Store(true)
	until(t, "it goes on", func() bool { return kept.Load() > slow+senders })
	over.Store(true)
	wg.Wait()
	if most > partitions*queue || most < queue {
		t.Errorf("%d bytes waited, want up to %d", most, partitions*queue)
	}
	// What waits, what is written now, and the senders' own: 16 KiB each.
	if limit := uint64(partitions*queue*4 + senders*64<<10 + 64<<20); heap > limit {
		t.Errorf("%d MiB of memory, want at most %d", heap>>20, limit>>20)
	}
	n := int64(0)
	for p := range partitions {
		for _, f := range all(t, j, p, 0) {
			n += int64(len(f.Records))
		}
	}
	if n < kept.Load() {
		t.Errorf("%d records are there, %d were acknowledged", n, kept.Load())
	}
	t.Logf("while slow: %d kept, %d KiB waited at most, %d MiB of memory; %d refused; %d kept in all",
		slow, most>>10, heap>>20, refused.Load(), kept.Load())
}
