package app

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/fhir/roster"
	"github.com/vigil-iomt/vigil/fhir/search"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/store"
)

// A rosterName names a patient or a device of the registry.
type rosterName struct{ kind, id string }

const (
	rosterBatch = 256
	rosterRetry = time.Second
	// rosterPatience is how long a request waits for what the registry was told
	// before it.
	rosterPatience = 5 * time.Second
)

// A rosterKeeper makes the patients and devices of the registry resources of
// the record, and again when the registry learns something new about them.
type rosterKeeper struct {
	db     *store.DB
	engine func() *search.Engine
	now    func(rosterName) (id string, make func(old *tree.Doc) ([]byte, bool), ok bool)
	log    *slog.Logger
	wake   chan struct{}

	mu      sync.Mutex
	waiting map[rosterName]struct{}
	same    map[rosterName]struct{} // of which a note is no news
	noted   uint64                  // how many notes there were
	done    uint64                  // up to which note everything was written, or failed
	runs    bool
	moved   chan struct{} // closed when done moves
}

func newRoster(s *server) *rosterKeeper {
	return &rosterKeeper{
		db: s.db, engine: s.searchEngine, now: s.rosterEntry, log: s.log, wake: make(chan struct{}, 1),
		waiting: map[rosterName]struct{}{}, same: map[rosterName]struct{}{}, moved: make(chan struct{}),
	}
}

// rosterEntry says what a patient or device of the registry is in the record.
func (s *server) rosterEntry(n rosterName) (string, func(*tree.Doc) ([]byte, bool), bool) {
	id := reading.WireID(n.id)
	switch n.kind {
	case "patient":
		p, ok := s.registry.Patient(vigil.PatientID(n.id))
		return id, func(old *tree.Doc) ([]byte, bool) { return roster.Patient(old, id, p) }, ok
	case "device":
		d, ok := s.registry.Device(vigil.DeviceID(n.id))
		x := s.rosterDevice(d)
		return id, func(old *tree.Doc) ([]byte, bool) { return x.Resource(old, id) }, ok
	}
	return "", nil, false
}

// rosterDevice is a device with what it is and whom it serves now.
func (s *server) rosterDevice(d vigil.Device) roster.Device {
	x := roster.Device{Device: d}
	x.Title, x.Codes = s.deviceType(d.Profile)
	now := vigil.InstantOf(time.Now())
	for _, a := range s.registry.Assignments(d.ID) {
		x.Assigned = true
		if !a.Holds(now) {
			continue
		}
		switch a.Subject.Kind {
		case vigil.OfPatient:
			x.Patient = reading.WireID(a.Subject.ID)
		case vigil.OfLocation:
			x.Location = reading.WireID(a.Subject.ID)
		case vigil.NoSubject, vigil.OfAsset, vigil.OfShipment, vigil.OfDevice:
		}
	}
	return x
}

// note says that the registry learned something.
func (r *rosterKeeper) note(names ...rosterName) {
	r.mu.Lock()
	for _, n := range names {
		if _, ok := r.same[n]; !ok {
			r.waiting[n] = struct{}{}
			r.noted++
		}
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// quietly lets the registry learn what the record says already: that is no news
// for the record.
func (r *rosterKeeper) quietly(names []rosterName, learn func() error) error {
	r.mu.Lock()
	for _, n := range names {
		r.same[n] = struct{}{}
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, n := range names {
			delete(r.same, n)
		}
	}()
	return learn()
}

// settle waits until the record has what the registry was told so far, for a
// while: who registers a patient finds them at once.
func (r *rosterKeeper) settle(ctx context.Context) {
	r.mu.Lock()
	noted := r.noted
	settled := !r.runs || r.done >= noted
	r.mu.Unlock()
	if settled {
		return
	}
	t := time.NewTimer(rosterPatience)
	defer t.Stop()
	for {
		r.mu.Lock()
		moved := r.moved
		settled = r.done >= noted
		r.mu.Unlock()
		if settled {
			return
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return
		case <-t.C:
			return
		}
	}
}

// run writes what was noted until ctx is done.
func (r *rosterKeeper) run(ctx context.Context) error {
	t := time.NewTicker(rosterRetry)
	defer t.Stop()
	r.mu.Lock()
	r.runs = true
	r.mu.Unlock()
	r.note()
	for {
		wake := r.wake
		if err := r.writeAll(ctx); err != nil && ctx.Err() == nil {
			r.log.ErrorContext(ctx, "patients and devices cannot be written into the record; it is tried again", "error", err)
			wake = nil // the next try is a tick away
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case <-wake:
		}
	}
}

// writeAll writes what was noted, a batch at a time.
func (r *rosterKeeper) writeAll(ctx context.Context) error {
	r.mu.Lock()
	all, noted := r.waiting, r.noted
	r.waiting = map[rosterName]struct{}{}
	r.mu.Unlock()
	var err error
	for batch := range slices.Chunk(slices.Collect(maps.Keys(all)), rosterBatch) {
		if err == nil {
			err = r.write(ctx, slices.Clone(batch))
		}
		if err != nil {
			r.note(batch...)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = noted
	close(r.moved)
	r.moved = make(chan struct{})
	return err
}

// reconcile notes everything that the registry knows.
func (s *server) reconcile() {
	var all []rosterName
	for _, p := range s.registry.Patients() {
		all = append(all, rosterName{"patient", string(p.ID)})
	}
	for _, d := range s.registry.Devices() {
		all = append(all, rosterName{"device", string(d.ID)})
	}
	s.roster.note(all...)
}

// write brings resources up to date, in one write.
func (r *rosterKeeper) write(ctx context.Context, names []rosterName) error {
	names = slices.DeleteFunc(names, func(n rosterName) bool { return r.isSame(ctx, n) })
	if len(names) == 0 {
		return nil
	}
	return r.db.WriteResources(ctx, func(ctx context.Context, tx *store.ResourceTx) error {
		for _, n := range names {
			if err := r.writeOne(ctx, tx, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// isSame tells whether a resource says already what the registry knows.
func (r *rosterKeeper) isSame(ctx context.Context, n rosterName) bool {
	id, body, ok := r.now(n)
	if !ok {
		return true
	}
	old, err := r.db.Resource(ctx, resourceOf(n), id)
	if err != nil {
		return false
	}
	_, changed, err := renewed(old, body)
	return err == nil && !changed
}

// resourceOf is the type of the resource.
func resourceOf(n rosterName) string {
	if n.kind == "patient" {
		return "Patient"
	}
	return "Device"
}

// renewed is the body that a resource is to have. What was deleted stays
// deleted.
func renewed(old vigil.Resource, body func(*tree.Doc) ([]byte, bool)) ([]byte, bool, error) {
	if old.Deleted {
		return nil, false, nil
	}
	var doc *tree.Doc
	if old.Version > 0 {
		var err error
		if doc, err = tree.Parse(old.Body); err != nil {
			return nil, false, err
		}
	}
	b, changed := body(doc)
	return b, changed, nil
}

func (r *rosterKeeper) writeOne(ctx context.Context, tx *store.ResourceTx, n rosterName) error {
	id, body, ok := r.now(n)
	if !ok {
		return nil
	}
	typ := resourceOf(n)
	old, err := tx.Newest(ctx, typ, id)
	if err != nil && vigil.KindOf(err) != vigil.NotFound {
		return err
	}
	b, changed, err := renewed(old, body)
	if err != nil || !changed {
		return err
	}
	doc, err := tree.Parse(b)
	if err != nil {
		return err
	}
	next := vigil.Resource{
		Type: typ, ID: id, Version: old.Version + 1, Changed: max(tx.At()/1000*1000, old.Changed), Method: "PUT",
		Actor: vigil.Actor{Kind: vigil.System, ID: "registry"}, Keys: r.engine().Extract(doc.Root()).Keys(),
	}
	if typ == "Patient" {
		next.Owner = "patient/" + id
	} else if of, ok := strings.CutPrefix(doc.Root().Get("patient").Get("reference").Text(), "Patient/"); ok {
		next.Owner = "patient/" + of
	}
	next.Body = tree.Stamp{ID: id, Version: strconv.FormatInt(next.Version, 10), Updated: next.Changed.String()}.Apply(doc)
	_, err = tx.Put(ctx, next)
	return err
}
