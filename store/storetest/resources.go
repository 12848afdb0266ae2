package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/store"
)

// resourceCases are what a record of resources has to keep.
func resourceCases() []suiteCase {
	return []suiteCase{
		{"keeps every version of resources", keepsResources},
		{"refuses resources that contradict the record", refusesResources},
		{"keeps a group when one of it fails or panics", spoilsNoGroup},
		{"makes one resource of 64 conditional creates", conditionalCreates},
		{"shows a write what was written before it", seesItself},
		{"pages while resources are written", pagesResources},
		{"sorts resources by what they are found by", sortsResources},
		{"bounds what a search costs", boundsSearches},
		{"counts and indexes resources anew", reindexes},
		{"walks over all resources and goes on", walksResources},
		{"follows changes in their order", followsChanges},
		{"numbers events of subscriptions and keeps them", keepsNotices},
	}
}

// resource makes a version of a resource without keys.
func resource(typ, id, body string) vigil.Resource {
	return vigil.Resource{Type: typ, ID: id, Method: "PUT", Actor: vigil.LocalAdmin(), Body: []byte(body), Owner: "patient/ada"}
}

// put writes resources, each in a write of its own.
func (b *bench) putResources(list ...vigil.Resource) {
	b.t.Helper()
	for _, r := range list {
		if err := b.tryResource(r); err != nil {
			b.t.Fatalf("put %s/%s: %v", r.Type, r.ID, err)
		}
	}
}

// tryResource writes one resource.
func (b *bench) tryResource(r vigil.Resource) error {
	return b.db.WriteResources(b.ctx, func(ctx context.Context, tx *store.ResourceTx) error {
		_, err := tx.Put(ctx, r)
		return err
	})
}

// found returns the ids that a query selects.
func (b *bench) found(q vigil.ResourceQuery) []string {
	b.t.Helper()
	hits, err := b.db.SelectResources(b.ctx, q)
	if err != nil {
		b.t.Fatalf("select: %v", err)
	}
	out := []string{}
	for _, h := range hits {
		out = append(out, h.ID)
	}
	return out
}

const someUUID = "018f2d3c-5b6a-7c8d-9e0f-a1b2c3d4e5f6"

func keepsResources(t *testing.T, b *bench) {
	bodies := []string{
		`{"id":"` + someUUID + `","subject":"Patient/ada","other":"252abfcc-dd25-a9ce-f187-873a98cecc53"}`,
		strings.Repeat(`{"resourceType":"Observation","status":"final"}`, 500),
		"with \x01 \x02 \x03 bytes " + someUUID, "",
	}
	for _, body := range bodies {
		r := resource("Observation", someUUID, body)
		r.Owner = "patient/" + someUUID
		b.putResources(r)
	}
	gone := resource("Observation", someUUID, "")
	gone.Deleted, gone.Method, gone.Owner = true, "DELETE", "patient/"+someUUID
	b.putResources(gone, resource("Patient", "ada", "{}"))
	b.reopen()
	for i, want := range append(bodies, "") {
		r, err := b.db.ResourceVersion(b.ctx, "Observation", someUUID, int64(i+1))
		if err != nil || string(r.Body) != want || r.Version != int64(i+1) || r.Owner != "patient/"+someUUID ||
			r.Actor.ID != "local-admin" || r.Deleted != (i == len(bodies)) || r.ID != someUUID || r.Type != "Observation" {
			t.Errorf("version %d is %+v, %v", i+1, r, err)
		}
	}
	newest, err := b.db.Resource(b.ctx, "Observation", someUUID)
	if err != nil || !newest.Deleted || newest.Version != 5 || newest.Body != nil || newest.Method != http.MethodDelete {
		t.Errorf("the newest version is %+v, %v", newest, err)
	}
	for _, v := range []int64{0, 6, -1} {
		if _, err := b.db.ResourceVersion(b.ctx, "Observation", someUUID, v); vigil.KindOf(err) != vigil.NotFound {
			t.Errorf("version %d: %v", v, err)
		}
	}
	if _, err := b.db.Resource(b.ctx, "Encounter", "x"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("what never was: %v", err)
	}
	history := func(h vigil.ResourceHistory, want string) {
		t.Helper()
		list, err := b.db.ResourceHistory(b.ctx, h)
		var got []string
		for _, r := range list {
			got = append(got, fmt.Sprint(r.Type[:1], r.Version))
		}
		if strings.Join(got, " ") != want || err != nil {
			t.Errorf("history %+v is %v, want %s, %v", h, got, want, err)
		}
	}
	history(vigil.ResourceHistory{Type: "Observation", ID: someUUID}, "O5 O4 O3 O2 O1")
	history(vigil.ResourceHistory{Type: "Observation", ID: someUUID, Limit: 2, Before: newest.Written}, "O4 O3")
	history(vigil.ResourceHistory{Type: "Observation"}, "O5 O4 O3 O2 O1")
	history(vigil.ResourceHistory{}, "P1 O5 O4 O3 O2 O1")
	history(vigil.ResourceHistory{Limit: 3}, "P1 O5 O4")
	history(vigil.ResourceHistory{Type: "Device"}, "")
	history(vigil.ResourceHistory{Since: newest.Changed}, "P1 O5")
	history(vigil.ResourceHistory{Until: newest.Changed}, "O4 O3 O2 O1")
	some, err := b.db.ResourceBodies(b.ctx, []store.ResourceName{{Type: "Patient", ID: "ada"}, {Type: "Observation", ID: someUUID}, {Type: "Device", ID: "d"}})
	if err != nil || len(some) != 1 || some[0].ID != "ada" || string(some[0].Body) != "{}" {
		t.Errorf("bodies: %+v, %v", some, err)
	}
}

func refusesResources(t *testing.T, b *bench) {
	first := resource("Patient", "p", "1")
	first.Version = 1
	b.putResources(first)
	for says, c := range map[string]struct {
		change func(*vigil.Resource)
		kind   vigil.Kind
	}{
		"a version that is there":     {func(r *vigil.Resource) { r.Version = 1 }, vigil.Conflicting},
		"a version that is too new":   {func(r *vigil.Resource) { r.Version = 3 }, vigil.Conflicting},
		"nobody":                      {func(r *vigil.Resource) { r.Actor = vigil.Actor{} }, vigil.Invalid},
		"no id":                       {func(r *vigil.Resource) { r.ID = "" }, vigil.Invalid},
		"no type":                     {func(r *vigil.Resource) { r.Type = "" }, vigil.Invalid},
		"a long id":                   {func(r *vigil.Resource) { r.ID = strings.Repeat("x", 65) }, vigil.Invalid},
		"a method that makes nothing": {func(r *vigil.Resource) { r.Method = "GET" }, vigil.Invalid},
		"a span that is upside down":  {func(r *vigil.Resource) { r.Keys.Spans = []vigil.ResourceSpan{{Param: 8, Lo: 1}} }, vigil.Invalid},
	} {
		r := resource("Patient", "p", "2")
		c.change(&r)
		if err := b.tryResource(r); vigil.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %v", says, err)
		}
	}
	second := resource("Patient", "p", "2")
	second.Version = 2
	b.putResources(second)
	if r, err := b.db.Resource(b.ctx, "Patient", "p"); err != nil || r.Version != 2 || string(r.Body) != "2" {
		t.Errorf("it is %+v, %v", r, err)
	}
}

// spoilsNoGroup lets many write at once, of whom some fail, panic, claim that
// something is new, or change their mind.
func spoilsNoGroup(t *testing.T, b *bench) {
	taken := resource("Device", "taken", "first")
	b.putResources(taken)
	var all sync.WaitGroup
	failure := errors.New("changed my mind")
	for i := range 120 {
		all.Go(func() {
			defer func() {
				if p := recover(); (p != nil) != (i%4 == 2) {
					t.Errorf("%d panics: %v", i, p)
				}
			}()
			err := b.db.WriteResources(b.ctx, func(ctx context.Context, tx *store.ResourceTx) error {
				r := resource("Device", fmt.Sprint("d", i), "body")
				if i%4 == 3 {
					r.ID, r.Version = "taken", 1
				}
				if _, err := tx.Put(ctx, r); err != nil {
					return err
				}
				switch i % 4 {
				case 1:
					return failure
				case 2:
					panic("oh")
				}
				return nil
			})
			want := []bool{true, errors.Is(err, failure), false, vigil.KindOf(err) == vigil.Conflicting}[i%4]
			if !want || (err == nil) != (i%4 == 0) {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	all.Wait()
	for i := range 120 {
		_, err := b.db.Resource(b.ctx, "Device", fmt.Sprint("d", i))
		if (err == nil) != (i%4 == 0) {
			t.Errorf("after all, device %d: %v", i, err)
		}
	}
	if n, exact, err := b.db.CountResources(b.ctx, vigil.ResourceQuery{Types: []string{"Device"}}); n != 31 || !exact || err != nil {
		t.Errorf("%d devices, %v, %v", n, exact, err)
	}
	if h, err := b.db.ResourceHistory(b.ctx, vigil.ResourceHistory{Type: "Device", ID: "taken"}); len(h) != 1 || err != nil {
		t.Errorf("%d versions, %v", len(h), err)
	}
}

func conditionalCreates(t *testing.T, b *bench) {
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			err := b.db.WriteResources(b.ctx, func(ctx context.Context, tx *store.ResourceTx) error {
				hits, err := tx.Select(ctx, vigil.ResourceQuery{
					Types: []string{"Observation"}, All: []vigil.ResourceTest{{Tokens: []uint64{77}}}, Limit: 2,
				})
				if err != nil || len(hits) > 0 {
					return err
				}
				r := resource("Observation", fmt.Sprint("o", i), "x")
				r.Version, r.Keys.Tokens = 1, []uint64{77}
				_, err = tx.Put(ctx, r)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := b.found(vigil.ResourceQuery{All: []vigil.ResourceTest{{Tokens: []uint64{77}}}}); len(got) != 1 {
		t.Errorf("there are %d: %v", len(got), got)
	}
}

func seesItself(t *testing.T, b *bench) {
	r := resource("Patient", "a", "1")
	r.Keys.Tokens = []uint64{1}
	b.putResources(r)
	err := b.db.WriteResources(b.ctx, func(ctx context.Context, tx *store.ResourceTx) error {
		before := tx.At()
		for step, want := range []string{"", "b", "", "b"} {
			r := resource("Patient", "b", fmt.Sprint(step))
			switch r.Deleted = step == 2; step {
			case 0:
				r.ID = "a" // no longer found
			default:
				r.Keys.Tokens = []uint64{1}
			}
			made, err := tx.Put(ctx, r)
			if err != nil {
				return err
			}
			hits, err := tx.Select(ctx, vigil.ResourceQuery{All: []vigil.ResourceTest{{Tokens: []uint64{1, 2}}}})
			if err != nil {
				return err
			}
			got := ""
			for _, h := range hits {
				got += h.ID
			}
			if got != want {
				t.Errorf("after step %d: %q, want %q", step, got, want)
			}
			now, err := tx.Newest(ctx, "Patient", r.ID)
			if err != nil || now.Version != made.Version || !bytes.Equal(now.Body, made.Body) {
				t.Errorf("after step %d: %+v, %v", step, now, err)
			}
			if made.Changed < before {
				t.Error("time goes back")
			}
			before = made.Changed
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := b.found(vigil.ResourceQuery{All: []vigil.ResourceTest{{Tokens: []uint64{1}}}}); !slices.Equal(got, []string{"b"}) {
		t.Errorf("found %v", got)
	}
	if h, err := b.db.ResourceHistory(b.ctx, vigil.ResourceHistory{Type: "Patient", ID: "b"}); len(h) != 3 || err != nil ||
		string(h[2].Body) != "1" || !h[1].Deleted || string(h[0].Body) != "3" {
		t.Errorf("history: %+v, %v", h, err)
	}
}

func pagesResources(t *testing.T, b *bench) {
	for i := range 40 {
		r := resource("Observation", fmt.Sprintf("o%02d", i), "{}")
		r.Keys.Tokens = []uint64{5, uint64(100 + i%2)}
		b.putResources(r)
	}
	for _, desc := range []bool{false, true} {
		var got []string
		q := vigil.ResourceQuery{Types: []string{"Observation"}, All: []vigil.ResourceTest{{Tokens: []uint64{5}}}, Limit: 7, Order: vigil.ResourceOrder{Desc: desc}}
		for page := 0; ; page++ {
			hits, err := b.db.SelectResources(b.ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			if len(hits) == 0 {
				break
			}
			for _, h := range hits {
				got = append(got, h.ID)
			}
			q.After = &hits[len(hits)-1].Mark
			// Meanwhile one that was shown and one that was not are written anew.
			for _, i := range []int{page, 39 - page} {
				r := resource("Observation", fmt.Sprintf("o%02d", i), "{}")
				r.Keys.Tokens = []uint64{5, 200}
				b.putResources(r)
			}
		}
		slices.Sort(got)
		if n := len(slices.Compact(slices.Clone(got))); n != 40 || len(got) != 40 {
			t.Errorf("pages (down: %v) show %d resources, %d different ones", desc, len(got), n)
		}
	}
}
