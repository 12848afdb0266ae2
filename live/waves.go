package live

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-iomt/vigil"
)

const (
	// gapTolerance is how far apart two blocks may be and still follow each
	// other: many devices stamp blocks when they send them.
	gapTolerance = 150 * time.Millisecond
	// restart is how long a wave whose blocks all lie before the newest is
	// taken for late data; after that its clock is believed to have moved.
	restart = 10 * time.Second
	// maxWaveFrame is how many bytes of blocks go into one frame.
	maxWaveFrame = 64 << 10
)

// passing is a wave on its way to the clients.
type passing struct {
	series *series
	blocks []block
}

// wave notes one block of samples, and keeps it for the clients when it is the
// newest. Late blocks and recordings are history: they are read, not swept.
func (n *intake) wave(s *series, r *vigil.Record, w *vigil.Wave) {
	if w.Quality.Has(vigil.Historical) || len(w.Samples) == 0 || !w.Metric.IsWave() || w.Metric.RateDen <= 0 {
		return
	}
	end := w.End()
	if end <= s.end && n.now-s.passedAt < restart {
		return
	}
	gap := vigil.Instant(0)
	if d := w.Start.Sub(s.end); s.end != 0 && (d > gapTolerance || d < -gapTolerance) {
		gap = s.end
	}
	s.end, s.passedAt = end, n.now
	if w.Quality.Usable() {
		n.hear(s, r.Message.Arrived)
	}
	if n.h.waves.clients.Load() > 0 && n.h.waves.wanted(s) {
		n.blocks = append(n.blocks, passing{s, blocks(w, gap)})
	}
}

// pass hands the waves of the frame to the clients.
func (n *intake) pass() {
	for i := range n.blocks {
		n.h.waves.offer(&n.blocks[i])
	}
}

// A waveIndex knows who watches which waves.
type waveIndex struct {
	clients   *atomic.Int64
	mu        *sync.RWMutex
	all       map[*waveClient]struct{}
	bySubject map[vigil.Subject]map[*waveClient]struct{}
	bySeries  map[vigil.SeriesID]map[*waveClient]struct{}
}

// newWaveIndex returns an empty index.
func newWaveIndex() waveIndex {
	return waveIndex{
		clients: &atomic.Int64{}, mu: &sync.RWMutex{}, all: map[*waveClient]struct{}{},
		bySubject: map[vigil.Subject]map[*waveClient]struct{}{},
		bySeries:  map[vigil.SeriesID]map[*waveClient]struct{}{},
	}
}

// count returns how many clients there are.
func (x *waveIndex) count() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.all)
}

// wanted tells whether anybody watches the series.
func (x *waveIndex) wanted(s *series) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.bySubject[s.Subject]) > 0 || len(x.bySeries[s.ID]) > 0
}

// offer hands a wave to everybody who watches it.
func (x *waveIndex) offer(p *passing) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for c := range x.bySubject[p.series.Subject] {
		c.offer(p)
	}
	for c := range x.bySeries[p.series.ID] {
		if _, had := x.bySubject[p.series.Subject][c]; !had {
			c.offer(p)
		}
	}
}

// wakeAll lets every writer send what has gathered.
func (x *waveIndex) wakeAll() {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for c := range x.all {
		c.signal()
	}
}

// stop ends every client.
func (x *waveIndex) stop() {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for c := range x.all {
		c.stop()
	}
}

// put enters a client under its subscription; drop takes it out.
func (x *waveIndex) put(c *waveClient, s *waveSubscribe) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.unlist(c)
	if _, ok := x.all[c]; !ok {
		x.all[c] = struct{}{}
		x.clients.Add(1)
	}
	c.wants = s
	if s == nil {
		return
	}
	c.retain(s)
	for _, id := range s.Patients {
		enter(x.bySubject, vigil.PatientSubject(id), c)
	}
	for _, subject := range s.Subjects {
		enter(x.bySubject, subject, c)
	}
	for _, id := range s.Series {
		enter(x.bySeries, id, c)
	}
}

// drop takes a client out.
func (x *waveIndex) drop(c *waveClient) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.unlist(c)
	delete(x.all, c)
	x.clients.Add(-1)
}

// unlist undoes the client's subscription. The caller holds mu.
func (x *waveIndex) unlist(c *waveClient) {
	if c.wants == nil {
		return
	}
	for _, id := range c.wants.Patients {
		remove(x.bySubject, vigil.PatientSubject(id), c)
	}
	for _, subject := range c.wants.Subjects {
		remove(x.bySubject, subject, c)
	}
	for _, id := range c.wants.Series {
		remove(x.bySeries, id, c)
	}
}

// enter adds c to the set under k.
func enter[K comparable](m map[K]map[*waveClient]struct{}, k K, c *waveClient) {
	if m[k] == nil {
		m[k] = map[*waveClient]struct{}{}
	}
	m[k][c] = struct{}{}
}

// remove takes c out of the set under k.
func remove[K comparable](m map[K]map[*waveClient]struct{}, k K, c *waveClient) {
	delete(m[k], c)
	if len(m[k]) == 0 {
		delete(m, k)
	}
}

// waveSubscribe is what a client asks of the stream of waves.
type waveSubscribe struct {
	Patients []vigil.PatientID `json:"patients"`
	Subjects []vigil.Subject   `json:"subjects"`
	Series   []vigil.SeriesID  `json:"series"`
	Metrics  []string          `json:"metrics"` // all when empty
}

// check says what is wrong with a subscription.
func (s *waveSubscribe) check(most int) error {
	if len(s.Patients)+len(s.Subjects)+len(s.Series) > most {
		return errors.New("too many subjects in one subscription")
	}
	for _, id := range s.Patients {
		if !vigil.ValidID(string(id)) {
			return errors.New("a patient in the subscription is not an id")
		}
	}
	return nil
}

// ServeWaves is the handler of /ws/waves.
func (h *Hub) ServeWaves(w http.ResponseWriter, r *http.Request) {
	conn, ok := h.accept(w, r)
	if !ok {
		return
	}
	defer h.handlers.Done()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	defer context.AfterFunc(h.cut, func() { conn.CloseNow() })()
	c := &waveClient{h: h, wake: make(chan struct{}, 1), channels: map[vigil.SeriesID]*channel{}}
	h.waves.put(c, nil)
	h.mu.RLock()
	if h.stopped {
		c.stop()
	}
	h.mu.RUnlock()
	var wg sync.WaitGroup
	wg.Go(func() { closeAs(conn, c.write(ctx, conn)) })
	wg.Go(func() { keepAlive(ctx, conn) })
	for {
		kind, b, err := conn.Read(ctx)
		if err != nil {
			break
		}
		if err := c.handle(kind, b); err != nil {
			c.complain(err)
		}
	}
	cancel()
	h.waves.drop(c)
	wg.Wait()
}

// handle answers one request.
func (c *waveClient) handle(kind websocket.MessageType, b []byte) error {
	var r struct {
		Subscribe *waveSubscribe `json:"subscribe"`
	}
	if kind != websocket.MessageText || json.Unmarshal(b, &r) != nil || r.Subscribe == nil {
		return errors.New(`want {"subscribe":{"patients":["ID"],"metrics":["ecg-ii"]}}`)
	}
	if err := r.Subscribe.check(c.h.c.MaxSubjects); err != nil {
		return err
	}
	slices.Sort(r.Subscribe.Metrics)
	c.h.waves.put(c, r.Subscribe)
	return nil
}
