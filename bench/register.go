package bench

import (
	"context"
	"fmt"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// A Device is a registered device with its credentials.
type Device struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	// Patient whom the device serves.
	Patient string `json:"-"`
}

// topic is where the device publishes.
func (d *Device) topic() string { return "devices/" + d.ID + "/messages" }

// A newDevice is what the API wants to know of a device.
type newDevice struct {
	ID      string `json:"id"`
	Profile string `json:"profile"`
	Patient string `json:"patient,omitempty"`
	Gateway bool   `json:"gateway,omitempty"`
}

// Register registers n devices of a profile, named prefix and a number, each
// with a patient of its own.
func (s *Server) Register(ctx context.Context, prefix, profile string, n int) ([]Device, error) {
	out := make([]Device, n)
	prefix = s.named(prefix)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for i := range out {
		g.Go(func() error {
			var patient struct {
				ID string `json:"id"`
			}
			name := map[string]string{"family": fmt.Sprintf("%s %05d", prefix, i)}
			if err := s.Call(ctx, http.MethodPost, "/api/v1/patients", name, &patient); err != nil {
				return err
			}
			d := newDevice{ID: fmt.Sprintf("%s-%05d", prefix, i), Profile: profile, Patient: patient.ID}
			if err := s.Call(ctx, http.MethodPost, "/api/v1/devices", d, &out[i]); err != nil {
				return err
			}
			out[i].Patient = patient.ID
			s.note(d.ID)
			return nil
		})
	}
	return out, g.Wait()
}

// Gateway registers a device that may speak for all others.
func (s *Server) Gateway(ctx context.Context, id string) (Device, error) {
	var d Device
	id = s.named(id)
	s.note(id)
	err := s.Call(ctx, http.MethodPost, "/api/v1/devices", newDevice{ID: id, Profile: "generic-json", Gateway: true}, &d)
	return d, err
}
