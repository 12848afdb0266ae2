package api

import (
	"context"
	"net/http"
	"time"

	"github.com/vigil-iomt/vigil"
)

// eventQuery chooses events.
type eventQuery struct {
	Patient []string  `query:"patient" doc:"Patients; several with commas."`
	Subject []string  `query:"subject" doc:"Subjects, as patient/ID, location/ID, device/ID."`
	Device  []string  `query:"device"`
	Type    []string  `query:"type" doc:"Types, as bed-exit."`
	From    time.Time `query:"from" doc:"Happened at or after."`
	To      time.Time `query:"to" doc:"Happened before."`
	Limit   int       `query:"limit" minimum:"1" maximum:"10000" default:"1000"`
	Desc    bool      `query:"desc" doc:"Newest first."`
}

// eventList is a list of events.
type eventList struct {
	Events []vigil.StoredEvent `json:"events"`
}

// events registers the route of events.
func (s *server) events() {
	handle(s, route{"event.search", http.MethodGet, "/events", "Read events back, in the order in which they happened"},
		func(ctx context.Context, in *eventQuery) (*answer[eventList], error) {
			who := Selection{Patient: in.Patient, Subject: in.Subject, Device: in.Device}
			subjects, err := who.subjects()
			if err != nil {
				return nil, err
			}
			during, err := interval(in.From, in.To)
			if err != nil {
				return nil, err
			}
			list, err := s.c.Events.Events(ctx, vigil.EventQuery{
				Subjects: subjects, Devices: who.deviceIDs(), Types: in.Type,
				During: during, Limit: in.Limit, Desc: in.Desc,
			})
			if list == nil {
				list = []vigil.StoredEvent{}
			}
			return said(eventList{list}), err
		})
}
