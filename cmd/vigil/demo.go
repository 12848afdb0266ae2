package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/app"
	"github.com/vigil-iomt/vigil/internal/socket"
	"github.com/vigil-iomt/vigil/sim"
)

// demoCmd runs a server and a simulated hospital in a throw-away data folder.
type demoCmd struct {
	HTTP       string        `name:"http" help:"Address of the pages; another port is taken when it is in use." default:"127.0.0.1:8080"`
	MQTT       string        `name:"mqtt" help:"Address of the MQTT listener; another port is taken when it is in use." default:"127.0.0.1:1883"`
	Seed       uint64        `help:"Same seed, same hospital." default:"7"`
	Days       int           `help:"Days of history of the homes." default:"14"`
	Recordings string        `help:"Folder with WFDB records; bed 05 replays the one named by --record." placeholder:"DIR"`
	Record     string        `help:"WFDB record to replay." default:"203"`
	For        time.Duration `help:"End by itself after so long."`
	LogLevel   string        `help:"debug, info, warn or error." default:"warn"`
}

// Run shows the hospital until it is told to stop.
func (cmd demoCmd) Run(c *console) error {
	dir, err := os.MkdirTemp("", "vigil-demo-")
	if err != nil {
		return fmt.Errorf("make demo folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c.data = filepath.Join(dir, "data")
	cfg, _, err := app.Load(map[string]string{
		"data": c.data, "http": freeAddress(cmd.HTTP), "mqtt": freeAddress(cmd.MQTT),
	}, func(string) (string, bool) { return "", false })
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(c.ctx)
	if cmd.For > 0 {
		ctx, cancel = context.WithTimeout(c.ctx, cmd.For)
	}
	defer cancel()
	ready := make(chan app.Addresses, 1)
	g, ctx := errgroup.WithContext(ctx)
	// The server outlives the simulation by a moment, so that nothing that
	// was sent stays without an answer.
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error {
		return app.Run(serving, cfg, app.Options{
			Log: app.Logger(c.err, cmd.LogLevel, "text"), Demo: true,
			Ready: func(a app.Addresses) { ready <- a },
		})
	})
	g.Go(func() error {
		defer stop()
		select {
		case a := <-ready:
			return cmd.simulate(ctx, c, a)
		case <-ctx.Done():
			return nil
		}
	})
	err = g.Wait()
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return err
}

// freeAddress returns the address, or one with another port when that is taken.
func freeAddress(addr string) string {
	var c net.ListenConfig
	l, err := c.Listen(context.Background(), "tcp", addr)
	if err != nil {
		host, _, _ := net.SplitHostPort(addr)
		return net.JoinHostPort(host, "0")
	}
	_ = l.Close()
	return addr
}

// simulate registers the hospital and sends what its devices measure.
func (cmd demoCmd) simulate(ctx context.Context, c *console, a app.Addresses) error {
	who := simulateCmd{Seed: cmd.Seed, Recordings: cmd.Recordings, Record: cmd.Record}
	plan, recordings, err := who.plan()
	if err != nil {
		return err
	}
	cl := c.client()
	since := vigil.InstantOf(time.Now().Add(-time.Duration(cmd.Days+1) * 24 * time.Hour))
	secrets, err := plan.Register(ctx, registrar{cl}, since)
	if err != nil {
		return fmt.Errorf("register the hospital: %w", err)
	}
	fmt.Fprintf(c.out, "\n  DEMO: simulated patients, a throw-away data folder.\n\n"+
		"  ward wall   http://%[1]s/wall\n  staff app   http://%[1]s/app\n  API         http://%[1]s/api/v1/openapi.json\n  FHIR        http://%[1]s/fhir/metadata\n\n"+
		"  Bed 07 gets worse from a quarter of a minute on, bed 14 falls silent.\n"+
		"  In another shell: vigil tail --data %[2]s\n  Ctrl-C ends it and leaves nothing behind.\n\n", a.HTTP, c.data)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return sim.Run(ctx, sim.Config{
			Plan: plan, MQTT: "tcp://" + a.MQTT, Secrets: secrets, Recordings: recordings, Log: app.Logger(c.err, cmd.LogLevel, "text"),
		})
	})
	if cmd.Days > 0 {
		g.Go(func() error { return backfill(ctx, c, plan, cmd.Days) })
	}
	return g.Wait()
}

// backfill gives the homes of a plan a history, over the socket, as fast as it
// goes.
func backfill(ctx context.Context, c *console, plan *sim.Plan, days int) error {
	err := sim.Backfill(ctx, sim.BackfillConfig{Plan: plan, Until: vigil.InstantOf(time.Now()), Days: days}, sendLocal(c.client()))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// local is the address of the server behind the socket.
const local = socket.Base

// patient waits a little longer than a server needs to write a large batch.
func (cl *client) patient() *http.Client {
	return &http.Client{Transport: cl.http.Transport, Timeout: time.Minute}
}
