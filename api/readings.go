package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

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

// readingPage is a page of readings, or of buckets when they were asked for.
type readingPage struct {
	Readings []Reading `json:"readings,omitzero"`
	Buckets  []Bucket  `json:"buckets,omitzero"`
	Next     string    `json:"next,omitempty" doc:"Cursor of the next page; absent on the last."`
}

// readingQuery chooses readings.
type readingQuery struct {
	Selection
	From    time.Time `query:"from" doc:"Taken at or after; since ever when absent."`
	To      time.Time `query:"to" doc:"Taken before; until now and beyond when absent."`
	Bucket  string    `query:"bucket" doc:"Width of buckets, as 60s or 5m: summaries instead of readings."`
	Cursor  string    `query:"cursor" doc:"next of the page before."`
	Limit   int       `query:"limit" minimum:"1" maximum:"10000" default:"1000"`
	Desc    bool      `query:"desc" doc:"Newest first."`
	History bool      `query:"history" doc:"Also versions that were replaced and readings entered in error."`
}

const (
	// defaultSpan is the stretch of time that buckets cover when from is
	// absent.
	defaultSpan = 24 * time.Hour
	// maxBuckets is how many buckets one query may stretch over.
	maxBuckets = 100_000
)

// readings registers the route of readings.
func (s *server) readings() {
	handle(s, route{"reading.search", http.MethodGet, "/readings", "Read readings back, in the order in which they were taken"},
		func(ctx context.Context, in *readingQuery) (*answer[readingPage], error) {
			if !in.narrow() {
				return nil, invalid("query.patient", "name a patient, a subject or a device")
			}
			if _, err := interval(in.From, in.To); err != nil {
				return nil, err
			}
			at, err := parsePlace(in.Cursor)
			if err != nil {
				return nil, err
			}
			list, err := s.find(ctx, &in.Selection, false)
			if err != nil {
				return nil, err
			}
			var page readingPage
			if in.Bucket == "" {
				page, err = s.readingPage(ctx, in, list, at)
			} else {
				page, err = s.bucketPage(ctx, in, list, at)
			}
			return said(page), err
		})
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
func (s *server) readingPage(ctx context.Context, in *readingQuery, list []vigil.Series, at *place) (readingPage, error) {
	page := readingPage{Readings: []Reading{}}
	m := newMerge(s.c.Readings, in, list, at)
	for len(page.Readings) < in.Limit {
		v, p, err := m.next(ctx)
		if err != nil || v == nil {
			return page, err
		}
		page.Readings = append(page.Readings, s.reading(v, p))
		m.last = place{v.ID, p}
	}
	v, _, err := m.next(ctx)
	if v != nil {
		page.Next = m.last.text()
	}
	return page, err
}

// reading returns a point as it is read back.
func (s *server) reading(v *vigil.Series, p vigil.Point) Reading {
	r := Reading{
		Taken: p.Taken, Arrived: p.Arrived, Text: p.Text(v.Metric), Unit: v.Metric.Unit, Quality: p.Quality,
		Version: p.Version, Series: v.ID, Metric: v.Metric.Name, Device: v.Device, Subject: v.Subject,
	}
	if s.c.ObservationID != nil {
		r.ID = s.c.ObservationID(v.ID, p)
	}
	if p.Quality.State() == vigil.NoState {
		r.Value = &p.Value
	}
	return r
}

// bucketPage summarises several series, in the order of time and series.
func (s *server) bucketPage(ctx context.Context, in *readingQuery, list []vigil.Series, at *place) (readingPage, error) {
	page := readingPage{Buckets: []Bucket{}}
	width, err := time.ParseDuration(in.Bucket)
	if err != nil || width < time.Second {
		return page, invalid("query.bucket", "want a width of at least one second, such as 60s or 5m")
	}
	during, err := interval(in.From, in.To)
	if err != nil {
		return page, err
	}
	if during.To == 0 {
		during.To = s.now() + 1
	}
	if during.From == 0 {
		during.From = during.To.Add(-defaultSpan)
	}
	if during.To.Sub(during.From)/width > maxBuckets {
		return page, invalid("query.bucket", "that is more than 100000 buckets; take a wider bucket or a shorter time")
	}
	for i := range list {
		buckets, err := s.c.Readings.Buckets(ctx, vigil.BucketQuery{Series: list[i].ID, During: during, Width: width})
		if err != nil {
			return page, err
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
		page.Next = place{last.Series, vigil.Point{Taken: last.From}}.text()
	}
	return page, nil
}
