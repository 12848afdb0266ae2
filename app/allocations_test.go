package app

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/ingest"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/live"
	"github.com/vigil-iomt/vigil/protocol/mqtt"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/stream"
)

var update = flag.Bool("update", false, "keep the counted allocations anew")

// keptAllocations is where the counts are kept.
var keptAllocations = filepath.Join("testdata", "allocations.txt")

const (
	beds = 8
	// roundOf is how many messages a bed sends in a round: as many as make a
	// chunk of each of its series, so that every round does the same work.
	roundOf = 512
	round   = beds * roundOf
	// aloneOf is how many messages are sent one by one.
	aloneOf = 256
	// More than the kept number is an error from here on.
	slackAllocations = 0.3
	slackShare       = 0.15 // of the kept number
	slackBytes       = 100
)

// A station is a part of the way of a message.
type station struct {
	name string
	run  func(n int) // does round n
	// Where frames of the journal are written, what each takes is told apart
	// from what each message takes: how many messages share a frame is the
	// disk's business. alone does messages one by one.
	alone  func()
	frames func() uint64
}

// TestAllocations counts what the way of a message takes from memory, station by
// station and as a whole, and compares with what is kept: a message of six
// readings, from the bytes of its MQTT packet to the series and the screens.
// When it got less, keep the new numbers: go test ./app -run TestAllocations -update
//
// Seen to fail with a message that escapes to the heap in ingest, and with a
// chunk that grows by appending.
func TestAllocations(t *testing.T) {
	if raced {
		t.Skip("the race detector takes memory, too")
	}
	w := newWay(t)
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // what pools hold stays
	text := "# What is taken from memory: station, allocations, bytes. See TestAllocations.\n"
	kept := readAllocations(t)
	check := func(name string, got allocations) {
		text += fmt.Sprintf("%-14s %7.2f %7.0f\n", name, got.allocs, got.bytes)
		want, ok := kept[name]
		switch {
		case *update:
		case !ok:
			t.Errorf("%s: nothing is kept; got %.2f allocations and %.0f bytes", name, got.allocs, got.bytes)
		case got.allocs > want.allocs*(1+slackShare)+slackAllocations || got.bytes > want.bytes*(1+slackShare)+slackBytes:
			t.Errorf("%s: %.2f allocations and %.0f bytes, kept are %.2f and %.0f", name, got.allocs, got.bytes, want.allocs, want.bytes)
		case got.allocs < want.allocs*(1-slackShare)-slackAllocations:
			t.Logf("%s: %.2f allocations, kept are %.2f: keep it with -update", name, got.allocs, want.allocs)
		}
	}
	for _, s := range []station{w.mqtt(), w.decode(), w.ingest(), w.journal(), w.store(), w.live(), w.whole()} {
		message, frame := s.count()
		check(s.name, message)
		if s.frames != nil {
			frame.bytes = 0 // buffers of the embedded server, as large as they happen to be
			check(s.name+"/frame", frame)
		}
	}
	if *update {
		if err := os.WriteFile(keptAllocations, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Log("\n" + text)
}

// allocations are what something took from memory.
type allocations struct{ allocs, bytes float64 }

// readAllocations returns what is kept.
func readAllocations(t *testing.T) map[string]allocations {
	t.Helper()
	text, err := os.ReadFile(keptAllocations)
	if err != nil && !*update {
		t.Fatal(err)
	}
	kept := map[string]allocations{}
	for line := range strings.Lines(string(text)) {
		var name string
		var a allocations
		if _, err := fmt.Sscan(line, &name, &a.allocs, &a.bytes); err == nil {
			kept[name] = a
		}
	}
	return kept
}

// count runs a round to warm up, and returns what a message and a frame of some
// more took: the least of all.
func (s station) count() (message, frame allocations) {
	s.run(0)
	var taken []allocations
	shares := make([]float64, 0, rounds)
	for n := 1; n < rounds; n++ {
		a, share := s.measure(round, func() { s.run(n) })
		taken, shares = append(taken, a), append(shares, share)
	}
	if s.frames != nil {
		one, share := s.measure(aloneOf, s.alone)
		for i, a := range taken {
			f := allocations{(one.allocs - a.allocs) / (share - shares[i]), (one.bytes - a.bytes) / (share - shares[i])}
			taken[i] = allocations{a.allocs - f.allocs*shares[i], a.bytes - f.bytes*shares[i]}
			frame = least(frame, f)
		}
	}
	for _, a := range taken {
		message = least(message, a)
	}
	return message, frame
}

// least returns the smaller numbers; nothing is no number.
func least(a, b allocations) allocations {
	if a == (allocations{}) {
		return b
	}
	return allocations{min(a.allocs, b.allocs), min(a.bytes, b.bytes)}
}

// measure returns what each of some messages took, and how many frames there
// were for each.
func (s station) measure(messages float64, run func()) (a allocations, share float64) {
	var before, after runtime.MemStats
	written := uint64(0)
	if s.frames != nil {
		written = s.frames()
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	run()
	runtime.ReadMemStats(&after)
	if s.frames != nil {
		share = float64(s.frames()-written) / messages
	}
	return allocations{float64(after.Mallocs-before.Mallocs) / messages, float64(after.TotalAlloc-before.TotalAlloc) / messages}, share
}

// A way is a server with monitors at its beds, and what they say.
type way struct {
	*spine
	ids     []vigil.DeviceID
	secrets []string
}

func newWay(t *testing.T) *way {
	t.Helper()
	w := &way{spine: newSpine(t, t.TempDir())}
	t.Cleanup(w.close)
	for bed := range beds {
		id := vigil.DeviceID(fmt.Sprint("monitor-", bed))
		_, secret, err := w.registry.AddDevice(w.ctx, vigil.Device{ID: id, Profile: "bedside-monitor"}, w.patient(fmt.Sprint("p", bed)), vigil.Interval{})
		if err != nil {
			t.Fatal(err)
		}
		w.ids, w.secrets = append(w.ids, id), append(w.secrets, secret)
	}
	return w
}

// firstSaid is the time of message 0.
var firstSaid = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// vitalsOf returns the payload of message i of a bed.
func vitalsOf(i int) []byte {
	return fmt.Appendf(nil, `{"t":%d,"hr":%d,"pulse":%d,"spo2":%d,"resp":%d,"temp":36.%d,"etco2":%d}`,
		firstSaid.UnixMilli()+int64(i)*1000, 70+i/2%4, 70+i/2%4, 95+i/7%3, 14+i/4%3, 6+i/60%3, 36+i/4%4)
}

// messages makes round n.
func (w *way) messages(n int) []vigil.Message {
	out := make([]vigil.Message, 0, round)
	for i := n * roundOf; i < (n+1)*roundOf; i++ {
		for _, id := range w.ids {
			out = append(out, vigil.Message{Device: id, Protocol: "mqtt", Payload: vitalsOf(i),
				Arrived: vigil.InstantOf(firstSaid.Add(time.Duration(i)*time.Second + 300*time.Millisecond))})
		}
	}
	return out
}

// rounds is how many rounds there are, and one more for messages one by one.
const rounds = 5

// each makes what a station is given before it is counted.
func each[T any](make func(n int) T) []T {
	var out []T
	for n := range rounds + 1 {
		out = append(out, make(n))
	}
	return out
}

func (w *way) decode() station {
	p, ok := w.profiles.Load().Profile("bedside-monitor")
	if !ok {
		w.t.Fatal("no profile")
	}
	all := each(w.messages)
	var d devices.Decoded
	return station{name: "decode", run: func(n int) {
		for i := range all[n] {
			p.Decode(&d, "", all[n][i].Payload)
		}
	}}
}

// A sheet is a journal that keeps what it is given.
type sheet struct {
	records []vigil.Record
	drop    bool
}

func (s *sheet) Append(recs []vigil.Record, done func(error)) {
	if !s.drop {
		s.records = append(s.records, recs...)
	}
	done(nil)
}

// pipeline is ingest in front of a journal.
func (w *way) pipeline(j ingest.Journal) *ingest.Ingest {
	return ingest.New(ingest.Config{
		Registry: w.registry, Profiles: func() *devices.Catalog { return w.profiles.Load().Catalog },
		Journal: j, QuarantineOpen: w.db.QuarantineOpen, Now: time.Now,
	})
}

func (w *way) ingest() station {
	in := w.pipeline(&sheet{drop: true})
	all := each(w.messages)
	return station{name: "ingest", run: func(n int) {
		for _, m := range all[n] {
			in.Take(m, func(error) {})
		}
	}}
}

// records makes the records of round n.
func (w *way) records(n int) []vigil.Record {
	s := &sheet{}
	in := w.pipeline(s)
	for _, m := range w.messages(n) {
		in.Take(m, func(error) {})
	}
	return s.records
}

func (w *way) journal() station {
	j, err := stream.Open(w.ctx, stream.Config{Dir: w.t.TempDir(), MinFree: 1 << 10})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := j.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
	})
	all := each(w.records)
	put := func(recs []vigil.Record, apart bool) {
		var left sync.WaitGroup
		done := func(err error) {
			if err != nil {
				w.t.Error(err)
			}
			left.Done()
		}
		for i := range recs {
			left.Add(1)
			j.Append(recs[i:i+1], done)
			if apart {
				left.Wait()
			}
		}
		left.Wait()
	}
	return station{
		name: "journal", run: func(n int) { put(all[n], false) },
		alone: func() { put(all[rounds][:aloneOf], true) }, frames: func() uint64 { return framesOf(j) },
	}
}

// framesOf returns how many frames were written.
func framesOf(j *stream.Journal) uint64 {
	n := uint64(0)
	for _, p := range j.Stats().Partitions {
		n += p.Frames
	}
	return n
}

// frame makes round n one frame of partition 0.
func (w *way) frame(n int) vigil.Frame {
	return vigil.Frame{Seq: uint64(n + 1), At: vigil.InstantOf(firstSaid), Records: w.records(n)}
}

// another opens a store of one partition.
func (w *way) another() *store.DB {
	db, err := store.Open(w.ctx, store.Config{Path: w.t.TempDir(), Partitions: 1, Sealer: seal.Plain{}, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Checkpoint: -1})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := db.Close(context.Background()); err != nil {
			w.t.Error(err)
		}
	})
	return db
}

func (w *way) store() station {
	db, all := w.another(), each(w.frame)
	return station{name: "store", run: func(n int) {
		if err := db.Consume(w.ctx, all[n]); err != nil {
			w.t.Error(err)
		}
	}}
}

func (w *way) live() station {
	db, all := w.another(), each(w.frame)
	for _, f := range all {
		if err := db.Consume(w.ctx, f); err != nil {
			w.t.Fatal(err)
		}
	}
	hub := live.New(live.Config{Snapshot: db, Events: fresh{db}, Resolver: db, Partitions: 1, Now: time.Now})
	return station{name: "live", run: func(n int) {
		if err := hub.Consume(w.ctx, all[n]); err != nil {
			w.t.Error(err)
		}
	}}
}

// fresh is a store of which the hub has seen nothing yet.
type fresh struct{ *store.DB }

func (fresh) Applied(int) uint64 { return 0 }

// mqtt is the driver in front of a sink that has nothing to do.
func (w *way) mqtt() station {
	run, _ := w.driver(func(_ vigil.Message, done func(error)) { done(nil) })
	return station{name: "mqtt", run: run}
}

// whole is the way from the packets to the screens.
func (w *way) whole() station {
	run, alone := w.driver(w.server.ingest.Take)
	return station{
		name: "whole", run: func(n int) { run(n); w.drain() }, alone: func() { alone(); w.drain() },
		frames: func() uint64 { return framesOf(w.server.journal) },
	}
}

// driver is a driver with a connection of each monitor.
func (w *way) driver(sink vigil.Sink) (run func(n int), alone func()) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	d := mqtt.New(mqtt.Config{Listeners: []net.Listener{l}, Auth: w.registry, Now: time.Now})
	ctx, stop := context.WithCancel(w.ctx)
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, sink) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	addr := d.Addr(ctx)
	wires := make([]net.Conn, beds)
	for bed := range wires {
		wires[bed] = w.login(addr, bed)
	}
	all := each(w.packets)
	run = func(n int) {
		var sending sync.WaitGroup
		for bed, nc := range wires {
			sending.Go(func() { w.pump(nc, all[n][bed], inFlight) })
		}
		sending.Wait()
	}
	return run, func() { w.pump(wires[0], all[rounds][0][:aloneOf], 1) }
}

// login connects a monitor with MQTT 3.1.1.
func (w *way) login(addr string, bed int) net.Conn {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = nc.Close() })
	text := func(b []byte, s string) []byte {
		return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	body := append(text(nil, "MQTT"), 4, 0xc2, 0, 0) // user, password, clean session
	for _, s := range []string{string(w.ids[bed]), string(w.ids[bed]), w.secrets[bed]} {
		body = text(body, s)
	}
	ack := make([]byte, 4)
	_, err = nc.Write(append([]byte{0x10, byte(len(body))}, body...))
	if err == nil {
		_, err = io.ReadFull(nc, ack)
	}
	if err != nil || !bytes.Equal(ack, []byte{0x20, 2, 0, 0}) {
		w.t.Fatalf("login of bed %d: %x %v", bed, ack, err)
	}
	return nc
}

// inFlight is how many messages of a connection are under way.
const inFlight = 32

// packets makes the packets of round n, by bed.
func (w *way) packets(n int) [][][]byte {
	out := make([][][]byte, beds)
	for bed, id := range w.ids {
		for i := range roundOf {
			topic := "devices/" + string(id) + "/messages"
			body := append(binary.BigEndian.AppendUint16(nil, uint16(len(topic))), topic...)
			body = binary.BigEndian.AppendUint16(body, uint16(i+1))
			body = append(body, vitalsOf(n*roundOf+i)...)
			out[bed] = append(out[bed], append(binary.AppendUvarint([]byte{0x32}, uint64(len(body))), body...))
		}
	}
	return out
}

// pump sends packets, so many at a time, and waits for their acknowledgements.
func (w *way) pump(nc net.Conn, packets [][]byte, atATime int) {
	var acks [4 * inFlight]byte
	burst := make(net.Buffers, 0, inFlight)
	for len(packets) > 0 {
		n := min(atATime, len(packets))
		sent := append(burst, packets[:n]...)
		_, err := sent.WriteTo(nc)
		if err == nil {
			_, err = io.ReadFull(nc, acks[:4*n])
		}
		if err != nil {
			w.t.Error(err)
			return
		}
		packets = packets[n:]
	}
}
