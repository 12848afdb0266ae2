package topic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// A line is one subscription at work: its events are read from where they are
// kept, behind the last that was delivered, so that nothing waits in memory.
type line struct {
	d       *Desk
	id      string
	sub     atomic.Pointer[subscription]
	broken  string // why it cannot be served
	since   int64
	started vigil.Instant
	cancel  context.CancelFunc
	done    chan struct{} // closed when it has stopped working
	gone    chan struct{} // closed when it is to stop

	mu   sync.Mutex
	rung chan struct{} // closed when there may be new events
}

func newLine(d *Desk, s *subscription, broken string) *line {
	l := &line{d: d, id: s.id, broken: broken, done: make(chan struct{}), gone: make(chan struct{}), rung: make(chan struct{})}
	l.sub.Store(s)
	return l
}

// open tells whether what happened is behind the beginning of the subscription.
func (l *line) open(r *vigil.Resource) bool {
	if r.Written == 0 {
		return r.Changed >= l.started
	}
	return r.Written > l.since
}

// ring says that there may be new events.
func (l *line) ring() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.rung)
	l.rung = make(chan struct{})
}

// bell is closed when there may be new events.
func (l *line) bell() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rung
}

// end lets the line stop.
func (l *line) end() {
	l.cancel()
	close(l.gone)
}

// note takes in a version that the server itself has written.
func (l *line) note(version, written int64, status, reason string) {
	for {
		old := l.sub.Load()
		if old.version >= version {
			return
		}
		s := *old
		s.version, s.written, s.status, s.reason = version, written, status, reason
		if l.sub.CompareAndSwap(old, &s) {
			return
		}
	}
}

// run begins and serves the subscription until ctx is done, as often as this
// process is the one that delivers.
func (l *line) run(ctx context.Context) {
	for l.hold(ctx) && l.begin(ctx) && l.serve(ctx) {
	}
}

// begin makes the subscription active; it is false when there is nothing to
// serve.
func (l *line) begin(ctx context.Context) bool {
	s := l.sub.Load()
	switch {
	case l.broken != "":
		l.become(ctx, failing, l.broken)
		return false
	case s.status == failing:
		return false
	case s.status == requested && s.topic != nil && s.channel == restHook:
		if err := l.post(ctx, &notification{sub: s, kind: handshake, status: requested, level: s.content}); err != nil {
			if ctx.Err() == nil {
				l.become(ctx, failing, "handshake: "+err.Error())
			}
			return false
		}
	}
	return s.status != requested || l.become(ctx, active, "")
}

// holdFor is how long a process has the right to deliver without asking again.
const holdFor = 30 * time.Second

// hold waits until this process is the one that delivers.
func (l *line) hold(ctx context.Context) bool {
	for l.d.c.Holder != "" && ctx.Err() == nil {
		if l.held(ctx) {
			return true
		}
		wait(ctx, holdFor/6)
	}
	return ctx.Err() == nil
}

// held asks for the right to deliver.
func (l *line) held(ctx context.Context) bool {
	now := l.d.now()
	ok, err := l.d.c.Ledger.HoldNotices(ctx, l.id, l.d.c.Holder, now, now.Add(holdFor))
	return err == nil && ok
}

// A delivery is how far a line is.
type delivery struct {
	at       int64 // number of the newest event that was taken
	kept     int64
	keptAt   time.Time
	failures int
	said     time.Time // when something was last said
	heldAt   time.Time
}

// serve delivers events and heartbeats until the subscription ends or fails too
// often; again says that another process delivers now, and this one is to wait.
func (l *line) serve(ctx context.Context) (again bool) {
	var v delivery
	for {
		n, err := l.d.c.Log.NoticeLine(ctx, l.id)
		if err == nil {
			v = delivery{at: n.Delivered, kept: n.Delivered, said: l.d.c.Now(), heldAt: l.d.c.Now(), keptAt: l.d.c.Now()}
			break
		}
		if wait(ctx, l.d.c.RetryMin); ctx.Err() != nil {
			return false
		}
	}
	defer func() { l.keep(context.WithoutCancel(ctx), &v) }()
	for ctx.Err() == nil {
		bell := l.bell()
		s := l.sub.Load()
		if s.end != 0 && l.d.now() >= s.end {
			l.become(ctx, off, "")
			return false
		}
		if !l.still(ctx, &v) {
			return true
		}
		more, err := l.deliver(ctx, s, &v)
		if ctx.Err() != nil {
			return false
		}
		if err != nil {
			v.failures++
			if v.failures >= l.d.c.Attempts {
				l.keep(ctx, &v)
				l.become(ctx, failing, err.Error())
				return false
			}
			if !l.pause(ctx, &v) {
				return true
			}
			continue
		}
		v.failures = 0
		if !more {
			l.keep(ctx, &v)
			l.rest(ctx, s, &v, bell)
		}
	}
	return false
}

// still keeps the right to deliver; it is false when another process has it.
func (l *line) still(ctx context.Context, v *delivery) bool {
	if l.d.c.Holder == "" || l.d.c.Now().Sub(v.heldAt) < holdFor/3 {
		return true
	}
	if !l.held(ctx) {
		return false
	}
	v.heldAt = l.d.c.Now()
	return true
}

// pause waits after a failure, and keeps the right to deliver meanwhile.
func (l *line) pause(ctx context.Context, v *delivery) bool {
	left := l.backoff(v.failures)
	for l.d.c.Holder != "" && left > holdFor/3 && ctx.Err() == nil {
		wait(ctx, holdFor/3)
		left -= holdFor / 3
		if !l.still(ctx, v) {
			return false
		}
	}
	wait(ctx, left)
	return true
}

// backoff is how long to wait after some failures.
func (l *line) backoff(failures int) time.Duration {
	return min(l.d.c.RetryMax, l.d.c.RetryMin<<min(failures-1, 20))
}

// rest waits until there is something to do.
func (l *line) rest(ctx context.Context, s *subscription, v *delivery, bell <-chan struct{}) {
	span := time.Duration(math.MaxInt64)
	if s.heartbeat > 0 && s.channel == restHook {
		span = max(0, v.said.Add(s.heartbeat).Sub(l.d.c.Now()))
	}
	if s.end != 0 {
		span = min(span, max(0, s.end.Sub(l.d.now())))
	}
	if l.d.c.Holder != "" {
		span = min(span, l.d.c.Poll)
	}
	t := time.NewTimer(span)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-bell:
	case <-t.C:
	}
}

// keep keeps how far the line is.
func (l *line) keep(ctx context.Context, v *delivery) {
	if v.at == v.kept {
		return
	}
	if err := l.d.c.Ledger.NoticesDelivered(ctx, l.id, v.at); err != nil {
		l.d.c.Logger.ErrorContext(ctx, "what was delivered cannot be kept; it may be delivered again", "subscription", l.id, "error", err)
		return
	}
	v.kept, v.keptAt = v.at, l.d.c.Now()
}

// deliver delivers the next events, or a heartbeat when it is time. More says
// that there may be further events.
func (l *line) deliver(ctx context.Context, s *subscription, v *delivery) (more bool, err error) {
	if s.channel != restHook {
		return false, nil // connections read for themselves
	}
	limit := s.count
	if s.topic == nil {
		limit = 1
	}
	level := s.content
	if s.topic == nil && s.mime != "" {
		level = full
	}
	events, err := l.d.load(ctx, l.id, level, v.at+1, math.MaxInt64, limit)
	if err != nil {
		return false, errors.New("events cannot be read")
	}
	switch {
	case len(events) > 0:
		last := events[len(events)-1].Number
		if s.topic == nil {
			err = l.plain(ctx, s, &events[0])
		} else {
			err = l.post(ctx, &notification{sub: s, kind: event, status: active, count: last, events: events, level: s.content})
		}
		if err != nil {
			return false, err
		}
		v.at, v.said = last, l.d.c.Now()
		if v.said.Sub(v.keptAt) > time.Second {
			l.keep(ctx, v)
		}
		return true, nil
	case s.topic != nil && s.heartbeat > 0 && l.d.c.Now().Sub(v.said) >= s.heartbeat:
		v.said = l.d.c.Now()
		return false, l.post(ctx, &notification{sub: s, kind: heartbeat, status: active, count: v.at, level: s.content})
	}
	return false, nil
}

// post sends a notification to a rest-hook.
func (l *line) post(ctx context.Context, n *notification) error {
	n.base, n.now = l.d.c.Base(), l.d.now()
	body, err := l.d.pack(n.sub, n.bundle())
	if err != nil {
		return err
	}
	return l.send(ctx, n.sub, http.MethodPost, n.sub.endpoint, body)
}

// plain sends an event as R4 has it: an empty POST, or, where there is a payload,
// an update of the resource at the endpoint (valueset-subscription-channel-type.html).
func (l *line) plain(ctx context.Context, s *subscription, e *notice) error {
	if s.mime == "" {
		return l.send(ctx, s, http.MethodPost, s.endpoint, nil)
	}
	if e.body == nil {
		return nil // it is not there any more
	}
	body, err := l.d.pack(s, e.body)
	if err != nil {
		return err
	}
	return l.send(ctx, s, http.MethodPut, strings.TrimSuffix(s.endpoint, "/")+"/"+e.Type+"/"+e.ID, body)
}

// send makes one request of a subscription. What fails is said without what was
// sent.
func (l *line) send(ctx context.Context, s *subscription, method, address string, body []byte) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("the endpoint is no address")
	}
	if err := l.d.c.Endpoints.allow(address); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, hostKey{}, u), s.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return errors.New("the endpoint is no address")
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", s.contentType())
	}
	r.Header.Set("User-Agent", "Vigil")
	for _, h := range s.headers {
		value, err := l.d.vault.open(h, s.endpoint)
		if err != nil {
			return errors.New("a header cannot be opened")
		}
		name, _, _ := strings.Cut(h, ":")
		r.Header.Add(strings.TrimSpace(name), value)
	}
	answer, err := l.d.client.Do(r)
	switch {
	case errors.Is(err, errNotAllowed):
		return errors.New("the endpoint has an address that may not be reached")
	case ctx.Err() != nil:
		return fmt.Errorf("the endpoint did not answer within %s", s.timeout)
	case err != nil:
		return errors.New("the endpoint could not be reached")
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 64<<10) // so that the connection can be used again
	_ = answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("the endpoint answered with status %d", answer.StatusCode)
	}
	return nil
}

// become writes another status into the Subscription, and tries until it can. It
// is false when the Subscription has changed meanwhile.
func (l *line) become(ctx context.Context, status, reason string) bool {
	for ctx.Err() == nil {
		s := l.sub.Load()
		r, err := l.d.c.Put(ctx, l.id, func(old vigil.Resource, doc *tree.Doc) []byte {
			if old.Deleted || old.Version != s.version {
				return nil
			}
			edit := tree.NewEdit(doc)
			edit.Put(doc.Root(), "status", tree.AppendString(nil, status))
			if reason != "" {
				edit.Put(doc.Root(), "error", tree.AppendString(nil, reason))
			}
			return edit.Bytes()
		})
		if err == nil {
			if r.Version == 0 {
				if again := l.sub.Load(); again.version != s.version && again.status != status {
					continue // what the server itself wrote was noted meanwhile
				}
				return false
			}
			l.note(r.Version, r.Written, status, reason)
			l.d.Written()
			return true
		}
		l.d.c.Logger.ErrorContext(ctx, "the status of a subscription cannot be written; it is tried again", "subscription", l.id, "error", err)
		wait(ctx, l.d.c.RetryMin)
	}
	return false
}
