package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Read measures what is kept and read back: bytes on disk, reads, start, memory.
// Of a server that runs already it measures reads alone: nothing else can be
// seen from here.
func (b *Bench) Read(ctx context.Context) ([]Row, error) {
	parts := []func(context.Context) ([]Row, error){b.idle, b.connected, b.archive}
	if b.Running != nil {
		b.tell("bytes on disk, memory and start of a server that runs already cannot be seen from here, and are left out")
		parts = []func(context.Context) ([]Row, error){b.readRunning}
	}
	var rows []Row
	for _, f := range parts {
		more, err := f(ctx)
		rows = append(rows, more...)
		if err != nil {
			return b.placed(rows), err
		}
	}
	return b.placed(rows), nil
}

// idle measures start and memory of a server that keeps nothing.
func (b *Bench) idle(ctx context.Context) ([]Row, error) {
	b.tell("an empty server")
	var resident uint64
	var began, again time.Duration
	err := b.at(ctx, func(where *site) (err error) {
		began, err = where.started(ctx, func(s *Server) (err error) {
			rest(ctx, idleTime)
			resident, err = s.Resident()
			return err
		})
		if err != nil {
			return err
		}
		again, err = where.started(ctx, func(*Server) error { return nil })
		return err
	})
	if err != nil {
		return nil, err
	}
	return []Row{
		atMost("start, new data folder", began.Seconds(), "s", 1),
		atMost("start, empty data folder", again.Seconds(), "s", 1),
		atMost("resident memory, idle", float64(resident)/mega, "MB", 80),
	}, nil
}

// started starts a server, lets f look at it, stops it, and returns how long it
// took to become ready.
func (s *site) started(ctx context.Context, f func(*Server) error) (time.Duration, error) {
	begun := time.Now()
	server, err := Start(ctx, s.command())
	if err != nil {
		return 0, err
	}
	took := time.Since(begun)
	return took, errors.Join(f(server), server.Stop())
}

// archive keeps many readings and waves and measures their size, reading them,
// and the start on them.
func (b *Bench) archive(ctx context.Context) ([]Row, error) {
	var rows []Row
	err := b.at(ctx, func(where *site) (err error) {
		rows, err = b.archiveAt(ctx, where)
		return err
	})
	return rows, err
}

// archiveAt does so at a site.
func (b *Bench) archiveAt(ctx context.Context, where *site) ([]Row, error) {
	count := max(1, int(math.Ceil(float64(b.Kept)*mega/(day*readingsPerMessage))))
	var vitalsOf, ecgOf []Device
	empty, err := where.grown(ctx, func(s *Server) (err error) {
		if vitalsOf, err = s.Register(ctx, "ward", profileVitals, count); err != nil {
			return err
		}
		ecgOf, err = s.Register(ctx, "ecg", "ecg-patch", 4)
		return err
	})
	if err != nil {
		return nil, err
	}
	readings := float64(count) * day * readingsPerMessage
	what := fmt.Sprintf("%.1f million vital readings at 1 Hz with jitter", readings/mega)
	b.tell("%s are sent", what)
	begun := time.Now()
	full, err := where.grown(ctx, func(s *Server) error { return sendDays(ctx, s, vitalsOf) })
	if err != nil {
		return nil, err
	}
	b.tell("they took %s; ECGs are sent", time.Since(begun).Round(time.Second))
	withECG, err := where.grown(ctx, func(s *Server) error { return sendECG(ctx, s, ecgOf) })
	if err != nil {
		return nil, err
	}
	rows := []Row{
		atMost("disk, "+what+": store, each", float64(full.store-empty.store)/readings, "B", 4),
		atMost("disk, "+what+": journal until it is trimmed, each", float64(full.journal-empty.journal)/readings, "B", 0),
		atMost("disk, 12-bit ECG at 250 Hz: store, each sample", float64(withECG.store-full.store)/ecgSamples, "B", 1.5),
		atMost("disk, 12-bit ECG at 250 Hz: journal until it is trimmed, each sample", float64(withECG.journal-full.journal)/ecgSamples, "B", 0),
	}
	b.tell("what was sent is read back")
	var resident uint64
	took, err := where.started(ctx, func(s *Server) (err error) {
		rest(ctx, idleTime)
		if resident, err = s.Resident(); err != nil {
			return err
		}
		more, err := b.history(ctx, s, vitalsOf[0])
		rows = append(rows, more...)
		return err
	})
	return append(rows,
		atMost("start, with "+what+" kept", took.Seconds(), "s", 5),
		atMost("resident memory, idle, with "+what+" kept", float64(resident)/mega, "MB", 0)), err
}

// grown starts a server, lets f fill it, stops it, and returns what it keeps.
func (s *site) grown(ctx context.Context, f func(*Server) error) (sizes, error) {
	if _, err := s.started(ctx, f); err != nil {
		return sizes{}, err
	}
	return s.size(ctx)
}

// sendDays sends a day of vitals of each device, a ward after the other: what is
// sent of one device at a time, and so its size, is the same however many there
// are.
func sendDays(ctx context.Context, s *Server, devices []Device) error {
	for ward := range slices.Chunk(devices, 20) {
		if err := sendDay(ctx, s, ward); err != nil {
			return err
		}
	}
	return nil
}

// sendDay sends a day of vitals of each device, as gateways do: several seconds
// of many devices in a batch.
func sendDay(ctx context.Context, s *Server, devices []Device) error {
	const perBatch = 1000
	base := time.Now().Add(-25 * time.Hour).UnixMilli()
	var g errgroup.Group
	g.SetLimit(2)
	for part := range 2 {
		g.Go(func() error {
			var body bytes.Buffer
			lines := 0
			for n := range day {
				for i := part; i < len(devices); i += 2 {
					jitter := int64(mix(uint64(n*len(devices)+i)) % 50) // #nosec G115 -- not negative
					batchOf(&body, devices[i:i+1], base+int64(n)*1000+jitter, n)
					lines++
				}
				if lines == 0 || lines < perBatch && n < day-1 {
					continue
				}
				if err := s.Lines(ctx, &body); err != nil {
					return err
				}
				body.Reset()
				lines = 0
			}
			return nil
		})
	}
	return g.Wait()
}

const (
	ecgRate    = 250
	ecgSeconds = 600
	ecgSamples = 4 * ecgRate * ecgSeconds
)

// sendECG sends ten minutes of each device, a second in a message.
func sendECG(ctx context.Context, s *Server, devices []Device) error {
	base := time.Now().Add(-time.Hour).UnixMilli()
	for i, d := range devices {
		var body bytes.Buffer
		for n := range ecgSeconds {
			fmt.Fprintf(&body, `{"device":%q,"payload":{"t":%d,"seq":%d,"ecg":[`, d.ID, base+int64(n)*1000, n+1)
			for k := range ecgRate {
				if k > 0 {
					body.WriteByte(',')
				}
				fmt.Fprint(&body, ecg(i, n*ecgRate+k))
			}
			body.WriteString("]}}\n")
		}
		if err := s.Lines(ctx, &body); err != nil {
			return err
		}
	}
	return nil
}

// ecg is one sample of a synthetic ECG with 12 bits: waves P, Q, R, S and T, a
// baseline that wanders with the breath, and noise of a few bits as amplifiers
// have it.
func ecg(patient, n int) int {
	t := float64(n) / ecgRate
	phase := math.Mod(t*(1.1+0.1*float64(patient)), 1)
	wave := func(height, at, width float64) float64 {
		d := (phase - at) / width
		return height * math.Exp(-d*d/2)
	}
	v := wave(20, 0.2, 0.025) + wave(-25, 0.36, 0.01) + wave(230, 0.38, 0.012) + wave(-50, 0.41, 0.012) + wave(60, 0.65, 0.05)
	v += 15*math.Sin(2*math.Pi*0.25*t) + 3*math.Sin(2*math.Pi*50*t)
	h := mix(uint64(patient<<32 + n)) // #nosec G115 -- not negative
	noise := float64(h%5+h>>8%5+h>>16%5) - 6
	return int(math.Round(v + noise))
}
