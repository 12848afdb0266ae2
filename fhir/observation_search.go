package fhir

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
)

// An observationSearch is what a search for Observations asks.
type observationSearch struct {
	*search
	query reading.Query
}

func (h *Handler) parseObservations(r *http.Request, more url.Values) (*observationSearch, error) {
	s, err := h.parseSearch(r, "Observation", more, searchNames(observationCapabilities())...)
	if err != nil {
		return nil, err
	}
	o := &observationSearch{search: s}
	for _, p := range s.params {
		if err := h.observationParam(r, o, p); err != nil {
			return nil, err
		}
	}
	// Without it, what was entered in error is left out of searches, so that
	// nobody takes it for a finding; it is still read by its id.
	for _, key := range s.sort {
		switch key {
		case "-date":
			o.query.Asc = false
		case "date":
			o.query.Asc = true
		default:
			s.unsorted(key)
		}
	}
	if len(s.odd) > 0 && strict(r) {
		return nil, s.odd[0]
	}
	o.query.After = s.cursor
	return o, nil
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
		o.query.IDs = both(o.query.IDs, ids)
	case "code", "combo-code", "component-code":
		o.query.Codes = append(o.query.Codes, reading.CodeTest{
			Any: p.tokens(), Code: p.name != "component-code", Part: p.name != "code",
		})
	case "category":
		o.query.Categories = append(o.query.Categories, p.tokens())
	case "status":
		o.query.Statuses = append(o.query.Statuses, p.tokens())
	case "date", "_lastUpdated":
		d, err := parseDates(p, vigil.InstantOf(h.c.Now()))
		if err != nil {
			return err
		}
		if p.name == "date" {
			o.query.Dates = append(o.query.Dates, d)
		} else {
			o.query.Changed = append(o.query.Changed, d)
		}
	}
	return nil
}

// both is what is in old and in next; an old of nil is anything.
func both[T comparable](old, next []T) []T {
	if old == nil {
		return append([]T{}, next...)
	}
	return slices.DeleteFunc(slices.Clone(next), func(x T) bool { return !slices.Contains(old, x) })
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
			subjects = append(subjects, vigil.PatientSubject(h.source.PatientID(ref.id)))
		}
		if p.name == "subject" && (ref.kind == "Location" || ref.kind == "") {
			subjects = append(subjects, vigil.Subject{Kind: vigil.OfLocation, ID: ref.id})
		}
	}
	o.query.Subjects = both(o.query.Subjects, subjects)
	return nil
}

func (h *Handler) deviceParam(r *http.Request, o *observationSearch, p param) {
	var devices []vigil.DeviceID
	for _, v := range p.values {
		if ref, ok := h.reference(r, p, v); ok && (ref.kind == "Device" || ref.kind == "") {
			devices = append(devices, h.source.DeviceID(ref.id))
		}
	}
	o.query.Devices = both(o.query.Devices, devices)
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
		if b.total, err = h.source.Count(ctx, o.query); err != nil || o.only {
			return h.sendBundle(w, r, b, err)
		}
	}
	f, err := h.source.Find(ctx, o.query)
	if err != nil {
		return err
	}
	var last reading.Hit
	for {
		x, err := f.Next(ctx)
		if err != nil {
			return err
		}
		if !x.Ok() {
			break
		}
		if b.entries == o.count {
			b.next = last.Mark()
			break
		}
		addObservation(b, x)
		last = x
	}
	return h.sendBundle(w, r, b, nil)
}

// addObservation adds a reading as a match.
func addObservation(b *bundle, x reading.Hit) {
	b.open()
	b.body = append(b.body, `{"fullUrl":`...)
	b.body = appendString(b.body, b.base+"/Observation/")
	b.body = x.AppendID(b.body[:len(b.body)-1])
	b.body = append(b.body, `","resource":`...)
	b.body = x.AppendBody(b.body)
	b.body = append(b.body, `,"search":{"mode":"match"}}`...)
}

// readObservation answers a read, or with a version a vread.
func (h *Handler) readObservation(w http.ResponseWriter, r *http.Request, id, version string) error {
	n := int64(0)
	if version != "" {
		var err error
		if n, err = strconv.ParseInt(version, 10, 64); err != nil || n < 1 {
			return notFound("this Observation has no such version")
		}
	}
	x, err := h.source.Read(r.Context(), "Observation", id, n)
	if err != nil {
		return err
	}
	return h.sendResource(w, r, strconv.FormatInt(x.Version, 10), x.Changed, func(dst []byte) []byte { return append(dst, x.Body...) })
}

// observationHistory answers with all versions, newest first.
func (h *Handler) observationHistory(w http.ResponseWriter, r *http.Request, id string) error {
	all, err := h.source.History(r.Context(), "Observation", id)
	if err != nil {
		return err
	}
	b := h.newBundle(r, &search{resource: "Observation"})
	b.kind, b.operation = "history", "/"+id+"/_history"
	for _, x := range all {
		b.open()
		b.body = append(b.body, `{"fullUrl":`...)
		b.body = appendString(b.body, b.base+"/Observation/"+id)
		b.body = append(b.body, `,"resource":`...)
		b.body = append(b.body, x.Body...)
		status := "200"
		if x.Method == http.MethodPost {
			status = "201"
		}
		b.body = append(b.body, `,"request":{"method":"`+x.Method+`","url":"Observation`...)
		if x.Method != http.MethodPost {
			b.body = append(b.body, "/"+id...)
		}
		b.body = append(b.body, `"},"response":{"status":"`+status+`","etag":"W/\"`+strconv.FormatInt(x.Version, 10)+`\"","lastModified":"`...)
		b.body = appendTime(b.body, x.Changed)
		b.body = append(b.body, `"}}`...)
	}
	b.total = b.entries
	return h.sendBundle(w, r, b, nil)
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
	b := h.newBundle(r, o.search)
	b.operation = "/$lastn"
	err = h.source.Last(r.Context(), o.query, limit, func(x reading.Hit) error {
		addObservation(b, x)
		return nil
	})
	b.total = b.entries
	return h.sendBundle(w, r, b, err)
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

// parseDates reads the values of a date parameter.
func parseDates(p param, now vigil.Instant) (reading.Dates, error) {
	var d reading.Dates
	for _, v := range p.values {
		t, err := reading.ParseDateTest(v, now)
		if err != nil {
			return nil, bad(p.raw, err.Error())
		}
		d = append(d, t)
	}
	return d, nil
}

// ObservationID returns the id of the Observation in which a point of a series
// appears (reading.Source.ObservationID).
func (h *Handler) ObservationID(series vigil.SeriesID, p vigil.Point) string {
	return h.source.ObservationID(series, p)
}
