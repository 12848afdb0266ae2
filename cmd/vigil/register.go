package main

import (
	"context"
	"net/http"
	"net/url"

	"github.com/vigil-iomt/vigil"
)

// A registrar makes a simulation's people and things known to a server through
// its socket.
type registrar struct{ cl *client }

// Location registers a place, unless it is known.
func (r registrar) Location(ctx context.Context, l vigil.Location) error {
	return known(r.cl.call(ctx, http.MethodPost, "/api/v1/locations", locationAddCmd{
		ID: l.ID, Name: l.Name, Unit: l.Unit, Kind: l.Kind, Rank: l.Rank,
	}, nil))
}

// Patient registers a patient and the stay.
func (r registrar) Patient(ctx context.Context, p vigil.Patient, location string, since vigil.Instant) error {
	err := r.cl.call(ctx, http.MethodPost, "/api/v1/patients", patientAddCmd{
		ID: string(p.ID), Family: p.Family, Given: p.Given, Born: p.Born, Sex: p.Sex, MRN: p.MRN,
	}, nil)
	if err != nil || location == "" {
		return known(err)
	}
	return known(r.cl.call(ctx, http.MethodPost, "/api/v1/stays", locationAdmitCmd{
		Patient: string(p.ID), Location: location, From: since.String(),
	}, nil))
}

// Device registers a device and returns its secret. A device that is known gets
// a new one.
func (r registrar) Device(ctx context.Context, d vigil.Device, subject vigil.Subject, since vigil.Instant) (string, error) {
	var out credentials
	err := r.cl.call(ctx, http.MethodPost, "/api/v1/devices", deviceAddCmd{
		ID: string(d.ID), Name: d.Name, Profile: d.Profile, Subject: subject.String(), From: since.String(),
		Maker: d.Maker, Model: d.Model, Serial: d.Serial, UDI: d.UDI, Firmware: d.Firmware, Gateway: d.Gateway, Shared: d.Shared,
	}, &out)
	if p, ok := asProblem(err); ok && p.status == http.StatusConflict {
		err = r.cl.call(ctx, http.MethodPost, "/api/v1/devices/"+url.PathEscape(string(d.ID))+"/secret", struct{}{}, &out)
	}
	return out.Secret, err
}

// known drops the error of something that is there already.
func known(err error) error {
	if p, ok := asProblem(err); ok && p.status == http.StatusConflict {
		return nil
	}
	return err
}
