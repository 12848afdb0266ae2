package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
)

// stream puts n readings at 1 Hz, 60 to a frame.
func stream(b *bench, s vigil.Subject, m *vigil.Metric, from, n int) {
	b.t.Helper()
	var rs []vigil.Reading
	for i := from; i < from+n; i++ {
		rs = append(rs, reading(m, float64(i), float64(i%100)))
		if len(rs) == 60 || i == from+n-1 {
			b.put(1, record(s, rs...))
			rs = nil
		}
	}
}

func keepsPoints(t *testing.T, b *bench) {
	stream(b, ada, spo2, 0, 1000)
	b.checkpoint()
	stream(b, ada, spo2, 1000, 700)
	id := b.id(ada, oximeter, spo2)
	check := func(when string) {
		t.Helper()
		pts, err := b.db.Points(b.ctx, vigil.PointQuery{Series: id})
		if err != nil || len(pts) != 1700 {
			t.Fatalf("%s: %d points, %v; want 1700", when, len(pts), err)
		}
		for i, p := range pts {
			if p.Taken != at(float64(i)) || p.Value != float64(i%100) || p.Version != 1 || p.Quality != 0 ||
				p.Key != uint64(p.Taken) || p.KeyKind != vigil.KeyTime {
				t.Fatalf("%s: point %d is %+v", when, i, p)
			}
		}
		same(t, when+", a range", b.points(vigil.PointQuery{Series: id, During: vigil.Interval{From: at(600), To: at(602)}}), "600s 0", "601s 1")
	}
	check("in memory")
	b.reopen()
	check("after a restart")
	if got := b.db.Position(1); got != uint64(len(b.frames[1])) {
		t.Errorf("position %d after closing, want %d", got, len(b.frames[1]))
	}
	b.replay()
	check("after an empty replay")
	for range 10 { // heads nobody adds to leave memory
		stream(b, ada, pulse, len(b.frames[1])*60, 1)
		b.checkpoint()
	}
	check("after the head went cold")
	stream(b, ada, spo2, 1700, 1)
	same(t, "tail", b.points(vigil.PointQuery{Series: id, During: vigil.Interval{From: at(1699)}}), "1699s 99", "1700s 0")
}

func pages(t *testing.T, b *bench) {
	stream(b, ada, spo2, 0, 1300)
	b.checkpoint()
	stream(b, ada, spo2, 2000, 40)
	stream(b, ada, spo2, 1500, 10) // late, in the gap
	id := b.id(ada, oximeter, spo2)
	for _, desc := range []bool{false, true} {
		all, err := b.db.Points(b.ctx, vigil.PointQuery{Series: id, Desc: desc})
		if err != nil || len(all) != 1350 {
			t.Fatalf("%d points, %v; want 1350", len(all), err)
		}
		var paged []vigil.Point
		var after *vigil.Point
		for {
			page, err := b.db.Points(b.ctx, vigil.PointQuery{Series: id, Desc: desc, Limit: 97, After: after})
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			paged = append(paged, page...)
			last := page[len(page)-1]
			after = &last
		}
		if fmt.Sprint(paged) != fmt.Sprint(all) {
			t.Errorf("desc %v: %d points in pages differ from %d at once", desc, len(paged), len(all))
		}
		for i := 1; i < len(all); i++ {
			if (all[i].Taken < all[i-1].Taken) != desc {
				t.Fatalf("desc %v: point %d out of order", desc, i)
			}
		}
	}
}

func identities(t *testing.T, b *bench) {
	correction := func(sec, v float64) vigil.Reading {
		r := reading(spo2, sec, v)
		r.Correction = true
		return r
	}
	b.put(1, record(ada, reading(spo2, 1, 90), reading(spo2, 2, 91), reading(spo2, 3, 92)))
	b.put(1, record(ada, reading(spo2, 2, 91), reading(spo2, 1, 90))) // repeats
	b.put(1, record(ada, correction(2, 95), reading(spo2, 3, 80)))    // correction, conflict
	b.put(1, record(ada, reading(spo2, 2, 91), correction(2, 95)))    // the original and the correction again
	b.put(1, record(ada, reading(spo2, 3, 80), reading(spo2, 3, 92))) // both again
	b.put(1, record(ada, reading(spo2, 4, 93), reading(spo2, 4, 94), reading(spo2, 4, 95)))
	id := b.id(ada, oximeter, spo2)
	check := func(when string) {
		t.Helper()
		same(t, when, b.points(vigil.PointQuery{Series: id}), "1s 90", "2s 95 v2", "3s 92 conflict", "3s 80 c1 conflict",
			"4s 93 conflict", "4s 94 c1 conflict", "4s 95 c2 conflict")
		same(t, when+", history", b.points(vigil.PointQuery{Series: id, History: true, During: vigil.Interval{To: at(3)}}),
			"1s 90", "2s 91", "2s 95 v2")
		versions, err := b.db.PointByKey(b.ctx, id, vigil.KeyTime, uint64(at(2)), 0)
		if err != nil {
			t.Fatal(err)
		}
		same(t, when+", versions", texts(versions), "2s 91", "2s 95 v2")
	}
	check("in memory")
	if s := b.db.Stats(); s.Repeats != 6 || s.Conflicts != 3 || s.Corrections != 1 || s.Accepted != 8 {
		t.Errorf("stats %+v", s)
	}
	b.reopen()
	check("after a restart")
	b.put(1, record(ada, reading(spo2, 2, 91), reading(spo2, 3, 80), reading(spo2, 4, 94)))
	check("after more repeats")
	if _, err := b.db.PointByKey(b.ctx, id, vigil.KeyTime, 12, 0); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("an unknown key: %v", err)
	}
}

func identitiesInChunks(t *testing.T, b *bench) {
	stream(b, ada, spo2, 0, 2000)
	b.checkpoint()
	stream(b, ada, spo2, 0, 2000)
	if s := b.db.Stats(); s.Repeats != 2000 || s.Accepted != 2000 {
		t.Fatalf("stats %+v", s)
	}
	fix := reading(spo2, 700, 1)
	fix.Correction = true
	b.put(1, record(ada, reading(spo2, 100, 55), fix))
	id := b.id(ada, oximeter, spo2)
	check := func(when string) {
		t.Helper()
		same(t, when, b.points(vigil.PointQuery{Series: id, During: vigil.Interval{From: at(99), To: at(102)}}),
			"99s 99", "100s 0 conflict", "100s 55 c1 conflict", "101s 1")
		same(t, when, b.points(vigil.PointQuery{Series: id, During: vigil.Interval{From: at(700), To: at(701)}}), "700s 1 v2")
		same(t, when, b.points(vigil.PointQuery{Series: id, During: vigil.Interval{From: at(700), To: at(701)}, History: true}),
			"700s 0", "700s 1 v2")
	}
	check("in memory")
	for range 4 {
		b.checkpoint()
		check("after a checkpoint")
	}
	if b.db.Stats().Compacted == 0 {
		t.Error("nothing was compacted")
	}
	b.reopen()
	check("after a restart")
	b.put(1, record(ada, reading(spo2, 100, 55), reading(spo2, 100, 0), reading(spo2, 700, 0)))
	check("after more repeats")
}

func lateData(t *testing.T, b *bench) {
	stream(b, ada, spo2, 10_000, 2000)
	b.checkpoint()
	stream(b, ada, spo2, 0, 5000)
	stream(b, ada, spo2, 12_000, 10)
	stream(b, ada, spo2, 5000, 5000)
	id := b.id(ada, oximeter, spo2)
	check := func(when string) {
		t.Helper()
		pts, err := b.db.Points(b.ctx, vigil.PointQuery{Series: id})
		if err != nil || len(pts) != 12_010 {
			t.Fatalf("%s: %d points, %v; want 12010", when, len(pts), err)
		}
		for i, p := range pts {
			if p.Taken != at(float64(i)) {
				t.Fatalf("%s: point %d is %+v", when, i, p)
			}
		}
	}
	check("in memory")
	for range 5 {
		b.checkpoint()
		check("after a checkpoint")
	}
	stream(b, ada, spo2, 0, 3000)
	if s := b.db.Stats(); s.Repeats != 3000 {
		t.Errorf("stats %+v", s)
	}
	b.reopen()
	check("after a restart")
}

func buckets(t *testing.T, b *bench) {
	off := reading(spo2, 5, 0)
	off.Quality = off.Quality.With(vigil.SensorOff)
	wrong := reading(spo2, 6, 400)
	wrong.Quality = vigil.Implausible
	b.put(1, record(ada, reading(spo2, 1, 90), reading(spo2, 2, 94), off, wrong, reading(spo2, 61, 80), reading(spo2, 200, 70)))
	b.checkpoint()
	b.put(1, record(ada, reading(spo2, 3, 92)))
	got, err := b.db.Buckets(b.ctx, vigil.BucketQuery{Series: b.id(ada, oximeter, spo2), Width: time.Minute,
		During: vigil.Interval{From: at(0), To: at(200)}})
	want := []vigil.Bucket{
		{From: at(0), Count: 3, Min: 90, Max: 94, Mean: 92, Last: 92},
		{From: at(60), Count: 1, Min: 80, Max: 80, Mean: 80, Last: 80},
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
}

func latest(t *testing.T, b *bench) {
	b.put(1, record(ada, reading(spo2, 1, 90), reading(spo2, 2, 91), reading(pulse, 2, 60)))
	b.put(2, record(bert, reading(spo2, 7, 99)))
	ids := []vigil.SeriesID{b.id(ada, oximeter, spo2), b.id(ada, oximeter, pulse), b.id(bert, oximeter, spo2), 12}
	check := func(when string, want ...string) {
		t.Helper()
		got, err := b.db.Latest(b.ctx, ids)
		if err != nil {
			t.Fatal(err)
		}
		var list []vigil.Point
		for _, id := range ids {
			if p, ok := got[id]; ok {
				list = append(list, p)
			}
		}
		same(t, when, texts(list), want...)
	}
	check("in memory", "2s 91", "2s 60", "7s 99")
	b.reopen()
	check("after a restart", "2s 91", "2s 60", "7s 99")
	fix := reading(spo2, 2, 88)
	fix.Correction = true
	b.put(1, record(ada, reading(spo2, 1.5, 70), fix))
	check("after a correction", "2s 88 v2", "2s 60", "7s 99")
	b.put(1, vigil.Record{Kind: vigil.Reattributed, Subject: bert, Message: vigil.Message{Device: oximeter, Arrived: at(10)},
		Change: &vigil.Reattribution{ID: "1", Device: oximeter, During: vigil.Interval{From: at(2)}, To: bert}})
	check("after a move", "1.5s 70", "7s 99")
	b.reopen()
	check("after a move and a restart", "1.5s 70", "7s 99")
}

func measures(t *testing.T, b *bench) {
	copied := *spo2
	copied.Title = "another title"
	kpa := &vigil.Metric{Name: "spo2", Unit: "kPa", Codes: spo2.Codes}
	b.put(1, record(ada, reading(spo2, 1, 90), reading(&copied, 2, 91), reading(kpa, 3, 12)))
	check := func(when string) {
		t.Helper()
		all, err := b.db.Series(b.ctx, vigil.SeriesQuery{Subjects: []vigil.Subject{ada}, Codes: []vigil.Code{{Value: "59408-5"}}})
		if err != nil || len(all) != 2 {
			t.Fatalf("%s: %d series, %v; want 2", when, len(all), err)
		}
		for _, s := range all {
			if s.Metric.Unit == "%" && s.Metric.Title != "another title" {
				t.Errorf("%s: the title is %q", when, s.Metric.Title)
			}
		}
		same(t, when, b.points(vigil.PointQuery{Series: b.id(ada, oximeter, spo2)}), "1s 90", "2s 91")
		same(t, when, b.points(vigil.PointQuery{Series: b.id(ada, oximeter, kpa)}), "3s 12")
	}
	check("in memory")
	b.reopen()
	check("after a restart")
	for _, q := range []vigil.SeriesQuery{
		{Metrics: []string{"pulse"}}, {Waves: true}, {Subjects: []vigil.Subject{bert}}, {Devices: []vigil.DeviceID{"other"}},
		{Codes: []vigil.Code{{System: vigil.MDC, Value: "59408-5"}}}, {IDs: []vigil.SeriesID{4}},
	} {
		if got, err := b.db.Series(b.ctx, q); err != nil || len(got) != 0 {
			t.Errorf("%+v: %v, %v; want none", q, got, err)
		}
	}
}
