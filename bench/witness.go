package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A witness sends messages and remembers which of them were acknowledged.
type witness struct {
	logs    []*ledger // one for each device
	gateway Device
	batch   int // number of the next HTTP batch
}

// A ledger is what one device has sent: messages 0, 1, 2, …, each of which is
// sent again until it is acknowledged. The content of message n depends on the
// device and n alone.
type ledger struct {
	Device
	kind string // its profile
	wire string // mqtt or http
	seed uint64
	base int64 // time of message 0, ms since 1970

	mu    sync.Mutex
	acked []int64 // when message n was acknowledged, ns since 1970; 0 when it was not
	open  []int   // sent and not acknowledged, ascending
}

const (
	// messageStep is the time from one message to the next, in ms: as long as
	// a block of waveSamples at 250 Hz.
	messageStep = 20
	waveSamples = 5
	// window is how many messages of a connection wait for their
	// acknowledgement.
	window = 32
	// batchLines is how many messages of each device a batch holds.
	batchLines = 10
	// breath is how long a device that is not in a hurry waits between two
	// windows.
	breath = 4 * time.Millisecond
)

// newWitness registers n devices for each profile and wire, and a gateway. Their
// ids begin with name.
func newWitness(ctx context.Context, s *Server, name string, n int) (*witness, error) {
	w := &witness{}
	base := time.Now().Add(-48*time.Hour).Unix() * 1000
	for _, wire := range []string{"mqtt", "http"} {
		for _, profile := range []string{"ecg-patch", "pulse-oximeter"} {
			devices, err := s.Register(ctx, name+wire+"-"+profile, profile, n)
			if err != nil {
				return nil, err
			}
			for _, d := range devices {
				w.logs = append(w.logs, &ledger{Device: d, kind: profile, wire: wire, seed: uint64(len(w.logs)) * 1_000_003, base: base})
			}
		}
	}
	var err error
	w.gateway, err = s.Gateway(ctx, name+"crash-gateway")
	return w, err
}

// at is the time of message n in ms.
func (l *ledger) at(n int) int64 { return l.base + int64(n)*messageStep }

// mix spreads the bits of a number (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// values are the readings of message n by metric.
func (l *ledger) values(n int) map[string]float64 {
	h := mix(l.seed + uint64(n)) // #nosec G115 -- not negative
	if l.kind == "ecg-patch" {
		return map[string]float64{"hr": float64(40 + h%160), "resp": float64(5 + h>>32%40)}
	}
	return map[string]float64{"spo2": float64(70 + h%31), "pulse": float64(40 + h>>32%160)}
}

// samples are the samples of message n; nil when the device sends none.
func (l *ledger) samples(n int) []int32 {
	if l.kind != "ecg-patch" {
		return nil
	}
	out := make([]int32, waveSamples)
	for i := range out {
		out[i] = int32(mix(l.seed+uint64(n*waveSamples+i))%4000) - 2000 // #nosec G115 -- small
	}
	return out
}

// payload is message n.
func (l *ledger) payload(dst []byte, n int) []byte {
	v := l.values(n)
	dst = append(dst, `{"t":`...)
	dst = strconv.AppendInt(dst, l.at(n), 10)
	if l.kind != "ecg-patch" {
		return fmt.Appendf(dst, `,"spo2":%g,"pulse":%g}`, v["spo2"], v["pulse"])
	}
	dst = fmt.Appendf(dst, `,"seq":%d,"hr":%g,"resp":%g,"ecg":[`, n+1, v["hr"], v["resp"])
	for i, s := range l.samples(n) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(s), 10)
	}
	return append(dst, "]}"...)
}

// take returns up to n numbers of messages to send now: first those that were
// never acknowledged.
func (l *ledger) take(n int, again []int) []int {
	out := append([]int{}, again[:min(n, len(again))]...)
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(out) < n {
		out = append(out, len(l.acked))
		l.open = append(l.open, len(l.acked))
		l.acked = append(l.acked, 0)
	}
	return out
}

// pending returns what was sent and never acknowledged.
func (l *ledger) pending() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]int{}, l.open...)
}

// safe notes that a message was acknowledged.
func (l *ledger) safe(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[n] = time.Now().UnixNano()
	for i, o := range l.open {
		if o == n {
			l.open = append(l.open[:i], l.open[i+1:]...)
			return
		}
	}
}

// acked counts the acknowledged messages of all devices.
func (w *witness) acked() int {
	n := 0
	for _, l := range w.logs {
		l.mu.Lock()
		n += len(l.acked) - len(l.open)
		l.mu.Unlock()
	}
	return n
}

// send lets every device send until the server is gone or ctx is done, with a
// pause after each window.
func (w *witness) send(ctx context.Context, g *errgroup.Group, s *Server, pause time.Duration) {
	var batched []*ledger
	for _, l := range w.logs {
		if l.wire == "http" {
			batched = append(batched, l)
			continue
		}
		g.Go(func() error { return l.stream(ctx, s.MQTT, pause) })
	}
	g.Go(func() error { return w.batches(ctx, s.HTTP, batched, pause) })
}

// stream publishes until the connection breaks or ctx is done. Only what no
// killed server does is an error.
func (l *ledger) stream(ctx context.Context, addr string, pause time.Duration) error {
	c, err := dialMQTT(ctx, addr, l.Device)
	if err != nil {
		if errors.Is(err, errTurned) {
			return err
		}
		return nil
	}
	defer c.Close()
	again := l.pending()
	var waiting [1 << 16]int // message number + 1 by packet id
	var text []byte
	id, flying := uint16(0), 0
	for ctx.Err() == nil {
		for _, n := range l.take(window-flying, again) {
			dup := len(again) > 0
			if dup {
				again = again[1:]
			}
			id = max(id+1, 1)
			waiting[id] = n + 1
			text = l.payload(text[:0], n)
			c.publish(l.topic(), id, dup, text)
			flying++
		}
		if c.flush() != nil {
			return nil
		}
		for more := true; more; flying-- {
			var got uint16
			if got, more, err = c.ack(); err != nil {
				return nil
			}
			if waiting[got] == 0 {
				return fmt.Errorf("%s: packet %d was acknowledged, but is not in flight", l.ID, got)
			}
			l.safe(waiting[got] - 1)
			waiting[got] = 0
		}
		rest(ctx, pause)
	}
	return nil
}

// rest waits for a while, or until ctx is done.
func rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// batches posts batches of all the devices through a gateway until the server
// is gone. A batch that was not answered is sent again under the same
// Idempotency-Key.
func (w *witness) batches(ctx context.Context, addr string, logs []*ledger, pause time.Duration) error {
	client := &http.Client{Timeout: mqttWait}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		var body []byte
		var numbers [][]int
		for _, l := range logs {
			ns := l.take(batchLines, l.pending())
			numbers = append(numbers, ns)
			for _, n := range ns {
				body = fmt.Appendf(body, `{"device":%q,"payload":`, l.ID)
				body = append(l.payload(body, n), "}\n"...)
			}
		}
		err := w.post(ctx, client, addr, body)
		var refused refusal
		switch {
		case errors.As(err, &refused):
			return err
		case err != nil:
			return nil
		}
		w.batch++
		for i, l := range logs {
			for _, n := range numbers[i] {
				l.safe(n)
			}
		}
		rest(ctx, pause)
	}
	return nil
}

// A refusal is an answer of a living server that is no success.
type refusal string

// Error returns the answer.
func (r refusal) Error() string { return string(r) }

// post sends one batch.
func (w *witness) post(ctx context.Context, client *http.Client, addr string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/ingest/v1/messages", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.SetBasicAuth(w.gateway.ID, w.gateway.Secret)
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Idempotency-Key", fmt.Sprintf("crash-%d", w.batch))
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(`"quarantined":[]`)) {
		return refusal(fmt.Sprintf("batch %d: %s: %.300s", w.batch, resp.Status, text))
	}
	return nil
}
