package reading

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// A Query says which Observations are wanted. All of what it says must hold.
type Query struct {
	// Subjects and Devices are any of these; nil is any, empty is none.
	Subjects []vigil.Subject
	Devices  []vigil.DeviceID
	IDs      []string // nil is any, empty is none
	Codes    []CodeTest
	// Categories and Statuses are tests of which each must hold; a test holds
	// with any of its tokens.
	Categories, Statuses [][]Token
	Dates                []Dates // of Observation.effective[x]
	Changed              []Dates // of meta.lastUpdated
	Asc                  bool    // oldest first by time; newest first otherwise
	After                string  // the mark of the hit that the page before ended with
	from                 *order  // the same
	Likely               int     // how many are likely wanted, 0 when that is not known
}

// A Token is a value that a coding is compared with: [system|]code
// (search.html#token).
type Token struct {
	System, Code string
	AnySystem    bool // nothing was said about the system
}

// Matches tells whether a coding passes: system|code, |code (no system), code
// (any system), system| (any code). Case does not count: in no system that
// readings are named in do two codes differ by it.
func (t Token) Matches(system, code string) bool {
	return (t.AnySystem || t.System == system) && (t.Code == "" && !t.AnySystem || strings.EqualFold(t.Code, code))
}

func anyToken(tokens []Token, codes []vigil.Code) bool {
	for _, t := range tokens {
		for _, c := range codes {
			if t.Matches(c.System, c.Value) {
				return true
			}
		}
	}
	return false
}

// A CodeTest asks for any of some codes: in Observation.code, in a component,
// or in either.
type CodeTest struct {
	Any        []Token
	Code, Part bool
}

// own tells whether the code of an Observation passes.
func (t CodeTest) own(g *group) bool { return t.Code && anyToken(t.Any, g.codes()) }

// part tells whether the code of a component passes.
func (t CodeTest) part(g *group, i int) bool {
	return t.Part && g.panel != nil && anyToken(t.Any, g.parts[i].Metric.Codes)
}

// group tells whether Observations of the group may pass.
func (t CodeTest) group(g *group) bool {
	for i := range g.parts {
		if t.part(g, i) {
			return true
		}
	}
	return t.own(g)
}

// holds tells whether an Observation passes: whether a component is there is
// known per reading.
func (t CodeTest) holds(r *reading) bool {
	if len(r.samples) > 0 {
		r = r.samples[0] // parts that come together once come together always
	}
	for i := range r.points {
		if r.points[i].Version > 0 && t.part(r.g, i) {
			return true
		}
	}
	return t.own(r.g)
}

// statusSystem is the code system of Observation.status.
const statusSystem = "http://hl7.org/fhir/observation-status"

// A want is a query made ready.
type want struct {
	Query
	plan    plan
	nothing bool // nothing can match
	parts   bool // codes are to be looked for in each reading
}

// longestBlock is the longest block of a wave that a date finds by its end.
const longestBlock = vigil.Instant(10 * 60 * 1_000_000)

// prepare finds out what a query asks of series and of readings.
func (q Query) prepare() (*want, error) {
	all := span{math.MinInt64, math.MaxInt64}
	o := &want{Query: q, plan: plan{window: all, waves: all, desc: !q.Asc, standing: true}}
	o.nothing = q.Subjects != nil && len(q.Subjects) == 0 || q.Devices != nil && len(q.Devices) == 0
	for _, d := range q.Dates {
		o.plan.window = o.plan.window.and(d.window(second))
		o.plan.waves = o.plan.waves.and(d.window(longestBlock))
	}
	for _, t := range q.Codes {
		o.parts = o.parts || t.Part
	}
	if len(q.Statuses) > 0 {
		o.plan.withdrawn, o.plan.standing = true, false
	}
	for _, status := range q.Statuses {
		asks := func(code string) bool { return anyToken(status, []vigil.Code{{System: statusSystem, Value: code}}) }
		o.plan.withdrawn = o.plan.withdrawn && asks("entered-in-error")
		o.plan.standing = o.plan.standing || asks("final") || asks("corrected") || asks("amended")
	}
	o.plan.after = q.from
	var err error
	if q.After != "" {
		o.plan.after, err = parseCursor(q.After, o.plan.desc)
	}
	return o, err
}

// and is what lies in both.
func (w span) and(x span) span { return span{max(w.lo, x.lo), min(w.hi, x.hi)} }

// wants tells whether Observations of a group may be wanted.
func (o *want) wants(g *group) bool {
	if len(o.Subjects) > 0 && !slices.Contains(o.Subjects, g.subject()) ||
		len(o.Devices) > 0 && !slices.Contains(o.Devices, g.device()) {
		return false
	}
	for _, t := range o.Codes {
		if !t.group(g) {
			return false
		}
	}
	for _, t := range o.Categories {
		if g.category() == "" || !anyToken(t, []vigil.Code{{System: categorySystem, Value: g.category()}}) {
			return false
		}
	}
	return true
}

// takes tells whether an Observation of a wanted group is wanted.
func (o *want) takes(r *reading) bool {
	if o.parts {
		for _, t := range o.Codes {
			if !t.holds(r) {
				return false
			}
		}
	}
	if len(o.Statuses)+len(o.Changed) > 0 && !o.takesState(r.summary()) {
		return false
	}
	for _, d := range o.Dates {
		if !d.holds(r.during()) {
			return false
		}
	}
	return o.plan.after == nil || before(*o.plan.after, r.order, o.plan.desc)
}

// takesState tells whether status and change of an Observation are wanted.
func (o *want) takesState(s summary) bool {
	for _, t := range o.Statuses {
		if !anyToken(t, []vigil.Code{{System: statusSystem, Value: s.status()}}) {
			return false
		}
	}
	for _, d := range o.Changed {
		if !d.holds(s.arrived, s.arrived+exact(s.arrived)) {
			return false
		}
	}
	return true
}

// times are the first and the last instant of an Observation.
func (r *reading) times() (first, last vigil.Instant) {
	if r.wave != nil {
		return r.wave.Start, lastSample(r.wave)
	}
	if n := len(r.samples); n > 0 {
		return r.samples[0].order.at, r.samples[n-1].order.at
	}
	return r.order.at, r.order.at
}

// during is the time of an Observation as its text has it: from an instant to
// just before another.
func (r *reading) during() (from, to vigil.Instant) {
	first, last := r.times()
	return first, last + exact(last)
}

// exact is how exact the text of an instant is: a second, or the last digit of
// its fraction (search.html#date).
func exact(at vigil.Instant) vigil.Instant {
	unit := vigil.Instant(second)
	for at%unit != 0 {
		unit /= 10
	}
	return unit
}

// groupsFor finds the groups that a search may find readings in.
func (s *Source) groupsFor(ctx context.Context, o *want) ([]*group, error) {
	if o.nothing {
		return nil, nil
	}
	series, err := s.allSeries(ctx, vigil.SeriesQuery{Subjects: o.Subjects, Devices: o.Devices})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(s.shapeAll(groupSeries(series)), func(g *group) bool { return !o.wants(g) }), nil
}
