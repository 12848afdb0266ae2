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
func (in *Ingest) settled(m vigil.Message, dev vigil.Device, p *devices.Profile, d *devices.Decoded, partial bool) []vigil.Record {
	for {
		known := in.c.Registry.MovedAt()
		recs := in.attribute(m, dev, p, d, partial)
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

// attribute settles the clock, the identity and the subject of every part and
// makes one record for each subject. The payload goes with the first.
func (in *Ingest) attribute(m vigil.Message, dev vigil.Device, p *devices.Profile, d *devices.Decoded, partial bool) []vigil.Record {
	var flags vigil.Quality
	if m.BestEffort {
		flags |= vigil.BestEffort
	}
	if m.Historical {
		flags |= vigil.Historical
	}
	if !p.FirmwareVerified(dev.Firmware) {
		flags |= vigil.Unverified
	}
	all := parts{
		clock:       clock{message: &m, policy: p.Clock(), now: d.Now, partial: partial},
		attribution: attribution{in: in, message: &m, device: &dev, shared: dev.Shared || p.Shared, named: d.Patient},
		builder:     builder{message: m, profile: p.Name},
		flags:       flags,
	}
	for i := range d.Readings {
		r := &d.Readings[i]
		rec := all.place(&r.Stated, &r.Taken, &r.Quality, &r.KeyKind, &r.Key)
		if rec.Readings == nil {
			rec.Readings = make([]vigil.Reading, 0, len(d.Readings)-i)
		}
		rec.Readings = append(rec.Readings, *r)
	}
	for i := range d.Waves {
		w := &d.Waves[i]
		rec := all.place(&w.Stated, &w.Start, &w.Quality, &w.KeyKind, &w.Key)
		rec.Waves = append(rec.Waves, *w)
	}
	for i := range d.Events {
		e := &d.Events[i]
		rec := all.place(&e.Stated, &e.Taken, &e.Quality, &e.KeyKind, &e.Key)
		rec.Events = append(rec.Events, *e)
	}
	if len(all.recs) == 0 {
		all.record(all.subjectAt(m.Arrived, false))
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
	return p.record(p.subjectAt(at, doubt&vigil.ClockSuspect != 0))
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
	message vigil.Message
	profile string
	recs    []vigil.Record
}

// record returns the record of a subject, made when it is first asked for.
func (b *builder) record(s vigil.Subject) *vigil.Record {
	for i := range b.recs {
		if b.recs[i].Subject == s {
			return &b.recs[i]
		}
	}
	r := vigil.Record{Kind: vigil.Understood, Message: b.message, Subject: s, Profile: b.profile}
	if len(b.recs) > 0 {
		r.Message.Payload = nil
	}
	b.recs = append(b.recs, r)
	return &b.recs[len(b.recs)-1]
}
