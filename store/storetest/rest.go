package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
)

// ecgBlock makes one second of an ECG.
func ecgBlock(i int) vigil.Wave {
	w := vigil.Wave{Metric: ecg, Start: at(float64(i)), Stated: at(float64(i)), Gain: 0.005, Offset: -1, KeyKind: vigil.KeyTime, Key: uint64(at(float64(i)))}
	for k := range 250 {
		s := int32((k*k+i*31)%2048 - 1024)
		if k == 100 && i%7 == 0 {
			s = vigil.Missing
		}
		w.Samples = append(w.Samples, s)
	}
	return w
}

func putWaves(b *bench, ws ...vigil.Wave) {
	b.t.Helper()
	r := record(ada)
	r.Waves = ws
	r.Message.Arrived = ws[len(ws)-1].End()
	b.put(1, r)
}

func keepsWaves(t *testing.T, b *bench) {
	var want []vigil.Wave
	for i := range 200 {
		want = append(want, ecgBlock(i))
		putWaves(b, ecgBlock(i))
		if i == 90 {
			b.checkpoint()
		}
	}
	for i := range 200 {
		putWaves(b, ecgBlock(i)) // repeats
	}
	id := b.id(ada, oximeter, ecg)
	check := func(when string, want []vigil.Wave) {
		t.Helper()
		got, err := b.db.Waves(b.ctx, id, vigil.Interval{}, 0)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %d blocks, %v; want %d", when, len(got), err, len(want))
		}
		for i := range got {
			g, w := got[i], want[i]
			if !slices.Equal(g.Samples, w.Samples) || g.Start != w.Start || g.Gain != w.Gain || g.Offset != w.Offset ||
				g.Key != w.Key || g.KeyKind != w.KeyKind || g.Stated != w.Stated || g.Quality != w.Quality {
				t.Fatalf("%s: block %d differs", when, i)
			}
		}
	}
	check("in memory", want)
	part, err := b.db.Waves(b.ctx, id, vigil.Interval{From: at(10.5), To: at(13)}, 0)
	if err != nil || len(part) != 3 || part[0].Start != at(10) {
		t.Errorf("a part: %d blocks, %v", len(part), err)
	}
	if part, err = b.db.Waves(b.ctx, id, vigil.Interval{From: at(10)}, 5); err != nil || len(part) != 5 || part[4].Start != at(14) {
		t.Errorf("a limited part: %d blocks, %v", len(part), err)
	}
	other := ecgBlock(20)
	other.Samples[7]++
	putWaves(b, other)
	want[20].Quality, other.Quality = vigil.Conflict, vigil.Conflict
	want = slices.Insert(want, 21, other)
	check("with a conflict", want)
	for range 3 {
		b.checkpoint()
		check("after a checkpoint", want)
	}
	b.reopen()
	check("after a restart", want)
	putWaves(b, other, ecgBlock(20))
	check("after repeats", want)
}

func repeatedMessages(t *testing.T, b *bench) {
	send := func(id string, sec float64) {
		r := record(ada, vigil.Reading{Metric: spo2, Taken: at(sec), Value: sec, KeyKind: vigil.KeyMessage},
			vigil.Reading{Metric: pulse, Taken: at(sec), Value: sec, KeyKind: vigil.KeyMessage})
		r.Message.ID = id
		r.Events = []vigil.Event{{Type: "button", Taken: at(sec), KeyKind: vigil.KeyMessage}}
		b.put(1, r)
	}
	check := func(when string, want ...string) {
		t.Helper()
		same(t, when, b.points(vigil.PointQuery{Series: b.id(ada, oximeter, spo2)}), want...)
		if ev, err := b.db.Events(b.ctx, vigil.EventQuery{}); err != nil || len(ev) != len(want) {
			t.Errorf("%s: %d events, %v; want %d", when, len(ev), err, len(want))
		}
	}
	send("a", 1)
	send("b", 2)
	send("a", 3)
	check("in memory", "1s 1", "2s 2")
	b.reopen()
	send("b", 4)
	send("c", 5)
	check("after a restart", "1s 1", "2s 2", "5s 5")
	r := record(ada, vigil.Reading{Metric: spo2, Taken: at(6), Value: 6}, vigil.Reading{Metric: spo2, Taken: at(6), Value: 6})
	b.put(1, r)
	check2 := b.points(vigil.PointQuery{Series: b.id(ada, oximeter, spo2), During: vigil.Interval{From: at(6)}})
	same(t, "readings without identity", check2, "6s 6", "6s 6")
}

func keepsEvents(t *testing.T, b *bench) {
	dose := func(sec float64, data string) vigil.Event {
		return vigil.Event{Type: "dose-taken", Title: "Dose", Taken: at(sec), Stated: at(sec), Data: []byte(data), KeyKind: vigil.KeyTime, Key: uint64(at(sec))}
	}
	put := func(es ...vigil.Event) {
		r := record(ada)
		r.Events = es
		b.put(1, r)
	}
	put(dose(1, `{"n":1}`), dose(2, `{"n":2}`))
	put(dose(1, `{"n":1}`))
	check := func(when string, q vigil.EventQuery, want ...string) {
		t.Helper()
		got, err := b.db.Events(b.ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, e := range got {
			list = append(list, fmt.Sprintf("%gs %s %s", float64(e.Taken-start)/1e6, e.Data, e.Quality))
		}
		same(t, when, list, want...)
	}
	all := vigil.EventQuery{Subjects: []vigil.Subject{ada}, Types: []string{"dose-taken"}}
	check("in memory", all, `1s {"n":1} good`, `2s {"n":2} good`)
	b.checkpoint()
	put(dose(2, `{"n":2}`), dose(3, `{"n":3}`), dose(2, `{"n":7}`))
	check("over both", vigil.EventQuery{Limit: 1, Desc: true}, `3s {"n":3} good`)
	if ev, err := b.db.Events(b.ctx, vigil.EventQuery{During: vigil.Interval{From: at(2), To: at(3)}}); err != nil || len(ev) != 2 ||
		ev[0].Quality != vigil.Conflict || ev[1].Quality != vigil.Conflict {
		t.Errorf("two events of one identity: %+v, %v", ev, err)
	}
	b.reopen()
	put(dose(2, `{"n":7}`), dose(2, `{"n":2}`))
	check("after a restart", vigil.EventQuery{Devices: []vigil.DeviceID{oximeter}, During: vigil.Interval{To: at(2)}}, `1s {"n":1} good`)
	after, err := b.db.EventsAfter(b.ctx, 1, 0, 2)
	if err != nil || len(after) != 2 || string(after[0].Data) != `{"n":1}` || after[0].Position != 1<<20|1 {
		t.Fatalf("after 0: %+v, %v", after, err)
	}
	after, err = b.db.EventsAfter(b.ctx, 1, after[1].Position, 10)
	if err != nil || len(after) != 2 || string(after[0].Data) != `{"n":3}` {
		t.Errorf("after the first two: %+v, %v", after, err)
	}
}

// reattribution makes the record of a move.
func reattribution(id string, from, to float64, subject vigil.Subject, when float64) vigil.Record {
	during := vigil.Interval{From: at(from)}
	if to > 0 {
		during.To = at(to)
	}
	return vigil.Record{Kind: vigil.Reattributed, Subject: subject, Message: vigil.Message{Device: oximeter, Arrived: at(when)},
		Change: &vigil.Reattribution{ID: id, Device: oximeter, During: during, To: subject}}
}

func reattributes(t *testing.T, b *bench) {
	stream(b, ada, spo2, 0, 1200)
	r := record(ada)
	r.Waves = []vigil.Wave{ecgBlock(600), ecgBlock(1150)}
	r.Events = []vigil.Event{{Type: "button", Taken: at(1100), KeyKind: vigil.KeyTime, Key: 1}}
	b.put(1, r)
	b.checkpoint()
	stream(b, ada, spo2, 1200, 20)
	b.put(2, reattribution("m1", 1000, 1210, bert, 5000))
	b.put(2, reattribution("m1", 1000, 1210, bert, 5000)) // once more
	check := func(when string) {
		t.Helper()
		in := vigil.Interval{From: at(998), To: at(1002)}
		same(t, when+": old", b.points(vigil.PointQuery{Series: b.id(ada, oximeter, spo2), During: in}), "998s 98", "999s 99")
		same(t, when+": old, history", b.points(vigil.PointQuery{Series: b.id(ada, oximeter, spo2), During: in, History: true}),
			"998s 98", "999s 99", "1000s 0", "1000s 0 v2 entered-in-error", "1001s 1", "1001s 1 v2 entered-in-error")
		same(t, when+": new", b.points(vigil.PointQuery{Series: b.id(bert, oximeter, spo2), During: in}), "1000s 0 a1", "1001s 1 a1")
		for s, want := range map[vigil.Subject]int{ada: 1010, bert: 210} {
			if got := b.points(vigil.PointQuery{Series: b.id(s, oximeter, spo2)}); len(got) != want {
				t.Errorf("%s: %s has %d points, want %d", when, s, len(got), want)
			}
		}
		for s, want := range map[vigil.Subject]vigil.Instant{ada: at(600), bert: at(1150)} {
			ws, err := b.db.Waves(b.ctx, b.id(s, oximeter, ecg), vigil.Interval{}, 0)
			if err != nil || len(ws) != 1 || ws[0].Start != want || ws[0].Quality != 0 {
				t.Errorf("%s: %s has waves %+v, %v", when, s, ws, err)
			}
		}
		ev, err := b.db.Events(b.ctx, vigil.EventQuery{})
		if err != nil || len(ev) != 1 || ev[0].Subject != bert {
			t.Errorf("%s: events %+v, %v", when, ev, err)
		}
	}
	check("in memory")
	for range 3 {
		b.checkpoint()
		check("after a checkpoint")
	}
	b.reopen()
	b.put(2, reattribution("m1", 1000, 1210, bert, 5000))
	check("after a restart")
	b.put(1, reattribution("m2", 1000, 1210, ada, 6000)) // it was a mistake
	back := func(when string) {
		t.Helper()
		in := vigil.Interval{From: at(1000), To: at(1001)}
		same(t, when+": back", b.points(vigil.PointQuery{Series: b.id(ada, oximeter, spo2), During: in}), "1000s 0 v3 a2")
		same(t, when+": there", b.points(vigil.PointQuery{Series: b.id(bert, oximeter, spo2)}))
		ws, err := b.db.Waves(b.ctx, b.id(ada, oximeter, ecg), vigil.Interval{}, 0)
		if err != nil || len(ws) != 2 {
			t.Errorf("%s: waves %+v, %v", when, ws, err)
		}
		ev, err := b.db.Events(b.ctx, vigil.EventQuery{})
		if err != nil || len(ev) != 1 || ev[0].Subject != ada {
			t.Errorf("%s: events %+v, %v", when, ev, err)
		}
	}
	back("in memory")
	stream(b, ada, spo2, 1000, 100) // repeats
	back("after repeats")
	b.reopen()
	back("after a restart")
}

func overtaken(t *testing.T, b *bench) {
	stream(b, ada, spo2, 0, 10)
	b.put(2, reattribution("m1", 5, 0, bert, 100))
	stream(b, ada, spo2, 10, 10) // had arrived before the move, in another partition
	late := record(ada, reading(spo2, 300, 7))
	late.Known = at(299)
	b.put(1, late) // ingest knew of the move
	check := func(when string) {
		t.Helper()
		same(t, when, b.points(vigil.PointQuery{Series: b.id(ada, oximeter, spo2)}), "0s 0", "1s 1", "2s 2", "3s 3", "4s 4", "300s 7")
		if got := b.points(vigil.PointQuery{Series: b.id(bert, oximeter, spo2)}); len(got) != 15 {
			t.Errorf("%s: %d points moved, want 15", when, len(got))
		}
	}
	check("in memory")
	b.reopen()
	check("after a restart")
}

// refused makes the record of a message that nobody understood.
func refused(d vigil.DeviceID, id, reason string, sec float64) vigil.Record {
	return vigil.Record{Kind: vigil.Quarantined, Subject: vigil.Unattributed(d), Profile: "p",
		Message: vigil.Message{Device: d, ID: "m" + id, Channel: "c", Arrived: at(sec), Protocol: "mqtt", Payload: []byte("bytes " + id)},
		Refusal: &vigil.Refusal{Pos: "/t", Reason: reason, Entry: id}}
}

func keepsQuarantine(t *testing.T, b *bench) {
	for i := range 6 {
		b.put(3, refused(oximeter, fmt.Sprint(i), "not a time", float64(i)))
		if i == 2 {
			b.checkpoint()
		}
	}
	list := func(q vigil.QuarantineQuery) []string {
		t.Helper()
		es, err := b.db.Quarantine(b.ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range es {
			out = append(out, fmt.Sprintf("%s %s %s %s", e.ID, e.State, e.Pos, e.Reason))
		}
		return out
	}
	check := func(when string) {
		t.Helper()
		same(t, when, list(vigil.QuarantineQuery{Limit: 2}), "5 open /t not a time", "4 open /t not a time")
		same(t, when, list(vigil.QuarantineQuery{After: "4", Limit: 2}), "3 open /t not a time", "2 open /t not a time")
		if got := b.db.QuarantineOpen(oximeter); got != 6 {
			t.Errorf("%s: %d open, want 6", when, got)
		}
		e, err := b.db.QuarantineEntry(b.ctx, "1")
		if err != nil || string(e.Message.Payload) != "bytes 1" || e.Message.Channel != "c" || e.Message.Arrived != at(1) || e.Message.ID != "m1" {
			t.Errorf("%s: %+v, %v", when, e, err)
		}
	}
	check("in memory")
	b.reopen()
	check("after a restart")
	r := record(ada, reading(spo2, 1, 90))
	r.Message.Replay = "1"
	b.put(1, r)
	ctx := vigil.WithActor(b.ctx, vigil.LocalAdmin())
	if err := b.db.CloseQuarantine(ctx, "2", vigil.Closed, at(50)); err != nil {
		t.Fatal(err)
	}
	if err := b.db.CloseQuarantine(ctx, "2", vigil.Closed, at(50)); vigil.KindOf(err) != vigil.Conflicting {
		t.Errorf("closed twice: %v", err)
	}
	if err := b.db.CloseQuarantine(ctx, "nix", vigil.Closed, at(50)); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("closed what is not there: %v", err)
	}
	b.reopen()
	if got := b.db.QuarantineOpen(oximeter); got != 4 {
		t.Errorf("%d open, want 4", got)
	}
	same(t, "closed", list(vigil.QuarantineQuery{State: vigil.Closed, Device: oximeter}), "2 closed /t not a time")
	same(t, "replayed", list(vigil.QuarantineQuery{State: vigil.Replayed}), "1 replayed /t not a time")
	e, err := b.db.QuarantineEntry(b.ctx, "2")
	if err != nil || e.By != "local-admin" || e.Closed != at(50) || string(e.Message.Payload) != "bytes 2" {
		t.Errorf("%+v, %v", e, err)
	}
}

func foldsQuarantine(t *testing.T, b *bench) {
	b.close()
	b.config.QuarantinePerDevice = 3
	b.open()
	for i := range 20 {
		b.put(3, refused(oximeter, fmt.Sprintf("%02d", i), []string{"this", "that"}[i%2], float64(i)))
		if i == 10 {
			b.reopen()
		}
	}
	b.put(3, refused("other", "99", "this", 1))
	check := func(when string) {
		t.Helper()
		es, err := b.db.Quarantine(b.ctx, vigil.QuarantineQuery{Device: oximeter})
		if err != nil || len(es) != 5 {
			t.Fatalf("%s: %d entries, %v; want 5", when, len(es), err)
		}
		n := 0
		for _, e := range es {
			n += e.Count
		}
		if n != 20 || b.db.QuarantineOpen(oximeter) != 20 || b.db.QuarantineOpen("other") != 1 {
			t.Errorf("%s: %d messages, %d open", when, n, b.db.QuarantineOpen(oximeter))
		}
	}
	check("in memory")
	b.reopen()
	check("after a restart")
}

func keepsDocuments(t *testing.T, b *bench) {
	doc := vigil.Document{Kind: "patient", ID: "1", Body: []byte(`{"a":1}`), Changed: at(1), Actor: vigil.LocalAdmin()}
	other := doc
	other.ID = "2"
	if err := b.db.SaveDocuments(b.ctx, doc, other); err != nil {
		t.Fatal(err)
	}
	next := doc
	next.Version, next.Body = 1, []byte(`{"a":2}`)
	stale := other
	if err := b.db.SaveDocuments(b.ctx, next, stale); vigil.KindOf(err) != vigil.Conflicting {
		t.Fatalf("a stale version: %v", err)
	}
	if got, err := b.db.Document(b.ctx, "patient", "1"); err != nil || got.Version != 1 {
		t.Fatalf("half a save was kept: %+v, %v", got, err)
	}
	if err := b.db.SaveDocuments(b.ctx, next); err != nil {
		t.Fatal(err)
	}
	nobody := doc
	nobody.Actor, nobody.ID = vigil.Actor{}, "3"
	if err := b.db.SaveDocuments(b.ctx, nobody); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("a save by nobody: %v", err)
	}
	gone := other
	gone.Version, gone.Deleted = 1, true
	if err := b.db.SaveDocuments(b.ctx, gone); err != nil {
		t.Fatal(err)
	}
	b.reopen()
	all, err := b.db.Documents(b.ctx, "patient")
	if err != nil || len(all) != 1 || string(all[0].Body) != `{"a":2}` || all[0].Version != 2 || all[0].Actor.ID != "local-admin" {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := b.db.Document(b.ctx, "patient", "2"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("a deleted document: %v", err)
	}
	history, err := b.db.DocumentHistory(b.ctx, "patient", "2")
	if err != nil || len(history) != 2 || !history[1].Deleted {
		t.Errorf("%+v, %v", history, err)
	}
	if old, err := b.db.DocumentVersion(b.ctx, "patient", "1", 1); err != nil || string(old.Body) != `{"a":1}` {
		t.Errorf("the first version: %+v, %v", old, err)
	}
	if _, err := b.db.DocumentVersion(b.ctx, "patient", "1", 3); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("a version that never was: %v", err)
	}
	for version, want := range []int{2, 1, 0} {
		since, err := b.db.DocumentsSince(b.ctx, "patient", "2", int64(version), 5)
		if err != nil || len(since) != want || want > 0 && since[want-1].Version != 2 {
			t.Errorf("since version %d: %+v, %v", version, since, err)
		}
	}
	if since, err := b.db.DocumentsSince(b.ctx, "patient", "2", 0, 1); err != nil || len(since) != 1 || since[0].Version != 1 {
		t.Errorf("the first of several: %+v, %v", since, err)
	}
}

// takesTurns: on a database that several processes share, those who ask for it
// are alone; one that does not end holds nobody up for ever.
func takesTurns(t *testing.T, b *bench) {
	if b.config.DSN == "" {
		t.Skip("an SQLite database belongs to one process")
	}
	b.close()
	b.config = Shared(b.config)
	b.open()
	b.close()
	b.config.Shared = true
	b.open()
	other, err := store.Open(b.ctx, b.config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(b.ctx) }()
	var inside, most atomic.Int32
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			db := []*store.DB{b.db, other}[i%2]
			err := db.Alone(b.ctx, "test", func(ctx context.Context) error {
				most.Store(max(most.Load(), inside.Add(1)))
				_, err := db.Documents(ctx, "none")
				inside.Add(-1)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d at once", most.Load())
	}
	held, release := make(chan struct{}), make(chan struct{})
	all.Go(func() {
		_ = other.Alone(b.ctx, "test", func(context.Context) error {
			close(held)
			<-release
			return nil
		})
	})
	<-held
	ran := false
	if err := b.db.Alone(b.ctx, "test", func(context.Context) error { ran = true; return nil }); err != nil || !ran {
		t.Errorf("behind one that does not end: %v, %v", ran, err)
	}
	close(release)
	all.Wait()
}

func keepsAnswers(t *testing.T, b *bench) {
	hash := [32]byte{1, 2, 3}
	for i := range 2 {
		if err := b.db.SaveIdempotency(b.ctx, "dev", "k", hash, 200+i, []byte("ok"), at(1)); err != nil {
			t.Fatal(err)
		}
	}
	b.reopen()
	got, found, err := b.db.Idempotency(b.ctx, "dev", "k")
	if err != nil || !found || got.Status != 200 || string(got.Body) != "ok" || got.BodyHash != hash {
		t.Errorf("%+v, %v, %v", got, found, err)
	}
	if _, found, err = b.db.Idempotency(b.ctx, "other", "k"); err != nil || found {
		t.Errorf("another credential: %v, %v", found, err)
	}
	if err := b.db.Prune(b.ctx, store.Retention{}, at(0).Time().Add(31*24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, found, err = b.db.Idempotency(b.ctx, "dev", "k"); err != nil || found {
		t.Errorf("after 31 days: %v, %v", found, err)
	}
}

func prunes(t *testing.T, b *bench) {
	stream(b, ada, spo2, 0, 2000)
	stream(b, ada, pulse, 0, 5)
	for i := range 10 {
		putWaves(b, ecgBlock(i))
	}
	r := record(ada)
	r.Events = []vigil.Event{{Type: "button", Taken: at(1)}, {Type: "button", Taken: at(3000)}}
	b.put(1, r)
	b.checkpoint()
	keep := store.Retention{Points: time.Hour, Waves: time.Hour, Events: time.Hour, Quarantine: time.Hour}
	if err := b.db.Prune(b.ctx, keep, at(1600+3600).Time()); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		got := b.points(vigil.PointQuery{Series: b.id(ada, oximeter, spo2)})
		if len(got) == 0 || len(got) > 500 || got[len(got)-1] != "1999s 99" {
			t.Errorf("%s: %d points are left", when, len(got))
		}
		same(t, when+": old series", b.points(vigil.PointQuery{Series: b.id(ada, oximeter, pulse)}))
		if ws, err := b.db.Waves(b.ctx, b.id(ada, oximeter, ecg), vigil.Interval{}, 0); err != nil || len(ws) != 0 {
			t.Errorf("%s: %d wave blocks are left, %v", when, len(ws), err)
		}
		if ev, err := b.db.Events(b.ctx, vigil.EventQuery{}); err != nil || len(ev) != 1 {
			t.Errorf("%s: %d events are left, %v", when, len(ev), err)
		}
		last, err := b.db.Latest(b.ctx, []vigil.SeriesID{b.id(ada, oximeter, spo2), b.id(ada, oximeter, pulse)})
		if err != nil || len(last) != 1 {
			t.Errorf("%s: latest %v, %v", when, last, err)
		}
	}
	check("in memory")
	b.reopen()
	check("after a restart")
}

func frames(t *testing.T, b *bench) {
	stream(b, ada, spo2, 0, 120)
	if err := b.db.Consume(b.ctx, b.frames[1][0]); err != nil {
		t.Errorf("an old frame: %v", err)
	}
	if err := b.db.Consume(b.ctx, vigil.Frame{Partition: 1, Seq: 4}); err == nil {
		t.Error("a gap was accepted")
	}
	if got := b.db.Applied(1); got != 2 || b.db.Position(1) != 0 {
		t.Errorf("applied %d, position %d", got, b.db.Position(1))
	}
	b.db.SkipTo(1, 3)
	if err := b.db.Consume(b.ctx, vigil.Frame{Partition: 1, Seq: 4}); err != nil {
		t.Errorf("after skipping: %v", err)
	}
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if err := b.db.Checkpoint(ctx); err == nil {
		t.Error("a checkpoint without time succeeded")
	}
	if b.db.LastError() == nil || b.db.Position(1) != 0 {
		t.Errorf("after a failed checkpoint: %v, position %d", b.db.LastError(), b.db.Position(1))
	}
	b.checkpoint()
	if b.db.LastError() != nil || b.db.Position(1) != 4 {
		t.Errorf("after a checkpoint: %v, position %d", b.db.LastError(), b.db.Position(1))
	}
	if got := b.points(vigil.PointQuery{Series: b.id(ada, oximeter, spo2)}); len(got) != 120 {
		t.Errorf("%d points, want 120", len(got))
	}
}

func rehomes(t *testing.T, b *bench) {
	stream(b, ada, spo2, 0, 700)
	b.put(3, record(ada, reading(spo2, 700, 1), reading(spo2, 2, 2)))
	b.put(1, record(ada, reading(spo2, 701, 2)))
	b.checkpoint()
	b.put(3, record(ada, reading(spo2, 702, 3)))
	id := b.id(ada, oximeter, spo2)
	for range 2 {
		if got := b.points(vigil.PointQuery{Series: id}); len(got) != 703 {
			t.Errorf("%d points, want 703", len(got))
		}
		b.reopen()
	}
	if s, err := b.db.Series(b.ctx, vigil.SeriesQuery{}); err != nil || len(s) != 1 {
		t.Errorf("%d series, %v; want 1", len(s), err)
	}
}
