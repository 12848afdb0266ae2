package app

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	_ "modernc.org/sqlite" // a second hand in the store's database

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/bench"
)

// says fails unless a check finds something and its words hold all the parts.
func says(t *testing.T, checks []Check, name string, parts ...string) {
	t.Helper()
	for _, c := range checks {
		if c.Name != name {
			continue
		}
		if c.OK || c.Advice == "" {
			t.Errorf("%s finds nothing to look at, or has no advice: %+v", name, c)
		}
		for _, p := range parts {
			if !strings.Contains(c.Detail+" "+c.Advice, p) {
				t.Errorf("%s does not say %q: %s → %s", name, p, c.Detail, c.Advice)
			}
		}
		return
	}
	t.Errorf("there is no check of %s", name)
}

// well fails unless a check is fine.
func well(t *testing.T, checks []Check, name string) {
	t.Helper()
	for _, c := range checks {
		if c.Name == name && c.OK {
			return
		}
	}
	t.Errorf("%s is not well: %+v", name, checks)
}

// doctor returns what the running server says of itself.
func (r *running) doctor() []Check {
	r.t.Helper()
	var out struct {
		Checks []Check `json:"checks"`
	}
	if err := r.Call(r.t.Context(), http.MethodGet, "/api/v1/health", nil, &out); err != nil {
		r.t.Fatal(err)
	}
	return out.Checks
}

// finds waits until a check finds something.
func (r *running) finds(name string) []Check {
	r.t.Helper()
	var all []Check
	until(r.t, name+" finds something", func() bool {
		all = r.doctor()
		for _, c := range all {
			if c.Name == name {
				return !c.OK
			}
		}
		return false
	})
	return all
}

// TestDoctorIsWell: a server that nothing happened to has nothing to look at but
// perhaps the disk that it is on.
//
// Seen to fail when logins that succeed count as refused.
func TestDoctorIsWell(t *testing.T) {
	r := run(t, t.TempDir(), nil)
	if status, text := r.one(r.devices(1)[0], oximetry(time.Now(), 97)); status != http.StatusOK {
		t.Fatal(status, text)
	}
	for _, c := range r.doctor() {
		if !c.OK && c.Name != "disk" && c.Name != "journal speed" && c.Name != "data folder" {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
}

// TestDoctorNamesDevices does to devices what makes them refused, quarantined or
// unreadable, and reads which of them the doctor names and why.
//
// Seen to fail when drivers ask the registry itself, when the quarantine has no
// bound, and when profiles in use are not looked for.
func TestDoctorNamesDevices(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "devices"), 0o700); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(dir, "devices", "test-device.yaml")
	if err := os.WriteFile(mine, []byte(testProfile), 0o600); err != nil {
		t.Fatal(err)
	}
	r := run(t, dir, map[string]string{"quarantine-max": "3"})
	d := r.devices(2)
	t.Run("refused", func(t *testing.T) {
		wrong := d[0]
		wrong.Secret = "wrong"
		for range 3 {
			if status, _ := r.one(wrong, oximetry(time.Now(), 97)); status != http.StatusUnauthorized {
				t.Error(status)
			}
		}
		for _, who := range []bench.Device{wrong, {ID: "nobody", Secret: "x"}} {
			if err := bench.Publish(t.Context(), r.MQTT, who, []byte("{}")); err == nil {
				t.Error("logged in")
			}
		}
		line := fmt.Sprintf("{\"device\":%q,\"payload\":%s}\n", d[1].ID, oximetry(time.Now(), 97))
		header := map[string]string{"Content-Type": "application/x-ndjson"}
		if status, text := r.post(d[0], "/ingest/v1/messages", header, []byte(line)); status == http.StatusOK {
			t.Error(status, text)
		}
		checks := r.doctor()
		says(t, checks, "refused devices", d[0].ID+" wrong secret, 4 times", "nobody registered, 1 times",
			d[0].ID+" spoke for a device that it may not speak for", "vigil device renew")
	})
	t.Run("quarantine", func(t *testing.T) {
		status := 0
		until(t, "the device is refused", func() bool {
			status, _ = r.one(d[1], `{"t":"soon"}`)
			return status != http.StatusAccepted
		})
		if status != http.StatusInsufficientStorage {
			t.Errorf("got %d", status)
		}
		says(t, r.doctor(), "quarantine", d[1].ID+" is full with 3", "REFUSED", "growing by", "1 device(s) refused", "vigil quarantine list")
		says(t, r.finds("refused messages"), "refused messages", "not kept in the last minute", "none of them was acknowledged")
		if status, _ := r.one(d[0], oximetry(time.Now(), 96)); status != http.StatusOK {
			t.Errorf("its neighbour: %d", status)
		}
	})
	t.Run("profile", func(t *testing.T) {
		list, err := r.Register(t.Context(), "mine", "test-device", 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(mine, []byte(testProfile+"odd: 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, r.finds("profiles"), "profiles", "test-device.yaml", "odd", "vigil profile check")
		if err := os.Remove(mine); err != nil {
			t.Fatal(err)
		}
		until(t, "the doctor misses the profile", func() bool {
			for _, c := range r.doctor() {
				if c.Name == "profiles" {
					return strings.Contains(c.Detail, "not there")
				}
			}
			return false
		})
		says(t, r.doctor(), "profiles", "test-device is not there", list[0].ID, "put the file back")
	})
}

// TestRefusedForRoomSaysWhenToComeAgain: a device that is refused because there
// is no room is told when to try again.
//
// Seen to fail without the header in protocol/httpin.
func TestRefusedForRoomSaysWhenToComeAgain(t *testing.T) {
	r := run(t, t.TempDir(), map[string]string{"min-free": "8000000GiB"})
	d := r.devices(1)[0]
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		"http://"+r.HTTP+"/ingest/v1/devices/"+d.ID+"/messages", strings.NewReader(oximetry(time.Now(), 97)))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(d.ID, d.Secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusInsufficientStorage || resp.Header.Get("Retry-After") == "" {
		t.Errorf("got %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	says(t, r.doctor(), "disk", "free", "make room")
	says(t, r.doctor(), "journal", "the disk is nearly full", "make room")
}

// TestDoctorNamesClocks sends what devices with wrong clocks send: each is named
// with how far it is off and what became of its readings, a flood of late data
// is told from a clock that is behind, and devices in order are not named.
//
// Seen to fail when sightings is not in the chain of consumers, and when a flood
// counts as a run of equal lateness.
func TestDoctorNamesClocks(t *testing.T) {
	s := newSpine(t, t.TempDir())
	for _, id := range []vigil.DeviceID{"good", "ahead", "ancient", "moved", "behind", "flood"} {
		s.device(id, vigil.Subject{}, vigil.Interval{})
	}
	day := 24 * time.Hour
	now := vigil.InstantOf(time.Now())
	say := func(id vigil.DeviceID, at vigil.Instant, payload string, args ...any) {
		m := vigil.Message{Device: id, Arrived: at, Payload: fmt.Appendf(nil, payload, args...)}
		if err := vigil.Sink(s.ingest.Take).Put(m); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		at := now.Add(time.Duration(i-40) * time.Second)
		say("good", at, `{"t":%d,"o":97}`, ms(at))
		say("ahead", at, `{"t":%d,"o":97}`, ms(at.Add(day)))
		say("ancient", at, `{"t":%d,"o":97}`, 1000*i)
		say("moved", at, `{"t":%d,"now":%d,"o":97}`, ms(at.Add(-day)), ms(at.Add(-day)))
		say("behind", at, `{"t":%d,"o":97}`, ms(at.Add(-day)))
	}
	done := make(chan error, 2*manyLate)
	for i := range 2 * manyLate {
		m := vigil.Message{Device: "flood", Arrived: now, Payload: fmt.Appendf(nil, `{"t":%d,"o":97}`, ms(now.Add(-2*day))+int64(i)*1000)}
		s.ingest.Take(m, func(err error) { done <- err })
	}
	for range 2 * manyLate {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	s.drain()
	until(t, "all was seen", func() bool { return s.watch.sightings.recent(now)["flood"].late == 2*manyLate })
	checks := s.health(s.ctx)
	says(t, checks, "device clocks", "4 device(s)", "ahead 24h0m0s ahead; not believed", "years behind; not believed",
		"moved 24h0m0s behind; corrected", "behind 24h0m0s behind, it seems", "NTP")
	says(t, checks, "late data", "1 device(s)", "flood (2000 messages, up to 48h", "look at its clock")
	for _, c := range checks {
		if strings.Contains(c.Detail, "good ") {
			t.Errorf("%s names the good device: %s", c.Name, c.Detail)
		}
	}
	s.close()
}

// TestDoctorNamesAStuckStore takes a table from under the store while devices
// send: the doctor says that the database does not answer and for how long
// nobody has seen anything new; devices are acknowledged all the while, and
// when the table is back everything is there.
//
// Seen to fail when the consumer gives up instead of waiting for the database.
func TestDoctorNamesAStuckStore(t *testing.T) {
	dir := t.TempDir()
	s := newSpine(t, dir)
	ida := s.patient("Ida")
	s.device("d", ida, vigil.Interval{})
	say := func(i int) {
		m := vigil.Message{Device: "d", ID: fmt.Sprint("m", i), Arrived: arrived, Payload: fmt.Appendf(nil, `{"o":%d}`, 90+i)}
		if err := vigil.Sink(s.ingest.Take).Put(m); err != nil {
			t.Fatal(err)
		}
	}
	say(1)
	s.drain()
	alter(t, dir, `ALTER TABLE seen RENAME TO elsewhere`)
	say(2)
	say(3)
	until(t, "the store meets the trouble", func() bool { return s.db.LastError() != nil })
	before := s.look(time.Now())
	before.at = before.at.Add(-20 * time.Second)
	s.watch.recent.add(before)
	checks := s.health(s.ctx)
	says(t, checks, "store", "does not answer", "the journal keeps everything meanwhile")
	says(t, checks, "consumers", "stands still since 20s", "nothing is lost")
	alter(t, dir, `ALTER TABLE elsewhere RENAME TO seen`)
	s.drain()
	s.expect("when the table is back", ida, "spo2", "91 good v1", "92 good v1", "93 good v1")
	if err := s.db.Checkpoint(s.ctx); err != nil {
		t.Fatal(err)
	}
	well(t, s.health(s.ctx), "store")
	s.close()
}

// alter changes the store's database behind its back.
func alter(t *testing.T, dir, text string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "vigil.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// TestDoctorNamesALagAndASlowDisk judges looks at a journal: pure, so that no
// test has to wait for a minute of trouble. That a disk which is really slow
// gives such looks is shown by TestSlowDisk in cmd/vigil.
//
// Seen to fail when a queue that is full or a write that takes long is called
// well.
func TestDoctorNamesALagAndASlowDisk(t *testing.T) {
	s := newSpine(t, t.TempDir())
	defer s.close()
	s.caughtUp.Store(true)
	s.device("d", vigil.Subject{}, vigil.Interval{})
	s.say(`{"t":%d,"o":97}`, ms(taken))
	now := s.look(time.Now())
	then := now
	then.at = now.at.Add(-30 * time.Second)
	then.sync.Counts = make([]uint64, len(now.sync.Counts))
	s.watch.recent.add(then)
	well(t, []Check{s.checkConsumers(now)}, "consumers")

	behind := now
	behind.head = append([]uint64(nil), now.head...)
	for p := range behind.head {
		behind.head[p] += 7
	}
	seen := behind
	seen.at, seen.applied = now.at.Add(-8*time.Second), make([]uint64, len(now.applied))
	s.watch.recent.add(seen)
	says(t, []Check{s.checkConsumers(behind)}, "consumers", "behind by 8s", "28 frames", "nothing is lost")

	fast := now
	fast.sync.Counts = make([]uint64, len(now.sync.Counts))
	fast.sync.Counts[0], fast.queued = 5, 0
	if c := s.checkFlow(fast); !c.OK || !strings.HasSuffix(c.Detail, "ms, nothing waits") && !strings.HasSuffix(c.Detail, "µs, nothing waits") {
		t.Errorf("got %+v", c)
	}
	slow := now
	slow.sync.Counts = make([]uint64, len(now.sync.Counts))
	slow.sync.Counts[len(slow.sync.Bounds)-1] = 5
	says(t, []Check{s.checkFlow(slow)}, "journal speed", "the disk is slow", "a synced write takes up to")
	slow.queued = muchQueued
	says(t, []Check{s.checkFlow(slow)}, "journal speed", "4.0 MiB wait to be written", "devices are held back")
	slow.failed = now.failed + 3
	says(t, []Check{s.checkFlow(slow)}, "journal speed", "3 frames could not be written", "nothing of it was acknowledged")
	s.c.NATS = "nats://127.0.0.1:4222"
	says(t, []Check{s.checkFlow(slow)}, "journal speed", "look at the NATS servers")
	slow.failed = now.failed
	says(t, []Check{s.checkFlow(slow)}, "journal speed", "look at the NATS servers")
}

// TestTroubleIsLoggedOnce lets something fail many times in a row: the log has
// one line when it begins and one when it is over.
//
// Seen to fail when each failure is logged.
func TestTroubleIsLoggedOnce(t *testing.T) {
	var text bytes.Buffer
	s := newServer(Config{}, Options{Log: slog.New(slog.NewTextHandler(&text, nil))})
	var trouble error
	look := s.spell(t.Context(), "it begins", "it is over", func(context.Context) error { return trouble })
	for range 2 {
		trouble = nil
		look()
		trouble = errors.New("the database is away")
		for range 4 {
			look()
		}
	}
	trouble = nil
	look()
	for _, line := range []string{"it begins", "it is over"} {
		if n := strings.Count(text.String(), line); n != 2 {
			t.Errorf("%q is in the log %d times, want 2:\n%s", line, n, text.String())
		}
	}
}

// TestDoctorNamesAClockStep steps the clock of the server a day either way: the
// doctor says by how much and when, and a slewed clock is no step.
//
// Seen to fail when the wall clock is not compared with the monotonic one.
func TestDoctorNamesAClockStep(t *testing.T) {
	for _, step := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		w := &watch{log: slog.New(slog.DiscardHandler)}
		begun := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		w.note(begun, 0)
		w.note(begun.Add(11*time.Second), 10*time.Second)
		well(t, []Check{w.check()}, "clock")
		w.note(begun.Add(21*time.Second+step), 20*time.Second)
		says(t, []Check{w.check()}, "clock", "stepped by "+step.String(), "NTP")
		w.note(begun.Add(2*time.Hour+time.Second+step), 2*time.Hour)
		well(t, []Check{w.check()}, "clock")
	}
}

// TestDoctorAsksAboutTheCluster: a journal on a cluster that nobody asked
// whether it syncs is named.
//
// Seen to fail when health does not look whether the sync was verified.
func TestDoctorAsksAboutTheCluster(t *testing.T) {
	n, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Start()
	defer func() {
		n.Shutdown()
		n.WaitForShutdown()
	}()
	if !n.ReadyForConnections(30 * time.Second) {
		t.Fatal("the cluster does not start")
	}
	t.Run("running", func(t *testing.T) {
		r := run(t, t.TempDir(), map[string]string{"nats": n.ClientURL()})
		says(t, r.doctor(), "journal", "nobody knows whether the cluster syncs every write", "monitoring")
	})
	t.Run("made with other partitions", func(t *testing.T) {
		c, _, err := Load(map[string]string{"data": t.TempDir(), "nats": n.ClientURL(), "partitions": "3"}, func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		err = Run(t.Context(), c, Options{Log: slog.New(slog.DiscardHandler)})
		if vigil.KindOf(err) != vigil.Conflicting || !strings.Contains(err.Error(), "--db postgres") {
			t.Errorf("got %v", err)
		}
	})
}

// TestDoctorOfAFolder looks at data folders without a server.
//
// Seen to fail when Diagnose leaves out the lock.
func TestDoctorOfAFolder(t *testing.T) {
	diagnose := func(t *testing.T, flags map[string]string) []Check {
		t.Helper()
		c, _, err := Load(flags, func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		return Diagnose(c)
	}
	free := map[string]string{"http": "127.0.0.1:0", "mqtt": "127.0.0.1:0", "min-free": "1KiB"}
	with := func(more ...string) map[string]string {
		out := map[string]string{}
		for k, v := range free {
			out[k] = v
		}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	t.Run("missing", func(t *testing.T) {
		says(t, diagnose(t, with("data", filepath.Join(t.TempDir(), "none"))), "data folder", "is not there", "vigil serve")
	})
	t.Run("a file", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, diagnose(t, with("data", path)), "data folder", "is a file")
	})
	t.Run("rights", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		says(t, diagnose(t, with("data", dir)), "data folder", "others on this machine may read", "chmod 700 "+dir)
	})
	t.Run("ports", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		checks := diagnose(t, with("data", t.TempDir(), "http", l.Addr().String(), "mqtt", l.Addr().String()))
		says(t, checks, "http port", "address already in use", "--http", "stop the program that has it")
		says(t, checks, "mqtt port", "address already in use", "--mqtt")
	})
	t.Run("held", func(t *testing.T) {
		dir := t.TempDir()
		f, err := openFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		says(t, diagnose(t, with("data", dir)), "lock", "does not answer on its socket", "look at its log")
		if err := f.close(); err != nil {
			t.Fatal(err)
		}
		well(t, diagnose(t, with("data", dir)), "lock")
	})
	t.Run("a broken profile", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, "devices"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "devices", "bad.yaml"), []byte("profile: bad\nodd: 1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, diagnose(t, with("data", dir)), "profiles", "bad.yaml", "vigil profile check")
	})
	t.Run("a full disk", func(t *testing.T) {
		says(t, diagnose(t, with("data", t.TempDir(), "min-free", "8000000GiB")), "disk", "free", "make room")
	})
}
