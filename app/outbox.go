package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
	"github.com/vigil-iomt/vigil/fhir/roster"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/fleet"
	"github.com/vigil-iomt/vigil/live"
	"github.com/vigil-iomt/vigil/store"
)

const (
	outboxBatch = 1000
	outboxEvery = time.Second
	// outboxPause is how long it gathers: one look for many is much cheaper than
	// one for each.
	outboxPause = 200 * time.Millisecond
	// outboxPatience is how long a stop waits for what is being passed on.
	outboxPatience = 10 * time.Second
	// outboxName is the name of the place up to which everything was passed on.
	outboxName = "outbox"
	// unknownProfile is the profile of devices that nobody registered.
	unknownProfile = "generic-json"
	// unknownDevice names the source of what no device is named for.
	unknownDevice = "fhir"
)

// An outbox passes on what clients write into the record, after it is on disk:
// patients and devices to the registry, vital signs to the journal, where rules
// and screens see them. The record itself, in the order of its writes, is the
// list of what is still to be passed on.
type outbox struct {
	db       *store.DB
	registry *fleet.Registry
	roster   func() *rosterKeeper
	readings *reading.Source
	metric   func(vigil.Code) *vigil.Metric
	append   func(context.Context, []vigil.Record) error
	show     func(context.Context, vigil.Frame) error
	amended  func(context.Context, vigil.Resource)
	now      func() time.Time
	log      *slog.Logger
	wake     chan struct{}
	shared   bool        // other processes pass on, too
	mine     func() bool // this one does now: it holds the first partition

	place int64 // up to which write everything was passed on
}

func newOutbox(s *server) *outbox {
	return &outbox{
		db: s.db, registry: s.registry, roster: func() *rosterKeeper { return s.roster }, readings: s.readings, metric: s.metricFor, append: s.appendAll, show: s.posted.consume, amended: s.amended,
		now: time.Now, log: s.log, wake: make(chan struct{}, 1), shared: s.c.shared(),
		mine: func() bool { return s.holds(0) },
	}
}

// metricFor returns the metric that a code names in the catalogue of now.
func (s *server) metricFor(c vigil.Code) *vigil.Metric {
	return s.profiles.Load().byCode[vigil.Code{System: c.System, Value: c.Value}]
}

// appendAll writes records to the journal.
func (s *server) appendAll(ctx context.Context, records []vigil.Record) error {
	done := make(chan error, 1)
	s.journal.Append(records, func(err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// written says that there is something to pass on.
func (o *outbox) written() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// run passes on until ctx is done.
func (o *outbox) run(ctx context.Context) error {
	t := time.NewTicker(outboxEvery)
	defer t.Stop()
	begun := false
	for {
		wake := o.wake
		err := o.look(ctx, begun)
		begun = begun || err == nil
		if err != nil && ctx.Err() == nil {
			o.log.ErrorContext(ctx, "what was written into the record cannot be passed on; it is tried again", "error", err)
			wake = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case <-wake:
			pause(ctx, outboxPause)
		}
	}
}

// look passes on what is there, when this is the process that does.
func (o *outbox) look(ctx context.Context, begun bool) error {
	if !begun || o.shared {
		if err := o.find(ctx); err != nil {
			return err
		}
	}
	if !begun {
		if err := o.begin(ctx); err != nil {
			return err
		}
	}
	if !o.mine() {
		return nil
	}
	return o.passAll(ctx)
}

// pause waits, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// find reads the place.
func (o *outbox) find(ctx context.Context) error {
	place, _, err := o.db.NoticePlace(ctx, outboxName)
	o.place = max(o.place, place)
	return err
}

// begin shows the vital signs of the last day again.
func (o *outbox) begin(ctx context.Context) error {
	recent, err := o.db.SelectResources(ctx, vigil.ResourceQuery{
		Types: []string{"Observation"}, Order: vigil.ResourceOrder{By: vigil.ByChange, Desc: true}, Limit: 10 * outboxBatch, Bodies: true,
	})
	if err != nil {
		return err
	}
	f := vigil.Frame{}
	for i := len(recent) - 1; i >= 0; i-- {
		if recent[i].Written <= o.place {
			if r, ok := o.vitals(recent[i].Resource); ok {
				f.Records = append(f.Records, r)
			}
		}
	}
	return o.show(ctx, f)
}

// passAll passes on everything that is there. What a crash takes the place of
// away is passed on again, which changes nothing.
func (o *outbox) passAll(ctx context.Context) error {
	for {
		some, err := o.db.ResourceChanges(ctx, []string{"Device", "Observation", "Patient"}, o.place, outboxBatch)
		if err != nil || len(some) == 0 {
			return err
		}
		if err := o.whole(ctx, some); err != nil || ctx.Err() != nil {
			return err
		}
	}
}

// whole passes on some resources and keeps the place behind them. A stop does
// not come in between, for a while.
func (o *outbox) whole(ctx context.Context, some []vigil.Resource) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), outboxPatience)
	defer cancel()
	if err := o.pass(ctx, some); err != nil {
		return err
	}
	place := some[len(some)-1].Written
	err := o.db.AddNotices(ctx, outboxName, o.place, place, nil)
	if vigil.KindOf(err) == vigil.Conflicting { // another process was further
		return o.find(ctx)
	}
	if err == nil {
		o.place = place
	}
	return err
}

// pass passes on some resources.
func (o *outbox) pass(ctx context.Context, some []vigil.Resource) error {
	var records []vigil.Record
	people := map[string]*newcomers{}
	last := map[store.ResourceName]int{}
	for i, r := range some {
		last[store.ResourceName{Type: r.Type, ID: r.ID}] = i
	}
	for i, r := range some {
		if last[store.ResourceName{Type: r.Type, ID: r.ID}] != i {
			continue // there is a newer version
		}
		if r.Actor.Kind == vigil.System && r.Actor.ID == "registry" {
			continue // it came from there
		}
		if o.readings.Named(r.ID) {
			o.amended(ctx, r)
		}
		if r.Deleted {
			continue
		}
		if r.Type == "Observation" {
			if rec, ok := o.vitals(r); ok {
				records = append(records, rec)
			}
			continue
		}
		who := people[r.Actor.ID]
		if who == nil {
			who = &newcomers{actor: r.Actor}
			people[r.Actor.ID] = who
		}
		o.newcomer(who, r)
	}
	for _, who := range people {
		ctx := vigil.WithActor(ctx, who.actor)
		if err := o.register(ctx, who.patients); err != nil {
			return fmt.Errorf("register patients: %w", err)
		}
		if err := o.registry.PutDevices(ctx, who.devices...); err != nil {
			return fmt.Errorf("register devices: %w", err)
		}
	}
	if len(records) == 0 {
		return nil
	}
	return o.append(ctx, records)
}

// register registers patients as the record has them. Only of those whom
// somebody else changed at the same time the record has to hear.
func (o *outbox) register(ctx context.Context, patients []vigil.Patient) error {
	names := make([]rosterName, len(patients))
	for i := range patients {
		names[i] = rosterName{"patient", string(patients[i].ID)}
	}
	err := o.roster().quietly(names, func() error { return o.registry.PutPatients(ctx, patients...) })
	for i, p := range patients {
		now, _ := o.registry.Patient(p.ID)
		if p.Created = now.Created; now.MRN == "" {
			p.MRN = "" // it belongs to another patient
		}
		if now != p {
			o.roster().note(names[i])
		}
	}
	return err
}

// newcomers are what one actor wrote of patients and devices.
type newcomers struct {
	actor    vigil.Actor
	patients []vigil.Patient
	devices  []vigil.Device
}

// newcomer adds a patient or a device.
func (o *outbox) newcomer(who *newcomers, r vigil.Resource) {
	doc, err := tree.Parse(r.Body)
	if err != nil {
		o.log.Error("a resource of the record is no JSON", "type", r.Type, "error", err)
		return
	}
	if !vigil.ValidID(r.ID) {
		return // . and .. are ids in FHIR alone
	}
	if r.Type == "Patient" {
		p := roster.PatientOf(doc.Root())
		p.ID = o.readings.PatientID(r.ID)
		who.patients = append(who.patients, p)
		return
	}
	d := roster.DeviceOf(doc.Root())
	d.ID, d.Profile = o.readings.DeviceID(r.ID), unknownProfile
	who.devices = append(who.devices, d)
}

// vitals makes a record for the journal of an Observation that says something of
// the last day.
func (o *outbox) vitals(r vigil.Resource) (vigil.Record, bool) {
	doc, err := tree.Parse(r.Body)
	if err != nil {
		return vigil.Record{}, false
	}
	p := reading.Vitals(doc.Root(), o.metric)
	if len(p.Readings) == 0 || o.now().Sub(p.Readings[0].Taken.Time()) > live.Horizon {
		return vigil.Record{}, false
	}
	patient := o.readings.PatientID(p.Patient)
	if _, ok := o.registry.Patient(patient); !ok {
		return vigil.Record{}, false
	}
	device := vigil.DeviceID(unknownDevice)
	if p.Device != "" {
		if id := o.readings.DeviceID(p.Device); id != "" {
			if _, ok := o.registry.Device(id); ok {
				device = id
			}
		}
	}
	return vigil.Record{
		Kind: vigil.Understood, Subject: vigil.PatientSubject(patient), Readings: p.Readings,
		Message: vigil.Message{Device: device, Channel: postedProtocol, ID: r.ID, Arrived: r.Changed, Protocol: postedProtocol},
	}, true
}
