package ingest

import (
	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

// A part is what one device said in a message.
type part struct {
	device vigil.Device
	said   *devices.Decoded
}

// empty tells whether nothing was said.
func (p *part) empty() bool { return len(p.said.Readings)+len(p.said.Waves)+len(p.said.Events) == 0 }

// profile finds how a message is to be read: as its device's profile says, or,
// when the gateway that delivered it has a mapping of its own for everything it
// delivers, as that says. It returns the device that spoke, too.
func (in *Ingest) profile(m *vigil.Message, dev *vigil.Device) (p *devices.Profile, speaker *vigil.Device, ok bool) {
	catalog := in.c.Profiles()
	if m.Gateway != "" && m.Gateway != dev.ID {
		if g, known := in.c.Registry.Device(m.Gateway); known {
			if p, ok := catalog.Profile(g.Profile); ok && p.Decoder() != nil {
				return p, &g, true
			}
		}
	}
	p, ok = catalog.Profile(dev.Profile)
	return p, dev, ok
}

// parts divides what a message said among the devices that it names. What
// it says for a device that nobody knows, or that it may not speak for, is
// refused: it is quarantined and can be replayed once that is mended.
func (in *Ingest) parts(m *vigil.Message, dev, speaker *vigil.Device, d *devices.Decoded) []part {
	var out []part
	readings, waves, events := d.Readings, d.Waves, d.Events
	for _, s := range d.Speakers {
		said := &devices.Decoded{
			Readings: readings[:s.Readings], Waves: waves[:s.Waves], Events: events[:s.Events], Now: d.Now, Patient: s.Patient,
		}
		readings, waves, events = readings[s.Readings:], waves[s.Waves:], events[s.Events:]
		named, reason := in.named(m, dev, speaker, s.Device)
		if reason != "" {
			d.Refusals = append(d.Refusals, vigil.Refusal{Reason: reason})
			continue
		}
		p := part{named, said}
		if !p.empty() {
			out = append(out, p)
		}
	}
	return out
}

// named finds the device that a message names, or tells why it is not believed.
func (in *Ingest) named(m *vigil.Message, dev, speaker *vigil.Device, id vigil.DeviceID) (vigil.Device, string) {
	if id == "" || id == m.Device {
		return *dev, ""
	}
	named, ok := in.c.Registry.Device(id)
	switch {
	case !ok:
		return named, "the message names the device " + string(id) + ", which is not registered"
	case !speaker.MaySpeakFor(id):
		return named, "the message names the device " + string(id) + ", which " + string(speaker.ID) + " may not speak for"
	case named.Revoked != 0:
		return named, "the message names the device " + string(id) + ", whose credentials were revoked"
	}
	return named, ""
}

// spoken makes the records of the parts of a message. The payload goes with the
// first.
func (in *Ingest) spoken(w *work, speaker *vigil.Device, parts []part) []vigil.Record {
	var recs []vigil.Record
	for i := range parts {
		said, its := *w.message, *w
		if said.Device = parts[i].device.ID; said.Device != w.message.Device {
			said.Gateway = speaker.ID
		}
		if i > 0 {
			said.Payload = nil
		}
		its.message, its.device = &said, &parts[i].device
		recs = append(recs, in.settled(&its, parts[i].said)...)
	}
	return recs
}
