package topic

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-iomt/vigil"
)

// The bounds of connections.
const (
	maxSockets = 1000
	maxBound   = 200      // subscriptions on one connection
	maxMessage = 64 << 10 // from a client
	pingEvery  = 20 * time.Second
)

// A socket is a connection that takes notifications.
type socket struct {
	d     *Desk
	conn  *websocket.Conn
	plain bool // who connected may bind by id alone

	mu    sync.Mutex
	bound map[string]context.CancelFunc
	wg    sync.WaitGroup
}

// ServeHTTP is a WebSocket that brings notifications
// (channels.html#websockets of the guide). A client binds subscriptions with
// tokens of $get-ws-binding-token, by the message
// {"type":"bind-with-token","payload":{"token":"…"}} or bind-with-token: …; or by
// bind and an id, as R4 has it.
func (d *Desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	stopped := d.stopped || d.sockets.Load() >= maxSockets
	if !stopped {
		d.handlers.Add(1)
	}
	d.mu.Unlock()
	if stopped {
		w.Header().Set("Retry-After", "5")
		http.Error(w, "no more connections now", http.StatusServiceUnavailable)
		return
	}
	defer d.handlers.Done()
	d.sockets.Add(1)
	defer d.sockets.Add(-1)
	// The token is the proof, and no cookie: a page of any origin may connect.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(maxMessage)
	s := &socket{d: d, conn: conn, bound: map[string]context.CancelFunc{}, plain: d.c.Admit != nil && d.c.Admit(r) == nil}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	defer context.AfterFunc(d.stop, func() {
		conn.Close(websocket.StatusGoingAway, "the server stops") //nolint:errcheck // the client may be gone
		cancel()
	})()
	s.wg.Go(func() { s.keepAlive(ctx) })
	s.read(ctx)
	cancel()
	s.wg.Wait()
	conn.CloseNow()
}

// keepAlive cuts a connection whose other end does not answer.
func (s *socket) keepAlive(ctx context.Context) {
	t := time.NewTicker(pingEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		ping, cancel := context.WithTimeout(ctx, pingEvery)
		err := s.conn.Ping(ping)
		cancel()
		if err != nil {
			s.conn.CloseNow()
			return
		}
	}
}

// read takes what the client says until the connection ends.
func (s *socket) read(ctx context.Context) {
	for {
		_, text, err := s.conn.Read(ctx)
		if err != nil {
			return
		}
		kind, arg := said(strings.TrimSpace(string(text)))
		switch kind {
		case "bind-with-token", "unbind-from-token":
			p, err := s.d.vault.pass(arg, s.d.now())
			if err != nil {
				s.say(ctx, []byte(`{"type":"error","message":"this token is not valid, or not any more"}`)) //nolint:errcheck // the next read fails
				continue
			}
			for _, id := range p.IDs {
				if kind == "unbind-from-token" {
					s.unbind(id)
				} else {
					s.bind(ctx, id)
				}
			}
		case "bind":
			if !s.plain || arg == "" {
				s.say(ctx, []byte("error a token is needed")) //nolint:errcheck // the next read fails
				continue
			}
			s.bind(ctx, arg)
		case "ping":
			s.say(ctx, []byte(`{"type":"pong"}`)) //nolint:errcheck // the next read fails
		}
	}
}

// said reads a message of a client: as JSON, or a word and what it is about.
func said(text string) (kind, arg string) {
	var m struct {
		Type    string `json:"type"`
		Payload struct {
			Token string `json:"token"`
		} `json:"payload"`
	}
	if strings.HasPrefix(text, "{") {
		if json.Unmarshal([]byte(text), &m) != nil {
			return "", ""
		}
		return m.Type, m.Payload.Token
	}
	i := strings.IndexAny(text, ": ")
	if i < 0 {
		return text, ""
	}
	return text[:i], strings.TrimLeft(text[i:], ": ")
}

// say sends a message. It is not left half said when a binding ends: that would
// end the connection.
func (s *socket) say(ctx context.Context, text []byte) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), defaultTimeout)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, text)
}

// bind begins to send the notifications of a subscription.
func (s *socket) bind(ctx context.Context, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bound[id] != nil || len(s.bound) >= maxBound {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	s.bound[id] = cancel
	s.wg.Go(func() {
		defer s.unbind(id)
		for ctx.Err() == nil {
			l := s.d.line(id)
			if l == nil || l.sub.Load().channel != webSocket || l.broken != "" {
				return
			}
			if err := s.follow(ctx, l); err != nil {
				s.conn.CloseNow()
				return
			}
		}
	})
}

// unbind ends that.
func (s *socket) unbind(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.bound[id]; cancel != nil {
		cancel()
		delete(s.bound, id)
	}
}

// follow sends the events of a line from where the last listener was, until the
// line is gone. It fails when the connection does.
func (s *socket) follow(ctx context.Context, l *line) error {
	n, err := s.d.c.Log.NoticeLine(ctx, l.id)
	if err != nil {
		wait(ctx, s.d.c.RetryMin)
		return nil
	}
	v := delivery{at: n.Delivered, kept: n.Delivered, said: s.d.c.Now(), keptAt: s.d.c.Now()}
	defer func() { l.keep(context.WithoutCancel(ctx), &v) }()
	sub := l.sub.Load()
	if sub.topic == nil {
		err = s.say(ctx, []byte("bound "+l.id))
	} else {
		err = s.notify(ctx, &notification{sub: sub, kind: handshake, status: active, count: n.Events, level: sub.content})
	}
	for err == nil && ctx.Err() == nil {
		bell := l.bell()
		more := false
		if more, err = s.next(ctx, l, &v); err != nil || more {
			continue
		}
		l.keep(ctx, &v)
		if !s.rest(ctx, l, &v, bell) {
			return nil
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// next sends the next events; more says that there may be further ones.
func (s *socket) next(ctx context.Context, l *line, v *delivery) (more bool, err error) {
	sub := l.sub.Load()
	level := sub.content
	events, err := s.d.load(ctx, l.id, level, v.at+1, math.MaxInt64, sub.count)
	if err != nil {
		wait(ctx, s.d.c.RetryMin) // the store will be back
		return true, nil
	}
	switch {
	case len(events) > 0:
		last := events[len(events)-1].Number
		if sub.topic == nil {
			err = s.say(ctx, []byte("ping "+l.id))
		} else {
			err = s.notify(ctx, &notification{sub: sub, kind: event, status: active, count: last, events: events, level: level})
		}
		if err == nil {
			v.at, v.said = last, s.d.c.Now()
		}
		return true, err
	case sub.topic != nil && sub.heartbeat > 0 && s.d.c.Now().Sub(v.said) >= sub.heartbeat:
		v.said = s.d.c.Now()
		err = s.notify(ctx, &notification{sub: sub, kind: heartbeat, status: active, count: v.at, level: level})
	}
	return false, err
}

// rest waits until there is something to send; false when the line is gone.
func (s *socket) rest(ctx context.Context, l *line, v *delivery, bell <-chan struct{}) bool {
	span := time.Duration(math.MaxInt64)
	if h := l.sub.Load().heartbeat; h > 0 {
		span = max(0, v.said.Add(h).Sub(s.d.c.Now()))
	}
	if s.d.c.Holder != "" {
		span = min(span, s.d.c.Poll)
	}
	t := time.NewTimer(span)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-l.gone:
		return false
	case <-bell:
	case <-t.C:
	}
	return true
}

// notify sends a notification.
func (s *socket) notify(ctx context.Context, n *notification) error {
	n.base, n.now = s.d.c.Base(), s.d.now()
	body, err := s.d.pack(n.sub, n.bundle())
	if err != nil {
		return err
	}
	return s.say(ctx, body)
}

// passFor is how long a token can be used.
const passFor = 10 * time.Minute

// socketAddress is where clients connect: beside the base that they came by.
func socketAddress(base string) string {
	root := strings.TrimSuffix(strings.TrimSuffix(base, "/"), "/fhir")
	return strings.Replace(root, "http", "ws", 1) + SocketPath
}

// SocketPath is where WebSockets are served.
const SocketPath = "/ws/subscriptions"

// token makes a token for some subscriptions.
func (d *Desk) token(ids []string, now vigil.Instant) (token string, until vigil.Instant) {
	until = now.Add(passFor)
	return d.vault.token(pass{IDs: ids, Until: until}), until
}
