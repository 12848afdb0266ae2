package storetest

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
)

// sortsResources sorts values of many widths, of resources with several and with
// none.
func sortsResources(t *testing.T, b *bench) {
	span := func(id string, at ...int64) {
		r := resource("Encounter", id, "{}")
		for i := 0; i < len(at); i += 2 {
			r.Keys.Spans = append(r.Keys.Spans, vigil.ResourceSpan{Param: 80, Lo: at[i], Hi: at[i+1]})
			r.Keys.Lines = append(r.Keys.Lines, vigil.ResourceLine{Line: 9, At: vigil.Instant(at[i])})
		}
		b.putResources(r)
	}
	span("instant", 500, 500)
	span("second", 400, 400+999_999)
	span("ever", math.MinInt64, math.MaxInt64)
	span("long", 100, 2_000_000)
	span("none")
	span("twice", 50, 50, 3_000_000, 3_000_000)
	span(someUUID, 600, 600+86_399_999_999)
	order := func(o vigil.ResourceOrder, want ...string) {
		t.Helper()
		same(t, fmt.Sprintf("%+v", o), b.found(vigil.ResourceQuery{Types: []string{"Encounter"}, Order: o}), want...)
	}
	order(vigil.ResourceOrder{By: vigil.BySpan, Param: 80}, "ever", "twice", "long", "second", "instant", someUUID, "none")
	order(vigil.ResourceOrder{By: vigil.BySpan, Param: 80, Desc: true}, "ever", someUUID, "twice", "long", "second", "instant", "none")
	order(vigil.ResourceOrder{By: vigil.ByLine, Lines: []uint64{9}, Desc: true}, "twice", someUUID, "instant", "second", "long", "ever", "none")
	order(vigil.ResourceOrder{By: vigil.ByID}, someUUID, "ever", "instant", "long", "none", "second", "twice")
	order(vigil.ResourceOrder{By: vigil.ByChange, Desc: true}, someUUID, "twice", "none", "long", "ever", "second", "instant")
	within := func(loMin, loMax, hiMin, hiMax int64, want ...string) {
		t.Helper()
		g := &vigil.ResourceRange{Param: 80, LoMin: loMin, LoMax: loMax, HiMin: hiMin, HiMax: hiMax}
		q := vigil.ResourceQuery{All: []vigil.ResourceTest{{Span: g}}}
		same(t, fmt.Sprintf("%+v", *g), b.found(q), want...)
		if n, exact, err := b.db.CountResources(b.ctx, q); n != int64(len(want)) || !exact || err != nil {
			t.Errorf("%+v: counted %d, %v, %v", *g, n, exact, err)
		}
	}
	const least, most = math.MinInt64, math.MaxInt64
	within(least, most, least, most, "instant", "second", "ever", "long", "twice", someUUID)
	within(400, most, least, most, "instant", "second", "twice", someUUID)
	within(least, 400, least, most, "second", "ever", "long", "twice")
	within(least, most, 2_000_000, most, "ever", "long", "twice", someUUID)
	within(least, most, least, 1_000_399, "instant", "second", "twice")
	within(401, most, least, 86_399_999_999, "instant", "twice")
}

func boundsSearches(t *testing.T, b *bench) {
	for i := range 300 {
		r := resource("Observation", fmt.Sprint("o", i), "{}")
		r.Keys.Tokens = []uint64{5}
		b.putResources(r)
	}
	q := vigil.ResourceQuery{All: []vigil.ResourceTest{{Tokens: []uint64{6}, Not: true}, {Tokens: []uint64{5}, Not: true}}, Cost: 100}
	if _, err := b.db.SelectResources(b.ctx, q); vigil.KindOf(err) != vigil.TooLarge {
		t.Errorf("a search that costs too much: %v", err)
	}
	if n, exact, err := b.db.CountResources(b.ctx, q); exact || err != nil || n > 300 {
		t.Errorf("a count that costs too much: %d, %v, %v", n, exact, err)
	}
	q.Cost = 0
	if n, exact, err := b.db.CountResources(b.ctx, q); n != 0 || !exact || err != nil {
		t.Errorf("a count: %d, %v, %v", n, exact, err)
	}
	if got := b.found(vigil.ResourceQuery{All: []vigil.ResourceTest{{}}}); len(got) != 0 {
		t.Errorf("a test without a condition finds %d", len(got))
	}
	if got := b.found(vigil.ResourceQuery{All: []vigil.ResourceTest{{Tokens: []uint64{}}}}); len(got) != 0 {
		t.Errorf("none of no tokens finds %d", len(got))
	}
}

func reindexes(t *testing.T, b *bench) {
	for i := range 30 {
		r := resource("Patient", fmt.Sprint("p", i), "{}")
		r.Keys.Tokens = []uint64{5}
		b.putResources(r, resource("Device", fmt.Sprint("d", i), "{}"))
	}
	gone := resource("Patient", "p7", "")
	gone.Deleted = true
	b.putResources(gone)
	var last [2]int64
	err := b.db.Reindex(b.ctx, []string{"Patient"}, func(r vigil.Resource) (vigil.ResourceKeys, error) {
		return vigil.ResourceKeys{Tokens: []uint64{6}, Lines: []vigil.ResourceLine{{Line: 3, At: 4}}}, nil
	}, func(done, total int64) { last = [2]int64{done, total} })
	if err != nil {
		t.Fatal(err)
	}
	if last != [2]int64{29, 29} {
		t.Errorf("the last progress is %v", last)
	}
	for k, want := range map[uint64]int{5: 0, 6: 29} {
		if got := b.found(vigil.ResourceQuery{All: []vigil.ResourceTest{{Tokens: []uint64{k}}}}); len(got) != want {
			t.Errorf("token %d finds %d, want %d", k, len(got), want)
		}
	}
	if r, err := b.db.Resource(b.ctx, "Patient", "p1"); err != nil || r.Version != 1 {
		t.Errorf("indexing has made version %d, %v", r.Version, err)
	}
	if got := b.found(vigil.ResourceQuery{Order: vigil.ResourceOrder{By: vigil.ByLine, Lines: []uint64{3}}, Limit: 40}); len(got) != 40 {
		t.Errorf("in order of a timeline there are %d", len(got))
	}
}

func walksResources(t *testing.T, b *bench) {
	for i := range 50 {
		b.putResources(resource([]string{"Patient", "Device"}[i%2], fmt.Sprint("r", i), fmt.Sprint(i)))
	}
	var seen []string
	var from *vigil.ResourceMark
	stop := fmt.Errorf("enough")
	for len(seen) < 25 {
		err := b.db.EachResource(b.ctx, store.ResourceWalk{Types: []string{"Patient"}, After: from}, func(h vigil.ResourceHit) error {
			seen, from = append(seen, string(h.Body)), &h.Mark
			if len(seen)%10 == 0 {
				return stop
			}
			return nil
		})
		if err == nil {
			break
		}
	}
	if len(seen) != 25 || seen[0] != "0" || seen[24] != "48" {
		t.Errorf("seen %v", seen)
	}
	at, err := b.db.Resource(b.ctx, "Patient", "r40")
	if err != nil {
		t.Fatal(err)
	}
	seen = nil
	err = b.db.EachResource(context.Background(), store.ResourceWalk{Since: at.Changed}, func(h vigil.ResourceHit) error {
		seen = append(seen, h.ID)
		return nil
	})
	if err != nil || len(seen) != 10 {
		t.Errorf("since r40: %v, %v", seen, err)
	}
}
