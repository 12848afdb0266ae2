package reading

import (
	"context"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices/iomt"
)

// shape notes what a mapping says about a group, and over which period its
// readings make one Observation.
func (s *Source) shape(g *group) *group {
	if s.c.Shapes == nil || g.wave() || g.template != nil {
		return g
	}
	shapes := s.c.Shapes()
	sampled := true
	var template *iomt.Template
	var shown []*iomt.Value
	for i := range g.parts {
		s, ok := shapes.Of(g.parts[i].Metric)
		if !ok {
			return g
		}
		template, shown = s.Template, append(shown, s.Value)
		sampled = sampled && s.Value.Type == iomt.SampledData
	}
	g.template, g.shown = template, shown
	if sampled && g.template.Period > 0 {
		g.period = vigil.Instant(g.template.Period) * vigil.Instant(time.Minute/time.Microsecond)
	}
	return g
}

// shapeAll notes it for groups, and leaves those out whose Observations are made
// of events.
func (s *Source) shapeAll(groups []*group) []*group {
	out := groups[:0]
	for _, g := range groups {
		if s.shape(g); g.template == nil || !g.template.FromEvents() {
			out = append(out, g)
		}
	}
	return out
}

// floor returns the beginning of the period that an instant lies in.
func floor(at, period vigil.Instant) vigil.Instant {
	r := at % period
	if r < 0 {
		r += period
	}
	return at - r
}

// periodic widens a window to whole periods.
func (g *group) periodic(w span) span {
	if g.period == 0 {
		return w
	}
	if w.lo != math.MinInt64 {
		w.lo = floor(w.lo, g.period)
	}
	if w.hi < math.MaxInt64-g.period {
		w.hi = floor(w.hi-1, g.period) + g.period
	}
	return w
}

// advancePeriod fetches all readings of the next period.
func (s *strand) advancePeriod(ctx context.Context) error {
	s.open, s.next = true, nil
	var all []*reading
	var begin vigil.Instant
	for {
		if s.held == nil {
			var err error
			if s.held, err = s.take(ctx); err != nil {
				return err
			}
		}
		if s.held == nil {
			break
		}
		at := floor(s.held.order.at, s.g.period)
		if len(all) > 0 && at != begin {
			break
		}
		begin = at
		all = append(all, s.held)
		s.held = nil
	}
	if len(all) > 0 {
		s.next = s.g.whole(begin, all)
	}
	return nil
}

// whole makes one reading of all that lie in a period.
func (g *group) whole(begin vigil.Instant, all []*reading) *reading {
	if n := len(all); n > 1 && all[0].order.at > all[n-1].order.at {
		for i := range n / 2 {
			all[i], all[n-1-i] = all[n-1-i], all[i]
		}
	}
	return &reading{g: g, samples: all, order: order{at: begin, group: g.id, key: uint64(begin)}} // #nosec G115 -- wraps on purpose
}

// findPeriod reads the period that an id names.
func (s *Source) findPeriod(ctx context.Context, g *group, x identity) (*track, error) {
	begin := vigil.Instant(x.key) // #nosec G115 -- wraps on purpose
	if x.kind != vigil.KeyTime || begin != floor(begin, g.period) {
		return nil, noObservation()
	}
	one := s.pointStrand(g, span{begin, begin + g.period}, plan{}, false)
	if one == nil {
		return nil, noObservation()
	}
	if err := one.advance(ctx); err != nil {
		return nil, err
	}
	if one.next == nil {
		return nil, noObservation()
	}
	return &track{g: g, whole: one.next, order: one.next.order}, nil
}

// A sample is one value of an Observation that a mapping describes.
type sample struct {
	at   vigil.Instant
	text string // "" where there is no value
}

// A described is such an Observation.
type described struct {
	t                      *iomt.Template
	start, end             vigil.Instant
	correlation, encounter string
	values                 map[string][]sample
}

// describe gathers what a reading shows.
func (r *reading) describe() *described {
	d := &described{t: r.g.template, values: map[string][]sample{}}
	switch {
	case len(r.events) > 0:
		for _, e := range r.events {
			d.event(e)
		}
	case r.samples != nil:
		for _, x := range r.samples {
			d.points(x)
		}
	default:
		d.points(r)
	}
	return d
}

// span widens the period to an instant.
func (d *described) span(at vigil.Instant) {
	if d.start == 0 || at < d.start {
		d.start = at
	}
	d.end = max(d.end, at)
}

// points adds the points of a reading.
func (d *described) points(r *reading) {
	for i := range r.points {
		p := &r.points[i]
		if p.Version == 0 {
			continue
		}
		d.span(p.Taken)
		x := sample{at: p.Taken}
		if p.Quality.State() == vigil.NoState && !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			x.text = string(appendDecimal(nil, p.Value, p.Decimals))
		}
		name := r.g.shown[i].Name
		d.values[name] = append(d.values[name], x)
	}
}

// event adds the values of an event.
func (d *described) event(e vigil.StoredEvent) {
	d.span(e.Taken)
	m := measuredIn(e)
	d.correlation, d.encounter = m.Correlation, m.Encounter
	for name, text := range m.Values {
		d.values[name] = append(d.values[name], sample{e.Taken, text})
	}
}

// A measured is what an event keeps of a measurement.
type measured struct {
	Type        string            `json:"type"`
	Correlation string            `json:"correlation"`
	Encounter   string            `json:"encounter"`
	Values      map[string]string `json:"values"`
}

// measuredIn reads the data of an event; what is not a measurement's says nothing.
func measuredIn(e vigil.StoredEvent) measured {
	var m measured
	if json.Unmarshal(e.Data, &m) != nil {
		return measured{}
	}
	return m
}

// identifier is what the connector would have called the Observation.
func (d *described) identifier(g *group) string {
	const layout = "20060102150405Z"
	segment := d.correlation
	if segment == "" {
		start, end := d.start.Time(), d.end.Time()
		if g.period > 0 {
			begin := floor(d.start, g.period)
			start, end = begin.Time(), (begin + g.period - 1).Time()
		}
		segment = start.Format(layout) + "." + end.Format(layout)
	}
	return strings.Join([]string{g.subject().ID, string(g.device()), d.t.TypeName, segment}, ".")
}

// appendDescribed appends everything of an Observation behind its status.
func appendDescribed(dst []byte, r *reading, arrived vigil.Instant) []byte {
	d, t := r.describe(), r.g.template
	dst = append(dst, `,"identifier":[{"system":"`+iomt.TypeSystem+`","value":`...)
	dst = append(appendString(dst, d.identifier(r.g)), `}]`...)
	for i, c := range t.Category {
		if i == 0 {
			dst = append(dst, `,"category":[`...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendConcept(dst, c.Codes, c.Text)
	}
	if len(t.Category) > 0 {
		dst = append(dst, ']')
	}
	dst = append(dst, `,"code":`...)
	dst = appendConcept(dst, t.AllCodes(), t.TypeName)
	dst = appendSubject(dst, r.g.subject())
	if d.encounter != "" {
		dst = append(dst, `,"encounter":{"identifier":{"value":`...)
		dst = append(appendString(dst, d.encounter), `}}`...)
	}
	dst = append(dst, `,"effectivePeriod":{"start":"`...)
	dst = appendTime(dst, d.start)
	dst = append(dst, `","end":"`...)
	dst = appendTime(dst, d.end)
	dst = append(dst, `"},"issued":"`...)
	dst = append(appendTime(dst, arrived), '"')
	if t.Value != nil {
		dst = d.appendValue(dst, t.Value)
	}
	first := true
	for _, c := range t.Components {
		if c.Value == nil || len(d.values[c.Value.Name]) == 0 {
			continue
		}
		if first {
			dst = append(dst, `,"component":[`...)
		} else {
			dst = append(dst, ',')
		}
		first = false
		codes := append(append([]vigil.Code(nil), c.Codes...), vigil.Code{System: iomt.TypeSystem, Value: c.Value.Name, Display: c.Value.Name})
		dst = appendConcept(append(dst, `{"code":`...), codes, c.Value.Name)
		dst = append(d.appendValue(dst, c.Value), '}')
	}
	if !first {
		dst = append(dst, ']')
	}
	return dst
}

// appendValue appends ,"value…":… as the mapping says.
func (d *described) appendValue(dst []byte, v *iomt.Value) []byte {
	all := d.values[v.Name]
	if len(all) == 0 {
		return dst
	}
	last := all[len(all)-1].text
	switch v.Type {
	case iomt.SampledData:
		return d.appendSampled(dst, v, all)
	case iomt.CodeableConcept:
		return appendConcept(append(dst, `,"valueCodeableConcept":`...), v.Codes, v.Text)
	case iomt.Text:
		return appendString(append(dst, `,"valueString":`...), last)
	case iomt.Quantity:
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(last), 64)
	if err != nil {
		return appendAbsent(dst, absentReason(vigil.NotANumber), "")
	}
	dst = append(dst, `,"valueQuantity":{"value":`...)
	if json.Valid([]byte(last)) {
		dst = append(dst, last...)
	} else {
		dst = appendDecimal(dst, number, -1)
	}
	for _, m := range [...]struct{ name, text string }{{"unit", v.Unit}, {"system", v.System}, {"code", v.Code}} {
		if m.text != "" {
			dst = appendMember(dst, m.name, m.text)
		}
	}
	return append(dst, '}')
}

// maxSlots is how many samples one SampledData may have; longer ones get wider
// slots.
const maxSlots = 100_000

// appendSampled appends SampledData: one slot for each period from the first
// sample to the last, E where there is none, and the last where there are
// several.
func (d *described) appendSampled(dst []byte, v *iomt.Value, all []sample) []byte {
	period := v.DefaultPeriod * 1000
	whole := float64(d.end - d.start)
	if period <= 0 || whole/period > maxSlots {
		period = max(whole/maxSlots, 1)
	}
	slots := make([]string, int(whole/period)+1)
	for _, s := range all {
		slots[min(int(float64(s.at-d.start)/period), len(slots)-1)] = strings.TrimSpace(s.text)
	}
	dst = append(dst, `,"valueSampledData":{"origin":{"value":0`...)
	if v.Unit != "" {
		dst = appendMember(dst, "unit", v.Unit)
	}
	dst = append(dst, `},"period":`...)
	dst = appendDecimal(dst, period/1000, -1)
	dst = append(dst, `,"dimensions":1,"data":"`...)
	for i, s := range slots {
		if i > 0 {
			dst = append(dst, ' ')
		}
		if _, err := strconv.ParseFloat(s, 64); err != nil {
			s = "E"
		}
		dst = append(dst, s...)
	}
	return append(dst, `"}`...)
}
