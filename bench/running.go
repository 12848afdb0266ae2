package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil"
)

// A Reach says how a server that runs already is reached. Registration goes
// through the socket in its data folder when that is on this machine, otherwise
// through its HTTP listener with a token.
type Reach struct {
	HTTP, MQTT string // host:port
	Data       string // "" needs a token
	Token      string // of a role that may register devices and read
}

// guest is what a measurement leaves on a server that runs already.
type guest struct {
	name    string // in front of all ids
	token   string
	gateway Device // posts batches where there is no socket

	mu     sync.Mutex
	rounds int
	made   []string
}

// Join returns a server that runs already, to be measured. Its devices get ids
// of this measurement alone; Leave makes their secrets void.
func Join(ctx context.Context, r Reach) (*Server, error) {
	if r.Data == "" && r.Token == "" {
		return nil, vigil.Errorf(vigil.Invalid, "a server that runs already is reached through its data folder or with a token")
	}
	s := Attach(r.Data, r.HTTP, r.MQTT)
	s.guest = &guest{name: fmt.Sprintf("bench-%x", time.Now().UnixMilli()), token: r.Token}
	if r.Data == "" {
		s.socket = &http.Client{Transport: bearer{host: r.HTTP, token: r.Token}}
	}
	var err error
	if s.guest.gateway, err = s.Gateway(ctx, "gateway"); err != nil {
		return nil, fmt.Errorf("register at %s: %w", r.HTTP, err)
	}
	return s, nil
}

// Leave revokes every device that was registered. Patients and readings stay:
// what was acknowledged is never taken back.
func (s *Server) Leave(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for _, id := range s.guest.made {
		g.Go(func() error {
			return s.Call(ctx, http.MethodPost, "/api/v1/devices/"+url.PathEscape(id)+"/revoke", nil, nil)
		})
	}
	return g.Wait()
}

// named returns the name under which a round of devices is registered: as it is
// on a server of the measurement's own, a new one on any other.
func (s *Server) named(prefix string) string {
	if s.guest == nil {
		return prefix
	}
	s.guest.mu.Lock()
	defer s.guest.mu.Unlock()
	s.guest.rounds++
	return fmt.Sprintf("%s-%d-%s", s.guest.name, s.guest.rounds, prefix)
}

// note remembers a device for Leave.
func (s *Server) note(id string) {
	if s.guest == nil {
		return
	}
	s.guest.mu.Lock()
	defer s.guest.mu.Unlock()
	s.guest.made = append(s.guest.made, id)
}

// prove adds to a batch who posts it, where it does not go through the socket.
func (s *Server) prove(req *http.Request) {
	if s.guest != nil && s.Data == "" {
		req.SetBasicAuth(s.guest.gateway.ID, s.guest.gateway.Secret)
	}
}

// header is what a screen says about itself.
func (s *Server) header() http.Header {
	h := http.Header{}
	if s.guest != nil && s.guest.token != "" {
		h.Set("Authorization", "Bearer "+s.guest.token)
	}
	return h
}

// A bearer sends requests to a host with a token, unless they carry proof of
// their own.
type bearer struct{ host, token string }

// RoundTrip sends one request.
func (b bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.URL.Host, req.Host = b.host, b.host
	if req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", "Bearer "+b.token)
	}
	return http.DefaultTransport.RoundTrip(req)
}

// readRunning measures reads of a server that runs already: a day that is sent
// to it first, and the newest values of whatever it keeps.
func (b *Bench) readRunning(ctx context.Context) ([]Row, error) {
	s := b.Running
	b.tell("a day of one device is sent and read back")
	devices, err := s.Register(ctx, "day", profileVitals, 1)
	if err != nil {
		return nil, err
	}
	if err := sendDay(ctx, s, devices); err != nil {
		return nil, err
	}
	if err := storedAll(ctx, s, devices[0], day); err != nil {
		return nil, err
	}
	rows, err := b.history(ctx, s, devices[0])
	if err != nil {
		return nil, err
	}
	var list struct {
		Readings []struct{} `json:"readings"`
	}
	if err := s.Call(ctx, http.MethodGet, "/api/v1/latest", nil, &list); err != nil {
		return nil, err
	}
	late := newTimes()
	for range 20 {
		if _, err := b.timed(ctx, s, "/api/v1/latest", late); err != nil {
			return nil, errors.Join(err, ctx.Err())
		}
	}
	return append(rows, atMost(fmt.Sprintf("latest of %d series over HTTP: p50", len(list.Readings)), late.millis(50), "ms", 0)), nil
}
