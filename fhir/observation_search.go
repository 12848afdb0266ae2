package fhir

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// An observationSearch is what a search for Observations asks: which series,
// which of their readings, and in what order.
type observationSearch struct {
	*search
	query    vigil.SeriesQuery
	nothing  bool // no subject or device can match
	groups   []func(*group) bool
	readings []func(*reading) bool
	plan     plan
	ids      []string
	byID     bool
}

// longestBlock is the longest block of a wave that a date finds by its end.
const longestBlock = vigil.Instant(10 * 60 * 1_000_000)

func (h *Handler) parseObservations(r *http.Request, more url.Values) (*observationSearch, error) {
	s, err := h.parseSearch(r, "Observation", more, searchNames(observationCapabilities())...)
	if err != nil {
		return nil, err
	}
	all := span{math.MinInt64, math.MaxInt64}
	o := &observationSearch{search: s, plan: plan{window: all, waves: all, desc: true, standing: true}}
	for _, p := range s.params {
		if err := h.observationParam(r, o, p); err != nil {
			return nil, err
		}
	}
	for _, key := range s.sort {
		switch key {
		case "-date":
			o.plan.desc = true
		case "date":
			o.plan.desc = false
		default:
			s.unsorted(key)
		}
	}
	if len(s.odd) > 0 && strict(r) {
		return nil, s.odd[0]
	}
	if s.cursor != "" {
		o.plan.after, err = parseCursor(s.cursor, o.plan.desc)
	}
	return o, err
}

// observationParam adds what one parameter asks for.
func (h *Handler) observationParam(r *http.Request, o *observationSearch, p param) error {
	switch p.name {
	case "patient", "subject":
		return h.subjectParam(r, o, p)
	}
	if err := p.plainOnly(); err != nil {
		return err
	}
	switch p.name {
	case "device":
		h.deviceParam(r, o, p)
	case "_id":
		ids := make([]string, len(p.values))
		for i, v := range p.values {
			ids[i] = unescape(v)
		}
		if o.byID {
			ids = slices.DeleteFunc(ids, func(id string) bool { return !slices.Contains(o.ids, id) })
		}
		o.ids, o.byID = ids, true
	case "code", "combo-code", "component-code":
		o.codeParam(p)
	case "category":
		tokens := p.tokens()
		o.groups = append(o.groups, func(g *group) bool {
			return g.category() != "" && anyToken(tokens, []vigil.Code{{System: categorySystem, Value: g.category()}})
		})
	case "status":
		o.statusParam(p)
	case "date":
		return o.dateParam(p, vigil.InstantOf(h.c.Now()))
	case "_lastUpdated":
		d, err := parseDates(p, vigil.InstantOf(h.c.Now()))
		if err != nil {
			return err
		}
		o.readings = append(o.readings, func(r *reading) bool {
			at := r.summary().arrived
			return d.holds(at, at+1)
		})
	}
	return nil
}

// subjectParam narrows the series to subjects. A bare id may be that of a
// patient or of a location; patient only takes patients.
func (h *Handler) subjectParam(r *http.Request, o *observationSearch, p param) error {
	switch {
	case p.modifier == "" || p.modifier == "Patient":
	case p.name == "subject" && (p.modifier == "Location" || p.modifier == "Device" || p.modifier == "Group"):
		// Our Observations are never about a device or a group: they find none.
	default:
		return p.plainOnly()
	}
	var subjects []vigil.Subject
	for _, v := range p.values {
		ref, ok := h.reference(r, p, v)
		if !ok {
			continue
		}
		if ref.kind == "Patient" || ref.kind == "" {
			subjects = append(subjects, vigil.PatientSubject(h.patientID(ref.id)))
		}
		if p.name == "subject" && (ref.kind == "Location" || ref.kind == "") {
			subjects = append(subjects, vigil.Subject{Kind: vigil.OfLocation, ID: ref.id})
		}
	}
	if len(o.query.Subjects) > 0 {
		subjects = slices.DeleteFunc(subjects, func(s vigil.Subject) bool { return !slices.Contains(o.query.Subjects, s) })
	}
	o.query.Subjects = subjects
	o.nothing = o.nothing || len(subjects) == 0
	return nil
}

func (h *Handler) deviceParam(r *http.Request, o *observationSearch, p param) {
	var devices []vigil.DeviceID
	for _, v := range p.values {
		if ref, ok := h.reference(r, p, v); ok && (ref.kind == "Device" || ref.kind == "") {
			devices = append(devices, h.deviceID(ref.id))
		}
	}
	if len(o.query.Devices) > 0 {
		devices = slices.DeleteFunc(devices, func(d vigil.DeviceID) bool { return !slices.Contains(o.query.Devices, d) })
	}
	o.query.Devices = devices
	o.nothing = o.nothing || len(devices) == 0
}

// codeParam: code is the Observation's, component-code a component's,
// combo-code either. Whether a component is there is known per reading.
func (o *observationSearch) codeParam(p param) {
	tokens := p.tokens()
	own := func(g *group) bool { return p.name != "component-code" && anyToken(tokens, g.codes()) }
	part := func(g *group, i int) bool {
		return p.name != "code" && g.panel != nil && anyToken(tokens, g.parts[i].Metric.Codes)
	}
	o.groups = append(o.groups, func(g *group) bool {
		for i := range g.parts {
			if part(g, i) {
				return true
			}
		}
		return own(g)
	})
	o.readings = append(o.readings, func(r *reading) bool {
		if len(r.samples) > 0 {
			r = r.samples[0] // parts that come together once come together always
		}
		for i := range r.points {
			if r.points[i].Version > 0 && part(r.g, i) {
				return true
			}
		}
		return own(r.g)
	})
}

// statusParam: without it, what was entered in error is left out of searches,
// so that nobody takes it for a finding; it is still read by its id.
func (o *observationSearch) statusParam(p param) {
	var want []string
	for _, t := range p.tokens() {
		if t.anySystem || t.system == "http://hl7.org/fhir/observation-status" {
			want = append(want, t.code)
		}
	}
	o.plan.withdrawn = slices.Contains(want, "entered-in-error")
	o.plan.standing = slices.Contains(want, "final") || slices.Contains(want, "corrected")
	o.readings = append(o.readings, func(r *reading) bool { return slices.Contains(want, r.summary().status()) })
}

func (o *observationSearch) dateParam(p param, now vigil.Instant) error {
	d, err := parseDates(p, now)
	if err != nil {
		return err
	}
	narrow := func(w *span, slack vigil.Instant) {
		x := d.window(slack)
		w.lo, w.hi = max(w.lo, x.lo), min(w.hi, x.hi)
	}
	narrow(&o.plan.window, 0)
	narrow(&o.plan.waves, longestBlock)
	o.readings = append(o.readings, func(r *reading) bool {
		if r.wave != nil {
			return d.holds(r.wave.Start, lastSample(r.wave)+1)
		}
		if n := len(r.samples); n > 0 {
			return d.holds(r.samples[0].order.at, r.samples[n-1].order.at+1)
		}
		return d.holds(r.order.at, r.order.at+1)
	})
	return nil
}

// groupsFor finds the groups that a search may find readings in.
func (h *Handler) groupsFor(ctx context.Context, o *observationSearch) ([]*group, error) {
	if o.nothing {
		return nil, nil
	}
	series, err := h.allSeries(ctx, o.query)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(h.shapeAll(groupSeries(series)), func(g *group) bool { return !o.wants(g) }), nil
}

func (o *observationSearch) wants(g *group) bool {
	for _, f := range o.groups {
		if !f(g) {
			return false
		}
	}
	return true
}

func (o *observationSearch) takes(r *reading) bool {
	for _, f := range o.readings {
		if !f(r) {
			return false
		}
	}
	return o.plan.after == nil || before(*o.plan.after, r.order, o.plan.desc)
}

// merge opens the readings of a search.
func (h *Handler) merge(ctx context.Context, o *observationSearch, groups []*group) (*merge, error) {
	p := o.plan
	if p.desc {
		var ids []vigil.SeriesID
		for _, g := range groups {
			for _, s := range g.parts {
				if !s.Metric.IsWave() {
					ids = append(ids, s.ID)
				}
			}
		}
		var err error
		if p.latest, err = h.c.Readings.Latest(ctx, ids); err != nil {
			return nil, err
		}
	}
	return h.merged(groups, p), nil
}

// A feed gives readings one by one, nil behind the last.
type feed interface {
	next(ctx context.Context) (*reading, error)
}

// A list is a feed of readings that are known already.
type list []*reading

func (l *list) next(context.Context) (*reading, error) {
	if len(*l) == 0 {
		return nil, nil
	}
	r := (*l)[0]
	*l = (*l)[1:]
	return r, nil
}

// feedOf opens the readings of a search, by id or by series.
func (h *Handler) feedOf(ctx context.Context, o *observationSearch) (feed, error) {
	if o.byID {
		return h.listed(ctx, o)
	}
	groups, err := h.groupsFor(ctx, o)
	if err != nil {
		return nil, err
	}
	m, err := h.merge(ctx, o, groups)
	if err != nil {
		return nil, err
	}
	return h.withEvents(ctx, o, m)
}

// listed finds the readings of a search that names their ids.
func (h *Handler) listed(ctx context.Context, o *observationSearch) (feed, error) {
	found := list{}
	for _, id := range o.ids {
		r, err := h.findReading(ctx, id)
		if isNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		g := r.g
		if o.nothing || !o.wants(g) ||
			len(o.query.Subjects) > 0 && !slices.Contains(o.query.Subjects, g.subject()) ||
			len(o.query.Devices) > 0 && !slices.Contains(o.query.Devices, g.device()) {
			continue
		}
		found = append(found, r)
	}
	slices.SortFunc(found, func(a, b *reading) int {
		switch {
		case before(a.order, b.order, o.plan.desc):
			return -1
		case a.order == b.order:
			return 0
		}
		return 1
	})
	found = slices.CompactFunc(found, func(a, b *reading) bool { return a.order == b.order })
	return &found, nil
}

// searchObservations answers a search.
func (h *Handler) searchObservations(w http.ResponseWriter, r *http.Request, more url.Values) error {
	o, err := h.parseObservations(r, more)
	if err != nil {
		return err
	}
	ctx := r.Context()
	b := h.newBundle(r, o.search)
	if o.only || o.total {
		if b.total, err = h.count(ctx, *o); err != nil || o.only {
			return h.sendBundle(w, r, b, err)
		}
	}
	f, err := h.feedOf(ctx, o)
	if err != nil {
		return err
	}
	var last *reading
	for {
		x, err := f.next(ctx)
		if err != nil {
			return err
		}
		if x == nil {
			break
		}
		if !o.takes(x) {
			continue
		}
		if b.entries == o.count {
			b.next = last.order.cursor(o.plan.desc)
			break
		}
		h.addObservation(b, x)
		last = x
	}
	return h.sendBundle(w, r, b, nil)
}

// addObservation adds a reading as a match.
func (h *Handler) addObservation(b *bundle, x *reading) {
	b.open()
	b.body = append(b.body, `{"fullUrl":`...)
	b.body = appendString(b.body, b.base+"/Observation/")
	b.body = h.appendReadingID(b.body[:len(b.body)-1], x)
	b.body = append(b.body, `","resource":`...)
	b.body = h.appendObservation(b.body, x)
	b.body = append(b.body, `,"search":{"mode":"match"}}`...)
}

// count counts all matches, those before a cursor included.
func (h *Handler) count(ctx context.Context, o observationSearch) (int, error) {
	o.plan.after = nil
	f, err := h.feedOf(ctx, &o)
	if err != nil {
		return 0, err
	}
	for n := 0; ; {
		x, err := f.next(ctx)
		if x == nil || err != nil {
			return n, err
		}
		if o.takes(x) {
			n++
		}
	}
}

// lastN answers Observation/$lastn: the newest max Observations of each code
// of one patient.
func (h *Handler) lastN(w http.ResponseWriter, r *http.Request) error {
	values, err := allValues(r)
	if err != nil {
		return err
	}
	limit := 1
	if v := values.Get("max"); v != "" {
		if limit = atoi(v); limit < 1 || limit > maxCount {
			return bad("max", "max is a number from 1 to 1000")
		}
	}
	if values.Get("patient") == "" && values.Get("subject") == "" {
		return &problem{http.StatusBadRequest, "required", "$lastn needs patient or subject", ""}
	}
	r = r.Clone(r.Context())
	values.Del("max")
	r.URL.RawQuery = values.Encode()
	o, err := h.parseObservations(r, nil)
	if err != nil {
		return err
	}
	groups, err := h.groupsFor(r.Context(), o)
	if err != nil {
		return err
	}
	b := h.newBundle(r, o.search)
	b.operation = "/$lastn"
	o.plan.desc, o.plan.after = true, nil
	for _, same := range byCode(groups) {
		m, err := h.merge(r.Context(), o, same)
		if err != nil {
			return err
		}
		for n := 0; n < limit; {
			x, err := m.next(r.Context())
			if err != nil {
				return err
			}
			if x == nil {
				break
			}
			if o.takes(x) {
				h.addObservation(b, x)
				n++
			}
		}
	}
	if err := h.lastEvents(r.Context(), o, b, limit); err != nil {
		return err
	}
	b.total = b.entries
	return h.sendBundle(w, r, b, nil)
}

// byCode puts groups with the same code together, in the order of their first
// series. Two codings for the same thing are the same code when they share one.
func byCode(groups []*group) [][]*group {
	var out [][]*group
	index := map[string]int{}
	for _, g := range groups {
		at := -1
		for _, c := range g.codes() {
			if i, ok := index[c.System+"|"+c.Value]; ok {
				at = i
				break
			}
		}
		if len(g.codes()) == 0 {
			if i, ok := index[g.title()]; ok {
				at = i
			}
		}
		if at < 0 {
			at = len(out)
			out = append(out, nil)
		}
		out[at] = append(out[at], g)
		for _, c := range g.codes() {
			index[c.System+"|"+c.Value] = at
		}
		if len(g.codes()) == 0 {
			index[g.title()] = at
		}
	}
	return out
}

// atoi returns -1 for what is no number.
func atoi(s string) int {
	n := 0
	for _, c := range strings.TrimSpace(s) {
		if c < '0' || c > '9' || n > 1<<20 {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}
