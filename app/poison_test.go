package app

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/ingest"
)

// gathered is a journal that only keeps what ingest made, so that it can be put
// into one frame.
type gathered []vigil.Record

func (g *gathered) Append(recs []vigil.Record, done func(error)) {
	*g = append(*g, recs...)
	done(nil)
}

// together puts one message of each device into one frame.
func (s *spine) together(messages ...vigil.Message) {
	s.t.Helper()
	var g gathered
	in := ingest.New(ingest.Config{
		Registry: s.registry, Profiles: func() *devices.Catalog { return s.profiles.Load().Catalog }, Journal: &g, Now: time.Now,
	})
	for _, m := range messages {
		m.Arrived = arrived
		if err := vigil.Sink(in.Take).Put(m); err != nil {
			s.t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	s.journal.Append(g, func(err error) { done <- err })
	if err := <-done; err != nil {
		s.t.Fatal(err)
	}
}

// poisoned lets a consumer panic on what some devices say.
func poisoned(c consumer, devices ...vigil.DeviceID) consumer {
	return consumer{c.name, func(ctx context.Context, f vigil.Frame) error {
		for i := range f.Records {
			if r := &f.Records[i]; r.Kind == vigil.Understood && slices.Contains(devices, r.Message.Device) {
				panic("poison")
			}
		}
		return c.consume(ctx, f)
	}}
}

// starts runs a server whose consumers were opened by stopped.
func (s *spine) starts() *spine {
	s.done = make(chan error, 1)
	go func() { s.done <- s.consumeAll(s.ctx) }()
	return s
}

// waiting returns the entries that are open while the consumers go on.
func (s *spine) waiting() []vigil.QuarantineEntry {
	s.t.Helper()
	select {
	case err := <-s.done:
		s.t.Fatalf("the run ended: %v", err)
	default:
	}
	list, err := s.db.Quarantine(s.ctx, vigil.QuarantineQuery{State: vigil.Open})
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

// TestPoisonousRecord lets a consumer panic on records of some devices: what is
// beside them in the same frame lands once, they wait in the quarantine, once,
// through restarts that read the frame again, and land once when they are
// replayed after the repair.
//
// Seen to fail when a panic ends the consumers, when each start makes an entry of
// its own, and when the frame is only tried with all of its records left out.
func TestPoisonousRecord(t *testing.T) {
	for name, c := range map[string]struct {
		at     string
		poison []vigil.DeviceID
		open   int
		beside bool // the others land
	}{
		"one record":                  {storeName, []vigil.DeviceID{"otto"}, 1, true},
		"two records of a device":     {storeName, []vigil.DeviceID{"ute"}, 2, true},
		"two devices":                 {storeName, []vigil.DeviceID{"otto", "ida"}, 5, false},
		"a record behind the store's": {"live", []vigil.DeviceID{"otto"}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := newSpine(t, dir)
			subjects := map[vigil.DeviceID]vigil.Subject{}
			for _, d := range []vigil.DeviceID{"ida", "otto", "ute", "uwe"} {
				for i := 0; subjects[d].ID == "" || s.journal.PartitionOf(subjects[d]) != 0; i++ { // all in one frame
					subjects[d] = s.patient(fmt.Sprint(d, i))
				}
				s.device(d, subjects[d], vigil.Interval{})
			}
			s.close()

			s = stopped(t, dir)
			s.breaks(c.at, c.poison...)
			s.starts()
			var messages []vigil.Message
			for i, d := range []vigil.DeviceID{"ida", "ute", "otto", "ute", "uwe"} {
				messages = append(messages, vigil.Message{Device: d, Payload: fmt.Appendf(nil, `{"t":%d,"o":%d,"p":60}`, ms(taken)+int64(i), 90+i)})
			}
			s.together(messages...)
			until(t, "the records are in the quarantine", func() bool { return len(s.waiting()) >= c.open })
			if n := len(s.waiting()); n != c.open {
				t.Errorf("%d entries are open, want %d", n, c.open)
			}
			landed := func(says string, all bool) {
				t.Helper()
				for d, want := range map[vigil.DeviceID][]string{
					"ida": {"90 good v1"}, "ute": {"91 good v1", "93 good v1"}, "otto": {"92 good v1"}, "uwe": {"94 good v1"},
				} {
					if out := slices.Contains(c.poison, d) || !c.beside; out && !all && c.at == storeName {
						want = nil
					}
					s.expect(says+": "+string(d), subjects[d], "spo2", want...)
				}
			}
			landed("at once", false)
			for _, e := range s.waiting() {
				if e.Reason == "" || c.beside && !slices.Contains(c.poison, e.Device) {
					t.Errorf("an entry of %s: %q", e.Device, e.Reason)
				}
			}
			if s.poison.count(c.at) == 0 || s.poison.check(time.Now()).OK || !s.poison.check(time.Now().Add(2*poisonSpan)).OK {
				t.Errorf("%d panics, %+v", s.poison.count(c.at), s.poison.check(time.Now()))
			}

			crashed := image(t, dir) // before a checkpoint: the frame is read again
			s.close()
			s = stopped(t, crashed)
			s.breaks(c.at, c.poison...)
			s.starts().drain()
			s.drain() // what the first one put into the journal
			landed("after a restart", false)
			if n := len(s.waiting()); n != c.open || s.poison.count(c.at) == 0 {
				t.Errorf("after a restart %d entries are open, want %d; %d panics", n, c.open, s.poison.count(c.at))
			}
			s.close()

			s = stopped(t, crashed).starts() // repaired
			for _, e := range s.waiting() {
				if out, err := s.ingest.Replay(s.ctx, s.db, e.ID); err != nil || out.Refusal != nil {
					t.Errorf("replay: %+v, %v", out, err)
				}
			}
			s.drain()
			landed("after a replay", true)
			if n := len(s.waiting()); n != 0 {
				t.Errorf("after a replay %d entries are open", n)
			}
			s.close()
		})
	}
}

// breaks lets one of the consumers panic on what devices say.
func (s *spine) breaks(name string, devices ...vigil.DeviceID) {
	for i, c := range s.chain {
		if c.name == name {
			s.chain[i] = poisoned(c, devices...)
		}
	}
}

// TestPoisonWithoutRecord lets a consumer panic on a frame whatever is in it:
// the run ends, because nothing can be left out.
func TestPoisonWithoutRecord(t *testing.T) {
	dir := t.TempDir()
	s := newSpine(t, dir)
	s.device("d", s.patient("Ida"), vigil.Interval{})
	s.close()
	s = stopped(t, dir)
	s.chain[0].consume = func(context.Context, vigil.Frame) error { panic("whatever it is") }
	s.starts()
	done := make(chan error, 1)
	s.ingest.Take(vigil.Message{Device: "d", Arrived: arrived, Payload: fmt.Appendf(nil, `{"t":%d,"o":97}`, ms(taken))},
		func(err error) { done <- err })
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := <-s.done; err == nil || !strings.Contains(err.Error(), "whatever it is") {
		t.Errorf("got %v", err)
	}
	if err := s.server.close(); err != nil {
		t.Error(err)
	}
}
