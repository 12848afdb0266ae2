package api

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// Serving names whom or what a device serves, in one of three ways.
type Serving struct {
	Patient  string `json:"patient,omitempty" doc:"Patient that it serves."`
	Location string `json:"location,omitempty" doc:"Place that it serves: a bed, a fridge."`
	Subject  string `json:"subject,omitempty" doc:"Whom or what it serves, as patient/ID, location/ID, asset/ID or shipment/ID."`
}

// subject reads the one that is given.
func (s Serving) subject() (vigil.Subject, error) {
	var found []vigil.Subject
	if s.Patient != "" {
		found = append(found, vigil.PatientSubject(vigil.PatientID(s.Patient)))
	}
	if s.Location != "" {
		found = append(found, vigil.Subject{Kind: vigil.OfLocation, ID: s.Location})
	}
	if s.Subject != "" {
		v, err := vigil.ParseSubject(s.Subject)
		if err != nil {
			return v, invalid("/subject", err.Error())
		}
		found = append(found, v)
	}
	switch len(found) {
	case 0:
		return vigil.Subject{}, nil
	case 1:
		return found[0], nil
	}
	return vigil.Subject{}, invalid("/subject", "name one of patient, location and subject")
}

// newDevice is a device to be registered.
type newDevice struct {
	Serving
	ID       string           `json:"id,omitempty" doc:"Made up when empty."`
	Name     string           `json:"name,omitempty"`
	Profile  string           `json:"profile" doc:"Device type; /profiles lists them."`
	From     vigil.Instant    `json:"from,omitzero" doc:"Since when it serves; ever since when absent."`
	Maker    string           `json:"maker,omitempty"`
	Model    string           `json:"model,omitempty"`
	Serial   string           `json:"serial,omitempty"`
	UDI      string           `json:"udi,omitempty" doc:"Unique Device Identifier, human-readable form."`
	Firmware string           `json:"firmware,omitempty"`
	Gateway  bool             `json:"gateway,omitempty" doc:"It delivers messages of other devices."`
	For      []vigil.DeviceID `json:"for,omitempty" doc:"Devices that the gateway may speak for; all when empty."`
	Shared   bool             `json:"shared,omitempty" doc:"It goes from patient to patient; each message says whose it is."`
}

// credentials is what a new device is told, this once.
type credentials struct {
	ID     vigil.DeviceID `json:"id"`
	Secret string         `json:"secret" doc:"Shown only now; password of user id."`
	Topic  string         `json:"topic" doc:"MQTT topic that the device publishes to."`
}

// credentialsOf says how a device proves itself.
func credentialsOf(id vigil.DeviceID, secret string) credentials {
	return credentials{id, secret, "devices/" + string(id) + "/messages"}
}

// deviceList is a list of devices.
type deviceList struct {
	Devices []vigil.Device `json:"devices"`
}

// newAssignment says whom a device serves.
type newAssignment struct {
	Serving
	From   vigil.Instant `json:"from,omitzero" doc:"Since when; now when absent. A past time moves the readings taken since."`
	Until  vigil.Instant `json:"until,omitzero" doc:"Until when; until further notice when absent."`
	Reason string        `json:"reason,omitempty"`
}

// endAssignment says when a device serves nobody.
type endAssignment struct {
	From   vigil.Instant `json:"from,omitzero" doc:"Now when absent. A past time takes the readings since then back to the device."`
	Until  vigil.Instant `json:"until,omitzero" doc:"When it serves as before again; never when absent."`
	Reason string        `json:"reason,omitempty"`
}

// changedDevice is what is to be another about a device; what is absent stays.
type changedDevice struct {
	Name     *string           `json:"name,omitempty"`
	Profile  *string           `json:"profile,omitempty" doc:"Device type; messages from now on are read by it."`
	Maker    *string           `json:"maker,omitempty"`
	Model    *string           `json:"model,omitempty"`
	Serial   *string           `json:"serial,omitempty"`
	UDI      *string           `json:"udi,omitempty"`
	Firmware *string           `json:"firmware,omitempty" doc:"Outside the range of the profile, readings are marked unverified."`
	For      *[]vigil.DeviceID `json:"for,omitempty" doc:"Devices that the gateway may speak for; all when empty."`
}

// apply returns the device as it is to be.
func (c changedDevice) apply(d vigil.Device) vigil.Device {
	for _, f := range []struct{ from, to *string }{
		{c.Name, &d.Name}, {c.Profile, &d.Profile}, {c.Maker, &d.Maker}, {c.Model, &d.Model},
		{c.Serial, &d.Serial}, {c.UDI, &d.UDI}, {c.Firmware, &d.Firmware},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if c.For != nil {
		d.For = *c.For
	}
	return d
}

// reattributionList is a list of reattributions.
type reattributionList struct {
	Reattributions []vigil.Reattribution `json:"reattributions"`
}

// assignmentList is a list of assignments.
type assignmentList struct {
	Assignments []vigil.Assignment `json:"assignments"`
}

// devices registers the routes of devices and what they serve.
func (s *server) devices() {
	r := s.c.Registry
	handle(s, route{"device.search", http.MethodGet, "/devices", "List devices"},
		func(context.Context, *struct{}) (*answer[deviceList], error) {
			return said(deviceList{r.Devices()}), nil
		})
	handle(s, route{"device.read", http.MethodGet, "/devices/{id}", "Read a device"},
		func(_ context.Context, in *ByID) (*answer[vigil.Device], error) {
			d, err := s.device(in.ID)
			return said(d), err
		})
	handle(s, route{"device.register", http.MethodPost, "/devices", "Register a device and get its credentials"}, s.addDevice)
	handle(s, route{"device.renew-secret", http.MethodPost, "/devices/{id}/secret", "Give a device a new secret; the old one is void at once"},
		func(ctx context.Context, in *ByID) (*answer[credentials], error) {
			secret, err := r.RenewSecret(ctx, vigil.DeviceID(in.ID))
			return said(credentialsOf(vigil.DeviceID(in.ID), secret)), err
		})
	handle(s, route{"device.revoke", http.MethodPost, "/devices/{id}/revoke", "Void the credentials of a device"},
		func(ctx context.Context, in *ByID) (*answer[vigil.Device], error) {
			if err := r.RevokeDevice(ctx, vigil.DeviceID(in.ID)); err != nil {
				return nil, err
			}
			d, err := s.device(in.ID)
			return said(d), err
		})
	handle(s, route{"device.assign", http.MethodPost, "/devices/{id}/assign", "Say whom or what a device serves or served"}, s.assign)
	handle(s, route{"device.unassign", http.MethodPost, "/devices/{id}/unassign", "Say that a device serves nobody any more"},
		func(ctx context.Context, in *struct {
			ByID
			Body endAssignment
		}) (*answer[assignmentList], error) {
			if err := r.Unassign(ctx, vigil.DeviceID(in.ID), vigil.Interval{From: in.Body.From, To: in.Body.Until}, in.Body.Reason); err != nil {
				return nil, err
			}
			return said(assignmentList{r.Assignments(vigil.DeviceID(in.ID))}), nil
		})
	handle(s, route{"device.update", http.MethodPatch, "/devices/{id}", "Change what is known about a device"}, s.updateDevice)
	handle(s, route{"assignment.search", http.MethodGet, "/assignments", "List what devices served, oldest first"}, s.assignments)
	handle(s, route{"reattribution.search", http.MethodGet, "/reattributions", "List which readings were given to somebody else later, by whom and why, oldest first"},
		func(_ context.Context, in *struct {
			Device string `query:"device" doc:"All devices when absent."`
		}) (*answer[reattributionList], error) {
			out := reattributionList{Reattributions: r.Reattributions(vigil.DeviceID(in.Device))}
			if out.Reattributions == nil {
				out.Reattributions = []vigil.Reattribution{}
			}
			return said(out), nil
		})
}

// updateDevice changes what is known about a device.
func (s *server) updateDevice(ctx context.Context, in *struct {
	ByID
	Body changedDevice
}) (*answer[vigil.Device], error) {
	d, err := s.device(in.ID)
	if err != nil {
		return nil, err
	}
	if p := in.Body.Profile; p != nil {
		catalog, _ := s.c.Profiles()
		if _, ok := catalog.Profile(*p); !ok {
			return nil, invalid("/profile", "there is no profile "+*p+"; `vigil profile list` shows them")
		}
	}
	d, err = s.c.Registry.UpdateDevice(ctx, in.Body.apply(d))
	return said(d), err
}

// device finds a device.
func (s *server) device(id string) (vigil.Device, error) {
	d, ok := s.c.Registry.Device(vigil.DeviceID(id))
	if !ok {
		return d, vigil.Errorf(vigil.NotFound, "device %s is not registered", id)
	}
	return d, nil
}

// addDevice registers a device of a known profile.
func (s *server) addDevice(ctx context.Context, in *answer[newDevice]) (*answer[credentials], error) {
	b := in.Body
	serves, err := b.subject()
	if err != nil {
		return nil, err
	}
	catalog, _ := s.c.Profiles()
	p, ok := catalog.Profile(b.Profile)
	if !ok {
		return nil, invalid("/profile", "there is no profile "+b.Profile+"; `vigil profile list` shows them")
	}
	d, secret, err := s.c.Registry.AddDevice(ctx, vigil.Device{
		ID: vigil.DeviceID(b.ID), Name: cmp.Or(b.Name, strings.TrimSpace(p.Title+" "+b.Serial)), Profile: p.Name, Maker: b.Maker, Model: b.Model, Serial: b.Serial,
		UDI: b.UDI, Firmware: b.Firmware, Gateway: b.Gateway, For: b.For, Shared: b.Shared,
	}, serves, vigil.Interval{From: b.From})
	if err != nil {
		return nil, err
	}
	return said(credentialsOf(d.ID, secret)), nil
}

// assign notes whom a device serves.
func (s *server) assign(ctx context.Context, in *struct {
	ByID
	Body newAssignment
}) (*answer[vigil.Assignment], error) {
	subject, err := in.Body.subject()
	if err != nil {
		return nil, err
	}
	a, err := s.c.Registry.Assign(ctx, vigil.DeviceID(in.ID), subject,
		vigil.Interval{From: in.Body.From, To: in.Body.Until}, in.Body.Reason)
	return said(a), err
}

// assignments lists what devices served.
func (s *server) assignments(_ context.Context, in *struct {
	Device  string `query:"device"`
	Subject string `query:"subject" doc:"As patient/ID, location/ID."`
}) (*answer[assignmentList], error) {
	want, err := vigil.ParseSubject(in.Subject)
	if err != nil {
		return nil, invalid("query.subject", err.Error())
	}
	out := assignmentList{Assignments: []vigil.Assignment{}}
	for _, a := range s.c.Registry.Assignments(vigil.DeviceID(in.Device)) {
		if in.Subject == "" || a.Subject == want {
			out.Assignments = append(out.Assignments, a)
		}
	}
	return said(out), nil
}
