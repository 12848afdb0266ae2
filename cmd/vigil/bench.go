package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/vigil-iomt/vigil/app"
	"github.com/vigil-iomt/vigil/bench"
)

// benchCmd measures.
type benchCmd struct {
	All    benchAllCmd    `cmd:"" help:"Measure everything."`
	Ingest benchIngestCmd `cmd:"" help:"Messages a second, and how soon they are acknowledged."`
	Read   benchReadCmd   `cmd:"" help:"Reads, bytes on disk, start and memory."`
	Live   benchLiveCmd   `cmd:"" help:"How late a value is on a screen."`
	Crash  benchCrashCmd  `cmd:"" help:"Kill a server over and over under load and miss nothing."`
}

// benchFlags are what all measurements share.
type benchFlags struct {
	Exe      string        `help:"Binary to measure; this one when empty." placeholder:"FILE"`
	Dir      string        `help:"Where temporary data folders are made: on the disk to be measured." placeholder:"DIR"`
	Devices  int           `help:"Devices that send at a time." default:"1000"`
	Warm     time.Duration `help:"Load before it is measured." default:"3s"`
	For      time.Duration `help:"Time that is measured." default:"10s"`
	Profiles string        `help:"Folder for a CPU profile of the server under each load." placeholder:"DIR"`
	Kept     int           `help:"Million readings kept for the start with much data." default:"10"`
}

// bench returns what the flags ask for.
func (f benchFlags) bench(c *console) (*bench.Bench, error) {
	exe, err := binary(f.Exe)
	return &bench.Bench{
		Exe: exe, Vigil: app.Version().Vigil + " " + app.Version().Commit, Dir: f.Dir, Devices: f.Devices, Warm: f.Warm, For: f.For,
		Kept: f.Kept, Profiles: f.Profiles, Now: time.Now, Tell: func(says string) { fmt.Fprintln(c.err, says) },
	}, err
}

// binary returns the binary to measure.
func binary(exe string) (string, error) {
	if exe != "" {
		return exe, nil
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this binary: %w", err)
	}
	return exe, nil
}

// measure runs measurements and prints their rows.
func (f benchFlags) measure(c *console, parts ...func(*bench.Bench, context.Context) ([]bench.Row, error)) error {
	b, err := f.bench(c)
	if err != nil {
		return err
	}
	r := bench.Report{Machine: b.Machine(), Rows: []bench.Row{}}
	for _, part := range parts {
		rows, err := part(b, c.ctx)
		r.Rows = append(r.Rows, rows...)
		if err != nil {
			return err
		}
	}
	return c.print(r, func(t *table) {
		m := r.Machine
		t.row("Vigil " + m.Vigil + ", " + m.Go + ", " + m.Time.Format(time.RFC3339))
		t.row(fmt.Sprintf("%d x %s, %d GiB, Linux %s, a synced write takes %.2f ms", m.Cores, m.CPU, m.Memory>>30, m.Kernel, m.SyncP50))
		t.row("")
		t.row("WHAT", "MEASURED", "", "TARGET", "")
		for _, row := range r.Rows {
			target, met := "", ""
			if row.Target != 0 {
				target, met = fmt.Sprintf("%.4g", row.Target), "missed"
				if row.Met {
					met = "met"
				}
			}
			t.row(row.Name, figure(row.Value), row.Unit, target, met)
		}
	})
}

// figure writes a value with the digits that matter.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// benchAllCmd measures everything.
type benchAllCmd struct{ benchFlags }

// Run measures it.
func (cmd benchAllCmd) Run(c *console) error {
	return cmd.measure(c, (*bench.Bench).Ingest, (*bench.Bench).Live, (*bench.Bench).Read)
}

// benchIngestCmd measures ingest.
type benchIngestCmd struct{ benchFlags }

// Run measures it.
func (cmd benchIngestCmd) Run(c *console) error { return cmd.measure(c, (*bench.Bench).Ingest) }

// benchReadCmd measures reads and what is kept.
type benchReadCmd struct{ benchFlags }

// Run measures it.
func (cmd benchReadCmd) Run(c *console) error { return cmd.measure(c, (*bench.Bench).Read) }

// benchLiveCmd measures the way to the screen.
type benchLiveCmd struct{ benchFlags }

// Run measures it.
func (cmd benchLiveCmd) Run(c *console) error { return cmd.measure(c, (*bench.Bench).Live) }

// benchCrashCmd kills a server over and over.
type benchCrashCmd struct {
	Exe  string `help:"Binary to kill; this one when empty." placeholder:"FILE"`
	Runs int    `help:"How often." default:"20"`
	Seed uint64 `help:"Same seed, same moments; made up when 0."`
}

// Run kills it.
func (cmd benchCrashCmd) Run(c *console) error {
	exe, err := binary(cmd.Exe)
	if err != nil {
		return err
	}
	dir, err := bench.Scratch()
	if err != nil {
		return err
	}
	if cmd.Seed == 0 {
		cmd.Seed = uint64(time.Now().UnixNano()) // #nosec G115 -- any number will do
	}
	fmt.Fprintf(c.err, "seed %d, data in %s\n", cmd.Seed, dir)
	crash := bench.Crash{Command: bench.Command{Exe: exe, Data: dir}, Runs: cmd.Runs, Seed: cmd.Seed,
		Tell: func(says string) { fmt.Fprintln(c.err, says) }}
	r, err := crash.Run(c.ctx)
	if err != nil {
		return err
	}
	if err := c.print(r, func(t *table) {
		t.row("kills", r.Runs)
		t.row("messages acknowledged", r.Acked)
		t.row("messages sent, not acknowledged", r.Unknown)
		t.row("readings read back", r.Readings)
		t.row("wave blocks read back", r.Blocks)
		t.row("faults", r.Faults)
		for _, list := range [][]string{r.Missing, r.Doubled, r.Wrong} {
			for _, fault := range list {
				t.row("", fault)
			}
		}
	}); err != nil {
		return err
	}
	if r.Faults > 0 {
		return fmt.Errorf("%d faults; the data folder is kept: %s", r.Faults, dir)
	}
	return os.RemoveAll(dir)
}
