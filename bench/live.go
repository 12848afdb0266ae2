package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil"
)

// Live measures how late a value is on a screen while a server is under load.
func (b *Bench) Live(ctx context.Context) ([]Row, error) {
	var rows []Row
	err := b.with(ctx, func(s *Server) (err error) {
		rows, err = b.toScreen(ctx, s)
		return err
	})
	return b.placed(rows), err
}

// probesPerSecond is how often the observed value is published.
const probesPerSecond = 50

// toScreen measures from when a probe was due until its frame is there.
func (b *Bench) toScreen(ctx context.Context, s *Server) ([]Row, error) {
	b.tell("live: one value to one screen beside %d messages a second", paced)
	devices, err := s.Register(ctx, "bench", profileVitals, b.Devices)
	if err != nil {
		return nil, err
	}
	probe, err := s.Register(ctx, "probe", profileVitals, 1)
	if err != nil {
		return nil, err
	}
	f, err := dialFleet(ctx, s, devices)
	if err != nil {
		return nil, err
	}
	w, err := dialFleet(ctx, s, probe)
	if err != nil {
		return nil, err
	}
	w.senders[0].base = time.Now().Add(-time.Minute).UnixMilli()
	screen, err := watch(ctx, s, w.senders[0])
	if err != nil {
		return nil, err
	}
	loading, stop := context.WithTimeout(ctx, b.Warm+b.For)
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return f.pace(loading, paced) })
	g.Go(func() error { return w.pace(loading, probesPerSecond) })
	g.Go(func() error { return screen.read(ctx) })
	rest(loading, b.Warm)
	screen.late.reset()
	<-loading.Done()
	rest(ctx, time.Second)
	screen.stop()
	if err := errors.Join(g.Wait(), ctx.Err()); err != nil {
		return nil, err
	}
	if n, want := screen.late.count(), int64(b.For.Seconds()*probesPerSecond); n < want*95/100 {
		return nil, fmt.Errorf("%d of %d values were seen on the screen", n, want)
	}
	what := fmt.Sprintf("publish to frame of one value, unthrottled, beside %d messages/s", paced)
	return []Row{
		atMost(what+": p50", screen.late.millis(50), "ms", 0),
		atMost(what+": p99", screen.late.millis(99), "ms", 100),
		atMost(what+": longest", screen.late.millis(100), "ms", 0),
	}, nil
}

// A screen is a subscriber that looks for the values of one sender.
type screen struct {
	conn *websocket.Conn
	from *sender
	late *times
	next int64 // message that was not seen yet
	once sync.Once
	done chan struct{}
}

// watch subscribes to the patient of a sender.
func watch(ctx context.Context, s *Server, from *sender) (*screen, error) {
	conn, resp, err := websocket.Dial(ctx, "ws://"+s.HTTP+"/ws/events", &websocket.DialOptions{HTTPHeader: s.header()})
	if resp != nil && resp.Body != nil {
		_ = resp.Body.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("open screen: %w", err)
	}
	ask := fmt.Sprintf(`{"subscribe":{"patients":[%q],"unthrottled":true}}`, from.Patient)
	if err := conn.Write(ctx, websocket.MessageText, []byte(ask)); err != nil {
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return &screen{conn: conn, from: from, late: newTimes(), done: make(chan struct{})}, nil
}

// stop ends read.
func (c *screen) stop() {
	c.once.Do(func() {
		close(c.done)
		_ = c.conn.CloseNow()
	})
}

// read notes how late each value of the sender is until stop.
func (c *screen) read(ctx context.Context) error {
	defer c.stop()
	for {
		_, text, err := c.conn.Read(ctx)
		now := time.Now()
		if err != nil {
			select {
			case <-c.done:
				return nil
			default:
				return fmt.Errorf("read screen: %w", err)
			}
		}
		var frame struct {
			Type string `json:"type"`
			Data json.RawMessage
		}
		if err := json.Unmarshal(text, &frame); err != nil {
			return fmt.Errorf("read frame: %w", err)
		}
		if frame.Type != "readings" {
			continue
		}
		var readings []struct {
			Metric string        `json:"metric"`
			Time   vigil.Instant `json:"time"`
		}
		if err := json.Unmarshal(frame.Data, &readings); err != nil {
			return fmt.Errorf("read frame: %w", err)
		}
		for _, r := range readings {
			if r.Metric == "hr" {
				c.saw(int64(r.Time)/1000-c.from.base, now)
			}
		}
	}
}

// saw notes that message n is on the screen. Messages before it that were not
// shown because a newer value took their place count as seen now.
func (c *screen) saw(n int64, now time.Time) {
	// Message n has packet id n+1: a probe sends fewer than there are ids.
	for ; c.next <= n && c.next < 1<<16-1; c.next++ {
		if due := c.from.due[c.next+1].Load(); due != 0 {
			c.late.add(time.Duration(now.UnixNano() - due))
		}
	}
}
