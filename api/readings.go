package api

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/vigil-iomt/vigil"
)

// A Reading is one measured value as it is read back.
type Reading struct {
	ID      string         `json:"id" doc:"Also the id of the FHIR Observation."`
	Taken   vigil.Instant  `json:"time"`
	Arrived vigil.Instant  `json:"arrived"`
	Value   *float64       `json:"value" doc:"null when quality holds a state such as sensor-off."`
	Text    string         `json:"text" doc:"As a person reads it, with the digits that the device meant."`
	Unit    string         `json:"unit" doc:"UCUM."`
	Quality vigil.Quality  `json:"quality"`
	Version uint16         `json:"version"`
	Series  vigil.SeriesID `json:"series"`
	Metric  string         `json:"metric"`
	Device  vigil.DeviceID `json:"device"`
	Subject vigil.Subject  `json:"subject"`
}

// A Bucket summarises the usable readings of a stretch of time.
type Bucket struct {
	vigil.Bucket
	Series vigil.SeriesID `json:"series"`
	Metric string         `json:"metric"`
	Unit   string         `json:"unit"`
}

// readingPage is a page of readings, in the form that was asked for, or of
// buckets.
type readingPage struct {
	Readings []Reading `json:"readings,omitzero"`
	Columns  []Columns `json:"columns,omitzero" doc:"With form=columns: the series one after the other, each in the order of time."`
	Buckets  []Bucket  `json:"buckets,omitzero"`
	Next     string    `json:"next,omitempty" doc:"Cursor of the next page; absent on the last."`
}

// A pageBody writes a readingPage.
type pageBody struct{ write func(io.Writer) error }

// writeJSON writes the page.
func (p pageBody) writeJSON(w io.Writer) error { return p.write(w) }

// readingQuery chooses readings.
type readingQuery struct {
	Selection
	From    time.Time `query:"from" doc:"Taken at or after; since ever when absent."`
	To      time.Time `query:"to" doc:"Taken before; until now and beyond when absent."`
	Bucket  string    `query:"bucket" doc:"Width of buckets, as 60s or 5m: summaries instead of readings."`
	Cursor  string    `query:"cursor" doc:"next of the page before."`
	Form    string    `query:"form" enum:"objects,columns" doc:"columns: parallel lists for each series, for charts; a cursor serves the form that it came from."`
	Limit   int       `query:"limit" minimum:"1" maximum:"100000" doc:"1000 when absent, at most 10000; with form=columns 100000."`
	Desc    bool      `query:"desc" doc:"Newest first."`
	History bool      `query:"history" doc:"Also versions that were replaced and readings entered in error."`
}

const (
	// defaultSpan is the stretch of time that buckets cover when from is
	// absent.
	defaultSpan = 24 * time.Hour
	// maxBuckets is how many buckets one query may stretch over.
	maxBuckets = 100_000
	// defaultObjects and maxObjects are how many readings or buckets one
	// answer has.
	defaultObjects, maxObjects = 1000, 10_000
)

// readings registers the route of readings.
func (s *server) readings() {
	handle(s, route{"reading.search", http.MethodGet, "/readings", "Read readings back, in the order in which they were taken"},
		func(ctx context.Context, in *readingQuery) (*answer[pageBody], error) {
			if !in.narrow() {
				return nil, invalid("query.patient", "name a patient, a subject or a device")
			}
			if _, err := interval(in.From, in.To); err != nil {
				return nil, err
			}
			page, err := s.page(ctx, in)
			return said(page), err
		})
}

// page reads one page in the form that is asked for.
func (s *server) page(ctx context.Context, in *readingQuery) (page pageBody, err error) {
	write, form := s.readingPage, byte(objectPlace)
	switch {
	case in.Form == "columns":
		write, form, err = s.columnPage, columnPlace, columnsOf(in)
	case in.Limit > maxObjects:
		err = invalid("query.limit", "at most 10000; with form=columns 100000")
	default:
		in.Limit = cmp.Or(in.Limit, defaultObjects)
		if in.Bucket != "" {
			write = s.bucketPage
		}
	}
	if err != nil {
		return page, err
	}
	at, err := parsePlace(in.Cursor, form)
	if err != nil {
		return page, err
	}
	list, err := s.find(ctx, &in.Selection, false)
	if err != nil {
		return page, err
	}
	return write(ctx, in, list, at)
}

// interval reads the edges of a query; the zero time is an open edge.
func interval(from, to time.Time) (vigil.Interval, error) {
	v := vigil.Interval{From: instant(from), To: instant(to)}
	if v.To != 0 && v.To <= v.From {
		return v, invalid("query.to", "to is not after from")
	}
	return v, nil
}

// instant returns the instant of t, 0 for the zero time.
func instant(t time.Time) vigil.Instant {
	if t.IsZero() {
		return 0
	}
	return vigil.InstantOf(t)
}

// readingPage merges the points of several series by time.
func (s *server) readingPage(ctx context.Context, in *readingQuery, list []vigil.Series, at *place) (pageBody, error) {
	m := newMerge(s.c.Readings, in, list, at)
	var runs []run
	left := in.Limit
	for left > 0 {
		r, err := m.next(ctx, left)
		if err != nil {
			return pageBody{}, err
		}
		if r.source == nil {
			break
		}
		runs = append(runs, r)
		left -= len(r.points)
	}
	after, err := m.next(ctx, 1)
	if err != nil {
		return pageBody{}, err
	}
	next := ""
	if after.source != nil {
		last := runs[len(runs)-1]
		next = place{last.source.series.ID, last.points[len(last.points)-1]}.text(objectPlace)
	}
	return pageBody{func(w io.Writer) error {
		return s.scribes.write(w, func(sc *scribe) { s.objects(sc, runs, next) })
	}}, nil
}

// objects writes runs as a page of objects.
func (s *server) objects(sc *scribe, runs []run, next string) {
	sc.b = append(sc.b, `{"readings":[`...)
	first := true
	for _, r := range runs {
		for i := range r.points {
			if !first {
				sc.b = append(sc.b, ',')
			}
			first = false
			p := &r.points[i]
			id := ""
			if s.c.ObservationID != nil {
				id = s.c.ObservationID(r.source.series.ID, *p)
			}
			sc.reading(&r.source.series, &r.source.label, p, id)
			if !sc.send(burst) {
				return
			}
		}
	}
	sc.b = append(sc.b, ']')
	if next != "" {
		sc.b = appendText(append(sc.b, `,"next":`...), next)
	}
	sc.b = append(sc.b, "}\n"...)
}

// bucketPage summarises several series, in the order of time and series.
func (s *server) bucketPage(ctx context.Context, in *readingQuery, list []vigil.Series, at *place) (pageBody, error) {
	page := readingPage{Buckets: []Bucket{}}
	body := pageBody{func(w io.Writer) error { return huma.DefaultJSONFormat.Marshal(w, page) }}
	width, err := time.ParseDuration(in.Bucket)
	if err != nil || width < time.Second {
		return body, invalid("query.bucket", "want a width of at least one second, such as 60s or 5m")
	}
	during, err := interval(in.From, in.To)
	if err != nil {
		return body, err
	}
	if during.To == 0 {
		during.To = s.now() + 1
	}
	if during.From == 0 {
		during.From = during.To.Add(-defaultSpan)
	}
	if during.To.Sub(during.From)/width > maxBuckets {
		return body, invalid("query.bucket", "that is more than 100000 buckets; take a wider bucket or a shorter time")
	}
	for i := range list {
		buckets, err := s.c.Readings.Buckets(ctx, vigil.BucketQuery{Series: list[i].ID, During: during, Width: width})
		if err != nil {
			return body, err
		}
		for _, b := range buckets {
			if at == nil || b.From > at.point.Taken || b.From == at.point.Taken && list[i].ID > at.series {
				page.Buckets = append(page.Buckets, Bucket{b, list[i].ID, list[i].Metric.Name, list[i].Metric.Unit})
			}
		}
	}
	slices.SortFunc(page.Buckets, func(a, b Bucket) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Series, b.Series))
	})
	if len(page.Buckets) > in.Limit {
		page.Buckets = page.Buckets[:in.Limit]
		last := page.Buckets[in.Limit-1]
		page.Next = place{last.Series, vigil.Point{Taken: last.From}}.text(objectPlace)
	}
	return body, nil
}
