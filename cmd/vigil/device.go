package main

import (
	"net/http"
	"net/url"

	"github.com/vigil-iomt/vigil"
)

// deviceCmd registers, assigns and lists devices.
type deviceCmd struct {
	Add      deviceAddCmd      `cmd:"" help:"Register a device and print its credentials."`
	List     deviceListCmd     `cmd:"" help:"List devices."`
	Show     deviceShowCmd     `cmd:"" help:"Show a device and whom it served."`
	Assign   deviceAssignCmd   `cmd:"" help:"Say whom or what a device serves or served."`
	Unassign deviceUnassignCmd `cmd:"" help:"Say that a device serves nobody any more, or since when."`
	Set      deviceSetCmd      `cmd:"" help:"Change what is known about a device: firmware, profile, name."`
	Renew    deviceRenewCmd    `cmd:"" help:"Give a device a new secret; the old one is void at once."`
	Revoke   deviceRevokeCmd   `cmd:"" help:"Void the credentials of a device."`
}

// deviceAddCmd registers a device.
type deviceAddCmd struct {
	ID       string   `help:"Identifier; made up when empty." json:"id,omitempty"`
	Name     string   `help:"What people call it." json:"name,omitempty"`
	Profile  string   `required:"" xor:"type" help:"Device type; 'vigil profile list' shows them." json:"profile"`
	Mapping  string   `required:"" xor:"type" type:"existingdir" placeholder:"DIR" help:"Folder with the devicecontent.json and fhirmapping.json of an IoMT connector: they say what its messages mean." json:"-"`
	Patient  string   `xor:"serves" help:"Patient that it serves." json:"patient,omitempty"`
	Location string   `xor:"serves" help:"Place that it serves: a bed, a fridge." json:"location,omitempty"`
	Subject  string   `xor:"serves" help:"Whom or what it serves, as patient/ID, location/ID, asset/ID or shipment/ID." json:"subject,omitempty"`
	From     string   `help:"Since when, RFC 3339; ever since when empty." json:"from,omitempty"`
	Maker    string   `help:"Who made it." json:"maker,omitempty"`
	Model    string   `help:"Model name." json:"model,omitempty"`
	Serial   string   `help:"Serial number." json:"serial,omitempty"`
	UDI      string   `name:"udi" help:"Unique Device Identifier." json:"udi,omitempty"`
	Firmware string   `help:"Firmware version." json:"firmware,omitempty"`
	Gateway  bool     `help:"It delivers messages of other devices." json:"gateway,omitempty"`
	For      []string `help:"Devices that the gateway may speak for; all when empty." json:"for,omitempty"`
	Shared   bool     `help:"It goes from patient to patient; each message says whose it is." json:"shared,omitempty"`
}

// credentials is what a new device is told.
type credentials struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	Topic  string `json:"topic"`
}

// Run registers the device.
func (cmd deviceAddCmd) Run(c *console) error {
	var out credentials
	if cmd.Mapping != "" {
		var err error
		if cmd.Profile, err = bindMapping(c, cmd.Mapping); err != nil {
			return err
		}
	}
	if err := c.client().call(c.ctx, http.MethodPost, "/api/v1/devices", cmd, &out); err != nil {
		return err
	}
	return c.print(out, func(t *table) {
		t.row("device", out.ID)
		t.row("secret", out.Secret, "(shown only now)")
		t.row("topic", out.Topic)
	})
}

// deviceListCmd lists devices.
type deviceListCmd struct{}

// Run lists them.
func (deviceListCmd) Run(c *console) error {
	var out struct {
		Devices []vigil.Device `json:"devices"`
	}
	if err := c.client().call(c.ctx, http.MethodGet, "/api/v1/devices", nil, &out); err != nil {
		return err
	}
	return c.print(out, func(t *table) {
		t.row("ID", "NAME", "PROFILE", "SERIAL", "STATE")
		for _, d := range out.Devices {
			state := "registered"
			if d.Revoked != 0 {
				state = "revoked"
			}
			t.row(d.ID, d.Name, d.Profile, d.Serial, state)
		}
	})
}

// deviceShowCmd shows one device.
type deviceShowCmd struct {
	ID string `arg:"" help:"Device."`
}

// Run shows it.
func (cmd deviceShowCmd) Run(c *console) error {
	var d vigil.Device
	cl := c.client()
	if err := cl.call(c.ctx, http.MethodGet, "/api/v1/devices/"+url.PathEscape(cmd.ID), nil, &d); err != nil {
		return err
	}
	var served struct {
		Assignments []vigil.Assignment `json:"assignments"`
	}
	if err := cl.call(c.ctx, http.MethodGet, "/api/v1/assignments?device="+url.QueryEscape(cmd.ID), nil, &served); err != nil {
		return err
	}
	var moved struct {
		Reattributions []vigil.Reattribution `json:"reattributions"`
	}
	if err := cl.call(c.ctx, http.MethodGet, "/api/v1/reattributions?device="+url.QueryEscape(cmd.ID), nil, &moved); err != nil {
		return err
	}
	all := struct {
		vigil.Device
		Assignments    []vigil.Assignment    `json:"assignments"`
		Reattributions []vigil.Reattribution `json:"reattributions"`
	}{d, served.Assignments, moved.Reattributions}
	return c.print(all, func(t *table) {
		t.row("device", d.ID)
		t.row("name", d.Name)
		t.row("profile", d.Profile)
		t.row("maker", d.Maker, d.Model, d.Serial, d.UDI)
		t.row("firmware", d.Firmware)
		t.row("registered", d.Created)
		if d.Revoked != 0 {
			t.row("revoked", d.Revoked)
		}
		for _, a := range served.Assignments {
			if a.From != a.To || a.To == 0 {
				t.row("served", a.Subject, edge(a.From, "ever since"), "until", edge(a.To, "now"), a.Reason)
			}
		}
		for _, m := range moved.Reattributions {
			t.row("moved", "to "+m.To.String(), edge(m.During.From, "ever since"), "until", edge(m.During.To, "now"), m.Reason, "by "+m.Actor.ID, m.At)
		}
	})
}

// edge returns an instant, or a word where there is none.
func edge(i vigil.Instant, none string) string {
	if i == 0 {
		return none
	}
	return i.String()
}

// deviceAssignCmd notes whom a device serves.
type deviceAssignCmd struct {
	ID       string `arg:"" help:"Device." json:"-"`
	Patient  string `xor:"serves" help:"Patient." json:"patient,omitempty"`
	Location string `xor:"serves" help:"Place." json:"location,omitempty"`
	Subject  string `xor:"serves" help:"Subject, as patient/ID." json:"subject,omitempty"`
	From     string `help:"Since when, RFC 3339; now when empty. A past time moves the readings taken since." json:"from,omitempty"`
	Until    string `help:"Until when, RFC 3339; until further notice when empty." json:"until,omitempty"`
	Reason   string `help:"Why." json:"reason,omitempty"`
}

// Run assigns the device.
func (cmd deviceAssignCmd) Run(c *console) error {
	var a vigil.Assignment
	path := "/api/v1/devices/" + url.PathEscape(cmd.ID) + "/assign"
	if err := c.client().call(c.ctx, http.MethodPost, path, cmd, &a); err != nil {
		return err
	}
	return c.print(a, func(t *table) { t.row("assigned", a.Device, "to", a.Subject, "from", edge(a.From, "ever")) })
}

// deviceUnassignCmd ends an assignment.
type deviceUnassignCmd struct {
	ID     string `arg:"" help:"Device." json:"-"`
	From   string `help:"Since when it serves nobody, RFC 3339; now when empty. A past time takes the readings since then back to the device." json:"from,omitempty"`
	Until  string `help:"When it serves as before again, RFC 3339; never when empty." json:"until,omitempty"`
	Reason string `help:"Why." json:"reason,omitempty"`
}

// Run ends it.
func (cmd deviceUnassignCmd) Run(c *console) error {
	path := "/api/v1/devices/" + url.PathEscape(cmd.ID) + "/unassign"
	if err := c.client().call(c.ctx, http.MethodPost, path, cmd, nil); err != nil {
		return err
	}
	return c.print(map[string]string{"id": cmd.ID}, func(t *table) { t.row("unassigned", cmd.ID) })
}

// deviceRevokeCmd voids credentials.
type deviceRevokeCmd struct {
	ID string `arg:"" help:"Device."`
}

// Run voids them.
func (cmd deviceRevokeCmd) Run(c *console) error {
	path := "/api/v1/devices/" + url.PathEscape(cmd.ID) + "/revoke"
	if err := c.client().call(c.ctx, http.MethodPost, path, struct{}{}, nil); err != nil {
		return err
	}
	return c.print(map[string]string{"id": cmd.ID}, func(t *table) { t.row("revoked", cmd.ID) })
}

// deviceSetCmd changes what is known about a device. Absent flags leave it.
type deviceSetCmd struct {
	ID       string    `arg:"" help:"Device." json:"-"`
	Name     *string   `help:"What people call it." json:"name,omitempty"`
	Profile  *string   `help:"Device type; messages from now on are read by it." json:"profile,omitempty"`
	Maker    *string   `help:"Who made it." json:"maker,omitempty"`
	Model    *string   `help:"Model name." json:"model,omitempty"`
	Serial   *string   `help:"Serial number." json:"serial,omitempty"`
	UDI      *string   `name:"udi" help:"Unique Device Identifier." json:"udi,omitempty"`
	Firmware *string   `help:"Firmware version; outside the range of the profile, readings are marked unverified." json:"firmware,omitempty"`
	For      *[]string `help:"Devices that the gateway may speak for; all when empty." json:"for,omitempty"`
}

// Run changes it.
func (cmd deviceSetCmd) Run(c *console) error {
	var d vigil.Device
	path := "/api/v1/devices/" + url.PathEscape(cmd.ID)
	if err := c.client().call(c.ctx, http.MethodPatch, path, cmd, &d); err != nil {
		return err
	}
	return c.print(d, func(t *table) { t.row("changed", d.ID) })
}

// deviceRenewCmd makes a new secret.
type deviceRenewCmd struct {
	ID string `arg:"" help:"Device."`
}

// Run makes it.
func (cmd deviceRenewCmd) Run(c *console) error {
	var out credentials
	path := "/api/v1/devices/" + url.PathEscape(cmd.ID) + "/secret"
	if err := c.client().call(c.ctx, http.MethodPost, path, struct{}{}, &out); err != nil {
		return err
	}
	return c.print(out, func(t *table) {
		t.row("device", out.ID)
		t.row("secret", out.Secret, "(shown only now)")
		t.row("topic", out.Topic)
	})
}
