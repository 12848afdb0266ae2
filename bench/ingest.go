package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	profileVitals = "bedside-monitor"
	// eachInFlight is how many messages a device of the saturating load has in
	// flight.
	eachInFlight = 16
	// paced is the load at which latencies are measured, messages a second.
	paced = 10_000
)

// Ingest measures how much a server takes and how soon it acknowledges.
func (b *Bench) Ingest(ctx context.Context) ([]Row, error) {
	var rows []Row
	for _, f := range []func(context.Context, *Server) ([]Row, error){b.saturated, b.pacedAcks, b.oneConnection, b.batches} {
		err := b.with(ctx, func(s *Server) error {
			more, err := f(ctx, s)
			rows = append(rows, more...)
			return err
		})
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// measured runs a load: the warm-up, then the time that counts. It returns
// acknowledged messages a second of the latter.
func (b *Bench) measured(ctx context.Context, f *fleet, run func(context.Context) error) (float64, error) {
	loading, stop := context.WithTimeout(ctx, b.Warm+b.For)
	defer stop()
	var g errgroup.Group
	g.Go(func() error {
		defer stop()
		return run(loading)
	})
	rest(loading, b.Warm)
	if f.late != nil {
		f.late.reset()
	}
	from, begun := f.acked.Load(), time.Now()
	<-loading.Done()
	rate := float64(f.acked.Load()-from) / time.Since(begun).Seconds()
	return rate, errors.Join(g.Wait(), ctx.Err())
}

// saturated sends from all devices as fast as acknowledgements come.
func (b *Bench) saturated(ctx context.Context, s *Server) ([]Row, error) {
	b.tell("MQTT: %d devices, as fast as acknowledgements come", b.Devices)
	devices, err := s.Register(ctx, "bench", profileVitals, b.Devices)
	if err != nil {
		return nil, err
	}
	f, err := dialFleet(ctx, s, devices)
	if err != nil {
		return nil, err
	}
	defer f.close()
	rate, err := b.measured(ctx, f, func(ctx context.Context) error { return f.saturate(ctx, eachInFlight) })
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := f.stored(ctx, s); err != nil {
		return nil, err
	}
	b.tell("everything acknowledged could be read %s after the last message", time.Since(begun).Round(time.Millisecond))
	what := fmt.Sprintf("MQTT QoS 1, %d devices, %d readings a message, %d in flight each", b.Devices, readingsPerMessage, eachInFlight)
	return []Row{
		atLeast(what+": messages", rate, "/s", 50_000),
		atLeast(what+": readings", rate*readingsPerMessage, "/s", 300_000),
	}, nil
}

// stored checks some of the devices.
func (f *fleet) stored(ctx context.Context, s *Server) error {
	for i := 0; i < len(f.senders); i += max(1, len(f.senders)/5) {
		if err := storedAll(ctx, s, f.senders[i].Device, f.senders[i].n); err != nil {
			return err
		}
	}
	return nil
}

// storedAll waits until all messages of a device can be read back, each once.
func storedAll(ctx context.Context, s *Server, d Device, want int) error {
	query := url.Values{"device": {d.ID}, "metric": {"hr"}, "limit": {"10000"}}
	for deadline := time.Now().Add(time.Minute); ; {
		n := 0
		query.Del("cursor")
		err := pages(ctx, s, "/api/v1/readings", query, func(page *struct {
			Readings []struct{} `json:"readings"`
			Next     string     `json:"next"`
		}) string {
			n += len(page.Readings)
			return page.Next
		})
		if err != nil || n == want {
			return err
		}
		if time.Now().After(deadline) || n > want {
			return fmt.Errorf("device %s was acknowledged %d messages, and %d can be read", d.ID, want, n)
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// pacedAcks measures how late acknowledgements are at a bearable load.
func (b *Bench) pacedAcks(ctx context.Context, s *Server) ([]Row, error) {
	b.tell("MQTT: %d devices, %d messages a second", b.Devices, paced)
	devices, err := s.Register(ctx, "bench", profileVitals, b.Devices)
	if err != nil {
		return nil, err
	}
	f, err := dialFleet(ctx, s, devices)
	if err != nil {
		return nil, err
	}
	f.late = newTimes()
	rate, err := b.measured(ctx, f, func(ctx context.Context) error { return f.pace(ctx, paced) })
	if err != nil {
		return nil, err
	}
	if rate < 0.98*paced {
		b.tell("only %.0f messages a second were acknowledged", rate)
	}
	what := fmt.Sprintf("acknowledgement at %d messages/s from %d devices", paced, b.Devices)
	return []Row{
		atMost(what+": p50", f.late.millis(50), "ms", 0),
		atMost(what+": p99", f.late.millis(99), "ms", 20),
		atMost(what+": p99.9", f.late.millis(99.9), "ms", 0),
		atMost(what+": longest", f.late.millis(100), "ms", 0),
	}, nil
}

// oneConnection measures a single connection with 64 messages in flight.
func (b *Bench) oneConnection(ctx context.Context, s *Server) ([]Row, error) {
	const inFlight = 64
	b.tell("MQTT: one connection, %d in flight", inFlight)
	devices, err := s.Register(ctx, "single", profileVitals, 1)
	if err != nil {
		return nil, err
	}
	f, err := dialFleet(ctx, s, devices)
	if err != nil {
		return nil, err
	}
	defer f.close()
	rate, err := b.measured(ctx, f, func(ctx context.Context) error { return f.saturate(ctx, inFlight) })
	if err != nil {
		return nil, err
	}
	if err := f.stored(ctx, s); err != nil {
		return nil, err
	}
	return []Row{atLeast(fmt.Sprintf("one MQTT connection, %d in flight: messages", inFlight), rate, "/s", 10_000)}, nil
}

// batchOf makes lines of the devices: message n of each, at a time in ms.
func batchOf(dst *bytes.Buffer, devices []Device, at int64, n int) {
	var text []byte
	for i := range devices {
		text = append(text[:0], `{"device":`...)
		text = strconv.AppendQuote(text, devices[i].ID)
		text = append(text, `,"payload":`...)
		text = append(vitals(text, at, i, n), "}\n"...)
		dst.Write(text)
	}
}

// batches measures NDJSON batches of a gateway with two requests at a time.
func (b *Bench) batches(ctx context.Context, s *Server) ([]Row, error) {
	const atATime, rounds = 2, 5
	b.tell("HTTP: batches of %d messages, %d at a time", 200*rounds, atATime)
	devices, err := s.Register(ctx, "batch", profileVitals, 200*atATime)
	if err != nil {
		return nil, err
	}
	loading, stop := context.WithTimeout(ctx, b.Warm+b.For)
	defer stop()
	base := time.Now().Add(-24 * time.Hour).UnixMilli()
	f := &fleet{}
	var sent atomic.Int64
	rate, err := b.measured(ctx, f, func(context.Context) error {
		var g errgroup.Group
		for part := range atATime {
			mine := devices[part*200 : (part+1)*200]
			g.Go(func() error {
				var body bytes.Buffer
				n := 0
				for loading.Err() == nil {
					body.Reset()
					for range rounds {
						batchOf(&body, mine, base+int64(n)*1000, n)
						n++
					}
					if err := s.Lines(context.WithoutCancel(loading), &body); err != nil {
						return err
					}
					f.acked.Add(int64(rounds * len(mine)))
				}
				if part == 0 {
					sent.Store(int64(n))
				}
				return nil
			})
		}
		return g.Wait()
	})
	if err != nil {
		return nil, err
	}
	if err := storedAll(ctx, s, devices[0], int(sent.Load())); err != nil {
		return nil, err
	}
	return []Row{atLeast(fmt.Sprintf("HTTP NDJSON, batches of %d messages, %d at a time: readings", 200*rounds, atATime),
		rate*readingsPerMessage, "/s", 200_000)}, nil
}
