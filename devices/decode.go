package devices

import (
	"fmt"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/jsonbody"
)

// Decoded is what a message said. It is reused from message to message; what it
// holds is valid until the next Decode, except the samples of waves, the data of
// events and the texts, which belong to whoever takes them.
type Decoded struct {
	Readings []vigil.Reading
	Waves    []vigil.Wave
	Events   []vigil.Event
	// Now is the device's own "now" beside the readings, 0 if none.
	Now vigil.Instant
	// Patient is the patient identity found in the message, "" if none.
	Patient string
	// Speakers are set when the message speaks for devices that it names: whose
	// the parts are. Without any they are of the device that sent the message.
	Speakers []Speaker
	// Refusals are the parts, or the whole, that could not be read. Their
	// good siblings are still in Readings, Waves and Events.
	Refusals []vigil.Refusal

	more   int // refusals that are not spelled out
	doc    jsonbody.Doc
	text   []byte // the fields, when the codec is not json
	items  []jsonbody.Ref
	states []vigil.State // by index of metric; those of the message
	item   []vigil.State // the same with those of the item
}

// nothingFound is the reason for refusing a message that is of another kind.
const nothingFound = "none of this profile's fields found"

// reset empties the result of the message before.
func (d *Decoded) reset() {
	clear(d.Waves) // let go of samples
	clear(d.Events)
	d.Readings, d.Waves, d.Events, d.Refusals = d.Readings[:0], d.Waves[:0], d.Events[:0], d.Refusals[:0]
	d.Now, d.Patient, d.more = 0, "", 0
	d.Speakers = d.Speakers[:0]
}

// maxRefusals is how many refusals of one message are spelled out.
const maxRefusals = 32

// full tells whether no more refusals are spelled out, and counts one more.
func (d *Decoded) full() bool {
	if len(d.Refusals) < maxRefusals {
		return false
	}
	d.more++
	return true
}

// refuse notes a part that could not be read.
func (d *Decoded) refuse(pos, reason string) {
	d.Refusals = append(d.Refusals, vigil.Refusal{Pos: pos, Reason: reason})
}

// Decode reads a message into out. It takes any input: what it cannot read is in
// out.Refusals. Times are those that the device stated; Taken and Start are left
// for whoever settles the clock.
func (p *Profile) Decode(out *Decoded, channel string, payload []byte) {
	out.reset()
	defer func() {
		if r := recover(); r != nil {
			out.reset()
			out.refuse("", "this message made the decoder fail")
		}
	}()
	if p.custom != nil {
		p.custom.Decoder.Decode(out, channel, payload)
		return
	}
	if len(p.Channels) > 0 && !slices.Contains(p.Channels, channel) {
		out.refuse("", "this device has no channel "+quote(channel))
		return
	}
	if r := p.codec.fields(out, channel, payload); r != nil {
		out.Refusals = append(out.Refusals, *r)
		return
	}
	run := decoding{p: p, out: out, doc: &out.doc, channel: channel}
	run.message()
}

// quote puts a short text of the input in quotes.
func quote(s string) string {
	if len(s) > 40 {
		s = s[:40] + "…"
	}
	return `"` + s + `"`
}

// A decoding is one message on its way.
type decoding struct {
	p       *Profile
	out     *Decoded
	doc     *jsonbody.Doc
	channel string
	// What holds for the item that is being read:
	item    jsonbody.Ref
	at      vigil.Instant
	key     uint64
	keyKind vigil.KeyKind
	fixes   bool // the item corrects another
	found   bool // some field of the profile was there
}

// find returns the value that a path leads to, from the message or the item.
func (x *decoding) find(path *jsonbody.Path) jsonbody.Ref {
	if path.OfItem() {
		return x.doc.Find(x.item, path)
	}
	return x.doc.Find(jsonbody.Root, path)
}

// pos returns where a path leads to in this item.
func (x *decoding) pos(path *jsonbody.Path) string {
	if path.OfItem() {
		return x.doc.PathBelow(x.item, path)
	}
	return path.String()
}

// refuse notes that what a path leads to could not be read.
func (x *decoding) refuse(path *jsonbody.Path, reason string) {
	if !x.out.full() {
		x.out.refuse(x.pos(path), reason)
	}
}

// message reads the whole message.
func (x *decoding) message() {
	p, out := x.p, x.out
	if !x.head() {
		return
	}
	n := len(p.metrics) + len(p.waves)
	out.states = append(out.states[:0], make([]vigil.State, n)...)
	found := false
	for i := range p.groups {
		g := &p.groups[i]
		if g.each == nil {
			x.read(g, jsonbody.Root, out.states)
			found = found || x.found
			continue
		}
		out.items = x.doc.Select(out.items[:0], jsonbody.Root, g.each)
		if len(out.items) == 0 && g.list != nil && x.doc.Kind(x.doc.Find(jsonbody.Root, g.list)) == jsonbody.Array {
			found = true // a list without items says that there is nothing
		}
		for _, item := range out.items {
			out.item = append(out.item[:0], out.states...)
			x.read(g, item, out.item)
			if !x.found && !out.full() {
				out.refuse(x.doc.PathTo(item), nothingFound)
			}
			found = true
		}
	}
	if !found && len(out.Refusals) == 0 {
		out.refuse("", nothingFound)
	}
	if out.more > 0 {
		out.refuse("", fmt.Sprintf("and %d more parts", out.more))
	}
}

// head reads what is said about the whole message, and tells whether the rest
// can be read.
func (x *decoding) head() bool {
	p, out := x.p, x.out
	if p.patient != nil {
		r := x.doc.Find(jsonbody.Root, p.patient)
		switch kind := x.doc.Kind(r); kind {
		case jsonbody.String:
			s, _ := x.doc.Str(r)
			out.Patient = string(s)
		case jsonbody.Number:
			out.Patient = string(x.doc.Raw(r))
		case jsonbody.Missing, jsonbody.Null:
		case jsonbody.True, jsonbody.False, jsonbody.Array, jsonbody.Object:
			x.refuse(p.patient, "not an identity")
			return false
		}
	}
	if p.time.now == nil {
		return true
	}
	if r := x.doc.Find(jsonbody.Root, p.time.now); present(x.doc.Kind(r)) {
		now, ok := p.time.format.read(x.doc, r)
		if !ok {
			x.refuse(p.time.now, "not a time in "+p.time.format.name)
		}
		out.Now = now
	}
	return true
}

// present tells whether a value is there and not null.
func present(k jsonbody.Kind) bool { return k > jsonbody.Null }

// read reads one item, or the message as one.
func (x *decoding) read(g *group, item jsonbody.Ref, states []vigil.State) {
	x.item, x.found = item, false
	if !x.identity(g) {
		x.found = true
		return
	}
	for i := range g.states {
		if s := &g.states[i]; (s.channel == "" || s.channel == x.channel) && s.when.holds(x.doc, item) {
			x.found = true
			for _, m := range s.absent {
				states[m] = s.says
			}
		}
	}
	for i := range g.readings {
		r := &g.readings[i]
		if r.channel != "" && r.channel != x.channel || r.when != nil && !r.when.holds(x.doc, item) {
			continue
		}
		if s := states[r.index]; s != vigil.NoState {
			x.absent(g, r, s)
			continue
		}
		x.value(r)
	}
	for i := range g.waves {
		w := &g.waves[i]
		if w.channel != "" && w.channel != x.channel || w.when != nil && !w.when.holds(x.doc, item) {
			continue
		}
		x.wave(w, states[w.index])
	}
	for i := range g.events {
		e := &g.events[i]
		if e.channel != "" && e.channel != x.channel || e.when != nil && !e.when.holds(x.doc, item) {
			continue
		}
		x.event(e)
	}
}

// identity reads time, number and correction of an item. It is false when the
// item cannot be told apart from others and is refused.
func (x *decoding) identity(g *group) bool {
	x.at, x.key, x.keyKind, x.fixes = 0, 0, vigil.KeyPosition, false
	if g.time != nil {
		at, ok := x.time(g.time)
		if !ok {
			return false
		}
		if x.at = at; at != 0 {
			x.key, x.keyKind = uint64(at), vigil.KeyTime // #nosec G115 -- only compared
		}
	}
	if g.number != nil && !x.number(g.number) {
		return false
	}
	if g.correction != nil {
		switch k := x.doc.Kind(x.find(g.correction)); k {
		case jsonbody.True:
			x.fixes = true
		case jsonbody.Missing, jsonbody.Null, jsonbody.False:
		case jsonbody.Number:
			v, _ := x.doc.Int(x.find(g.correction))
			x.fixes = v != 0
		case jsonbody.String, jsonbody.Array, jsonbody.Object:
			x.refuse(g.correction, "neither true nor false")
			return false
		}
	}
	return true
}

// time reads a time. A message without one has none, unless it is required.
func (x *decoding) time(path *jsonbody.Path) (vigil.Instant, bool) {
	r := x.find(path)
	if !present(x.doc.Kind(r)) {
		if x.p.time.required {
			x.refuse(path, "missing")
		}
		return 0, !x.p.time.required
	}
	at, ok := x.p.time.format.read(x.doc, r)
	if !ok {
		x.refuse(path, "not a time in "+x.p.time.format.name)
	}
	return at, ok
}

// number reads a record number. A text, as a UUID, counts by its hash.
func (x *decoding) number(path *jsonbody.Path) bool {
	r := x.find(path)
	switch x.doc.Kind(r) {
	case jsonbody.Missing, jsonbody.Null:
		return true
	case jsonbody.Number:
		if v, ok := x.doc.Int(r); ok {
			x.key, x.keyKind = uint64(v), vigil.KeyNumber // #nosec G115 -- only compared
			return true
		}
	case jsonbody.String:
		s, _ := x.doc.Str(r)
		x.key, x.keyKind = hash(s), vigil.KeyNumber
		return true
	case jsonbody.True, jsonbody.False, jsonbody.Array, jsonbody.Object:
	}
	x.refuse(path, "not a record number")
	return false
}

// hash is FNV-1a (64 bits).
func hash(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// stamp returns time and identity for a part, which may have a time of its own.
func (x *decoding) stamp(own *jsonbody.Path) (at vigil.Instant, kind vigil.KeyKind, key uint64, ok bool) {
	at, kind, key = x.at, x.keyKind, x.key
	if own == nil {
		return at, kind, key, true
	}
	t, ok := x.time(own)
	if !ok || t == 0 {
		return at, kind, key, ok
	}
	if kind != vigil.KeyNumber {
		kind, key = vigil.KeyTime, uint64(t) // #nosec G115 -- only compared
	}
	return t, kind, key, true
}
