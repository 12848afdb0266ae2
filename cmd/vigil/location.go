package main

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/vigil-iomt/vigil"
)

// locationCmd registers and lists places.
type locationCmd struct {
	Add   locationAddCmd   `cmd:"" help:"Register a bed, home, room or fridge."`
	List  locationListCmd  `cmd:"" help:"List places."`
	Admit locationAdmitCmd `cmd:"" help:"Put a patient into a place."`
	Leave locationLeaveCmd `cmd:"" help:"Say that a patient has left their place."`
}

// locationAddCmd registers a place.
type locationAddCmd struct {
	ID   string `help:"Identifier; made up when empty." json:"id,omitempty"`
	Name string `required:"" help:"Name within the unit, such as the number of the bed." json:"name"`
	Unit string `required:"" help:"Ward or service." json:"unit"`
	Kind string `help:"bed, home, room, fridge or other." default:"bed" json:"kind"`
	Rank int    `help:"Position on the wall; last when 0." json:"rank,omitempty"`
}

// Run registers it.
func (cmd locationAddCmd) Run(c *console) error {
	var l vigil.Location
	if err := c.client().call(c.ctx, http.MethodPost, "/api/v1/locations", cmd, &l); err != nil {
		return err
	}
	return c.print(map[string]any{"id": l.ID}, func(t *table) { t.row("location", l.ID) })
}

// locationListCmd lists places.
type locationListCmd struct{}

// Run lists them.
func (locationListCmd) Run(c *console) error {
	var out struct {
		Locations []vigil.Location `json:"locations"`
	}
	if err := c.client().call(c.ctx, http.MethodGet, "/api/v1/locations", nil, &out); err != nil {
		return err
	}
	return c.print(out, func(t *table) {
		t.row("ID", "UNIT", "NAME", "KIND", "RANK")
		for _, l := range out.Locations {
			t.row(l.ID, l.Unit, l.Name, l.Kind, l.Rank)
		}
	})
}

// locationAdmitCmd puts a patient into a place.
type locationAdmitCmd struct {
	Patient  string `required:"" help:"Patient." json:"patient"`
	Location string `required:"" help:"Place." json:"location"`
	From     string `help:"Since when, RFC 3339; now when empty." json:"from,omitempty"`
}

// Run notes the stay.
func (cmd locationAdmitCmd) Run(c *console) error {
	var s vigil.Stay
	if err := c.client().call(c.ctx, http.MethodPost, "/api/v1/stays", cmd, &s); err != nil {
		return err
	}
	return c.print(s, func(t *table) { t.row("stay", s.ID, "from", s.From) })
}

// locationLeaveCmd ends the stay of a patient.
type locationLeaveCmd struct {
	Patient string `required:"" help:"Patient."`
	At      string `help:"When, RFC 3339; now when empty. A past time takes the readings since then back to the devices of the place."`
}

// Run ends it.
func (cmd locationLeaveCmd) Run(c *console) error {
	cl := c.client()
	var known struct {
		Stays []vigil.Stay `json:"stays"`
	}
	if err := cl.call(c.ctx, http.MethodGet, "/api/v1/stays?patient="+url.QueryEscape(cmd.Patient), nil, &known); err != nil {
		return err
	}
	for _, s := range known.Stays {
		if s.To != 0 {
			continue
		}
		path := "/api/v1/stays/" + url.PathEscape(s.ID)
		if cmd.At != "" {
			path += "?at=" + url.QueryEscape(cmd.At)
		}
		if err := cl.call(c.ctx, http.MethodDelete, path, nil, nil); err != nil {
			return err
		}
		return c.print(map[string]string{"id": s.ID}, func(t *table) { t.row("ended", s.ID) })
	}
	return fmt.Errorf("patient %s is in no place now", cmd.Patient)
}
