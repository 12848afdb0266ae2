package api

import (
	"context"
	"net/http"
	"time"

	"github.com/vigil-iomt/vigil"
)

// newLocation is a place to be registered.
type newLocation struct {
	ID   string `json:"id,omitempty" doc:"Made up when empty."`
	Name string `json:"name" doc:"Name within the unit, such as the number of the bed."`
	Unit string `json:"unit" doc:"Ward or service."`
	Kind string `json:"kind,omitempty" doc:"bed, home, room, fridge or other; bed when empty."`
	Rank int    `json:"rank,omitempty" doc:"Position on the wall; last when 0."`
}

// locationList is a list of places.
type locationList struct {
	Locations []vigil.Location `json:"locations"`
}

// newStay puts a patient into a place.
type newStay struct {
	Patient  string        `json:"patient"`
	Location string        `json:"location"`
	From     vigil.Instant `json:"from,omitzero" doc:"Now when absent."`
}

// stayList is a list of stays.
type stayList struct {
	Stays []vigil.Stay `json:"stays"`
}

// places registers the routes of places and stays.
func (s *server) places() {
	r := s.c.Registry
	handle(s, route{"location.search", http.MethodGet, "/locations", "List places by unit and rank"},
		func(context.Context, *struct{}) (*answer[locationList], error) {
			return said(locationList{r.Locations()}), nil
		})
	handle(s, route{"location.register", http.MethodPost, "/locations", "Register a bed, home, room or fridge"},
		func(ctx context.Context, in *answer[newLocation]) (*answer[vigil.Location], error) {
			b := in.Body
			l, err := r.AddLocation(ctx, vigil.Location{ID: b.ID, Name: b.Name, Unit: b.Unit, Kind: b.Kind, Rank: b.Rank})
			return said(l), err
		})
	handle(s, route{"stay.search", http.MethodGet, "/stays", "List which patient was where, oldest first"},
		func(_ context.Context, in *struct {
			Patient  string `query:"patient"`
			Location string `query:"location"`
		}) (*answer[stayList], error) {
			out := stayList{Stays: []vigil.Stay{}}
			for _, stay := range r.Stays() {
				if (in.Patient == "" || string(stay.Patient) == in.Patient) && (in.Location == "" || stay.Location == in.Location) {
					out.Stays = append(out.Stays, stay)
				}
			}
			return said(out), nil
		})
	handle(s, route{"stay.admit", http.MethodPost, "/stays", "Put a patient into a place; an open stay elsewhere ends"},
		func(ctx context.Context, in *answer[newStay]) (*answer[vigil.Stay], error) {
			stay, err := r.Admit(ctx, vigil.PatientID(in.Body.Patient), in.Body.Location, in.Body.From)
			return said(stay), err
		})
	handle(s, route{"stay.end", http.MethodDelete, "/stays/{id}", "End a stay"}, s.endStay)
}

// endStay ends an open stay.
func (s *server) endStay(ctx context.Context, in *struct {
	ByID
	At time.Time `query:"at" doc:"When it ended; now when absent."`
}) (*struct{}, error) {
	for _, stay := range s.c.Registry.Stays() {
		switch {
		case stay.ID != in.ID:
		case stay.To != 0:
			return nil, vigil.Errorf(vigil.Conflicting, "this stay has ended already")
		default:
			return nil, s.c.Registry.Discharge(ctx, stay.Patient, instant(in.At))
		}
	}
	return nil, vigil.Errorf(vigil.NotFound, "there is no such stay")
}
