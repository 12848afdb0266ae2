package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/app"
	"github.com/vigil-iomt/vigil/sim"
)

// simulateCmd sends a simulated hospital, or one story, to a running server.
type simulateCmd struct {
	Story      string        `help:"One story instead of the whole hospital; 'list' lists them." placeholder:"NAME"`
	Seed       uint64        `help:"Same seed, same patients." default:"7"`
	MQTT       string        `help:"Broker; empty sends over HTTP." default:"tcp://127.0.0.1:1883"`
	HTTP       string        `help:"Server that takes batches." default:"http://127.0.0.1:8080"`
	For        time.Duration `help:"How long; until interrupted when 0."`
	Speed      float64       `help:"Simulated time per real time; above 1 it needs --for, and ends at the real time." default:"1"`
	Stories    string        `help:"Folder with stories of your own." placeholder:"DIR"`
	Recordings string        `help:"Folder with WFDB records; one bed replays the record named by --record." placeholder:"DIR"`
	Record     string        `help:"WFDB record to replay." default:"203"`
	Days       int           `help:"Days of history to give the homes first." default:"0"`
}

// Run registers the plan's people and devices and sends what they measure.
func (cmd simulateCmd) Run(c *console) error {
	if cmd.Story == "list" {
		return listStories(c, cmd.Stories)
	}
	plan, recordings, err := cmd.plan()
	if err != nil {
		return err
	}
	now := time.Now()
	since := vigil.InstantOf(now.Add(-time.Duration(cmd.Days)*24*time.Hour - cmd.For - time.Hour))
	secrets, err := plan.Register(c.ctx, registrar{c.client()}, since)
	if err != nil {
		return err
	}
	if err := cmd.past(c.ctx, c, plan); err != nil {
		return err
	}
	fmt.Fprintf(c.err, "%d places, %d devices. Ctrl-C ends it.\n", len(plan.Scenes), len(secrets))
	return sim.Run(c.ctx, sim.Config{
		Plan: plan, MQTT: cmd.MQTT, HTTP: cmd.HTTP, Secrets: secrets, Recordings: recordings,
		Speed: cmd.Speed, For: cmd.For, Log: app.Logger(c.err, "warn", "text"),
	})
}

// plan builds what the command asks for.
func (cmd simulateCmd) plan() (*sim.Plan, fs.FS, error) {
	if cmd.Story != "" {
		stories, problems := sim.Stories(cmd.Stories)
		for _, s := range stories {
			if s.Name == cmd.Story {
				return s.Plan(cmd.Seed), nil, nil
			}
		}
		return nil, nil, fmt.Errorf("there is no story %s (`vigil simulate --story list`); %d files have problems", cmd.Story, len(problems))
	}
	h := sim.HospitalConfig{Seed: cmd.Seed, Stories: cmd.Stories}
	var recordings fs.FS
	if cmd.Recordings != "" {
		h.Recording, recordings = cmd.Record, os.DirFS(cmd.Recordings)
	}
	plan, err := sim.Hospital(h)
	return plan, recordings, err
}

// listStories lists the stories.
func listStories(c *console, overlay string) error {
	stories, problems := sim.Stories(overlay)
	type row struct {
		Name  string `json:"name"`
		Title string `json:"title"`
	}
	rows := []row{}
	for _, s := range stories {
		rows = append(rows, row{s.Name, s.Title})
	}
	return c.print(rows, func(t *table) {
		for _, r := range rows {
			t.row(r.Name, r.Title)
		}
		for _, p := range problems {
			t.row(p)
		}
	})
}

// past gives the homes a history, over the socket and as fast as it goes.
func (cmd simulateCmd) past(ctx context.Context, c *console, plan *sim.Plan) error {
	if cmd.Days <= 0 {
		return nil
	}
	return backfill(ctx, c, plan, cmd.Days)
}
