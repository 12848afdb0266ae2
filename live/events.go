package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-iomt/vigil"
)

const (
	// maxRequest bounds what a client may send at once, in bytes.
	maxRequest = 2 << 20
	// pingEvery is how often a connection is checked for life, and how long
	// the answer may take.
	pingEvery = 20 * time.Second
)

// subscribe is what a client asks of the stream of events.
type subscribe struct {
	Patients []vigil.PatientID `json:"patients"`
	Subjects []vigil.Subject   `json:"subjects"`
	All      bool              `json:"all"`
	Since    string            `json:"since"`
	// Unthrottled asks for readings as they are stored instead of once a
	// tick, to measure or to watch a single series.
	Unthrottled bool `json:"unthrottled"`
}

// request is a frame from a client.
type request struct {
	Subscribe *subscribe `json:"subscribe"`
}

// ServeEvents is the handler of /ws/events.
func (h *Hub) ServeEvents(w http.ResponseWriter, r *http.Request) {
	conn, ok := h.accept(w, r)
	if !ok {
		return
	}
	defer h.handlers.Done()
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	c := newClient(h, conn)
	h.mu.Lock()
	h.clients[c] = struct{}{}
	if h.stopped {
		c.fail(closeGoingAway, "the server stops")
	}
	h.mu.Unlock()
	defer context.AfterFunc(h.cut, func() { conn.CloseNow() })()
	var wg sync.WaitGroup
	wg.Go(func() {
		closeAs(conn, c.write(ctx))
		c.end()
	})
	wg.Go(func() { keepAlive(ctx, conn) })
	c.read(ctx)
	cancel()
	c.end()
	h.mu.Lock()
	h.leave(c)
	delete(h.clients, c)
	h.mu.Unlock()
	wg.Wait()
}

// accept turns a request into a WebSocket. The caller calls handlers.Done.
func (h *Hub) accept(w http.ResponseWriter, r *http.Request) (*websocket.Conn, bool) {
	h.mu.RLock()
	stopped := h.stopped
	if !stopped {
		h.handlers.Add(1)
	}
	h.mu.RUnlock()
	if stopped {
		http.Error(w, "the server stops", http.StatusServiceUnavailable)
		return nil, false
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		OriginPatterns: h.c.Origins, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		h.handlers.Done()
		return nil, false // Accept has answered
	}
	conn.SetReadLimit(maxRequest)
	return conn, true
}

// closeAs closes a connection with a code. A connection that takes no bytes any
// more is cut.
func closeAs(conn *websocket.Conn, how *websocket.CloseError) {
	if how.Code == websocket.StatusAbnormalClosure {
		conn.CloseNow()
		return
	}
	conn.Close(how.Code, how.Reason) //nolint:errcheck // the client may be gone
}

// keepAlive cuts a connection whose other end does not answer a ping.
func keepAlive(ctx context.Context, conn *websocket.Conn) {
	t := time.NewTicker(pingEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		ping, cancel := context.WithTimeout(ctx, pingEvery)
		err := conn.Ping(ping)
		cancel()
		if err != nil {
			conn.CloseNow()
			return
		}
	}
}

// read takes requests until the connection ends. It does the work of each, so
// that a client that asks too much waits for itself.
func (c *client) read(ctx context.Context) {
	for {
		kind, b, err := c.conn.Read(ctx)
		if err != nil {
			return
		}
		if err := c.handle(ctx, kind, b); err != nil {
			c.offer(message{kind: "error", data: encode(map[string]string{"msg": err.Error()})})
		}
	}
}

// handle answers one request. The error is for the client.
func (c *client) handle(ctx context.Context, kind websocket.MessageType, b []byte) error {
	var r request
	if kind != websocket.MessageText {
		return errors.New("send text frames")
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return fmt.Errorf("not a request: %w", err)
	}
	if r.Subscribe == nil {
		return errors.New(`want {"subscribe":{"patients":["ID"]}}`)
	}
	return c.subscribe(ctx, *r.Subscribe)
}

// interest says what a subscription asks for.
func (s subscribe) interest(most int) (interest, error) {
	subjects := make([]vigil.Subject, 0, len(s.Subjects)+len(s.Patients))
	for _, id := range s.Patients {
		if !vigil.ValidID(string(id)) {
			return interest{}, errors.New("a patient in the subscription is not an id")
		}
		subjects = append(subjects, vigil.PatientSubject(id))
	}
	for _, subject := range s.Subjects {
		if subject.Kind == vigil.NoSubject {
			return interest{}, errors.New("a subject in the subscription is empty")
		}
		subjects = append(subjects, subject)
	}
	if len(subjects) > most {
		return interest{}, fmt.Errorf("a subscription has at most %d subjects", most)
	}
	lane := paced
	if s.Unthrottled {
		lane = fast
	}
	if s.All {
		subjects = nil
	}
	return newInterest(s.All, lane, subjects), nil
}

// subscribe changes what the client sees: first a snapshot, then, when it
// resumes, the events that it missed, then what happens.
func (c *client) subscribe(ctx context.Context, s subscribe) error {
	want, err := s.interest(c.h.c.MaxSubjects)
	if err != nil {
		return err
	}
	since, ok := c.resumable(s.Since)
	if !ok {
		c.fail(closeFellBehind, "the cursor is too old; fetch anew")
		return nil
	}
	before, until := c.enter(want, since)
	if err := c.sendSnapshot(ctx); err != nil {
		c.h.c.Log.ErrorContext(ctx, "cannot read a snapshot", "error", err)
		c.fail(closeFellBehind, "the readings cannot be read now; fetch anew")
		return nil
	}
	if since == nil {
		return nil
	}
	if err := c.replay(ctx, since, until, func(s vigil.Subject) bool {
		return want.sees(s) && (before == nil || !before.wants(s))
	}); err != nil {
		c.h.c.Log.ErrorContext(ctx, "cannot replay events", "error", err)
		c.fail(closeFellBehind, "the missed events cannot be read now; fetch anew")
	}
	return nil
}

// resumable reads a cursor, nil when there is none. It returns false when the
// client cannot go on from there.
func (c *client) resumable(text string) ([]uint64, bool) {
	if text == "" {
		return nil, true
	}
	at, err := parseCursor(text, c.h.epoch, len(c.h.heads))
	return at.positions, err == nil && c.h.c.Now().Sub(at.at) <= c.h.c.MaxResume
}

// sees tells whether a subject is in the interest.
func (i interest) sees(s vigil.Subject) bool {
	_, ok := slices.BinarySearchFunc(i.subjects, s, compareSubjects)
	return ok || i.all
}

// enter puts the client into its group. From here on every event behind until
// reaches it; those up to there are replayed by the caller. It returns the
// group the client was in before.
func (c *client) enter(want interest, since []uint64) (before *group, until []uint64) {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	until = c.h.positions()
	before = c.group
	c.h.join(c, want)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case since != nil && before != nil:
		c.holding, c.pinned = true, since
	case since != nil:
		c.holding = true
		for i := range until {
			c.queued[i] = max(since[i], until[i])
			c.sent[i] = since[i]
		}
	case before == nil:
		copy(c.sent, until)
		copy(c.queued, until)
	}
	return before, until
}

// sendSnapshot queues a snapshot; frames of readings follow it.
func (c *client) sendSnapshot(ctx context.Context) error {
	c.h.flushing.Lock()
	defer c.h.flushing.Unlock()
	c.h.mu.RLock()
	g := c.group
	c.h.mu.RUnlock()
	if g == nil {
		return nil // the client is gone
	}
	data, err := c.h.snapshot(ctx, g)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.ready, c.newest, c.missed = true, nil, nil
	c.mu.Unlock()
	c.offer(message{kind: "snapshot", data: data})
	return nil
}
