package stream

import (
	"errors"

	"github.com/vigil-iomt/vigil"
)

// The fewest bytes that an item takes on disk: how many can follow is bounded
// by what is left of the input.
const (
	readingMin = 4
	waveMin    = 23
	eventMin   = 8
)

// slabSize is how many items one allocation of a slab holds.
const slabSize = 256

// A slab hands out runs of items from larger allocations.
type slab[T any] struct{ free []T }

func (s *slab[T]) take(n int) []T {
	if n > len(s.free) {
		if n >= slabSize/4 {
			return make([]T, n)
		}
		s.free = make([]T, slabSize)
	}
	out := s.free[:n:n]
	s.free = s.free[n:]
	return out
}

// A decoder reads frames. It keeps what comes again from frame to frame and is
// for one goroutine at a time.
type decoder struct {
	table    *symbols
	words    *words
	known    []*symbol // by the number in the frame at hand
	readings slab[vigil.Reading]
	waves    slab[vigil.Wave]
	events   slab[vigil.Event]
	samples  int // how many may still be read from this frame
}

func newDecoder(t *symbols) *decoder { return &decoder{table: t, words: newWords()} }

var errRecord = errors.New("a record that does not read")

// symbol returns what a number means in this frame, nil when it means nothing.
func (d *decoder) symbol(id uint64) *symbol {
	if id < uint64(len(d.known)) {
		return d.known[id]
	}
	return nil
}

// record reads one record whose section is that of subject.
func (d *decoder) record(rec *vigil.Record, b []byte, subject vigil.Subject) error {
	r := &reader{b: b, words: d.words}
	rec.Kind = vigil.RecordKind(r.byte())
	flags := r.uvarint()
	m := &rec.Message
	m.Protocol = d.word(r)
	rec.Profile = d.word(r)
	m.Device = vigil.DeviceID(r.word())
	m.Arrived = vigil.Instant(r.varint())
	d.message(r, m, flags)
	rec.Subject = subject
	if flags&hasSubject != 0 {
		rec.Subject = readSubject(r)
	}
	if flags&hasRefusal != 0 {
		rec.Refusal = &vigil.Refusal{Pos: r.text(), Reason: r.word(), Entry: r.text()}
	}
	if flags&hasChange != 0 {
		rec.Change = d.change(r)
	}
	if flags&hasAttribution != 0 {
		rec.Attribution = r.byte()
	}
	if flags&hasKnown != 0 {
		rec.Known = m.Arrived - vigil.Instant(r.varint())
	}
	d.contents(r, rec, flags)
	if r.bad || len(r.b) > 0 || rec.Kind == 0 {
		*rec = vigil.Record{}
		return errRecord
	}
	return nil
}

func (d *decoder) word(r *reader) string {
	id := r.uvarint()
	if id == 0 {
		return r.word()
	}
	if s := d.symbol(id); s != nil && s.metric == nil {
		return s.word
	}
	r.fail()
	return ""
}

func (d *decoder) metric(r *reader) *vigil.Metric {
	if s := d.symbol(r.uvarint()); s != nil && s.metric != nil {
		return s.metric
	}
	r.fail()
	return nil
}

func (d *decoder) message(r *reader, m *vigil.Message, flags uint64) {
	if flags&hasGateway != 0 {
		m.Gateway = vigil.DeviceID(r.word())
	}
	if flags&hasChannel != 0 {
		m.Channel = r.word()
	}
	if flags&hasID != 0 {
		m.ID = r.text()
	}
	if flags&hasStated != 0 {
		m.Stated = m.Arrived + vigil.Instant(r.varint())
	}
	m.BestEffort = flags&isBestEffort != 0
	m.Historical = flags&isHistorical != 0
	if flags&hasReplay != 0 {
		m.Replay = r.text()
	}
	if flags&hasPayload != 0 {
		m.Payload = r.bytes()
	}
}

func (d *decoder) change(r *reader) *vigil.Reattribution {
	c := &vigil.Reattribution{ID: r.text(), Device: vigil.DeviceID(r.word())}
	c.During.From = vigil.Instant(r.varint())
	c.During.To = vigil.Instant(r.varint())
	c.To = readSubject(r)
	c.Actor.Kind = vigil.ActorKind(r.word())
	c.Actor.ID = r.word()
	if n := r.count(1); n > 0 {
		c.Actor.Roles = make([]string, n)
		for i := range c.Actor.Roles {
			c.Actor.Roles[i] = r.word()
		}
	}
	c.Reason = r.text()
	c.At = vigil.Instant(r.varint())
	return c
}

func (d *decoder) contents(r *reader, rec *vigil.Record, flags uint64) {
	at := rec.Message.Arrived
	if flags&hasReadings != 0 {
		rec.Readings = d.readings.take(r.count(readingMin))
		for i := range rec.Readings {
			d.reading(r, &rec.Readings[i], at)
			at = rec.Readings[i].Taken
		}
	}
	if flags&hasWaves != 0 {
		rec.Waves = d.waves.take(r.count(waveMin))
		for i := range rec.Waves {
			d.wave(r, &rec.Waves[i], at)
			at = rec.Waves[i].Start
		}
	}
	if flags&hasEvents != 0 {
		rec.Events = d.events.take(r.count(eventMin))
		for i := range rec.Events {
			d.event(r, &rec.Events[i], at)
			at = rec.Events[i].Taken
		}
	}
}

func (d *decoder) reading(r *reader, out *vigil.Reading, before vigil.Instant) {
	out.Metric = d.metric(r)
	if r.bad {
		return
	}
	flags := r.byte()
	out.KeyKind = vigil.KeyKind(flags >> kindShift & 3)
	out.Correction = flags&readingCorrection != 0
	out.Taken = before + vigil.Instant(r.varint())
	if flags&readingStated != 0 {
		out.Stated = out.Taken + vigil.Instant(r.varint())
	}
	out.Decimals = out.Metric.Decimals
	if flags&readingDecimals != 0 {
		out.Decimals = int8(r.byte()) // #nosec G115 -- two's complement
	}
	if flags&readingFloat != 0 {
		out.Value = r.float()
	} else {
		out.Value = float64(r.varint()) / pow10(out.Decimals)
	}
	if flags&readingQuality != 0 {
		out.Quality = readQuality(r)
	}
	out.Key = impliedKey(out.KeyKind, out.Stated)
	if flags&readingKey != 0 {
		out.Key = r.uvarint()
	}
}

func readQuality(r *reader) vigil.Quality {
	q := r.uvarint()
	if q > 1<<32-1 {
		r.fail()
	}
	return vigil.Quality(q) // #nosec G115 -- checked
}

func (d *decoder) wave(r *reader, out *vigil.Wave, before vigil.Instant) {
	out.Metric = d.metric(r)
	out.Start, out.Stated, out.KeyKind, out.Key, out.Quality = readStamp(r, before)
	out.Gain = r.float()
	out.Offset = r.float()
	out.Samples = readSamples(r, &d.samples)
}

func readStamp(r *reader, before vigil.Instant) (at, stated vigil.Instant, kind vigil.KeyKind, key uint64, q vigil.Quality) {
	at = before + vigil.Instant(r.varint())
	if r.byte() != 0 {
		stated = at + vigil.Instant(r.varint())
	}
	kind = vigil.KeyKind(r.byte())
	key = r.uvarint()
	return at, stated, kind, key, readQuality(r)
}

func (d *decoder) event(r *reader, out *vigil.Event, before vigil.Instant) {
	out.Type = d.word(r)
	out.Title = r.word()
	out.Codes = readCodes(r)
	out.Taken, out.Stated, out.KeyKind, out.Key, out.Quality = readStamp(r, before)
	out.Data = r.bytes()
}

func readSubject(r *reader) vigil.Subject {
	return vigil.Subject{Kind: vigil.SubjectKind(r.byte()), ID: r.word()}
}
