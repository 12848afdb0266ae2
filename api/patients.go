package api

import (
	"context"
	"net/http"

	"github.com/vigil-iomt/vigil"
)

// newPatient is a patient to be registered, and the bed they are put into.
type newPatient struct {
	ID     string `json:"id,omitempty" doc:"Made up when empty."`
	Family string `json:"family" doc:"Family name; \"Unknown\" where there is none yet."`
	Given  string `json:"given,omitempty"`
	Born   string `json:"born,omitempty" doc:"Date of birth: YYYY, YYYY-MM or YYYY-MM-DD."`
	Sex    string `json:"sex,omitempty" doc:"male, female, other or unknown."`
	MRN    string `json:"mrn,omitempty" doc:"Medical record number."`
	Unit   string `json:"unit,omitempty" doc:"Ward or service; together with bed."`
	Bed    string `json:"bed,omitempty" doc:"Bed or home that the patient is in; made when it is new."`
}

// patientList is a list of patients.
type patientList struct {
	Patients []vigil.Patient `json:"patients"`
}

// ByID names one thing.
type ByID struct {
	ID string `path:"id"`
}

// patients registers the routes of patients.
func (s *server) patients() {
	handle(s, route{"patient.search", http.MethodGet, "/patients", "List patients by name"},
		func(context.Context, *struct{}) (*answer[patientList], error) {
			return said(patientList{s.c.Registry.Patients()}), nil
		})
	handle(s, route{"patient.read", http.MethodGet, "/patients/{id}", "Read a patient"},
		func(_ context.Context, in *ByID) (*answer[vigil.Patient], error) {
			p, ok := s.c.Registry.Patient(vigil.PatientID(in.ID))
			if !ok {
				return nil, vigil.Errorf(vigil.NotFound, "this patient is not registered")
			}
			return said(p), nil
		})
	handle(s, route{"patient.register", http.MethodPost, "/patients", "Register a patient"},
		func(ctx context.Context, in *answer[newPatient]) (*answer[vigil.Patient], error) {
			p, err := s.addPatient(ctx, in.Body)
			return said(p), err
		})
}

// addPatient registers a patient and puts them into their bed.
func (s *server) addPatient(ctx context.Context, in newPatient) (vigil.Patient, error) {
	if (in.Bed == "") != (in.Unit == "") {
		return vigil.Patient{}, invalid("/bed", "unit and bed go together")
	}
	place, known := s.c.Registry.LocationNamed(in.Unit, in.Bed)
	if known {
		for _, stay := range s.c.Registry.Stays() {
			if stay.Location == place.ID && stay.Holds(s.now()) {
				return vigil.Patient{}, vigil.Errorf(vigil.Conflicting, "another patient is in this place now")
			}
		}
	}
	p, err := s.c.Registry.AddPatient(ctx, vigil.Patient{
		ID: vigil.PatientID(in.ID), Family: in.Family, Given: in.Given, Born: in.Born, Sex: in.Sex, MRN: in.MRN,
	})
	if err != nil || in.Bed == "" {
		return p, err
	}
	if !known {
		if place, err = s.c.Registry.AddLocation(ctx, vigil.Location{Name: in.Bed, Unit: in.Unit}); err != nil {
			return p, err
		}
	}
	_, err = s.c.Registry.Admit(ctx, p.ID, place.ID, 0)
	return p, err
}
