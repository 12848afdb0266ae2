package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/body"
)

// A Plan is who and what is simulated. Identifiers are chosen by the plan, are
// valid vigil ids, and stay the same from run to run, so that a plan can be
// registered once and run many times.
type Plan struct {
	Seed uint64
	// Zone is the local time by which people sleep, eat and take their
	// medicine. Nil is UTC.
	Zone   *time.Location
	Scenes []Scene
}

// A Scene is one place, whoever is there, and the devices around them. What
// happens in one scene does not touch another.
type Scene struct {
	Location vigil.Location
	// Patient is who is there; nil for a free bed or a fridge.
	Patient *vigil.Patient
	Body    body.Config
	// Away: the patient belongs here but is elsewhere; the devices are off.
	Away    bool
	Devices []Device
	// Story is what happens; nil for an ordinary day.
	Story *Story
	// Pace makes the story's course go faster, 1 if 0; Begin is when it
	// starts after the start of the simulation.
	Pace  float64
	Begin time.Duration
}

// A Device is a simulated device. Its profile says which payloads it makes.
type Device struct {
	vigil.Device
	// OfPlace: the readings are about the location, not the patient.
	OfPlace bool
	// Every makes a spot device measure that often; 0 keeps its daily times.
	Every time.Duration
	// First is when a spot device measures first after the start; 0 waits for
	// its usual time.
	First time.Duration
	// Parts chooses what a bedside monitor is connected to besides ECG and
	// finger: "abp", "etco2", "temp", "no-ecg".
	Parts []string
	// Recording is the name of a WFDB record that an ecg-recorder plays, in
	// Config.Recordings.
	Recording string
}

// subject returns whom or what the device's readings are about; none for a
// device in reserve.
func (s *Scene) subject(d *Device) vigil.Subject {
	switch {
	case d.OfPlace:
		return vigil.Subject{Kind: vigil.OfLocation, ID: s.Location.ID}
	case s.Patient != nil:
		return vigil.PatientSubject(s.Patient.ID)
	}
	return vigil.Subject{}
}

// A Registrar makes the plan's people and things known to a server. Each call
// must succeed again for what it already knows.
type Registrar interface {
	Location(ctx context.Context, l vigil.Location) error
	// Patient registers a patient who is at a location since an instant.
	Patient(ctx context.Context, p vigil.Patient, location string, since vigil.Instant) error
	// Device registers a device and assigns it since an instant; the subject
	// is empty for a device in reserve. It returns the device's secret.
	Device(ctx context.Context, d vigil.Device, subject vigil.Subject, since vigil.Instant) (secret string, err error)
}

// Register makes everything in the plan known, as of since (before the first
// backfilled reading), and returns the secrets of the devices.
func (p *Plan) Register(ctx context.Context, r Registrar, since vigil.Instant) (map[vigil.DeviceID]string, error) {
	secrets := map[vigil.DeviceID]string{}
	for i := range p.Scenes {
		s := &p.Scenes[i]
		if err := r.Location(ctx, s.Location); err != nil {
			return nil, fmt.Errorf("register location %s: %w", s.Location.ID, err)
		}
		if s.Patient != nil {
			if err := r.Patient(ctx, *s.Patient, s.Location.ID, since); err != nil {
				return nil, fmt.Errorf("register the patient of %s: %w", s.Location.ID, err)
			}
		}
		for j := range s.Devices {
			d := &s.Devices[j]
			secret, err := r.Device(ctx, d.Device, s.subject(d), since)
			if err != nil {
				return nil, fmt.Errorf("register device %s: %w", d.ID, err)
			}
			secrets[d.ID] = secret
		}
	}
	return secrets, nil
}

// Problems lists what is wrong with a plan: devices without a simulation, ids
// that are not valid or not unique.
func (p *Plan) Problems() []string {
	var out []string
	seen := map[string]bool{}
	check := func(what, id string) {
		if !vigil.ValidID(id) {
			out = append(out, fmt.Sprintf("%s %q is not a valid id", what, id))
		}
		if seen[what+id] {
			out = append(out, fmt.Sprintf("%s %q is there twice", what, id))
		}
		seen[what+id] = true
	}
	for i := range p.Scenes {
		s := &p.Scenes[i]
		check("location", s.Location.ID)
		if s.Patient != nil {
			check("patient", string(s.Patient.ID))
		}
		for j := range s.Devices {
			d := &s.Devices[j]
			check("device", string(d.ID))
			if kindOf(d.Profile) == nil {
				out = append(out, fmt.Sprintf("device %q: no simulation of profile %q", d.ID, d.Profile))
			}
		}
	}
	return out
}
