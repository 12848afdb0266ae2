package live

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-iomt/vigil"
)

const partitions = 3

// memory is a store of the newest points and of events, as much of one as the
// hub asks for.
type memory struct {
	mu     sync.Mutex
	series []vigil.Series
	latest map[vigil.SeriesID]vigil.Point
	events [partitions][]vigil.StoredEvent
	seq    [partitions]uint64
	seen   map[string]bool
	// reading is called before events are read, once.
	reading func()
	// committed is what Applied says when it is set: a store whose last
	// checkpoint is older than what it had applied before it was stopped.
	committed *uint64
}

func newMemory() *memory {
	return &memory{latest: map[vigil.SeriesID]vigil.Point{}, seen: map[string]bool{}}
}

func (m *memory) SeriesFor(s vigil.Subject, d vigil.DeviceID, channel string, metric *vigil.Metric) (vigil.SeriesID, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(s, d, channel, metric), true
}

func (m *memory) find(s vigil.Subject, d vigil.DeviceID, channel string, metric *vigil.Metric) vigil.SeriesID {
	for _, v := range m.series {
		if v.Subject == s && v.Device == d && v.Channel == channel && v.Metric.Name == metric.Name {
			return v.ID
		}
	}
	id := vigil.SeriesID(len(m.series) + 1)
	m.series = append(m.series, vigil.Series{ID: id, Subject: s, Device: d, Channel: channel, Metric: metric})
	return id
}

func (m *memory) Series(_ context.Context, q vigil.SeriesQuery) ([]vigil.Series, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []vigil.Series
	for _, v := range m.series {
		if v.Metric.IsWave() != q.Waves ||
			len(q.Subjects) > 0 && !slices.Contains(q.Subjects, v.Subject) ||
			len(q.Devices) > 0 && !slices.Contains(q.Devices, v.Device) {
			continue
		}
		out = append(out, v)
	}
	return out, nil
}

func (m *memory) Latest(_ context.Context, ids []vigil.SeriesID) (map[vigil.SeriesID]vigil.Point, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := map[vigil.SeriesID]vigil.Point{}
	for _, id := range ids {
		if p, ok := m.latest[id]; ok {
			out[id] = p
		}
	}
	return out, nil
}

func (m *memory) EventsAfter(_ context.Context, partition int, position uint64, limit int) ([]vigil.StoredEvent, error) {
	m.mu.Lock()
	hook := m.reading
	m.reading = nil
	m.mu.Unlock()
	if hook != nil {
		hook()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []vigil.StoredEvent
	for _, e := range m.events[partition] {
		if e.Position > position && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

func (m *memory) Applied(partition int) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.committed != nil {
		return *m.committed
	}
	return m.seq[partition]
}

// apply makes the next frame of a partition and takes it in, as the store does
// before the hub sees it.
func (m *memory) apply(partition int, recs ...vigil.Record) vigil.Frame {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seq[partition]++
	f := vigil.Frame{Partition: partition, Seq: m.seq[partition], Records: recs}
	at := f.Seq << positionBits
	for i := range recs {
		r := &recs[i]
		for _, v := range r.Readings {
			id := m.find(r.Subject, r.Message.Device, r.Message.Channel, v.Metric)
			if r.Message.ID != "" && m.seen[r.Message.ID] {
				continue
			}
			if old, ok := m.latest[id]; !ok || v.Taken > old.Taken {
				m.latest[id] = vigil.Point{
					Taken: v.Taken, Arrived: r.Message.Arrived, Value: v.Value, Decimals: v.Decimals, Quality: v.Quality, Version: 1,
				}
			}
		}
		m.seen[r.Message.ID] = r.Message.ID != ""
		for _, e := range r.Events {
			id := fmt.Sprintf("%s-%d", r.Message.Device, e.Key)
			if m.seen[id] {
				continue
			}
			m.seen[id] = true
			m.events[partition] = append(m.events[partition], vigil.StoredEvent{
				ID: id, Subject: r.Subject, Device: r.Message.Device, Type: e.Type, Taken: e.Taken,
				Arrived: r.Message.Arrived, Data: e.Data, Partition: partition, Position: at,
			})
			at++
		}
	}
	return f
}

// patient names the subject of the tests.
func patient(id string) vigil.Subject { return vigil.PatientSubject(vigil.PatientID(id)) }

// reading makes a record with one reading taken and arrived at an instant.
func reading(s vigil.Subject, m *vigil.Metric, at vigil.Instant, value float64) vigil.Record {
	return vigil.Record{
		Kind: vigil.Understood, Subject: s, Message: vigil.Message{Device: "d-" + vigil.DeviceID(s.ID), Arrived: at},
		Readings: []vigil.Reading{{Metric: m, Taken: at, Stated: at, Value: value, KeyKind: vigil.KeyTime, Key: uint64(at)}},
	}
}

// event makes a record with one event.
func event(s vigil.Subject, key uint64, data []byte) vigil.Record {
	return vigil.Record{
		Kind: vigil.Understood, Subject: s,
		Message: vigil.Message{Device: "d-" + vigil.DeviceID(s.ID), Arrived: vigil.Instant(1_000_000 + key)},
		Events:  []vigil.Event{{Type: "bed-exit", Taken: vigil.Instant(key), Key: key, KeyKind: vigil.KeyNumber, Data: data}},
	}
}

// bench is a running hub with its store and address.
type bench struct {
	*Hub
	store *memory
	url   string
}

// start runs a hub behind a real server until the test ends.
func start(t testing.TB, change func(*Config)) *bench {
	t.Helper()
	store := newMemory()
	c := Config{Snapshot: store, Resolver: store, Events: store, Partitions: partitions, Now: time.Now, Tick: 10 * time.Millisecond}
	if change != nil {
		change(&c)
	}
	h := New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	mux := newMux(h)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		server.Close()
	})
	return &bench{h, store, "ws" + strings.TrimPrefix(server.URL, "http")}
}

// put stores a frame and hands it to the hub.
func (b *bench) put(t testing.TB, partition int, recs ...vigil.Record) {
	t.Helper()
	if err := b.Consume(context.Background(), b.store.apply(partition, recs...)); err != nil {
		t.Error(err)
	}
}

// viewer is a client.
type viewer struct {
	t    testing.TB
	conn *websocket.Conn
}

// frame is what the server says.
type frame struct {
	Type, Cursor, Subject string
	Time                  time.Time
	Data                  json.RawMessage
	Channels              []channel
}

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// dial connects and asks.
func (b *bench) dial(t testing.TB, path, ask string) *viewer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, b.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body != nil {
		resp.Body.Close()
	}
	conn.SetReadLimit(-1)
	t.Cleanup(func() { conn.CloseNow() })
	v := &viewer{t, conn}
	v.ask(ask)
	return v
}

// ask sends a request.
func (v *viewer) ask(text string) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := v.conn.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
		v.t.Fatal(err)
	}
}

// read returns the next frame.
func (v *viewer) read() (frame, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, b, err := v.conn.Read(ctx)
	if err != nil {
		return frame{}, err
	}
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		v.t.Fatalf("not JSON: %s: %v", b, err)
	}
	return f, nil
}

// next returns the next frame of a type; others are skipped.
func (v *viewer) next(kind string) frame {
	v.t.Helper()
	for begun := time.Now(); ; {
		if time.Since(begun) > patience {
			v.t.Fatalf("no %s came in %v", kind, patience)
		}
		f, err := v.read()
		if err != nil {
			v.t.Fatalf("waiting for %s: %v", kind, err)
		}
		if f.Type == kind {
			return f
		}
	}
}

// readings unpacks a frame of readings.
func (f frame) readings(t testing.TB) []vigil.ReadingNow {
	t.Helper()
	var out []vigil.ReadingNow
	if err := json.Unmarshal(f.Data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// serve serves a hub and returns its address.
func serve(t testing.TB, h *Hub) string {
	t.Helper()
	server := httptest.NewServer(newMux(h))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}
