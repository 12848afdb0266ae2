package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil/internal/socket"
)

const (
	day = 24 * 60 * 60 // seconds, and readings of one metric at 1 Hz
	// idleTime is how long an idle server settles before its memory is read.
	idleTime = 3 * time.Second
	// crowd is how many devices are connected at once.
	crowd = 10_000
	mega  = 1e6
)

// connected measures a server with many connected devices, and the newest values
// of 10,000 series.
func (b *Bench) connected(ctx context.Context) ([]Row, error) {
	var rows []Row
	b.tell("%d devices are registered and connect", crowd)
	err := b.with(ctx, func(s *Server) error {
		devices, err := s.Register(ctx, "crowd", profileVitals, crowd)
		if err != nil {
			return err
		}
		leave, err := s.Idle(ctx, devices)
		if err != nil {
			return err
		}
		rest(ctx, idleTime)
		resident, err := s.Resident()
		rows = append(rows, atMost(fmt.Sprintf("resident memory, %d devices connected", crowd), float64(resident)/mega, "MB", 700))
		leave()
		if err != nil {
			return err
		}
		var body bytes.Buffer
		batchOf(&body, devices[:crowd/readingsPerMessage+1], time.Now().UnixMilli(), 1)
		if err := s.Lines(ctx, &body); err != nil {
			return err
		}
		var list struct {
			Readings []struct{} `json:"readings"`
		}
		late := newTimes()
		for len(list.Readings) < crowd {
			if err := s.Call(ctx, http.MethodGet, "/api/v1/latest", nil, &list); err != nil {
				return err
			}
		}
		rest(ctx, idleTime) // the devices that left cost something, too
		for range 20 {
			n, err := b.timed(ctx, s, "/api/v1/latest", late)
			if err != nil || n == 0 {
				return errors.Join(err, ctx.Err())
			}
		}
		rows = append(rows, atMost(fmt.Sprintf("latest of %d series over HTTP: p50", len(list.Readings)), late.millis(50), "ms", 10))
		return nil
	})
	return rows, err
}

// Idle connects devices over MQTT that say nothing until leave is called.
func (s *Server) Idle(ctx context.Context, devices []Device) (leave func(), err error) {
	all := make([]*conn, len(devices))
	g, _ := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for i, d := range devices {
		g.Go(func() (err error) {
			all[i], err = dialMQTT(ctx, s.MQTT, d)
			return err
		})
	}
	leave = func() {
		for _, c := range all {
			if c != nil {
				_ = c.Close()
			}
		}
	}
	if err := g.Wait(); err != nil {
		leave()
		return nil, fmt.Errorf("connect %d devices: %w", len(devices), err)
	}
	return leave, nil
}

// timed reads a path to its last byte and notes how long that took, and how many
// bytes there were. What is read is not kept: a client that reads on and on
// does not make room anew each time.
func (b *Bench) timed(ctx context.Context, s *Server, path string, late *times) (int64, error) {
	begun := time.Now()
	n := int64(0)
	err := s.answer(ctx, path, func(body io.Reader) (err error) {
		n, err = io.Copy(io.Discard, body)
		return err
	})
	late.add(time.Since(begun))
	return n, err
}

// fetch fetches a path through the socket.
func (s *Server) fetch(ctx context.Context, path string) (text []byte, err error) {
	err = s.answer(ctx, path, func(body io.Reader) (err error) {
		text, err = io.ReadAll(body)
		return err
	})
	return text, err
}

// answer asks for a path through the socket and lets f read what comes.
func (s *Server) answer(ctx context.Context, path string, f func(io.Reader) error) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, socket.Base+path, nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	resp, err := s.socket.Do(req)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	defer resp.Body.Close()
	if err := f(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Errorf("read back: %s: %w", resp.Status, err)
	}
	return nil
}

// whole fetches every page of readings and returns how many readings there are,
// without reading the JSON as such: the server is measured here.
func (s *Server) whole(ctx context.Context, query url.Values) (int, error) {
	for n := 0; ; {
		text, err := s.fetch(ctx, "/api/v1/readings?"+query.Encode())
		if err != nil {
			return n, err
		}
		n += bytes.Count(text, []byte(`"metric":`))
		_, next, more := bytes.Cut(text[max(0, len(text)-1000):], []byte(`"next":"`))
		if !more {
			return n, nil
		}
		cursor, _, _ := bytes.Cut(next, []byte(`"`))
		query.Set("cursor", string(cursor))
	}
}

// history reads one metric of a day back, in each form.
func (b *Bench) history(ctx context.Context, s *Server, d Device) ([]Row, error) {
	const rounds = 20
	query := url.Values{"device": {d.ID}, "metric": {"hr"}, "limit": {"10000"}}
	columns := "/api/v1/readings?form=columns&metric=hr&device=" + d.ID
	if err := s.wholeDay(ctx, columns); err != nil {
		return nil, err
	}
	objects, lists, buckets := newTimes(), newTimes(), newTimes()
	for range rounds {
		if _, err := b.timed(ctx, s, columns, lists); err != nil {
			return nil, err
		}
	}
	for range rounds {
		begun := time.Now()
		query.Del("cursor")
		n, err := s.whole(ctx, query)
		if err != nil || n != day {
			return nil, fmt.Errorf("read a day back: %d of %d readings: %w", n, day, err)
		}
		objects.add(time.Since(begun))
		from := time.Now().Add(-26 * time.Hour).UTC().Format(time.RFC3339)
		path := "/api/v1/readings?limit=10000&bucket=60s&metric=hr&device=" + d.ID + "&from=" + from
		if _, err := b.timed(ctx, s, path, buckets); err != nil {
			return nil, err
		}
	}
	return []Row{
		atMost("24 h at 1 Hz over HTTP, all 86,400 readings as columns: p50", lists.millis(50), "ms", 10),
		atMost("24 h at 1 Hz over HTTP, as 1-minute summaries: p50", buckets.millis(50), "ms", 10),
		atMost("24 h at 1 Hz over HTTP, all 86,400 readings as objects, in 9 pages: p50", objects.millis(50), "ms", 0),
	}, nil
}

// wholeDay checks that columns hold every reading of a day.
func (s *Server) wholeDay(ctx context.Context, path string) error {
	text, err := s.fetch(ctx, path)
	if err != nil {
		return err
	}
	var page struct {
		Columns []struct {
			Times  []int64    `json:"times"`
			Values []*float64 `json:"values"`
		} `json:"columns"`
	}
	if err := json.Unmarshal(text, &page); err != nil {
		return fmt.Errorf("read columns: %w", err)
	}
	if len(page.Columns) != 1 || len(page.Columns[0].Times) != day || len(page.Columns[0].Values) != day {
		return fmt.Errorf("read a day back: %d bytes of columns do not hold %d readings", len(text), day)
	}
	return nil
}
