package ingest

import (
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

// doubt is how far back a reading with an unusable clock may have been taken.
const doubt = 24 * time.Hour

// An attribution finds out whose the parts of one message are.
type attribution struct {
	in      *Ingest
	message *vigil.Message
	device  *vigil.Device
	shared  bool
	named   string // patient identity in the message
	last    vigil.Instant
	subject vigil.Subject
	known   bool
}

// subjectAt returns whose a reading taken at an instant is. Where the evidence
// disagrees or is missing it stays with the device, never guessed into a chart.
func (a *attribution) subjectAt(taken vigil.Instant, suspect bool) vigil.Subject {
	if a.known && taken == a.last && !suspect {
		return a.subject
	}
	s := a.find(taken, suspect)
	if s.Kind == vigil.NoSubject {
		s = vigil.Unattributed(a.device.ID)
	}
	a.last, a.subject, a.known = taken, s, !suspect
	return s
}

// find returns the subject, or none.
func (a *attribution) find(taken vigil.Instant, suspect bool) vigil.Subject {
	var named vigil.Subject
	if a.named != "" {
		id, ok := a.in.c.Registry.PatientNamed(a.named)
		if !ok {
			return vigil.Subject{}
		}
		named = vigil.PatientSubject(id)
	}
	if a.shared {
		return named
	}
	s := a.in.c.Registry.ServedAt(a.device.ID, taken)
	if a.named != "" && named != s {
		return vigil.Subject{}
	}
	if suspect {
		around := vigil.Interval{From: a.message.Arrived.Add(-doubt), To: a.message.Arrived}
		if a.in.c.Registry.OthersServed(a.device.ID, around, s) {
			return vigil.Subject{}
		}
	}
	return s
}

// settled attributes a message by one state of the registry and notes which.
func (in *Ingest) settled(w *work, d *devices.Decoded) []vigil.Record {
	for {
		known := in.c.Registry.MovedAt()
		recs := in.attribute(w, d)
		if in.c.Registry.MovedAt() != known {
			continue
		}
		for i := range recs {
			recs[i].Known = known
		}
		in.count(recs)
		return recs
	}
}

// A work is a message that is being understood, and what it is done with.
type work struct {
	desk    *desk
	message *vigil.Message
	device  *vigil.Device // whose words these are
	profile *devices.Profile
	partial bool // a part of the message goes to the quarantine
}

// flags returns what is to be said of every part of the message.
func (w *work) flags() vigil.Quality {
	var q vigil.Quality
	if w.message.BestEffort {
		q |= vigil.BestEffort
	}
	if w.message.Historical {
		q |= vigil.Historical
	}
	if !w.profile.FirmwareVerified(w.device.Firmware) {
		q |= vigil.Unverified
	}
	return q
}

// attribute settles the clock, the identity and the subject of every part and
// makes one record for each subject. The payload goes with the first.
func (in *Ingest) attribute(w *work, d *devices.Decoded) []vigil.Record {
	m := w.message
	all := parts{
		clock:       clock{message: m, policy: w.profile.Clock(), now: d.Now, partial: w.partial},
		attribution: attribution{in: in, message: m, device: w.device, shared: w.device.Shared || w.profile.Shared, named: d.Patient},
		builder:     builder{profile: w.profile.Name, recs: w.desk.records.take(1)},
		flags:       w.flags(),
	}
	for i := range d.Readings {
		r := &d.Readings[i]
		rec := all.place(&r.Stated, &r.Taken, &r.Quality, &r.KeyKind, &r.Key)
		if rec.Readings == nil {
			rec.Readings = w.desk.readings.take(len(d.Readings) - i)
		}
		rec.Readings = append(rec.Readings, *r)
	}
	for i := range d.Waves {
		v := &d.Waves[i]
		rec := all.place(&v.Stated, &v.Start, &v.Quality, &v.KeyKind, &v.Key)
		rec.Waves = append(rec.Waves, *v)
	}
	for i := range d.Events {
		e := &d.Events[i]
		rec := all.place(&e.Stated, &e.Taken, &e.Quality, &e.KeyKind, &e.Key)
		rec.Events = append(rec.Events, *e)
	}
	if len(all.recs) == 0 {
		all.record(m, all.subjectAt(m.Arrived, false))
	}
	return all.recs
}

// parts puts the parts of one message into its records.
type parts struct {
	clock
	attribution
	builder
	flags vigil.Quality
}

// place settles when something was measured, what makes it itself, and whose it
// is, and returns the record that it belongs into.
func (p *parts) place(stated, taken *vigil.Instant, quality *vigil.Quality, kind *vigil.KeyKind, key *uint64) *vigil.Record {
	*stated = p.stated(*stated)
	at, doubt := p.settle(*stated)
	*taken = at
	*quality |= p.flags | doubt
	*kind, *key = p.identity(*kind, *key, *stated)
	return p.record(p.clock.message, p.subjectAt(at, doubt&vigil.ClockSuspect != 0))
}

// count counts what was understood.
func (in *Ingest) count(recs []vigil.Record) {
	for i := range recs {
		r := &recs[i]
		in.stats.readings.Add(uint64(len(r.Readings)))
		in.stats.waves.Add(uint64(len(r.Waves)))
		in.stats.events.Add(uint64(len(r.Events)))
		for j := range r.Readings {
			if r.Readings[j].Quality.Has(vigil.ClockSuspect) {
				in.stats.clockSuspect.Add(1)
			}
		}
		if r.Subject.Kind == vigil.OfDevice {
			in.stats.unattributed.Add(1)
		}
	}
}

// A builder gathers the records of one message.
type builder struct {
	profile string
	recs    []vigil.Record
}

// record returns the record of a subject, made when it is first asked for.
func (b *builder) record(m *vigil.Message, s vigil.Subject) *vigil.Record {
	for i := range b.recs {
		if b.recs[i].Subject == s {
			return &b.recs[i]
		}
	}
	r := vigil.Record{Kind: vigil.Understood, Message: *m, Subject: s, Profile: b.profile}
	if len(b.recs) > 0 {
		r.Message.Payload = nil
	}
	b.recs = append(b.recs, r)
	return &b.recs[len(b.recs)-1]
}
