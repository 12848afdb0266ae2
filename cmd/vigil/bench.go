package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
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
	FHIR   benchFHIRCmd   `cmd:"" name:"fhir" help:"The FHIR server: writes, reads, searches, import, and bytes on disk."`
	Crash  benchCrashCmd  `cmd:"" help:"Kill a server over and over under load and miss nothing."`
}

// benchFlags are what all measurements share.
type benchFlags struct {
	Exe      string        `help:"Binary to measure; this one when empty." placeholder:"FILE"`
	Dir      string        `help:"Where temporary data folders are made: on the disk to be measured." placeholder:"DIR"`
	DB       string        `name:"db" help:"postgres://…: measure on PostgreSQL, too. A database is made beside this one for each measurement, and dropped." placeholder:"ADDRESS"`
	Store    string        `help:"Measure on one store alone: sqlite or postgres." enum:"both,sqlite,postgres" default:"both"`
	Devices  int           `help:"Devices that send at a time." default:"1000"`
	Warm     time.Duration `help:"Load before it is measured." default:"3s"`
	For      time.Duration `help:"Time that is measured." default:"10s"`
	Profiles string        `help:"Folder for a CPU profile of the server under each load." placeholder:"DIR"`
	Kept     int           `help:"Million readings kept for the start with much data." default:"10"`
}

// A benchPart is one part of the table.
type benchPart = func(*bench.Bench, context.Context) ([]bench.Row, error)

// bench returns what the flags ask for, with everything in data folders.
func (f benchFlags) bench(c *console) (bench.Bench, error) {
	exe, err := binary(f.Exe)
	return bench.Bench{
		Exe: exe, Vigil: app.Version().Vigil + " " + app.Version().Commit, Dir: f.Dir, Devices: f.Devices, Warm: f.Warm, For: f.For,
		Kept: f.Kept, Profiles: f.Profiles, Now: time.Now, Tell: func(says string) { fmt.Fprintln(c.err, says) },
	}, err
}

// stores returns the addresses of the databases to measure on; "" is SQLite.
func stores(db, which string) ([]string, error) {
	switch {
	case which == bench.Postgres && db == "":
		return nil, usageError("which PostgreSQL? name it with --db")
	case which == bench.Postgres:
		return []string{db}, nil
	case which == bench.SQLite || db == "":
		return []string{""}, nil
	}
	return []string{"", db}, nil
}

// measure runs measurements on each store and prints their rows.
func (f benchFlags) measure(c *console, parts ...benchPart) error {
	b, err := f.bench(c)
	if err != nil {
		return err
	}
	dsns, err := stores(f.DB, f.Store)
	if err != nil {
		return err
	}
	r := bench.Report{Rows: []bench.Row{}}
	for _, dsn := range dsns {
		b.DB = dsn
		if r.Machine, err = b.Machine(c.ctx); err != nil {
			return err
		}
		if err := runParts(c, &b, &r, parts); err != nil {
			return err
		}
	}
	return printFigures(c, r)
}

// runParts adds the rows of measurements to a report.
func runParts(c *console, b *bench.Bench, r *bench.Report, parts []benchPart) error {
	for _, part := range parts {
		rows, err := part(b, c.ctx)
		r.Rows = append(r.Rows, rows...)
		if err != nil {
			return err
		}
	}
	return nil
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

// printFigures prints figures: a column for each store that was measured.
func printFigures(c *console, r bench.Report) error {
	return c.print(r, func(t *table) {
		m := r.Machine
		t.row("Vigil " + m.Vigil + ", " + m.Go + ", " + m.Time.Format(time.RFC3339))
		t.row(fmt.Sprintf("%d x %s, %d GiB, Linux %s, a synced write takes %.2f ms", m.Cores, m.CPU, m.Memory>>30, m.Kernel, m.SyncP50))
		if m.Postgres != "" {
			t.row(m.Postgres)
		}
		t.row("")
		columns := storesOf(r.Rows)
		head := []any{"WHAT"}
		for _, store := range columns {
			title := map[string]string{bench.SQLite: "SQLITE", bench.Postgres: "POSTGRESQL"}[store]
			head = append(head, cmp.Or(title, "MEASURED"), "")
		}
		t.row(append(head, "", "TARGET")...)
		for _, row := range r.Rows {
			if row.Store == columns[0] {
				t.row(line(r.Rows, row, columns)...)
			}
		}
	})
}

// storesOf lists the stores of rows in their order.
func storesOf(rows []bench.Row) []string {
	var out []string
	for _, row := range rows {
		if !slices.Contains(out, row.Store) {
			out = append(out, row.Store)
		}
	}
	return out
}

// line is what each store did of one figure. The target is that of the first.
func line(rows []bench.Row, first bench.Row, columns []string) []any {
	cells := []any{first.Name}
	for _, store := range columns {
		i := slices.IndexFunc(rows, func(r bench.Row) bool { return r.Store == store && r.Name == first.Name })
		if i < 0 {
			cells = append(cells, "", "")
			continue
		}
		met := ""
		if rows[i].Target != 0 {
			met = map[bool]string{true: "met", false: "missed"}[rows[i].Met]
		}
		cells = append(cells, figure(rows[i].Value), met)
	}
	target := ""
	if first.Target != 0 {
		target = fmt.Sprintf("%.4g", first.Target)
	}
	return append(cells, first.Unit, target)
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

// benchReach is how a server is measured that runs already.
type benchReach struct {
	benchFlags
	HTTP  string `name:"http" help:"Measure the server that runs already and has its HTTP listener here. Devices are registered through its data folder (--data), or with a token." placeholder:"ADDR"`
	MQTT  string `name:"mqtt" help:"Its MQTT listener." default:"127.0.0.1:1883" placeholder:"ADDR"`
	Token string `help:"A token that may register devices and read, for a server whose data folder is elsewhere." placeholder:"TOKEN" env:"VIGIL_TOKEN"`
}

// measureHere measures the server that the flags name, or one of its own.
func (f benchReach) measureHere(c *console, part benchPart) error {
	if f.HTTP == "" {
		return f.measure(c, part)
	}
	if f.DB != "" {
		return usageError("a server that runs already has chosen its store; --db is for servers that are started here")
	}
	b, err := f.bench(c)
	if err != nil {
		return err
	}
	r := bench.Report{Rows: []bench.Row{}}
	if r.Machine, err = b.Machine(c.ctx); err != nil {
		return err
	}
	reach := bench.Reach{HTTP: f.HTTP, MQTT: f.MQTT, Token: f.Token}
	if f.Token == "" {
		reach.Data = c.data
	}
	if b.Running, err = bench.Join(c.ctx, reach); err != nil {
		return err
	}
	defer b.Running.Stop() //nolint:errcheck // only lets go of connections
	err = runParts(c, &b, &r, []benchPart{part})
	b.Tell("the devices of this measurement are revoked; their patients and readings stay")
	if err := errors.Join(err, b.Running.Leave(context.WithoutCancel(c.ctx))); err != nil {
		return err
	}
	return printFigures(c, r)
}

// benchIngestCmd measures ingest.
type benchIngestCmd struct{ benchReach }

// Run measures it.
func (cmd benchIngestCmd) Run(c *console) error { return cmd.measureHere(c, (*bench.Bench).Ingest) }

// benchReadCmd measures reads and what is kept.
type benchReadCmd struct{ benchReach }

// Run measures it.
func (cmd benchReadCmd) Run(c *console) error { return cmd.measureHere(c, (*bench.Bench).Read) }

// benchFHIRCmd measures the FHIR server.
type benchFHIRCmd struct {
	benchFlags
	Observations int    `help:"How many Observations are kept to be searched." default:"1000000"`
	Bundles      string `help:"Folder of transactions to load (.json, .json.bz2), such as those of Synthea." placeholder:"DIR"`
}

// Run measures it.
func (cmd benchFHIRCmd) Run(c *console) error {
	return cmd.measure(c, func(b *bench.Bench, ctx context.Context) ([]bench.Row, error) {
		b.Observations, b.Bundles = cmd.Observations, cmd.Bundles
		return b.FHIR(ctx)
	})
}

// benchLiveCmd measures the way to the screen.
type benchLiveCmd struct{ benchReach }

// Run measures it.
func (cmd benchLiveCmd) Run(c *console) error { return cmd.measureHere(c, (*bench.Bench).Live) }

// benchCrashCmd kills a server over and over.
type benchCrashCmd struct {
	Exe   string `help:"Binary to kill; this one when empty." placeholder:"FILE"`
	DB    string `name:"db" help:"postgres://…: kill it on PostgreSQL, too. A database is made beside this one, and dropped." placeholder:"ADDRESS"`
	Store string `help:"Only on one store: sqlite or postgres." enum:"both,sqlite,postgres" default:"both"`
	Runs  int    `help:"How often." default:"20"`
	Seed  uint64 `help:"Same seed, same moments; made up when 0."`

	NATS        string `name:"nats" help:"nats://… of a cluster without a journal: kill one of two servers that share it and the PostgreSQL." placeholder:"ADDRESS"`
	NATSMonitor string `name:"nats-monitor" help:"http://… where the cluster is monitored." placeholder:"ADDRESS"`
}

// Run kills it on each store.
func (cmd benchCrashCmd) Run(c *console) error {
	dsns, err := stores(cmd.DB, cmd.Store)
	if err != nil {
		return err
	}
	if cmd.Seed == 0 {
		cmd.Seed = uint64(time.Now().UnixNano()) // #nosec G115 -- any number will do
	}
	if cmd.NATS != "" {
		if cmd.DB == "" {
			return usageError("servers share a journal only with a PostgreSQL; name it with --db")
		}
		return cmd.on(c, cmd.DB)
	}
	for _, dsn := range dsns {
		err = errors.Join(err, cmd.on(c, dsn))
	}
	return err
}

// on kills it on one store and prints what came of it.
func (cmd benchCrashCmd) on(c *console, dsn string) error {
	exe, err := binary(cmd.Exe)
	if err != nil {
		return err
	}
	dir, err := bench.Scratch()
	if err != nil {
		return err
	}
	fmt.Fprintf(c.err, "seed %d, data in %s\n", cmd.Seed, dir)
	tell := func(says string) { fmt.Fprintln(c.err, says) }
	kill := bench.Crash{Command: bench.Command{Exe: exe, Data: dir}, DB: dsn, Runs: cmd.Runs, Seed: cmd.Seed, Tell: tell}.Run
	if cmd.NATS != "" {
		kill = bench.Cluster{Exe: exe, Dir: dir, NATS: cmd.NATS, DB: dsn, Runs: cmd.Runs, Seed: cmd.Seed, Tell: tell,
			Args: []string{"--nats-monitor", cmd.NATSMonitor}}.Run
	}
	r, err := kill(c.ctx)
	if err != nil {
		return err
	}
	if err := c.print(r, func(t *table) {
		t.row(fmt.Sprintf("%s: %d kills, %d messages acknowledged, %d sent and never acknowledged, %d readings and %d wave blocks read back, %d faults",
			r.Store, r.Runs, r.Acked, r.Unknown, r.Readings, r.Blocks, r.Faults))
		if r.Takeover > 0 {
			t.row(fmt.Sprintf("the other server had taken over everything after %s at most", r.Takeover.Round(time.Millisecond)))
		}
		for _, list := range [][]string{r.Missing, r.Doubled, r.Wrong} {
			for _, fault := range list {
				t.row("", fault)
			}
		}
	}); err != nil {
		return err
	}
	if r.Faults > 0 {
		return fmt.Errorf("%s: %d faults; the data folder is kept: %s", r.Store, r.Faults, dir)
	}
	return os.RemoveAll(dir)
}
