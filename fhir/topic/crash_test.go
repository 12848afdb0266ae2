package topic_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/topic"
)

// frail keeps nothing from some moment on, as a process that was killed.
type frail struct {
	topic.Log
	topic.Ledger
	dead atomic.Bool
}

var errDead = errors.New("killed")

func (f *frail) AddNotices(ctx context.Context, source string, from, place int64, list []vigil.Notice) error {
	if f.dead.Load() {
		return errDead
	}
	return f.Log.AddNotices(ctx, source, from, place, list)
}

func (f *frail) NoticesDelivered(ctx context.Context, subscription string, number int64) error {
	if f.dead.Load() {
		return errDead
	}
	return f.Ledger.NoticesDelivered(ctx, subscription, number)
}

// TestKilled kills the server at any moment: every event comes, under one
// number, in the order in which it was committed.
func TestKilled(t *testing.T) {
	var f *frail
	s := newSite(t, func(c *topic.Config) {
		f = &frail{Log: c.Log, Ledger: c.Ledger}
		c.Log, c.Ledger = f, f
	})
	h := newHook(t)
	id := s.subscribe(spec{topic: "vital-signs", endpoint: h.URL, content: "id-only", count: 4})
	h.of(t, "handshake")
	s.status(id, "active")
	rounds := 12
	if testing.Short() {
		rounds = 4
	}
	got := map[string]string{}
	var want []string
	for range rounds {
		for range 1 + rand.IntN(6) {
			want = append(want, s.observe("ada", "72"))
		}
		for range rand.IntN(5000) { // any moment will do
			runtime.Gosched()
		}
		f.dead.Store(true)
		for range rand.IntN(4) {
			want = append(want, s.observe("ada", "72"))
		}
		s.close()
		s.open()
	}
	for len(got) < len(want) {
		for _, e := range events(h.of(t, "event-notification").bundle) {
			number, focus, _ := strings.Cut(e, "/Observation/")
			if before, ok := got[number]; ok && before != focus {
				t.Fatalf("event %s is %s and %s", number, before, focus)
			}
			got[number] = focus
		}
	}
	for i, id := range want {
		if got[fmt.Sprint(i+1)] != id {
			t.Errorf("event %d is %s, want %s", i+1, got[fmt.Sprint(i+1)], id)
		}
	}
}

// TestTwoDesks lets two processes share the work: each event has one number, and
// one of them delivers.
func TestTwoDesks(t *testing.T) {
	s, h := newSite(t, func(c *topic.Config) { c.Holder = "one" }), newHook(t)
	var other *topic.Desk
	{
		c := topic.Config{
			Log: s.db, Ledger: s.db, Record: s.db, Put: s.put, Engine: engine, Endpoints: topic.Endpoints{"127.0.0.1"}, Key: [16]byte{7},
			Holder: "two", Base: func() string { return base }, Now: time.Now, Poll: 5 * time.Millisecond, Logger: quiet(),
		}
		other = topic.New(c)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- other.Run(ctx) }()
		defer func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
	}
	id := s.subscribe(spec{topic: "vital-signs", endpoint: h.URL, content: "id-only"})
	h.of(t, "handshake")
	s.status(id, "active")
	var want, got []string
	for i := range 40 {
		want = append(want, fmt.Sprintf("%d/Observation/%s", i+1, s.observe("ada", "72")))
	}
	for len(got) < len(want) {
		got = append(got, events(h.of(t, "event-notification").bundle)...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if !other.Wants("Observation", "") {
		t.Error("the other process does not know the subscription")
	}
}

func TestListed(t *testing.T) {
	s := newSite(t, nil)
	l := topic.NewListed(s.db, vigil.InstantOf(time.Now()))
	q, issues := engine().Parse(search.Request{Types: []string{"Basic"}, Raw: "code=SubscriptionTopic&_sort=-_id"})
	if len(issues) > 0 {
		t.Fatal(issues)
	}
	n := 0
	last := "~"
	var mark *vigil.ResourceMark
	for range 10 {
		for hit, err := range l.Search(context.Background(), "Basic", q, mark) {
			if err != nil || hit.ID >= last {
				t.Fatalf("%s behind %s, %v", hit.ID, last, err)
			}
			last, mark = hit.ID, &hit.Mark
			n++
			valid(t, delivery{raw: string(hit.Body)})
			break
		}
	}
	if total, err := l.Total(context.Background(), "Basic", q); n != 4 || total != n || err != nil {
		t.Errorf("%d of %d, %v", n, total, err)
	}
	bundle := s.want(200, "GET", "Basic?code=SubscriptionTopic", "")
	if text(bundle, "total") != "4" || text(bundle, "entry", 3, "resource", "code", "coding", 0, "code") != "SubscriptionTopic" {
		t.Errorf("a search: %s", flat(bundle))
	}
	s.want(200, "GET", "Basic/subscription-topic-resource/_history", "")
	shown := s.want(200, "GET", "Basic/subscription-topic-alert", "")
	s.want(200, "PUT", "Basic/subscription-topic-alert", flat(shown))
	if total := text(s.want(200, "GET", "Basic?code=SubscriptionTopic", ""), "total"); total != "4" {
		t.Errorf("%s after one was written", total)
	}
	r, err := l.Read(context.Background(), "Basic", "subscription-topic-alert", 0)
	if err != nil || !strings.Contains(string(r.Body), "SubscriptionTopic/alert") {
		t.Errorf("%s, %v", r.Body, err)
	}
}
