package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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
			return b.placed(rows), err
		}
	}
	return b.placed(rows), nil
}

// A measurement is what a load did while it counted.
type measurement struct {
	rate   float64 // acknowledged messages a second
	allocs float64 // of the server, for each message
	heap   float64 // bytes that the server allocated for each message
}

// measured runs a load under a name: the warm-up, then the time that counts.
func (b *Bench) measured(ctx context.Context, s *Server, name string, f *fleet, run func(context.Context) error) (measurement, error) {
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
	g.Go(func() error { return b.profile(ctx, s, name) })
	before, err := s.memory(ctx)
	from, begun := f.acked.Load(), time.Now()
	<-loading.Done()
	n, took := float64(f.acked.Load()-from), time.Since(begun)
	after, err2 := s.memory(ctx)
	if b.Running != nil {
		err, err2 = nil, nil // a token need not show it
	}
	return measurement{n / took.Seconds(), (after.Mallocs - before.Mallocs) / n, (after.Bytes - before.Bytes) / n},
		errors.Join(g.Wait(), ctx.Err(), err, err2)
}

// profile takes a CPU profile of the server while a load is measured.
func (b *Bench) profile(ctx context.Context, s *Server, name string) error {
	if b.Profiles == "" {
		return nil
	}
	text, err := s.fetch(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(b.For.Seconds()))))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(b.Profiles, 0o750); err != nil {
		return fmt.Errorf("make folder of profiles: %w", err)
	}
	if err := os.WriteFile(filepath.Join(b.Profiles, name+".pprof"), text, 0o600); err != nil {
		return fmt.Errorf("keep profile: %w", err)
	}
	return nil
}

// allocated is what a server has allocated since its start, and the seconds of
// processor that it took.
type allocated struct{ Mallocs, Bytes, Seconds float64 }

// memory asks the server what it has allocated.
func (s *Server) memory(ctx context.Context) (allocated, error) {
	var a allocated
	text, err := s.fetch(ctx, "/metrics")
	if err != nil {
		return a, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		v, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
		case name == "go_memstats_mallocs_total":
			a.Mallocs = v
		case name == "go_memstats_alloc_bytes_total":
			a.Bytes = v
		case name == "process_cpu_seconds_total":
			a.Seconds = v
		}
	}
	return a, nil
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
	m, err := b.measured(ctx, s, "saturated", f, func(ctx context.Context) error { return f.saturate(ctx, eachInFlight) })
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := f.stored(ctx, s); err != nil {
		return nil, err
	}
	b.tell("everything acknowledged could be read %s after the last message", time.Since(begun).Round(time.Millisecond))
	what := fmt.Sprintf("MQTT QoS 1, %d devices, %d readings a message, %d in flight each", b.Devices, readingsPerMessage, eachInFlight)
	rows := []Row{
		atLeast(what+": messages", m.rate, "/s", 50_000),
		atLeast(what+": readings", m.rate*readingsPerMessage, "/s", 300_000),
	}
	if m.allocs <= 0 {
		return rows, nil
	}
	return append(rows,
		atMost(what+": allocations of the server for each message", m.allocs, "", 0),
		atMost(what+": bytes allocated for each message", m.heap, "B", 0)), nil
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
	m, err := b.measured(ctx, s, "paced", f, func(ctx context.Context) error { return f.pace(ctx, paced) })
	if err != nil {
		return nil, err
	}
	if m.rate < 0.98*paced {
		b.tell("only %.0f messages a second were acknowledged", m.rate)
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
	m, err := b.measured(ctx, s, "one-connection", f, func(ctx context.Context) error { return f.saturate(ctx, inFlight) })
	if err != nil {
		return nil, err
	}
	if err := f.stored(ctx, s); err != nil {
		return nil, err
	}
	return []Row{atLeast(fmt.Sprintf("one MQTT connection, %d in flight: messages", inFlight), m.rate, "/s", 10_000)}, nil
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
	m, err := b.measured(ctx, s, "batches", f, func(context.Context) error {
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
		m.rate*readingsPerMessage, "/s", 200_000)}, nil
}
