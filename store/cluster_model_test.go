package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
)

// A ward is a cluster of two stores with all that may happen to it, and what
// both have to agree on in the end.
type ward struct {
	*cluster
	db       [2]*DB
	owner    [lastKey]int  // of the shifting device's reading with each key
	sent     [lastKey]bool // readings
	pressed  [lastKey]bool // events
	said     [parts]model  // of the device that stays
	messages [parts]map[string]vigil.Instant
	entries  map[string]vigil.QuarantineState
	home     map[string]int // of entries
}

// measure sends a run of readings, and an event, to whom they belong by now.
func (w *ward) measure(t *rapid.T) {
	first := rapid.IntRange(1, lastKey-1).Draw(t, "first")
	var of [parts]vigil.Record
	for key := first; key < min(lastKey, first+rapid.IntRange(1, 20).Draw(t, "n")); key++ {
		w.sent[key] = true
		r := &of[w.owner[key]]
		at := vigil.Instant(key)
		r.Readings = append(r.Readings, vigil.Reading{Metric: clusterPulse, Taken: at, Value: float64(key), KeyKind: vigil.KeyTime, Key: uint64(key)})
		if !w.pressed[key] {
			w.pressed[key] = true
			r.Events = append(r.Events, vigil.Event{Type: "button", Taken: at, KeyKind: vigil.KeyTime, Key: uint64(key)})
		}
	}
	for p, r := range of {
		if len(r.Readings) > 0 {
			r.Kind, r.Subject, r.Message.Device = vigil.Understood, person(p), "shifting"
			w.journal(p, r)
		}
	}
}

// move gives an interval to another person.
func (w *ward) move(t *rapid.T) {
	from := rapid.IntRange(1, lastKey-1).Draw(t, "from")
	to := rapid.IntRange(from+1, lastKey).Draw(t, "to")
	p := rapid.IntRange(0, parts-1).Draw(t, "person")
	for key := from; key < to; key++ {
		w.owner[key] = p
	}
	w.journal(p, vigil.Record{Kind: vigil.Reattributed, Subject: person(p), Message: vigil.Message{Device: "shifting"}, Change: &vigil.Reattribution{
		ID: fmt.Sprintf("%06d", w.clock), Device: "shifting", During: vigil.Interval{From: vigil.Instant(from), To: vigil.Instant(to)}, To: person(p)}})
}

// say sends repeats, conflicts and corrections of a device that stays.
func (w *ward) say(t *rapid.T) {
	p := rapid.IntRange(0, parts-1).Draw(t, "partition")
	first := rapid.Uint64Range(1, 1500).Draw(t, "first")
	value := rapid.IntRange(0, 2).Draw(t, "value")
	correction := rapid.IntRange(0, 3).Draw(t, "correction") == 0
	r := vigil.Record{Kind: vigil.Understood, Subject: person(p), Message: vigil.Message{Device: "staying"}}
	for i := range rapid.SampledFrom([]int{1, 3, 40, 600}).Draw(t, "n") {
		key, v := first+uint64(i), float64(value+i%2)
		r.Readings = append(r.Readings, vigil.Reading{Metric: clusterPulse, Taken: vigil.Instant(key), Value: v, KeyKind: vigil.KeyTime, Key: key, Correction: correction})
		w.said[p].put(key, v, correction)
	}
	w.journal(p, r)
}

// message sends a message that is known by its id alone.
func (w *ward) message(t *rapid.T) {
	p := rapid.IntRange(0, parts-1).Draw(t, "partition")
	id := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "id")
	at := w.clock + 1
	w.journal(p, vigil.Record{Kind: vigil.Understood, Subject: person(p), Message: vigil.Message{Device: "messenger", ID: id},
		Readings: []vigil.Reading{{Metric: clusterPulse, Taken: at, Value: 1, KeyKind: vigil.KeyMessage}}})
	if w.messages[p][id] == 0 {
		w.messages[p][id] = at
	}
}

// refuse sends a message that nobody understands.
func (w *ward) refuse(t *rapid.T) {
	id := fmt.Sprintf("entry-%06d", w.clock)
	w.home[id] = rapid.IntRange(0, parts-1).Draw(t, "partition")
	w.entries[id] = vigil.Open
	w.journal(w.home[id], bad(id))
}

// mend replays an entry through any partition, or has it closed by a store that
// knows it.
func (w *ward) mend(t *rapid.T) {
	for _, id := range slices.Sorted(maps.Keys(w.entries)) {
		if w.entries[id] != vigil.Open {
			continue
		}
		i := rapid.IntRange(0, 3).Draw(t, "by")
		if i > 1 {
			w.entries[id] = vigil.Replayed
			p := rapid.IntRange(0, parts-1).Draw(t, "partition")
			w.journal(p, vigil.Record{Kind: vigil.Understood, Subject: person(p), Message: vigil.Message{Device: "d", Replay: id}})
		} else if w.db[i].CloseQuarantine(context.Background(), id, vigil.Closed, w.clock) == nil {
			w.entries[id] = vigil.Closed
		}
		return
	}
}

// check compares a store that has everything with what has to be there.
func (w *ward) check(t *rapid.T, db *DB, when string) {
	ctx := context.Background()
	points := func(d vigil.DeviceID, p int, history bool) []vigil.Point {
		id, ok := db.SeriesFor(person(p), d, "", clusterPulse)
		if !ok {
			return nil
		}
		pts, err := db.Points(ctx, vigil.PointQuery{Series: id, History: history})
		if err != nil {
			t.Fatalf("%s: points: %v", when, err)
		}
		last, err := db.Latest(ctx, []vigil.SeriesID{id})
		if newest, ok := last[id]; !history && (err != nil || ok != (len(pts) > 0) || ok && newest != pts[len(pts)-1]) {
			t.Fatalf("%s: latest of %s of person %d is %+v, %v; has %+v", when, d, p, newest, err, pts)
		}
		return pts
	}
	same := func(what string, p int, got, want []string) {
		if !slices.Equal(got, want) {
			t.Fatalf("%s: %s of person %d:\n got %q\nwant %q", when, what, p, got, want)
		}
	}
	events, err := db.Events(ctx, vigil.EventQuery{})
	if err != nil {
		t.Fatalf("%s: events: %v", when, err)
	}
	for p := range parts {
		var got, want, pressed, presses []string
		for _, q := range points("shifting", p, false) {
			got = append(got, fmt.Sprint(q.Taken, q.Value, q.Quality))
		}
		for _, e := range events {
			if e.Subject == person(p) {
				pressed = append(pressed, fmt.Sprint(e.Taken))
			}
		}
		for key, owner := range w.owner {
			if w.sent[key] && owner == p {
				want = append(want, fmt.Sprint(vigil.Instant(key), float64(key), vigil.Quality(0)))
			}
			if w.pressed[key] && owner == p {
				presses = append(presses, fmt.Sprint(vigil.Instant(key)))
			}
		}
		same("readings", p, got, want)
		same("events", p, pressed, presses)
		for _, history := range []bool{false, true} {
			got := []string{}
			for _, q := range points("staying", p, history) {
				got = append(got, fmt.Sprintf("%d=%g v%d c%d %v", q.Key, q.Value, q.Version, q.Conflict, q.Quality.Has(vigil.Conflict)))
			}
			same("what was said", p, got, w.said[p].texts(history))
		}
		var came, firsts []vigil.Instant
		for _, q := range points("messenger", p, false) {
			came = append(came, q.Taken)
		}
		if firsts = slices.Sorted(maps.Values(w.messages[p])); !slices.Equal(came, firsts) {
			t.Fatalf("%s: messages of person %d came at %v, want %v", when, p, came, firsts)
		}
	}
	list, err := db.Quarantine(ctx, vigil.QuarantineQuery{})
	got := map[string]vigil.QuarantineState{}
	for _, e := range list {
		got[e.ID] = e.State
		if e.Reason != "bad" || string(e.Device) != "d" {
			t.Fatalf("%s: entry %+v", when, e)
		}
	}
	if err != nil || !maps.Equal(got, w.entries) {
		t.Fatalf("%s: quarantine %v, %v; want %v", when, got, err, w.entries)
	}
}

// settle has everything taken in and written, and checks both stores.
func (w *ward) settle(t *rapid.T) {
	for _, db := range w.db {
		w.feedAll(t, db)
	}
	for p := range parts {
		if !w.db[0].Holds(p) && !w.db[1].Holds(p) {
			w.take(t, w.db[p%2], p)
		}
	}
	for i, db := range w.db {
		w.follow(t, db)
		w.feedAll(t, db)
		w.check(t, db, fmt.Sprint("taken in by ", i))
	}
	for _, db := range w.db {
		w.checkpoint(t, db)
	}
	for i, db := range w.db {
		w.follow(t, db)
		w.feedAll(t, db)
		w.check(t, db, fmt.Sprint("written, says ", i))
	}
}

// step does one thing.
func (w *ward) step(t *rapid.T) {
	i, p := rapid.IntRange(0, 1).Draw(t, "store"), rapid.IntRange(0, parts-1).Draw(t, "p")
	switch step := rapid.IntRange(0, 19).Draw(t, "step"); step {
	case 0:
		w.die(t, w.db[i])
		w.db[i] = w.start(t)
	case 1, 2, 3:
		w.checkpoint(t, w.db[i])
	case 4, 5:
		w.follow(t, w.db[i])
	case 6, 7:
		w.take(t, w.db[i], p) // the other is not told
	case 8:
		if err := w.db[i].Drop(context.Background(), p); err != nil {
			t.Fatalf("drop: %v", err)
		}
	case 9, 10, 11, 12:
		w.feed(t, w.db[i], p, rapid.IntRange(1, 3).Draw(t, "frames"))
	case 13:
		w.settle(t)
	case 14:
		w.move(t)
	case 15:
		w.say(t)
	case 16:
		w.message(t)
	case 17:
		w.refuse(t)
	case 18:
		w.mend(t)
	default:
		w.measure(t)
	}
}

// TestClusterModel has two stores take partitions from each other, unasked, write,
// follow, fall behind and die at any moment, while all that the journal knows
// comes. Nothing may be lost, and nothing there twice, on either and on one that
// is started behind them.
func TestClusterModel(t *testing.T) {
	dsn, clear := schema(t)
	rapid.Check(t, func(t *rapid.T) {
		w := &ward{cluster: newCluster(dsn), entries: map[string]vigil.QuarantineState{}, home: map[string]int{}}
		for p := range parts {
			w.said[p], w.messages[p] = model{}, map[string]vigil.Instant{}
		}
		for i := range w.db {
			w.db[i] = w.start(t)
		}
		defer clear()
		defer func() {
			for _, db := range w.db {
				if db != nil {
					w.die(t, db)
				}
			}
		}()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			w.step(t)
		}
		w.settle(t)
		for i, db := range w.db {
			w.db[i] = nil
			w.die(t, db)
		}
		w.db[0] = w.start(t)
		for p := range parts {
			w.take(t, w.db[0], p)
		}
		w.feedAll(t, w.db[0])
		w.check(t, w.db[0], "after the end of both")
	})
}
