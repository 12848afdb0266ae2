package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
)

// testProfile is a device that says its time, its own now, whose it is, a
// record number and whether it corrects itself.
const testProfile = `
profile: test-device
title: Test device
maker: Vigil
kind: other
source: this test
codec: json
time: {path: $.t, format: unix-ms, now: $.now, drift: correct}
patient: {path: $.who}
correction: {path: $.fix}
cadence: 1 s
readings:
  - {metric: spo2, path: $.o, unit: "%", code: {loinc: 59408-5, mdc: 150456}, decimals: 0, valid: [0, 100]}
  - {metric: pulse, path: $.p, unit: "/min", code: {loinc: 8867-4, mdc: 149530}, decimals: 0, valid: [20, 300]}
examples:
  - name: a good one
    payload: {"t": 1700000000000, "o": 97, "p": 72}
    want: {spo2: 97 %, pulse: 72 /min}
  - name: nothing of it
    payload: {"x": 1}
    refuse: none of this profile's fields found
`

// A spine is a server without listeners: registry, ingest, journal, store.
type spine struct {
	*server
	t    *testing.T
	ctx  context.Context
	stop context.CancelFunc
	done chan error
}

// newSpine opens a data folder and starts the consumers.
func newSpine(t *testing.T, dir string) *spine {
	t.Helper()
	return newSpineWith(t, dir, nil)
}

// newSpineWith does so with settings of its own.
func newSpineWith(t *testing.T, dir string, flags map[string]string) *spine {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "devices"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "devices", "test-device.yaml"), []byte(testProfile), 0o600); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"data": dir, "min-free": "1KiB", "partitions": "4"}
	maps.Copy(all, flags)
	c, _, err := Load(all, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	s := &spine{server: newServer(c, Options{Log: slog.New(slog.DiscardHandler)}), t: t, done: make(chan error, 1)}
	s.ctx, s.stop = context.WithCancel(vigil.WithActor(context.WithoutCancel(t.Context()), vigil.LocalAdmin()))
	if err := s.open(s.ctx); err != nil {
		t.Fatal(err)
	}
	if problems := s.profiles.Load().problems; len(problems) > 0 {
		t.Fatal(problems)
	}
	go func() { s.done <- s.consumeAll(s.ctx) }()
	return s
}

// close stops the consumers and closes everything.
func (s *spine) close() {
	s.t.Helper()
	s.drain()
	s.stop()
	if err := ignoreCanceled(<-s.done); err != nil {
		s.t.Error(err)
	}
	if err := s.server.close(); err != nil {
		s.t.Error(err)
	}
}

// patient registers a patient.
func (s *spine) patient(name string) vigil.Subject {
	s.t.Helper()
	p, err := s.registry.AddPatient(s.ctx, vigil.Patient{Family: name, MRN: name})
	if err != nil {
		s.t.Fatal(err)
	}
	return vigil.PatientSubject(p.ID)
}

// device registers a test device.
func (s *spine) device(id vigil.DeviceID, to vigil.Subject, during vigil.Interval) {
	s.t.Helper()
	if _, _, err := s.registry.AddDevice(s.ctx, vigil.Device{ID: id, Profile: "test-device"}, to, during); err != nil {
		s.t.Fatal(err)
	}
}

// put sends a message and returns what the sink said, once it can be read.
func (s *spine) put(m vigil.Message) error {
	s.t.Helper()
	if m.Arrived == 0 {
		m.Arrived = arrived
	}
	err := vigil.Sink(s.ingest.Take).Put(m)
	s.drain()
	return err
}

// say sends a payload of device d that arrives at the usual time.
func (s *spine) say(payload string, args ...any) {
	s.t.Helper()
	if err := s.put(vigil.Message{Device: "d", Payload: []byte(fmt.Sprintf(payload, args...))}); err != nil {
		s.t.Fatal(err)
	}
}

// points returns all versions of all points of a metric of a subject.
func (s *spine) points(of vigil.Subject, metric string) []vigil.Point {
	s.t.Helper()
	list, err := s.db.Series(s.ctx, vigil.SeriesQuery{Subjects: []vigil.Subject{of}, Metrics: []string{metric}})
	if err != nil {
		s.t.Fatal(err)
	}
	var out []vigil.Point
	for _, one := range list {
		p, err := s.db.Points(s.ctx, vigil.PointQuery{Series: one.ID, History: true})
		if err != nil {
			s.t.Fatal(err)
		}
		out = append(out, p...)
	}
	return out
}

// expect compares the points of a metric with "value quality vN" texts.
func (s *spine) expect(says string, of vigil.Subject, metric string, want ...string) {
	s.t.Helper()
	var got []string
	for _, p := range s.points(of, metric) {
		got = append(got, fmt.Sprintf("%g %s v%d", p.Value, p.Quality, p.Version))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.t.Errorf("%s: got %q, want %q", says, got, want)
	}
}

// arrived is when messages of these tests arrive, and taken a little before.
var (
	arrived = vigil.InstantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	taken   = arrived.Add(-10 * time.Second)
)

// ms is an instant as the test device says it.
func ms(i vigil.Instant) int64 { return int64(i) / 1000 }

func TestIdentity(t *testing.T) {
	s := newSpine(t, t.TempDir())
	ida := s.patient("Ida")
	s.device("d", ida, vigil.Interval{})
	s.say(`{"t":%d,"o":97}`, ms(taken))
	s.say(`{"t":%d,"o":97}`, ms(taken))
	s.expect("a repeat is dropped", ida, "spo2", "97 good v1")
	s.say(`{"t":%d,"o":95}`, ms(taken))
	s.expect("another value under the same time: both kept, both flagged", ida, "spo2", "97 conflict v1", "95 conflict v1")
	s.say(`{"t":%d,"p":70}`, ms(taken))
	s.say(`{"t":%d,"p":75,"fix":true}`, ms(taken))
	s.expect("a correction is a new version", ida, "pulse", "70 good v1", "75 good v2")
	s.close()
}

func TestIdentityWithoutTime(t *testing.T) {
	s := newSpine(t, t.TempDir())
	ida := s.patient("Ida")
	s.device("d", ida, vigil.Interval{})
	s.say(`{"o":97}`)
	s.say(`{"o":97}`)
	s.expect("nothing tells them apart from each other: two readings", ida, "spo2", "97 good v1", "97 good v1")
	for range 2 {
		if err := s.put(vigil.Message{Device: "d", ID: "m1", Payload: []byte(`{"p":70}`)}); err != nil {
			t.Fatal(err)
		}
	}
	s.expect("the same message id is the same reading", ida, "pulse", "70 good v1")
	s.close()
}

func TestTheGatewayIsNotPartOfTheIdentity(t *testing.T) {
	s := newSpine(t, t.TempDir())
	ida := s.patient("Ida")
	s.device("d", ida, vigil.Interval{})
	for _, gateway := range []vigil.DeviceID{"g1", "g2"} {
		err := s.put(vigil.Message{Device: "d", Gateway: gateway, Payload: fmt.Appendf(nil, `{"t":%d,"o":97}`, ms(taken))})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.expect("two gateways, one reading", ida, "spo2", "97 good v1")
	s.close()
}

func TestClocks(t *testing.T) {
	hour := time.Hour
	for _, c := range []struct {
		says    string
		payload string
		taken   vigil.Instant
		quality vigil.Quality
	}{
		{"a past time alone is believed", fmt.Sprintf(`{"t":%d,"o":97}`, ms(arrived.Add(-20*hour))), arrived.Add(-20 * hour), 0},
		{"the device's now moves it", fmt.Sprintf(`{"t":%d,"now":%d,"o":97}`, ms(arrived.Add(-hour-time.Minute)), ms(arrived.Add(-hour))), arrived.Add(-time.Minute), vigil.ClockCorrected},
		{"a good now moves nothing", fmt.Sprintf(`{"t":%d,"now":%d,"o":97}`, ms(taken), ms(arrived.Add(-time.Second))), taken, 0},
		{"a little ahead is believed", fmt.Sprintf(`{"t":%d,"o":97}`, ms(arrived.Add(4*time.Minute))), arrived.Add(4 * time.Minute), 0},
		{"far ahead is not", fmt.Sprintf(`{"t":%d,"o":97}`, ms(arrived.Add(6*time.Minute))), arrived, vigil.ClockSuspect},
		{"2106 is not", `{"t":4294967295000,"o":97}`, arrived, vigil.ClockSuspect},
		{"1970 is not", `{"t":12000,"o":97}`, arrived, vigil.ClockSuspect},
		{"no time is arrival", `{"o":97}`, arrived, 0},
	} {
		t.Run(c.says, func(t *testing.T) {
			s := newSpine(t, t.TempDir())
			ida := s.patient("Ida")
			s.device("d", ida, vigil.Interval{})
			s.say("%s", c.payload)
			p := s.points(ida, "spo2")
			if len(p) != 1 {
				t.Fatalf("got %d points", len(p))
			}
			if p[0].Taken != c.taken || p[0].Quality != c.quality || p[0].Arrived != arrived {
				t.Errorf("got taken %s arrived %s quality %s, want %s %s %s",
					p[0].Taken, p[0].Arrived, p[0].Quality, c.taken, arrived, c.quality)
			}
			s.close()
		})
	}
}

func TestAttribution(t *testing.T) {
	s := newSpine(t, t.TempDir())
	ida, otto := s.patient("Ida"), s.patient("Otto")
	change := arrived.Add(-time.Hour)
	s.device("d", ida, vigil.Interval{To: change})
	if _, err := s.registry.Assign(s.ctx, "d", otto, vigil.Interval{From: change}, "next patient"); err != nil {
		t.Fatal(err)
	}
	alone := vigil.Unattributed("d")
	s.say(`{"t":%d,"o":90}`, ms(arrived.Add(-2*time.Hour)))
	s.expect("a late reading goes to whom the device served when it was taken", ida, "spo2", "90 good v1")
	s.say(`{"t":%d,"o":91}`, ms(taken))
	s.expect("a present one to the present patient", otto, "spo2", "91 good v1")
	s.say(`{"t":12000,"o":92}`)
	s.expect("a clock nobody can believe, and two patients in a day: nobody's", alone, "spo2", "92 clock-suspect v1")
	s.say(`{"t":%d,"o":93,"who":"Ida"}`, ms(taken)+1)
	s.expect("a patient identity that disagrees: nobody's", alone, "spo2", "93 good v1", "92 clock-suspect v1")
	s.say(`{"t":%d,"o":94,"who":"Otto"}`, ms(taken)+2)
	s.expect("one that agrees", otto, "spo2", "91 good v1", "94 good v1")
	s.close()
}

func TestSharedDevices(t *testing.T) {
	s := newSpine(t, t.TempDir())
	ida := s.patient("Ida")
	if _, _, err := s.registry.AddDevice(s.ctx, vigil.Device{ID: "d", Profile: "test-device", Shared: true}, vigil.Subject{}, vigil.Interval{}); err != nil {
		t.Fatal(err)
	}
	s.say(`{"t":%d,"o":97,"who":"Ida"}`, ms(taken))
	s.expect("the message says whose", ida, "spo2", "97 good v1")
	s.say(`{"t":%d,"o":96}`, ms(taken)+1)
	s.expect("without that it is nobody's", vigil.Unattributed("d"), "spo2", "96 good v1")
	s.close()
}

func TestReattribution(t *testing.T) {
	dir := t.TempDir()
	s := newSpine(t, dir)
	ida := s.patient("Ida")
	s.device("d", vigil.Subject{}, vigil.Interval{})
	s.say(`{"t":%d,"o":97}`, ms(taken))
	alone := vigil.Unattributed("d")
	s.expect("no assignment: nobody's", alone, "spo2", "97 good v1")
	if _, err := s.registry.Assign(s.ctx, "d", ida, vigil.Interval{From: arrived.Add(-time.Hour)}, "it was hers"); err != nil {
		t.Fatal(err)
	}
	s.drain()
	s.expect("the patient gets it", ida, "spo2", "97 good v1")
	s.expect("the device's is withdrawn, not erased", alone, "spo2", "97 good v1", "97 entered-in-error v2")
	s.say(`{"t":%d,"o":97}`, ms(taken))
	s.expect("the same message once more is a repeat", ida, "spo2", "97 good v1")
	s.close()

	s = newSpine(t, dir)
	s.expect("after a restart", ida, "spo2", "97 good v1")
	s.expect("after a restart", alone, "spo2", "97 good v1", "97 entered-in-error v2")
	s.close()
}

func TestLateAndOutOfOrder(t *testing.T) {
	s := newSpine(t, t.TempDir())
	ida := s.patient("Ida")
	s.device("d", ida, vigil.Interval{})
	for _, i := range []int{5, 1, 4, 2, 3, 2} {
		s.say(`{"t":%d,"o":%d}`, ms(taken)+int64(i), 90+i)
	}
	s.expect("in the order of time", ida, "spo2", "91 good v1", "92 good v1", "93 good v1", "94 good v1", "95 good v1")
	s.close()
}

func TestSiblingsGoOn(t *testing.T) {
	s := newSpine(t, t.TempDir())
	ida := s.patient("Ida")
	s.device("d", ida, vigil.Interval{})
	s.say(`{"t":%d,"o":120,"p":72}`, ms(taken))
	s.expect("out of range is kept and marked", ida, "spo2", "120 implausible v1")
	s.expect("its sibling is good", ida, "pulse", "72 good v1")
	err := s.put(vigil.Message{Device: "d", Payload: fmt.Appendf(nil, `{"t":%d,"o":"abc","p":73}`, ms(taken)+1)})
	var r *vigil.Refusal
	if !errors.As(err, &r) || r.Pos == "" || !vigil.Safe(err) {
		t.Errorf("an unreadable part is quarantined: %v", err)
	}
	s.expect("the readable part lands", ida, "pulse", "72 good v1", "73 good v1")
	entries, err := s.db.Quarantine(s.ctx, vigil.QuarantineQuery{Device: "d", State: vigil.Open, Limit: 10})
	if err != nil || len(entries) != 1 || entries[0].ID != r.Entry {
		t.Fatalf("quarantine: %+v, %v; want entry %s", entries, err, r.Entry)
	}
	out, err := s.ingest.Replay(s.ctx, s.db, r.Entry)
	if err != nil || out.Refusal == nil {
		t.Errorf("a replay without a repair is refused again: %+v, %v", out, err)
	}
	s.drain()
	s.expect("and does not double the readable part", ida, "pulse", "72 good v1", "73 good v1")
	s.close()
}

func TestUnknownDevice(t *testing.T) {
	s := newSpine(t, t.TempDir())
	if err := s.put(vigil.Message{Device: "nobody", Payload: []byte(`{}`)}); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("got %v", err)
	}
	s.close()
}

// TestRestart: what was acknowledged is there after a stop without a farewell,
// and once.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	s := newSpine(t, dir)
	ida := s.patient("Ida")
	s.device("d", ida, vigil.Interval{})
	for i := range 50 {
		s.say(`{"t":%d,"o":%d}`, ms(taken)+int64(i), 50+i)
	}
	if err := s.db.Checkpoint(s.ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		s.say(`{"t":%d,"p":%d}`, ms(taken)+int64(i), 50+i)
	}
	before := len(s.points(ida, "spo2")) + len(s.points(ida, "pulse"))
	s.close()
	s = newSpine(t, dir)
	s.drain()
	if after := len(s.points(ida, "spo2")) + len(s.points(ida, "pulse")); before != 100 || after != 100 {
		t.Errorf("got %d points before and %d after, want 100", before, after)
	}
	s.close()
}
