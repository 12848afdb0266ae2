// Package ingest turns messages into records of the journal: it decodes with
// the device's profile, settles the clock, finds out whose each reading is, and
// gives it its identity. What cannot be understood goes to the quarantine with
// the raw bytes, the reason and the position, and counts as safely kept.
package ingest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

// Registry knows the devices and whom they served.
type Registry interface {
	Device(id vigil.DeviceID) (vigil.Device, bool)
	ServedAt(id vigil.DeviceID, at vigil.Instant) vigil.Subject
	OthersServed(id vigil.DeviceID, during vigil.Interval, subject vigil.Subject) bool
	PatientNamed(name string) (vigil.PatientID, bool)
	// MovedAt is when the last reattribution was decided.
	MovedAt() vigil.Instant
}

// Journal keeps records. It calls done once, with nil when all of them are on
// disk.
type Journal interface {
	Append(recs []vigil.Record, done func(error))
}

// Config says what ingest needs.
type Config struct {
	Registry Registry
	Profiles func() *devices.Catalog // the catalogue of this moment
	Journal  Journal
	// QuarantineOpen counts the open quarantine entries of a device; nil
	// counts none.
	QuarantineOpen func(vigil.DeviceID) int
	// QuarantineMax is how many messages of a device the quarantine holds
	// before the device is refused; 0 means DefaultQuarantineMax.
	QuarantineMax int
	Now           func() time.Time
}

// DefaultQuarantineMax is the bound of the quarantine for one device: 10,000
// entries one by one and ten times as many in counted groups.
const DefaultQuarantineMax = 100_000

// An Ingest is the sink of every driver.
type Ingest struct {
	c     Config
	desks sync.Pool // *desk
	stats stats
}

// stats are the counters, kept atomically.
type stats struct {
	messages, readings, waves, events, quarantined, refused, unattributed, clockSuspect atomic.Uint64
}

// Stats are what ingest has done since the start.
type Stats struct {
	Messages, Readings, Waves, Events, Quarantined, Refused, Unattributed, ClockSuspect uint64
}

// New returns an Ingest.
func New(c Config) *Ingest {
	if c.QuarantineMax == 0 {
		c.QuarantineMax = DefaultQuarantineMax
	}
	return &Ingest{c: c, desks: sync.Pool{New: func() any { return new(desk) }}}
}

// Stats returns the counters.
func (in *Ingest) Stats() Stats {
	s := &in.stats
	return Stats{
		Messages: s.messages.Load(), Readings: s.readings.Load(), Waves: s.waves.Load(), Events: s.events.Load(),
		Quarantined: s.quarantined.Load(), Refused: s.refused.Load(),
		Unattributed: s.unattributed.Load(), ClockSuspect: s.clockSuspect.Load(),
	}
}

// Take is the vigil.Sink: it understands one message and hands it to the
// journal.
func (in *Ingest) Take(m vigil.Message, done func(error)) {
	in.stats.messages.Add(1)
	dev, ok := in.c.Registry.Device(m.Device)
	switch {
	case !ok:
		in.stats.refused.Add(1)
		done(vigil.Errorf(vigil.NotFound, "device %s is not registered", m.Device))
		return
	case in.full(m.Device) && m.Replay == "":
		in.stats.refused.Add(1)
		done(vigil.Errorf(vigil.Full, "the quarantine of this device is full; repair or close its entries"))
		return
	}
	d, _ := in.desks.Get().(*desk)
	d.message, d.device = m, dev
	recs, refusal := in.understand(d)
	d.leave()
	in.desks.Put(d)
	switch {
	case refusal == nil:
		in.c.Journal.Append(recs, done)
	case len(recs) == 0:
		done(refusal) // a replay that failed again: its entry stays as it is
	default:
		in.c.Journal.Append(recs, func(err error) {
			if err == nil {
				err = refusal
			}
			done(err)
		})
	}
}

// full tells whether the quarantine takes no more of a device.
func (in *Ingest) full(id vigil.DeviceID) bool {
	return in.c.QuarantineOpen != nil && in.c.QuarantineOpen(id) >= in.c.QuarantineMax
}

// understand makes the records of a message. The refusal is not nil when the
// message, or a part of it, goes to the quarantine.
func (in *Ingest) understand(on *desk) ([]vigil.Record, *vigil.Refusal) {
	m, dev, d := &on.message, &on.device, &on.said
	p, speaker, ok := in.profile(m, dev)
	if !ok {
		*d = devices.Decoded{Refusals: []vigil.Refusal{{Reason: "there is no profile " + dev.Profile}}}
	} else {
		p.Decode(d, m.Channel, m.Payload)
	}
	var parts []part
	if len(d.Speakers) > 0 {
		parts = in.parts(m, dev, speaker, d)
	}
	refusal := in.refusal(d.Refusals)
	nothing := len(d.Readings)+len(d.Waves)+len(d.Events) == 0 || len(d.Speakers) > 0 && len(parts) == 0
	if refusal != nil && nothing {
		if m.Replay != "" {
			return nil, refusal
		}
		return []vigil.Record{in.quarantine(m, dev, refusal)}, refusal
	}
	w := work{desk: on, message: m, device: dev, profile: p, partial: refusal != nil}
	recs := in.spoken(&w, speaker, parts)
	if len(recs) == 0 {
		recs = in.settled(&w, d)
	}
	if refusal == nil {
		return recs, nil
	}
	for i := range recs {
		recs[i].Message.Replay = "" // the entry stays open for the rest
	}
	if m.Replay == "" {
		recs = append(recs, in.quarantine(m, dev, refusal))
	}
	return recs, refusal
}

// quarantine makes the record of a message that was not understood. It goes to
// the partition of the device.
func (in *Ingest) quarantine(m *vigil.Message, dev *vigil.Device, r *vigil.Refusal) vigil.Record {
	in.stats.quarantined.Add(1)
	return vigil.Record{
		Kind: vigil.Quarantined, Message: *m, Subject: vigil.Unattributed(dev.ID), Profile: dev.Profile, Refusal: r,
	}
}

// maxReasons is how many of a message's refusals are spelled out.
const maxReasons = 8

// refusal folds the refusals of a message into one: the position of the first,
// the reasons of all.
func (in *Ingest) refusal(all []vigil.Refusal) *vigil.Refusal {
	if len(all) == 0 {
		return nil
	}
	r := all[0]
	r.Entry = vigil.NewID(in.c.Now())
	if len(all) == 1 {
		return &r
	}
	reasons := []string{r.Reason}
	for i, more := range all[1:] {
		if i == maxReasons {
			reasons = append(reasons, fmt.Sprintf("and %d more", len(all)-1-i))
			break
		}
		reasons = append(reasons, more.Error())
	}
	r.Reason = strings.Join(reasons, "; ")
	return &r
}
