package stream

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil"
)

// The bits that say which parts of a record follow.
const (
	hasGateway = 1 << iota
	hasChannel
	hasID
	hasStated
	isBestEffort
	isHistorical
	hasReplay
	hasPayload
	hasSubject // the section is not the subject's own
	hasRefusal
	hasChange
	hasAttribution
	hasReadings
	hasWaves
	hasEvents
	hasKnown
)

// The bits of a reading.
const (
	readingStated   = 1 << iota // Stated follows, as a difference from Taken
	readingFloat                // the value follows as eight bytes, not as a decimal
	readingDecimals             // Decimals follows; otherwise it is the metric's
	readingCorrection
	readingQuality // Quality follows
	readingKind0   // KeyKind, two bits
	readingKind1
	readingKey // Key follows; otherwise it is implied
)

// kindShift is where KeyKind stands in a reading's bits.
const kindShift = 5

// keyKindMax is the greatest identity that fits into its two bits.
const keyKindMax = vigil.KeyMessage

// A piece is one encoded record and what the frame must know about it.
type piece struct {
	body    int // where it ends in the parcel's buffer; it begins where the one before ends
	system  bool
	taken   vigil.Interval // To inclusive
	samples int
}

// An encoder writes records into a buffer and notes the symbols they use.
type encoder struct {
	symbols *symbols
	buf     []byte
	used    []uint32
	taken   vigil.Interval
	samples int
}

// use notes a symbol. A few repeats in the list do no harm.
func (e *encoder) use(id uint32) {
	if len(e.used) <= 64 && slices.Contains(e.used, id) {
		return
	}
	e.used = append(e.used, id)
}

// record appends rec. system says that it goes into the system's section, where
// each record names its own subject.
func (e *encoder) record(rec *vigil.Record, system bool) (piece, error) {
	if rec.Kind == 0 {
		return piece{}, vigil.Errorf(vigil.Invalid, "a record without a kind")
	}
	e.taken, e.samples = vigil.Interval{}, 0
	m := &rec.Message
	flags := presence(rec, system)
	e.buf = append(e.buf, byte(rec.Kind))
	e.buf = binary.AppendUvarint(e.buf, flags)
	e.word(m.Protocol)
	e.word(rec.Profile)
	e.buf = appendText(e.buf, string(m.Device))
	e.buf = binary.AppendVarint(e.buf, int64(m.Arrived))
	e.message(m, flags)
	if flags&hasSubject != 0 {
		e.buf = appendSubject(e.buf, rec.Subject)
	}
	if flags&hasRefusal != 0 {
		e.buf = appendText(e.buf, rec.Refusal.Pos)
		e.buf = appendText(e.buf, rec.Refusal.Reason)
		e.buf = appendText(e.buf, rec.Refusal.Entry)
	}
	if flags&hasChange != 0 {
		e.change(rec.Change)
	}
	if flags&hasAttribution != 0 {
		e.buf = append(e.buf, rec.Attribution)
	}
	if flags&hasKnown != 0 {
		e.buf = binary.AppendVarint(e.buf, int64(m.Arrived-rec.Known))
	}
	if err := e.contents(rec, flags); err != nil {
		return piece{}, err
	}
	if e.taken.To == 0 {
		e.seen(m.Arrived)
	}
	return piece{body: len(e.buf), system: system, taken: e.taken, samples: e.samples}, nil
}

// presence returns the bits of a record.
func presence(rec *vigil.Record, system bool) uint64 {
	m := &rec.Message
	var flags uint64
	set := func(bit uint64, on bool) {
		if on {
			flags |= bit
		}
	}
	set(hasGateway, m.Gateway != "")
	set(hasChannel, m.Channel != "")
	set(hasID, m.ID != "")
	set(hasStated, m.Stated != 0)
	set(isBestEffort, m.BestEffort)
	set(isHistorical, m.Historical)
	set(hasReplay, m.Replay != "")
	set(hasPayload, len(m.Payload) > 0)
	set(hasSubject, system && rec.Subject != vigil.Subject{})
	set(hasRefusal, rec.Refusal != nil)
	set(hasChange, rec.Change != nil)
	set(hasAttribution, rec.Attribution != 0)
	set(hasReadings, len(rec.Readings) > 0)
	set(hasWaves, len(rec.Waves) > 0)
	set(hasEvents, len(rec.Events) > 0)
	set(hasKnown, rec.Known != 0)
	return flags
}

// word appends the number of a word, or 0 and the word itself.
func (e *encoder) word(w string) {
	if s := e.symbols.word(w); s != nil {
		e.use(s.id)
		e.buf = binary.AppendUvarint(e.buf, uint64(s.id))
		return
	}
	e.buf = appendText(append(e.buf, 0), w)
}

// metric appends the number of a metric.
func (e *encoder) metric(m *vigil.Metric) error {
	if m == nil {
		return vigil.Errorf(vigil.Invalid, "a reading or wave without a metric")
	}
	s, err := e.symbols.metric(m)
	if err != nil {
		return &vigil.Error{Kind: vigil.Full, Msg: "too many different metrics in one run of the program", Err: err}
	}
	e.use(s.id)
	e.buf = binary.AppendUvarint(e.buf, uint64(s.id))
	return nil
}

func (e *encoder) message(m *vigil.Message, flags uint64) {
	if flags&hasGateway != 0 {
		e.buf = appendText(e.buf, string(m.Gateway))
	}
	if flags&hasChannel != 0 {
		e.buf = appendText(e.buf, m.Channel)
	}
	if flags&hasID != 0 {
		e.buf = appendText(e.buf, m.ID)
	}
	if flags&hasStated != 0 {
		e.buf = binary.AppendVarint(e.buf, int64(m.Stated-m.Arrived))
	}
	if flags&hasReplay != 0 {
		e.buf = appendText(e.buf, m.Replay)
	}
	if flags&hasPayload != 0 {
		e.buf = appendBytes(e.buf, m.Payload)
	}
}

func (e *encoder) change(c *vigil.Reattribution) {
	e.buf = appendText(e.buf, c.ID)
	e.buf = appendText(e.buf, string(c.Device))
	e.buf = binary.AppendVarint(e.buf, int64(c.During.From))
	e.buf = binary.AppendVarint(e.buf, int64(c.During.To))
	e.buf = appendSubject(e.buf, c.To)
	e.buf = appendText(e.buf, string(c.Actor.Kind))
	e.buf = appendText(e.buf, c.Actor.ID)
	e.buf = binary.AppendUvarint(e.buf, uint64(len(c.Actor.Roles)))
	for _, role := range c.Actor.Roles {
		e.buf = appendText(e.buf, role)
	}
	e.buf = appendText(e.buf, c.Reason)
	e.buf = binary.AppendVarint(e.buf, int64(c.At))
}

// contents appends readings, waves and events. The time of each is written as
// the difference from the one before, the first's from the arrival.
func (e *encoder) contents(rec *vigil.Record, flags uint64) error {
	at := rec.Message.Arrived
	if flags&hasReadings != 0 {
		e.buf = binary.AppendUvarint(e.buf, uint64(len(rec.Readings)))
		for i := range rec.Readings {
			if err := e.reading(&rec.Readings[i], at); err != nil {
				return err
			}
			at = rec.Readings[i].Taken
		}
	}
	if flags&hasWaves != 0 {
		e.buf = binary.AppendUvarint(e.buf, uint64(len(rec.Waves)))
		for i := range rec.Waves {
			if err := e.wave(&rec.Waves[i], at); err != nil {
				return err
			}
			at = rec.Waves[i].Start
		}
	}
	if flags&hasEvents != 0 {
		e.buf = binary.AppendUvarint(e.buf, uint64(len(rec.Events)))
		for i := range rec.Events {
			e.event(&rec.Events[i], at)
			at = rec.Events[i].Taken
		}
	}
	return nil
}

// seen widens the interval that the record speaks of.
func (e *encoder) seen(at vigil.Instant) {
	if e.taken == (vigil.Interval{}) {
		e.taken = vigil.Interval{From: at, To: at}
		return
	}
	e.taken.From = min(e.taken.From, at)
	e.taken.To = max(e.taken.To, at)
}

func (e *encoder) reading(r *vigil.Reading, before vigil.Instant) error {
	if err := e.metric(r.Metric); err != nil {
		return err
	}
	if r.KeyKind > keyKindMax {
		return vigil.Errorf(vigil.Invalid, "a reading with identity kind %d, which the journal cannot write", r.KeyKind)
	}
	e.seen(r.Taken)
	flags := byte(r.KeyKind) << kindShift
	scaled, exact := asDecimal(r.Value, r.Decimals)
	if !exact {
		flags |= readingFloat
	}
	if r.Stated != 0 {
		flags |= readingStated
	}
	if r.Decimals != r.Metric.Decimals {
		flags |= readingDecimals
	}
	if r.Correction {
		flags |= readingCorrection
	}
	if r.Quality != 0 {
		flags |= readingQuality
	}
	if r.Key != impliedKey(r.KeyKind, r.Stated) {
		flags |= readingKey
	}
	b := binary.AppendVarint(append(e.buf, flags), int64(r.Taken-before))
	if flags&readingStated != 0 {
		b = binary.AppendVarint(b, int64(r.Stated-r.Taken))
	}
	if flags&readingDecimals != 0 {
		b = append(b, byte(r.Decimals)) // #nosec G115 -- two's complement
	}
	if exact {
		b = binary.AppendVarint(b, scaled)
	} else {
		b = appendFloat(b, r.Value)
	}
	if flags&readingQuality != 0 {
		b = binary.AppendUvarint(b, uint64(r.Quality))
	}
	if flags&readingKey != 0 {
		b = binary.AppendUvarint(b, r.Key)
	}
	e.buf = b
	return nil
}

// impliedKey is the key that a reading has when none is written: the device
// time as sent for KeyTime, nothing for the others.
func impliedKey(k vigil.KeyKind, stated vigil.Instant) uint64 {
	if k == vigil.KeyTime {
		return uint64(stated) // #nosec G115 -- as the bits
	}
	return 0
}

// pow10 returns ten to the power of the decimals that a value is written with:
// none when the device meant none or did not say.
func pow10(decimals int8) float64 {
	powers := [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}
	if decimals < 0 || int(decimals) >= len(powers) {
		return 1
	}
	return powers[decimals]
}

// asDecimal returns v as a whole number of its last digit, and whether that
// gives back the very same bits.
func asDecimal(v float64, decimals int8) (int64, bool) {
	const exactInts = 1 << 53
	p := pow10(decimals)
	s := math.Round(v * p)
	if !(s > -exactInts && s < exactInts) {
		return 0, false
	}
	return int64(s), math.Float64bits(float64(int64(s))/p) == math.Float64bits(v)
}

func (e *encoder) wave(w *vigil.Wave, before vigil.Instant) error {
	if err := e.metric(w.Metric); err != nil {
		return err
	}
	if e.samples += len(w.Samples); e.samples > samplesMax {
		return vigil.Errorf(vigil.TooLarge, "a message with more than %d samples", samplesMax)
	}
	e.seen(w.Start)
	if w.Metric.IsWave() && w.Metric.RateDen > 0 {
		e.seen(w.End())
	}
	e.stamp(w.Start, w.Stated, before, w.KeyKind, w.Key, w.Quality)
	e.buf = appendFloat(e.buf, w.Gain)
	e.buf = appendFloat(e.buf, w.Offset)
	e.buf = appendSamples(e.buf, w.Samples)
	return nil
}

// stamp appends what waves and events have in common.
func (e *encoder) stamp(at, stated, before vigil.Instant, kind vigil.KeyKind, key uint64, q vigil.Quality) {
	b := binary.AppendVarint(e.buf, int64(at-before))
	if stated == 0 {
		b = append(b, 0)
	} else {
		b = binary.AppendVarint(append(b, 1), int64(stated-at))
	}
	b = binary.AppendUvarint(append(b, byte(kind)), key)
	e.buf = binary.AppendUvarint(b, uint64(q))
}

func (e *encoder) event(v *vigil.Event, before vigil.Instant) {
	e.seen(v.Taken)
	e.word(v.Type)
	e.buf = appendText(e.buf, v.Title)
	e.buf = appendCodes(e.buf, v.Codes)
	e.stamp(v.Taken, v.Stated, before, v.KeyKind, v.Key, v.Quality)
	e.buf = appendBytes(e.buf, v.Data)
}

// appendSubject appends a kind and an id.
func appendSubject(dst []byte, s vigil.Subject) []byte {
	return appendText(append(dst, byte(s.Kind)), s.ID)
}
