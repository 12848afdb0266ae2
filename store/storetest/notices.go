package storetest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// notices lists kept events as number type/id.
func (b *bench) notices(subscription string) []string {
	b.t.Helper()
	list, err := b.db.Notices(b.ctx, subscription, 0, math.MaxInt64, 100)
	if err != nil {
		b.t.Fatal(err)
	}
	var out []string
	for _, n := range list {
		out = append(out, fmt.Sprintf("%d %s/%s %d %s", n.Number, n.Type, n.ID, n.Version, n.Cause))
	}
	return out
}

func keepsNotices(t *testing.T, b *bench) {
	event := func(subscription, id string) vigil.Notice {
		return vigil.Notice{Subscription: subscription, At: start, Type: "Patient", ID: id, Version: 2, Cause: vigil.NoticeUpdate}
	}
	if _, ok, err := b.db.NoticePlace(b.ctx, "record"); ok || err != nil {
		t.Errorf("a place before the first: %t, %v", ok, err)
	}
	if _, err := b.db.NoticeLine(b.ctx, "s"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("a line before the first: %v", err)
	}
	for _, name := range []string{"s", "r"} {
		if err := b.db.StartNotices(b.ctx, vigil.NoticeLine{Subscription: name, Since: 7, Started: start}); err != nil {
			t.Fatal(err)
		}
	}
	add := func(from, place int64, list ...vigil.Notice) error {
		return b.db.AddNotices(b.ctx, "record", from, place, list)
	}
	if err := add(10, 20, event("s", "a"), event("r", "a"), event("nobody", "a"), event("s", "b")); err != nil {
		t.Fatal(err)
	}
	if err := add(10, 30, event("s", "c")); vigil.KindOf(err) != vigil.Conflicting {
		t.Errorf("events from a place that was left: %v", err)
	}
	b.reopen()
	if err := add(20, 30, event("s", "c")); err != nil {
		t.Fatal(err)
	}
	if got, want := b.notices("s"), []string{"1 Patient/a 2 update", "2 Patient/b 2 update", "3 Patient/c 2 update"}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	if got := b.notices("r"); len(got) != 1 || len(b.notices("nobody")) != 0 {
		t.Errorf("events of others: %v", got)
	}
	if place, ok, err := b.db.NoticePlace(b.ctx, "record"); place != 30 || !ok || err != nil {
		t.Errorf("place %d, %t, %v", place, ok, err)
	}
	if err := b.db.NoticesDelivered(b.ctx, "s", 2); err != nil {
		t.Fatal(err)
	}
	if err := b.db.NoticesDelivered(b.ctx, "s", 1); err != nil {
		t.Fatal(err)
	}
	if err := b.db.TrimNotices(b.ctx, "s", 3); err != nil {
		t.Fatal(err)
	}
	line := vigil.NoticeLine{Subscription: "s", Since: 7, Started: start, Events: 3, Delivered: 2, First: 3}
	if l, err := b.db.NoticeLine(b.ctx, "s"); l != line || err != nil {
		t.Errorf("line %+v, %v, want %+v", l, err, line)
	}
	// The same beginning again changes nothing, a later one goes on behind.
	for _, since := range []int64{7, 8} {
		if err := b.db.StartNotices(b.ctx, vigil.NoticeLine{Subscription: "s", Since: since, Started: start}); err != nil {
			t.Fatal(err)
		}
		want := since - 5
		if l, err := b.db.NoticeLine(b.ctx, "s"); l.Delivered != want || l.Events != 3 || err != nil {
			t.Errorf("begun at %d: %+v, %v, want %d delivered", since, l, err, want)
		}
	}
	hold := func(holder string, at, until vigil.Instant) bool {
		ok, err := b.db.HoldNotices(b.ctx, "s", holder, at, until)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !hold("a", 10, 20) || hold("b", 15, 25) || !hold("a", 16, 26) || !hold("b", 27, 37) {
		t.Error("two processes deliver, or none does")
	}
	if err := b.db.EndNotices(b.ctx, "s"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.db.NoticeLine(b.ctx, "s"); vigil.KindOf(err) != vigil.NotFound || len(b.notices("s")) != 0 {
		t.Errorf("after the end: %v", err)
	}
}

func followsChanges(t *testing.T, b *bench) {
	version := func(typ, id string, v int64) vigil.Resource {
		r := resource(typ, id, fmt.Sprintf(`{"resourceType":%q,"id":%q,"v":%d}`, typ, id, v))
		r.Version, r.Changed = v, start
		return r
	}
	gone := version("Patient", "a", 3)
	gone.Deleted, gone.Body = true, nil
	b.putResources(version("Patient", "a", 1), version("Device", "d", 1), version("Patient", "a", 2), version("Basic", "x", 1), gone, version("Device", "d", 2))
	for _, limit := range []int{1, 2, 3, 100} {
		var got []string
		after := int64(0)
		for {
			list, err := b.db.ResourceChanges(b.ctx, []string{"Device", "Patient", "Group"}, after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range list {
				got = append(got, fmt.Sprintf("%s/%s %d %t", r.Type, r.ID, r.Version, r.Deleted))
				after = r.Written
			}
			if len(list) < limit {
				break
			}
		}
		want := []string{"Patient/a 1 false", "Device/d 1 false", "Patient/a 2 false", "Patient/a 3 true", "Device/d 2 false"}
		if !slices.Equal(got, want) {
			t.Errorf("%d at once: %v, want %v", limit, got, want)
		}
		if last, err := b.db.LastWrite(b.ctx); last != after || err != nil {
			t.Errorf("the last write is %d, %v, want %d", last, err, after)
		}
	}
}
