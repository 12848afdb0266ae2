package topic

import (
	"context"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// How many versions are read of the record at once, less when they are long; and
// how often the place is kept when nothing else is.
const (
	leastBatch = 16
	feedBatch  = 256
	mostBatch  = 2048
	batchBytes = 2 << 20
	keepEvery  = 5 * time.Second
	record     = "record"
)

// begin reads where the record was left, and the subscriptions that there are.
func (d *Desk) begin(ctx context.Context) error {
	place, ok, err := d.c.Log.NoticePlace(ctx, record)
	if err == nil && !ok {
		if place, err = d.c.Record.LastWrite(ctx); err == nil {
			err = d.c.Log.AddNotices(ctx, record, place, place, nil)
		}
	}
	if err != nil {
		return err
	}
	d.place, d.kept, d.keptAt, d.compiled, d.batch = place, place, d.c.Now(), d.engine(), feedBatch
	q := vigil.ResourceQuery{Types: []string{"Subscription"}, Bodies: true, Limit: feedBatch}
	for {
		hits, err := d.c.Record.SelectResources(ctx, q)
		if err != nil {
			return err
		}
		for i := range hits {
			if err := d.apply(ctx, hits[i].Resource, true); err != nil {
				return err
			}
		}
		if len(hits) < q.Limit {
			return nil
		}
		q.After = &hits[len(hits)-1].Mark
	}
}

// catchUp reads everything that was written.
func (d *Desk) catchUp(ctx context.Context) error {
	for {
		more, err := d.step(ctx)
		if vigil.KindOf(err) == vigil.Conflicting { // another process was faster
			d.kept, _, err = d.c.Log.NoticePlace(ctx, record)
			more = true
		}
		if err != nil || !more {
			return err
		}
	}
}

// step reads some of what was written.
func (d *Desk) step(ctx context.Context) (more bool, err error) {
	if e := d.engine(); e != d.compiled {
		d.compiled = e
		d.recompile(ctx)
	}
	list, err := d.c.Record.ResourceChanges(ctx, d.types(), d.place, d.batch)
	if err != nil {
		return false, err
	}
	d.pace(list)
	var notices []vigil.Notice
	place := d.place
	for _, r := range list {
		// Who subscribes hears of what comes behind, and perhaps of other types.
		if r.Type == "Subscription" {
			if err := d.apply(ctx, r, false); err != nil {
				return false, err
			}
		}
		if r.Written > d.kept { // or another process has made events of it
			if notices, err = d.match(ctx, r, notices); err != nil {
				return false, err
			}
		}
		place = r.Written
		if r.Type == "Subscription" {
			break
		}
	}
	if len(notices) > 0 {
		if err := d.c.Log.AddNotices(ctx, record, d.kept, place, notices); err != nil {
			return false, err
		}
		d.kept, d.keptAt = place, d.c.Now()
		d.ring(notices)
	}
	d.place = place
	if d.c.Now().Sub(d.keptAt) > keepEvery {
		err = d.keep(ctx)
	}
	return len(list) > 0, err
}

// pace settles how many versions are read the next time.
func (d *Desk) pace(list []vigil.Resource) {
	size := 0
	for i := range list {
		size += len(list[i].Body)
	}
	switch {
	case size > 4*batchBytes:
		d.batch = max(leastBatch, d.batch/4)
	case size < batchBytes && len(list) == d.batch:
		d.batch = min(mostBatch, 2*d.batch)
	}
}

// keep keeps the place when nothing else does.
func (d *Desk) keep(ctx context.Context) error {
	d.keptAt = d.c.Now()
	if d.place <= d.kept {
		return nil
	}
	err := d.c.Log.AddNotices(ctx, record, d.kept, d.place, nil)
	if err == nil {
		d.kept = d.place
	}
	if vigil.KindOf(err) == vigil.Conflicting {
		d.kept, _, err = d.c.Log.NoticePlace(ctx, record)
	}
	return err
}

// types lists the types of resource that somebody wants, and Subscription.
func (d *Desk) types() []string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := []string{"Subscription"}
	for t := range d.byType {
		if t != "Subscription" {
			out = append(out, t)
		}
	}
	slices.Sort(out)
	return out
}

// causeOf is what a version did to its resource.
func causeOf(r *vigil.Resource) vigil.NoticeCause {
	switch {
	case r.Deleted:
		return vigil.NoticeDelete
	case r.Version == 1 || r.Method == http.MethodPost:
		return vigil.NoticeCreate
	}
	return vigil.NoticeUpdate
}

// match adds the events that a version makes. A deleted resource is compared as
// it was before. Where that panics, this one resource makes none.
func (d *Desk) match(ctx context.Context, r vigil.Resource, out []vigil.Notice) (list []vigil.Notice, err error) {
	before := len(out)
	defer func() {
		if p := recover(); p != nil {
			d.c.Logger.ErrorContext(ctx, "a resource makes no events because comparing it panicked", "type", r.Type, "panic", p, "stack", string(debug.Stack()))
			list, err = out[:before], nil
		}
	}()
	d.mu.RLock()
	lines := d.byType[r.Type]
	d.mu.RUnlock()
	cause := causeOf(&r)
	var doc *tree.Doc
	var subject string
	for _, l := range lines {
		s := l.sub.Load()
		if !l.open(&r) || s.end != 0 && r.Changed > s.end {
			continue
		}
		if doc == nil {
			body := r.Body
			if r.Deleted {
				old, err := d.version(ctx, r.Type, r.ID, r.Version-1)
				if err != nil && vigil.KindOf(err) != vigil.NotFound {
					return nil, err
				}
				if body = old.Body; body == nil {
					return out, nil
				}
			}
			if doc, err = tree.Parse(body); err != nil {
				d.c.Logger.ErrorContext(ctx, "a resource is no JSON and makes no events", "type", r.Type, "error", err)
				return out, nil
			}
			subject = subjectOf(doc.Root())
		}
		if slices.ContainsFunc(s.wants, func(w want) bool { return w.typ == r.Type && w.meets(cause, doc.Root(), subject) }) {
			out = append(out, vigil.Notice{Subscription: l.id, At: r.Changed, Type: r.Type, ID: r.ID, Version: r.Version, Cause: cause})
		}
	}
	return out, nil
}

// ring wakes who delivers.
func (d *Desk) ring(notices []vigil.Notice) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for i := range notices {
		if l := d.lines[notices[i].Subscription]; l != nil && (i == 0 || notices[i-1].Subscription != notices[i].Subscription) {
			l.ring()
		}
	}
}

// Wants tells whether anybody wants events of resources of a type that are about
// a patient or another subject, by its id; "" is of any.
func (d *Desk) Wants(typ, subject string) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	w, ok := d.wanted[typ]
	return ok && (w.all || subject == "" || w.of[subject])
}

// Place returns up to where a source was fed; false when it never was.
func (d *Desk) Place(ctx context.Context, source string) (int64, bool, error) {
	return d.c.Log.NoticePlace(ctx, source)
}

// Feed makes events of versions of resources that are shown and not kept, and
// keeps up to where their source was read. It fails as vigil.Conflicting when the
// source was not at the place from: somebody else feeds it.
func (d *Desk) Feed(ctx context.Context, source string, from, place int64, list []vigil.Resource) error {
	var notices []vigil.Notice
	for _, r := range list {
		var err error
		if notices, err = d.match(ctx, r, notices); err != nil {
			return err
		}
	}
	if err := d.c.Log.AddNotices(ctx, source, from, place, notices); err != nil {
		return err
	}
	d.ring(notices)
	return nil
}

// apply takes in a version of a Subscription. At the start those that there are
// go on where they were.
func (d *Desk) apply(ctx context.Context, r vigil.Resource, start bool) error {
	old := d.line(r.ID)
	if old != nil && old.sub.Load().written >= r.Written {
		return nil
	}
	if r.Deleted {
		d.drop(old)
		return d.c.Ledger.EndNotices(ctx, r.ID)
	}
	s, broken, err := d.parse(ctx, r)
	if err != nil {
		return err
	}
	if a := Actor(); old != nil && r.Actor.Kind == a.Kind && r.Actor.ID == a.ID && s.status != off {
		old.note(r.Version, r.Written, s.status, s.reason)
		return nil
	}
	d.drop(old)
	if s.status == off {
		return nil
	}
	l := newLine(d, s, broken)
	n, err := d.c.Log.NoticeLine(ctx, r.ID)
	fresh := vigil.KindOf(err) == vigil.NotFound
	if err != nil && !fresh {
		return err
	}
	if fresh || old == nil && !start {
		n = vigil.NoticeLine{Subscription: r.ID, Since: r.Written, Started: r.Changed}
		if err := d.c.Ledger.StartNotices(ctx, n); err != nil {
			return err
		}
	}
	l.since, l.started = n.Since, n.Started
	d.add(ctx, l)
	return nil
}

// parse reads a kept Subscription; broken says why it cannot be served.
func (d *Desk) parse(ctx context.Context, r vigil.Resource) (s *subscription, broken string, err error) {
	doc, err := tree.Parse(r.Body)
	if err != nil {
		return nil, "", vigil.Errorf(vigil.Internal, "a Subscription of the record is no JSON: %w", err)
	}
	s, issues := d.read(ctx, doc.Root())
	s.id, s.version, s.written, s.body = r.ID, r.Version, r.Written, r.Body
	if len(issues) > 0 {
		broken, s.wants = issues[0].Message, nil
	}
	return s, broken, nil
}

// recompile reads all subscriptions again, because the definitions have changed.
func (d *Desk) recompile(ctx context.Context) {
	for _, l := range d.all() {
		s := *l.sub.Load()
		doc, err := tree.Parse(s.body)
		if err != nil {
			continue
		}
		if again, issues := d.read(ctx, doc.Root()); len(issues) == 0 {
			s.wants = again.wants
			l.sub.Store(&s)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.index()
}

// add lists a line and lets it work.
func (d *Desk) add(ctx context.Context, l *line) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return
	}
	if len(d.lines) >= d.c.MaxSubscriptions && l.broken == "" {
		l.broken = "there are too many subscriptions"
		s := *l.sub.Load()
		s.wants = nil
		l.sub.Store(&s)
	}
	d.lines[l.id] = l
	d.index()
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.cancel = cancel
	d.workers.Go(func() {
		defer close(l.done)
		defer func() {
			if p := recover(); p != nil {
				d.c.Logger.ErrorContext(run, "a subscription stops because it panicked", "subscription", l.id, "panic", p, "stack", string(debug.Stack()))
			}
		}()
		l.run(run)
	})
}

// drop takes a line off the list and ends it.
func (d *Desk) drop(l *line) {
	if l == nil {
		return
	}
	d.mu.Lock()
	delete(d.lines, l.id)
	d.index()
	d.mu.Unlock()
	l.end()
	<-l.done
}

// index lists the lines by the types that they want. The caller holds mu. What
// was handed out of the old lists stays as it was.
func (d *Desk) index() {
	d.byType, d.wanted = map[string][]*line{}, map[string]subjects{}
	for _, l := range d.lines {
		for _, w := range l.sub.Load().wants {
			u, ok := d.wanted[w.typ]
			if !ok {
				u.of = map[string]bool{}
			}
			u.all = u.all || w.all
			maps.Copy(u.of, w.of)
			d.wanted[w.typ] = u
			if list := d.byType[w.typ]; !slices.Contains(list, l) {
				d.byType[w.typ] = append(list, l)
			}
		}
	}
}
