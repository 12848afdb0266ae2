package reading

import (
	"math"
	"strconv"

	"github.com/vigil-iomt/vigil"
)

// A reading is what one Observation shows: the points of a group that belong
// together, or one block of a wave.
type reading struct {
	g *group
	// points are the parts, in the order of g.parts; those with Version 0 are
	// not there.
	points []vigil.Point
	wave   *vigil.Wave
	// samples are the readings that a mapping makes one Observation of, oldest
	// first; events those events.
	samples []*reading
	events  []vigil.StoredEvent
	order   order
}

// An order is the place of a reading among all: by time, then by what keeps
// readings of one time apart.
type order struct {
	at          vigil.Instant
	group       vigil.SeriesID
	key         uint64
	conflict    uint8
	attribution uint8
}

// identity is what the id is made of.
func (r *reading) identity() identity {
	x := identity{
		series: r.g.id, key: r.order.key, conflict: r.order.conflict, attribution: r.order.attribution,
		panel: r.g.panel != nil,
	}
	if r.wave != nil {
		x.key, x.kind = uint64(r.wave.Start), vigil.KeyTime // #nosec G115 -- wraps on purpose
		return x
	}
	if r.samples != nil {
		x.kind = vigil.KeyTime
		return x
	}
	for i := range r.points {
		if p := &r.points[i]; p.Version > 0 {
			x.kind = p.KeyKind
			if x.panel && ownKeys(p.KeyKind) {
				x.series, x.key = r.g.parts[i].ID, p.Key
			}
			break
		}
	}
	return x
}

// A summary is what the parts of a reading say together.
type summary struct {
	version   int
	arrived   vigil.Instant
	quality   vigil.Quality
	withdrawn bool
	grown     bool // made of several readings, which came one by one
}

// together is the summary of a reading that is made of several.
func (r *reading) together() summary {
	s := summary{grown: true}
	for _, x := range r.samples {
		one := x.summary()
		s.version += one.version
		s.arrived = max(s.arrived, one.arrived)
		s.quality |= one.quality
	}
	return s
}

func (r *reading) summary() summary {
	if r.wave != nil {
		return summary{version: 1, arrived: r.wave.End(), quality: r.wave.Quality,
			withdrawn: r.wave.Quality.Has(vigil.EnteredInError)}
	}
	if r.samples != nil {
		return r.together()
	}
	s := summary{version: 1, withdrawn: true}
	for i := range r.points {
		p := &r.points[i]
		if p.Version == 0 {
			continue
		}
		s.version += int(p.Version) - 1
		s.arrived = max(s.arrived, p.Arrived)
		s.quality |= p.Quality & (1<<24 - 1)
		s.withdrawn = s.withdrawn && p.Quality.Has(vigil.EnteredInError)
	}
	return s
}

// status is Observation.status (http://hl7.org/fhir/observation-status).
func (s summary) status() string {
	switch {
	case s.withdrawn:
		return "entered-in-error"
	case s.version > 1 && s.grown:
		return "amended"
	case s.version > 1:
		return "corrected"
	}
	return "final"
}

// observationHead is what stands before the id of an Observation.
const observationHead = `{"resourceType":"Observation","id":"`

// appendObservation appends the resource.
func (s *Source) appendObservation(dst []byte, r *reading) []byte {
	if r.g.head == nil {
		r.g.frame()
	}
	sum := r.summary()
	dst = append(dst, observationHead...)
	dst = s.appendReadingID(dst, r)
	dst = append(dst, `","meta":{"versionId":"`...)
	dst = strconv.AppendInt(dst, int64(sum.version), 10)
	dst = append(dst, `","lastUpdated":"`...)
	dst = appendTime(dst, sum.arrived)
	dst = append(dst, '"')
	if r.conforms() {
		dst = append(dst, r.g.profiles...)
	}
	if q := sum.quality & tagged; q != 0 {
		dst = appendTags(dst, q)
	}
	dst = append(dst, `},"status":"`...)
	dst = append(dst, sum.status()...)
	dst = append(dst, '"')
	if r.g.template == nil {
		dst = append(dst, r.g.head...)
	}
	if r.g.template != nil {
		dst = appendDescribed(dst, r, sum.arrived)
	} else if r.wave != nil {
		dst = appendWave(dst, r)
	} else {
		dst = append(dst, `,"effectiveDateTime":"`...)
		dst = appendTime(dst, r.order.at)
		dst = append(dst, `","issued":"`...)
		dst = appendTime(dst, sum.arrived)
		dst = append(dst, '"')
		if r.g.panel == nil {
			dst = appendValue(dst, &r.points[0], r.g.values[0].unit)
		} else {
			dst = appendComponents(dst, r)
		}
	}
	if sum.quality != 0 {
		dst = appendNotes(dst, sum.quality)
	}
	return append(dst, r.g.tail...)
}

// frame makes the JSON that all readings of the group share.
func (g *group) frame() {
	var b []byte
	g.profiles, g.needs = g.conform()
	if c := g.category(); c != "" {
		b = append(b, `,"category":[`...)
		b = appendConcept(b, []vigil.Code{{System: categorySystem, Value: c, Display: categoryDisplay(c)}}, "")
		b = append(b, ']')
	}
	b = append(b, `,"code":`...)
	b = appendConcept(b, g.codes(), g.title())
	g.head = appendSubject(b, g.subject())
	b = append([]byte(nil), `,"device":{"reference":`...)
	b = appendString(b, "Device/"+WireID(string(g.device())))
	g.tail = append(b, `}}`...)
	for _, s := range g.parts {
		f := valueFrame{}
		f.code = appendConcept(append(f.code, `{"code":`...), s.Metric.Codes, metricTitle(s.Metric))
		f.unit = appendUnit(nil, s.Metric.Unit)
		g.values = append(g.values, f)
	}
}

func appendUnit(dst []byte, ucum string) []byte {
	dst = appendMember(dst, "unit", unitName(ucum))
	if ucum != "" {
		dst = append(dst, `,"system":"`+vigil.UCUM+`"`...)
		dst = appendMember(dst, "code", ucum)
	}
	return dst
}

// appendSubject appends the reference. A reading that could not be given to
// anyone says so: its subject is not the device, it is not known.
func appendSubject(dst []byte, s vigil.Subject) []byte {
	dst = append(dst, `,"subject":{`...)
	switch s.Kind {
	case vigil.OfPatient:
		dst = append(dst, `"reference":`...)
		dst = appendString(dst, "Patient/"+WireID(s.ID))
	case vigil.OfLocation:
		dst = append(dst, `"reference":`...)
		dst = appendString(dst, "Location/"+WireID(s.ID))
	case vigil.OfAsset, vigil.OfShipment:
		dst = append(dst, `"identifier":{"value":`...)
		dst = appendString(dst, s.String())
		dst = append(dst, '}')
	case vigil.OfDevice, vigil.NoSubject:
		dst = append(dst, `"extension":[{"url":"`+absentURL+`","valueCode":"unknown"}],"display":"not attributed"`...)
	}
	return append(dst, '}')
}

// appendValue appends ,"valueQuantity":{…} or ,"dataAbsentReason":{…}.
func appendValue(dst []byte, p *vigil.Point, unit []byte) []byte {
	state := p.Quality.State()
	switch {
	case state != vigil.NoState:
		return appendAbsent(dst, absentReason(state), state.String())
	case math.IsNaN(p.Value):
		return appendAbsent(dst, absentReason(vigil.NotANumber), "")
	case math.IsInf(p.Value, 0):
		return appendAbsent(dst, infinite(p.Value < 0), "")
	}
	dst = append(dst, `,"valueQuantity":{"value":`...)
	dst = appendDecimal(dst, p.Value, p.Decimals)
	switch {
	case p.Quality.Has(vigil.Above):
		dst = append(dst, `,"comparator":">"`...)
	case p.Quality.Has(vigil.Below):
		dst = append(dst, `,"comparator":"<"`...)
	}
	return append(append(dst, unit...), '}')
}

func appendAbsent(dst []byte, reason vigil.Code, text string) []byte {
	dst = append(dst, `,"dataAbsentReason":`...)
	return appendConcept(dst, []vigil.Code{reason}, text)
}

func appendComponents(dst []byte, r *reading) []byte {
	dst = append(dst, `,"component":[`...)
	first := true
	for i := range r.points {
		if r.points[i].Version == 0 {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, r.g.values[i].code...)
		dst = appendValue(dst, &r.points[i], r.g.values[i].unit)
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendTags appends the flags as meta.tag.
func appendTags(dst []byte, q vigil.Quality) []byte {
	dst = append(dst, `,"tag":[`...)
	for i, word := range q.Words() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"system":"`+qualitySystem+`","code":"`...)
		dst = append(dst, word...)
		dst = append(dst, `"}`...)
	}
	return append(dst, ']')
}

func appendNotes(dst []byte, q vigil.Quality) []byte {
	for i, text := range qualityNotes(q) {
		if i == 0 {
			dst = append(dst, `,"note":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"text":"`...)
		dst = append(dst, text...)
		dst = append(dst, `"}`...)
	}
	if qualityNotes(q) != nil {
		dst = append(dst, ']')
	}
	return dst
}
