package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/vigil-iomt/vigil"
)

// quarantineCmd works on messages that were not understood.
type quarantineCmd struct {
	List   quarantineListCmd   `cmd:"" help:"List entries, newest first."`
	Show   quarantineShowCmd   `cmd:"" help:"Show an entry with its payload."`
	Replay quarantineReplayCmd `cmd:"" help:"Send entries through the pipeline again, after a repair."`
	Close  quarantineCloseCmd  `cmd:"" help:"Decide that an entry is not worth repairing."`
}

// quarantineListCmd lists entries.
type quarantineListCmd struct {
	Device string `help:"Only of this device."`
	State  string `help:"open, replayed or closed; all when empty." default:"open"`
	Limit  int    `help:"How many." default:"100"`
}

// Run lists them.
func (cmd quarantineListCmd) Run(c *console) error {
	var out struct {
		Entries []vigil.QuarantineEntry `json:"entries"`
		Next    string                  `json:"next,omitempty"`
	}
	q := url.Values{"limit": {strconv.Itoa(cmd.Limit)}}
	if cmd.Device != "" {
		q.Set("device", cmd.Device)
	}
	if cmd.State != "" && cmd.State != "all" {
		q.Set("state", cmd.State)
	}
	if err := c.client().call(c.ctx, http.MethodGet, "/api/v1/quarantine?"+q.Encode(), nil, &out); err != nil {
		return err
	}
	return c.print(out, func(t *table) {
		t.row("ID", "DEVICE", "PROFILE", "STATE", "COUNT", "LAST", "WHERE", "WHY")
		for _, e := range out.Entries {
			t.row(e.ID, e.Device, e.Profile, e.State, e.Count, e.Last, e.Pos, e.Reason)
		}
	})
}

// quarantineShowCmd shows one entry.
type quarantineShowCmd struct {
	ID string `arg:"" help:"Entry."`
}

// shownEntry is an entry with its payload.
type shownEntry struct {
	vigil.QuarantineEntry
	Payload struct {
		Text   *string `json:"text"`
		Base64 string  `json:"base64"`
	} `json:"payload"`
}

// Run shows it.
func (cmd quarantineShowCmd) Run(c *console) error {
	var e shownEntry
	if err := c.client().call(c.ctx, http.MethodGet, "/api/v1/quarantine/"+url.PathEscape(cmd.ID), nil, &e); err != nil {
		return err
	}
	return c.print(e, func(t *table) {
		t.row("entry", e.ID)
		t.row("device", e.Device)
		t.row("profile", e.Profile)
		t.row("state", e.State)
		t.row("arrived", e.First)
		t.row("where", e.Pos)
		t.row("why", e.Reason)
		if e.Payload.Text != nil {
			t.row("payload", *e.Payload.Text)
		} else {
			t.row("payload", e.Payload.Base64, "(base64)")
		}
	})
}

// quarantineReplayCmd replays entries.
type quarantineReplayCmd struct {
	ID     []string `arg:"" optional:"" help:"Entries."`
	Device string   `help:"All open entries of this device."`
	All    bool     `help:"All open entries."`
}

// replayed is the outcome of a replay.
type replayed struct {
	Replayed int `json:"replayed"`
	Refused  []struct {
		ID     string `json:"id"`
		Pos    string `json:"pos,omitempty"`
		Reason string `json:"reason"`
	} `json:"refused"`
}

// Run replays them.
func (cmd quarantineReplayCmd) Run(c *console) error {
	if (len(cmd.ID) > 0) == (cmd.All || cmd.Device != "") {
		return usageError("name entries, or --device ID, or --all")
	}
	cl := c.client()
	var sum replayed
	if len(cmd.ID) == 0 {
		body := map[string]string{}
		if cmd.Device != "" {
			body["device"] = cmd.Device
		}
		if err := cl.call(c.ctx, http.MethodPost, "/api/v1/quarantine/replay", body, &sum); err != nil {
			return err
		}
	}
	for _, id := range cmd.ID {
		var one replayed
		if err := cl.call(c.ctx, http.MethodPost, "/api/v1/quarantine/"+url.PathEscape(id)+"/replay", struct{}{}, &one); err != nil {
			return err
		}
		sum.Replayed += one.Replayed
		sum.Refused = append(sum.Refused, one.Refused...)
	}
	err := c.print(sum, func(t *table) {
		t.row("landed", sum.Replayed)
		t.row("still refused", len(sum.Refused))
		for _, r := range sum.Refused {
			t.row(r.ID, r.Pos, r.Reason)
		}
	})
	if err == nil && len(sum.Refused) > 0 {
		err = fmt.Errorf("%d of %d entries are still refused", len(sum.Refused), sum.Replayed+len(sum.Refused))
	}
	return err
}

// quarantineCloseCmd closes an entry.
type quarantineCloseCmd struct {
	ID     string `arg:"" help:"Entry." json:"-"`
	Reason string `required:"" help:"Why it is not worth repairing." json:"reason"`
}

// Run closes it.
func (cmd quarantineCloseCmd) Run(c *console) error {
	path := "/api/v1/quarantine/" + url.PathEscape(cmd.ID) + "/close"
	if err := c.client().call(c.ctx, http.MethodPost, path, cmd, nil); err != nil {
		return err
	}
	return c.print(map[string]string{"id": cmd.ID}, func(t *table) { t.row("closed", cmd.ID) })
}
