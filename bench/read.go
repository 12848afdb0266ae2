package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
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

// Read measures what is kept and read back: bytes on disk, reads, start, memory.
func (b *Bench) Read(ctx context.Context) ([]Row, error) {
	var rows []Row
	for _, f := range []func(context.Context) ([]Row, error){b.idle, b.connected, b.archive} {
		more, err := f(ctx)
		rows = append(rows, more...)
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// idle measures start and memory of a server that keeps nothing.
func (b *Bench) idle(ctx context.Context) ([]Row, error) {
	b.tell("an empty server")
	var resident uint64
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	began, err := b.started(ctx, dir, func(s *Server) (err error) {
		rest(ctx, idleTime)
		resident, err = s.Resident()
		return err
	})
	if err != nil {
		return nil, err
	}
	again, err := b.started(ctx, dir, func(*Server) error { return nil })
	return []Row{
		atMost("start, new data folder", began.Seconds(), "s", 1),
		atMost("start, empty data folder", again.Seconds(), "s", 1),
		atMost("resident memory, idle", float64(resident)/mega, "MB", 80),
	}, err
}

// started starts a server on a folder, lets f look at it, stops it, and returns
// how long it took to become ready.
func (b *Bench) started(ctx context.Context, dir string, f func(*Server) error) (time.Duration, error) {
	begun := time.Now()
	s, err := Start(ctx, Command{Exe: b.Exe, Data: dir, Log: os.Stderr})
	if err != nil {
		return 0, err
	}
	took := time.Since(begun)
	return took, errors.Join(f(s), s.Stop())
}

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

// timed fetches a path to its last byte and notes how long that took.
func (b *Bench) timed(ctx context.Context, s *Server, path string, late *times) (int64, error) {
	begun := time.Now()
	text, err := s.fetch(ctx, path)
	late.add(time.Since(begun))
	return int64(len(text)), err
}

// fetch fetches a path through the socket.
func (s *Server) fetch(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, socket.Base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	resp, err := s.socket.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read back: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read back: %s: %w", resp.Status, err)
	}
	return text, nil
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

// archive keeps many readings and waves and measures their size, reading them,
// and the start on them.
func (b *Bench) archive(ctx context.Context) ([]Row, error) {
	count := max(1, int(math.Ceil(float64(b.Kept)*mega/(day*readingsPerMessage))))
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	var vitalsOf, ecgOf []Device
	if _, err := b.started(ctx, dir, func(s *Server) (err error) {
		if vitalsOf, err = s.Register(ctx, "ward", profileVitals, count); err != nil {
			return err
		}
		ecgOf, err = s.Register(ctx, "ecg", "ecg-patch", 4)
		return err
	}); err != nil {
		return nil, err
	}
	readings := float64(count) * day * readingsPerMessage
	what := fmt.Sprintf("%.1f million vital readings at 1 Hz with jitter", readings/mega)
	b.tell("%s are sent", what)
	empty := size(dir)
	if _, err := b.started(ctx, dir, func(s *Server) error { return sendDay(ctx, s, vitalsOf) }); err != nil {
		return nil, err
	}
	full := size(dir)
	b.tell("ECGs are sent")
	if _, err := b.started(ctx, dir, func(s *Server) error { return sendECG(ctx, s, ecgOf) }); err != nil {
		return nil, err
	}
	withECG := size(dir)
	rows := []Row{
		atMost("disk, "+what+": store, each", float64(full.store-empty.store)/readings, "B", 4),
		atMost("disk, "+what+": journal until it is trimmed, each", float64(full.journal-empty.journal)/readings, "B", 0),
		atMost("disk, 12-bit ECG at 250 Hz: store, each sample", float64(withECG.store-full.store)/ecgSamples, "B", 1.5),
		atMost("disk, 12-bit ECG at 250 Hz: journal until it is trimmed, each sample", float64(withECG.journal-full.journal)/ecgSamples, "B", 0),
	}
	b.tell("what was sent is read back")
	took, err := b.started(ctx, dir, func(s *Server) error {
		more, err := b.history(ctx, s, vitalsOf[0])
		rows = append(rows, more...)
		return err
	})
	rows = append(rows, atMost("start, with "+what+" kept", took.Seconds(), "s", 5))
	return rows, err
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
				if lines < perBatch && n < day-1 {
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

// history reads one metric of a day back.
func (b *Bench) history(ctx context.Context, s *Server, d Device) ([]Row, error) {
	query := url.Values{"device": {d.ID}, "metric": {"hr"}, "limit": {"10000"}}
	raw, buckets := newTimes(), newTimes()
	for range 10 {
		begun := time.Now()
		query.Del("cursor")
		n, err := s.whole(ctx, query)
		if err != nil || n != day {
			return nil, fmt.Errorf("read a day back: %d of %d readings: %w", n, day, err)
		}
		raw.add(time.Since(begun))
		from := time.Now().Add(-26 * time.Hour).UTC().Format(time.RFC3339)
		path := "/api/v1/readings?limit=10000&bucket=60s&metric=hr&device=" + d.ID + "&from=" + from
		if _, err := b.timed(ctx, s, path, buckets); err != nil {
			return nil, err
		}
	}
	return []Row{
		atMost("24 h at 1 Hz over HTTP, as 1-minute summaries: p50", buckets.millis(50), "ms", 10),
		atMost("24 h at 1 Hz over HTTP, all 86,400 readings as JSON: p50", raw.millis(50), "ms", 10),
	}, nil
}

// sizes are bytes on disk.
type sizes struct{ store, journal int64 }

// size adds up the files of a data folder.
func size(dir string) (s sizes) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil //nolint:nilerr // a file that has gone takes no room
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // the same
		}
		if strings.HasPrefix(path, filepath.Join(dir, "journal")) {
			s.journal += info.Size()
		} else {
			s.store += info.Size()
		}
		return nil
	})
	return s
}
