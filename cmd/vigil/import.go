package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/play"
	"github.com/vigil-iomt/vigil/sim/wire"
)

// importCmd loads FHIR resources into the record of a running server, and plays
// recordings into its pipeline, through the same profiles as live data.
type importCmd struct {
	FHIR importFHIRCmd `cmd:"" name:"fhir" help:"Load FHIR resources: NDJSON, single resources, Bundles; .gz and .bz2, too."`
	WFDB importWFDBCmd `cmd:"" name:"wfdb" help:"Play a WFDB record (PhysioNet, MIT-BIH): signals and annotations."`
	CSV  importCSVCmd  `cmd:"" name:"csv" help:"Play a table: CGM exports, vital signs, blood pressures."`
}

// played is what both imports share: whose recording it is, and when it plays.
type played struct {
	Device  string  `help:"Device whose recording this is; registered when it is new."`
	Patient string  `help:"Patient of a device that is registered now; made when empty."`
	Speed   float64 `help:"Recorded time per real time; 1 is real time, 0 as fast as it goes." default:"0"`
	ShiftTo string  `help:"'now', or an RFC 3339 time: moves the recording there, as live data." placeholder:"now"`
}

// timing reads the flags that say when a recording is played.
func (p played) timing() (play.Timing, error) {
	t := play.Timing{Speed: p.Speed, Historical: p.ShiftTo == ""}
	switch p.ShiftTo {
	case "":
	case "now":
		t.ShiftTo = vigil.InstantOf(time.Now())
	default:
		if err := t.ShiftTo.UnmarshalText([]byte(p.ShiftTo)); err != nil {
			return t, usageError("--shift-to: " + err.Error())
		}
	}
	if p.Speed < 0 {
		return t, usageError("--speed is 0 or more")
	}
	return t, nil
}

// device makes sure that there is a device of a profile, with a patient, and
// returns its id.
func (p played) device(ctx context.Context, cl *client, profile, name string) (vigil.DeviceID, error) {
	id := vigil.DeviceID(p.Device)
	if id == "" {
		id = vigil.DeviceID("import-" + safeName(name))
	}
	var d vigil.Device
	err := cl.call(ctx, http.MethodGet, "/api/v1/devices/"+string(id), nil, &d)
	if err == nil {
		if d.Profile != profile {
			return id, fmt.Errorf("device %s has profile %s; this recording is for %s", id, d.Profile, profile)
		}
		return id, nil
	}
	if pr, ok := asProblem(err); !ok || pr.status != http.StatusNotFound {
		return id, err
	}
	patient := p.Patient
	if patient == "" {
		made := patientAddCmd{ID: "recording-" + safeName(name), Family: "Recording", Given: name, Sex: "unknown"}
		if err := known(cl.call(ctx, http.MethodPost, "/api/v1/patients", made, nil)); err != nil {
			return id, err
		}
		patient = made.ID
	}
	return id, cl.call(ctx, http.MethodPost, "/api/v1/devices", deviceAddCmd{
		ID: string(id), Name: "Recording " + name, Profile: profile, Patient: patient,
	}, nil)
}

// safeName makes a name usable in an id.
func safeName(s string) string {
	s = strings.Map(func(r rune) rune {
		if vigil.ValidID(string(r)) {
			return r
		}
		return '-'
	}, s)
	return s[:min(len(s), 50)]
}

// sendLocal returns a sender that posts over the socket.
func sendLocal(cl *client) *wire.HTTP {
	return wire.NewHTTP(wire.HTTPConfig{URL: local, Client: cl.patient()})
}

// report prints what was played.
func report(c *console, device vigil.DeviceID, sum play.Summary, result wire.Result) error {
	out := struct {
		Device vigil.DeviceID `json:"device"`
		play.Summary
		Accepted    int64  `json:"accepted"`
		Repeated    int64  `json:"repeated"`
		Quarantined int64  `json:"quarantined"`
		Reason      string `json:"reason,omitempty"`
	}{device, sum, result.Accepted, result.Repeated, result.Quarantined, result.First}
	return c.print(out, func(t *table) {
		t.row("device", device)
		t.row("messages", sum.Messages)
		t.row("from", sum.First)
		t.row("to", sum.Last)
		if sum.Skipped > 0 {
			t.row("rows with nothing to send", sum.Skipped)
		}
		if result.Quarantined > 0 {
			t.row("quarantined", result.Quarantined, "first: "+result.First)
		}
	})
}

// importWFDBCmd plays a WFDB record.
type importWFDBCmd struct {
	Path        string        `arg:"" help:"Record: path of its header, with or without .hea."`
	Annotations string        `help:"Extension of the annotation file; 'none' plays none." default:"atr"`
	Leads       []string      `help:"Titles of the signals to play; all when empty."`
	Start       string        `help:"Time of the first sample, RFC 3339, for a record that has none."`
	For         time.Duration `help:"Play only so much of the record."`
	Block       time.Duration `help:"Length of one message." default:"500ms"`
	played
}

// Run plays it.
func (cmd importWFDBCmd) Run(c *console) error {
	timing, err := cmd.timing()
	if err != nil {
		return err
	}
	record := strings.TrimSuffix(filepath.Base(cmd.Path), ".hea")
	cfg := play.WFDBConfig{
		FS: os.DirFS(filepath.Dir(cmd.Path)), Record: record, Annotations: cmd.Annotations, Leads: cmd.Leads,
		Block: cmd.Block, Most: cmd.For, Timing: timing,
	}
	if err := cfg.Start.UnmarshalText([]byte(cmd.Start)); err != nil {
		return usageError("--start: " + err.Error())
	}
	if err := cfg.Check(); err != nil { // before anything is registered
		return fmt.Errorf("play %s: %w", cmd.Path, err)
	}
	cl := c.client()
	if cfg.Device, err = cmd.device(c.ctx, cl, "ecg-recorder", record); err != nil {
		return err
	}
	out := sendLocal(cl)
	sum, err := play.WFDB(c.ctx, cfg, out)
	if err != nil {
		return fmt.Errorf("play %s: %w", cmd.Path, err)
	}
	return report(c, cfg.Device, sum, out.Result())
}
