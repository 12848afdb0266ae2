package httpin

import (
	"net/http"

	"github.com/vigil-iomt/vigil"
)

// A sender is who sends a request.
type sender struct {
	device  vigil.Device // zero for a trusted sender
	trusted bool
	name    string // of the credential: what Idempotency-Keys belong to
}

// sender finds out who sends a request.
func (h *Handler) sender(r *http.Request) (sender, error) {
	if a, ok := h.c.Trusted(r); ok {
		return sender{trusted: true, name: "local/" + a.ID}, nil
	}
	id, secret, ok := r.BasicAuth()
	if !ok || !vigil.ValidID(id) {
		return sender{}, vigil.Errorf(vigil.Unknown, "log in with the device's id and secret")
	}
	dev, err := h.c.Auth.Authenticate(r.Context(), vigil.DeviceID(id), secret)
	if err != nil {
		return sender{}, err
	}
	return sender{device: dev, name: "device/" + id}, nil
}

// address fills in whose a message is and who delivered it; an error when the
// sender has no right to that. The empty id is the sender itself.
func (h *Handler) address(s *sender, m *vigil.Message, id vigil.DeviceID) error {
	switch {
	case s.trusted && id == "":
		return &vigil.Error{Kind: vigil.Invalid, Path: "/device", Msg: "say whose message this is"}
	case !s.trusted && id == "":
		id = s.device.ID
	case !vigil.ValidID(string(id)):
		return &vigil.Error{Kind: vigil.Invalid, Path: "/device", Msg: "not a device id"}
	}
	m.Device = id
	if s.trusted || id == s.device.ID {
		return nil
	}
	if !h.c.May(s.device, id) {
		return &vigil.Error{Kind: vigil.Forbidden, Msg: "the sender may not speak for this device"}
	}
	m.Gateway = s.device.ID
	return nil
}

// historical tells whether the request is a recording, which only a trusted
// sender may say.
func (s *sender) historical(r *http.Request) (bool, error) {
	switch r.URL.Query().Get("historical") {
	case "", "0", "false":
		return false, nil
	case "1", "true":
		return true, s.mayReplay()
	}
	return false, vigil.Errorf(vigil.Invalid, "historical is 1 or 0")
}

// mayReplay refuses recordings of senders that are not trusted.
func (s *sender) mayReplay() error {
	if s.trusted {
		return nil
	}
	return vigil.Errorf(vigil.Forbidden, "a device cannot send recordings; use vigil import")
}
