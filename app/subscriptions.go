package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/topic"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/store"
	"github.com/vigil-iomt/vigil/stream"
)

// newDesk makes the desk of subscriptions.
func (s *server) newDesk(terms search.Terms) *topic.Desk {
	c := topic.Config{
		Log: s.db, Ledger: s.db, Record: s.db, Put: s.putSubscription, Show: s.readings.Read, Engine: s.searchEngine, Terms: terms,
		Endpoints: topic.Endpoints(s.c.SubscriptionHosts), Key: s.install.key("subscriptions"), Base: s.fhirBase,
		Admit: func(r *http.Request) error {
			a, err := actorOf(s.registry.Bearer, r)
			if err != nil {
				return err
			}
			return permit(a, "fhir.subscription.get-ws-binding-token")
		},
		Now: time.Now, Logger: s.log,
	}
	if s.c.shared() {
		c.Holder = s.node()
	}
	return topic.New(c)
}

// fhirBase is the address of the FHIR base in what is sent.
func (s *server) fhirBase() string {
	if s.c.FHIRBase != "" {
		return strings.TrimSuffix(s.c.FHIRBase, "/")
	}
	if a := s.httpAddr.Load(); a != nil {
		return "http://" + *a + "/fhir"
	}
	return ""
}

// putSubscription writes the next version of a Subscription for the desk.
func (s *server) putSubscription(ctx context.Context, id string, edit func(vigil.Resource, *tree.Doc) []byte) (out vigil.Resource, err error) {
	err = s.db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error {
		out = vigil.Resource{}
		old, err := tx.Newest(ctx, "Subscription", id)
		if err != nil || old.Deleted {
			if vigil.KindOf(err) == vigil.NotFound {
				err = nil
			}
			return err
		}
		doc, err := tree.Parse(old.Body)
		if err != nil {
			return err
		}
		body := edit(old, doc)
		if body == nil {
			return nil
		}
		if doc, err = tree.Parse(body); err != nil {
			return err
		}
		next := vigil.Resource{
			Type: "Subscription", ID: id, Version: old.Version + 1, Changed: max(tx.At()/1000*1000, old.Changed), Method: http.MethodPut,
			Actor: topic.Actor(), Keys: s.searchEngine().Extract(doc.Root()).Keys(), Owner: old.Owner,
		}
		next.Body = tree.Stamp{ID: id, Version: strconv.FormatInt(next.Version, 10), Updated: next.Changed.String()}.Apply(doc)
		out, err = tx.Put(ctx, next)
		return err
	})
	return out, err
}

const (
	// feedLook is how often it is asked whether anybody wants readings.
	feedLook = 100 * time.Millisecond
	// feedKeep is how often the place in the journal is kept when it makes no
	// events.
	feedKeep = 10 * time.Second
	// feedMarks is how many frames are remembered for who subscribes now: those
	// of some seconds at least.
	feedMarks = 4096
)

// A feeder tells the desk of subscriptions what readings, waves and events have
// become: it reads the journal behind the store, only while somebody wants to
// know, and on its own, so that nobody waits for it.
type feeder struct {
	s    *server
	part []feedPart
}

// A feedPart remembers the newest frames of a partition, the oldest first.
type feedPart struct {
	mu    sync.Mutex
	marks []feedMark
}

type feedMark struct {
	seq uint64
	at  vigil.Instant
}

func newFeeder(s *server) *feeder {
	return &feeder{s: s, part: make([]feedPart, s.c.Partitions)}
}

// consume notes a frame that the store has applied.
func (f *feeder) consume(_ context.Context, frame vigil.Frame) error {
	if frame.Partition >= len(f.part) {
		return nil
	}
	p := &f.part[frame.Partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.marks) >= 2*feedMarks {
		p.marks = append(p.marks[:0], p.marks[feedMarks:]...)
	}
	p.marks = append(p.marks, feedMark{frame.Seq, frame.At})
	return nil
}

// now is where who begins to want readings has to begin: a little before the
// present, for a subscription is older than it is noticed.
func (f *feeder) now(partition int) uint64 {
	const margin = 2 * time.Second
	p := &f.part[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	since := vigil.InstantOf(time.Now().Add(-margin))
	i, _ := slices.BinarySearchFunc(p.marks, since, func(m feedMark, at vigil.Instant) int { return int(m.at - at) })
	if i < len(p.marks) {
		return p.marks[i].seq - 1
	}
	return f.s.db.Applied(partition)
}

// run feeds one partition until ctx is done.
func (f *feeder) run(ctx context.Context, partition int) error {
	source, fresh := "journal/"+strconv.Itoa(partition), false
	t := time.NewTicker(feedLook)
	defer t.Stop()
	for ctx.Err() == nil {
		if !f.s.desk.Wants(reading.Observation, "") {
			fresh = fresh || f.s.desk.Ready()
			select {
			case <-t.C:
			case <-ctx.Done():
			}
			continue
		}
		if err := f.follow(ctx, partition, source, fresh); err != nil && ctx.Err() == nil && vigil.KindOf(err) != vigil.Conflicting {
			f.s.log.ErrorContext(ctx, "readings cannot be told to subscriptions; it is tried again", "partition", partition, "error", err)
			pause(ctx, time.Second)
		}
		fresh = !f.s.desk.Wants(reading.Observation, "")
	}
	return nil
}

var errNobodyWants = errors.New("nobody wants readings")

// follow reads the journal as long as somebody wants readings. Fresh says that
// nobody did before: then it begins now, and else where it was, or at what the
// store had kept when it was opened. What is older than a subscription makes no
// events of it.
func (f *feeder) follow(ctx context.Context, partition int, source string, fresh bool) error {
	kept, ok, err := f.s.desk.Place(ctx, source)
	if err != nil {
		return err
	}
	if fresh || !ok {
		at := int64(f.s.db.Position(partition)) // #nosec G115 -- far from the end
		if fresh {
			at = int64(f.now(partition)) // #nosec G115 -- far from the end
		}
		if err := f.s.desk.Feed(ctx, source, kept, max(kept, at), nil); err != nil {
			return err
		}
		kept = max(kept, at)
	}
	keptAt := time.Now()
	after := uint64(kept) // #nosec G115 -- written from one
	for {
		err := f.s.journal.Consume(ctx, partition, after, func(ctx context.Context, frame vigil.Frame) error {
			if !f.s.desk.Wants(reading.Observation, "") {
				return errNobodyWants
			}
			if err := f.applied(ctx, partition, frame.Seq); err != nil {
				return err
			}
			list, err := f.changed(ctx, frame)
			if err != nil {
				return err
			}
			if len(list) == 0 && time.Since(keptAt) < feedKeep {
				return nil
			}
			err = f.s.desk.Feed(ctx, source, kept, int64(frame.Seq), list) // #nosec G115 -- far from the end
			if err == nil {
				kept, keptAt = int64(frame.Seq), time.Now() // #nosec G115 -- far from the end
			}
			return err
		})
		var purged *stream.PurgedError
		if !errors.As(err, &purged) {
			if errors.Is(err, errNobodyWants) {
				err = nil
			}
			return err
		}
		f.s.log.ErrorContext(ctx, "the journal does not reach back to where subscriptions were; readings between make no events", "partition", partition)
		after = purged.First - 1
	}
}

// applied waits until the store shows a frame.
func (f *feeder) applied(ctx context.Context, partition int, seq uint64) error {
	t := time.NewTicker(2 * time.Millisecond)
	defer t.Stop()
	for f.s.db.Applied(partition) < seq {
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// changed are the Observations that a frame made or changed, those that somebody
// may want. A frame over which that panics makes none.
func (f *feeder) changed(ctx context.Context, frame vigil.Frame) (out []vigil.Resource, err error) {
	defer func() {
		if p := recover(); p != nil {
			f.s.log.ErrorContext(ctx, "a frame makes no events of subscriptions because it panicked", "partition", frame.Partition, "frame", frame.Seq,
				"panic", p, "stack", string(debug.Stack()))
			out, err = nil, nil
		}
	}()
	var ids []string
	seen := map[string]bool{}
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for i := range frame.Records {
		r := &frame.Records[i]
		if r.Kind != vigil.Understood || r.Message.Protocol == postedProtocol || !f.s.desk.Wants(reading.Observation, reading.WireID(r.Subject.ID)) {
			continue
		}
		if err := f.observations(ctx, r, add); err != nil {
			return nil, err
		}
		if len(r.Events) > 0 {
			if err := f.events(ctx, &frame, add); err != nil {
				return nil, err
			}
		}
	}
	for _, id := range ids {
		o, err := f.s.readings.Read(ctx, reading.Observation, id, 0)
		if vigil.KindOf(err) == vigil.NotFound {
			continue // it is shown in no Observation of its own
		}
		if err != nil {
			return nil, fmt.Errorf("read what a reading has become: %w", err)
		}
		o.Changed, o.Written, o.Body = frame.At, 0, slices.Clone(o.Body)
		out = append(out, o)
	}
	return out, nil
}

// observations names the Observations of the readings and waves of a record.
func (f *feeder) observations(ctx context.Context, r *vigil.Record, add func(string)) error {
	for i := range r.Readings {
		v := &r.Readings[i]
		if v.Metric == nil {
			continue
		}
		id, ok := f.s.db.SeriesFor(r.Subject, r.Message.Device, r.Message.Channel, v.Metric)
		if !ok {
			continue
		}
		points, err := f.s.db.Points(ctx, vigil.PointQuery{Series: id, During: vigil.Interval{From: v.Taken, To: v.Taken + 1}})
		if err != nil {
			return err
		}
		for _, p := range points {
			if p.Arrived != r.Message.Arrived {
				continue // a repeat, or what was there before it
			}
			add(f.s.readings.ObservationID(id, p))
		}
	}
	for i := range r.Waves {
		w := &r.Waves[i]
		if w.Metric == nil {
			continue
		}
		if id, ok := f.s.db.SeriesFor(r.Subject, r.Message.Device, r.Message.Channel, w.Metric); ok {
			add(f.s.readings.WaveID(id, w.Start))
		}
	}
	return nil
}

// events names the Observations of the events of a frame.
func (f *feeder) events(ctx context.Context, frame *vigil.Frame, add func(string)) error {
	const bits = 20
	list, err := f.s.db.EventsAfter(ctx, frame.Partition, frame.Seq<<bits-1, 10_000)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Position>>bits != frame.Seq {
			continue
		}
		if id, ok := f.s.readings.EventID(list[i]); ok {
			add(id)
		}
	}
	return nil
}
