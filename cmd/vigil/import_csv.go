package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	columns "github.com/vigil-iomt/vigil/codec/table"
	"github.com/vigil-iomt/vigil/sim/play"
)

// importCSVCmd plays a table.
type importCSVCmd struct {
	Path    string            `arg:"" help:"Table: CSV with a header, plain or .gz. 'list' lists the known layouts."`
	Layout  string            `help:"Known layout; recognised by its columns when empty." placeholder:"NAME"`
	Map     map[string]string `help:"Columns of a layout of your own, as field=column, for a profile." placeholder:"FIELD=COLUMN"`
	Profile string            `help:"Profile whose payloads the rows become; with --map." default:"vitals-table"`
	Time    string            `help:"Time column; with --map."`
	Format  string            `help:"rfc3339, unix-s, unix-ms, seconds, or a layout such as '2006-01-02 15:04:05'." default:"rfc3339"`
	Zone    string            `help:"Time zone of clocks without one, such as Europe/Berlin." default:"UTC"`
	Where   map[string]string `help:"Only rows whose column has this value." placeholder:"COLUMN=VALUE"`
	played
}

// Run plays it.
func (cmd importCSVCmd) Run(c *console) error {
	if cmd.Path == "list" {
		return listLayouts(c)
	}
	layout, err := cmd.layout()
	if err != nil {
		return err
	}
	timing, err := cmd.timing()
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(cmd.Path), ".gz"), ".csv")
	for _, v := range cmd.Where {
		name += "-" + v
	}
	cfg := play.CSVConfig{
		Open: func() (io.ReadCloser, error) { return os.Open(cmd.Path) }, Table: layout, Where: cmd.Where, Timing: timing,
	}
	if err := cfg.Check(c.ctx); err != nil { // before anything is registered
		return fmt.Errorf("play %s: %w", cmd.Path, err)
	}
	cl := c.client()
	if cfg.Device, err = cmd.device(c.ctx, cl, layout.Profile, name); err != nil {
		return err
	}
	out := sendLocal(cl)
	sum, err := play.CSV(c.ctx, cfg, out)
	if err != nil {
		return fmt.Errorf("play %s: %w", cmd.Path, err)
	}
	return report(c, cfg.Device, sum, out.Result())
}

// layout finds out how the rows become messages.
func (cmd importCSVCmd) layout() (play.Table, error) {
	if len(cmd.Map) > 0 {
		return cmd.own()
	}
	if cmd.Layout != "" {
		if l, ok := play.Preset(cmd.Layout); ok {
			return l, nil
		}
		return play.Table{}, usageError("there is no layout " + cmd.Layout + "; `vigil import csv list` lists them")
	}
	header, err := columnsOf(cmd.Path)
	if err != nil {
		return play.Table{}, err
	}
	if l, ok := play.Recognise(header); ok {
		return l, nil
	}
	return play.Table{}, usageError("no known layout has the columns " + strings.Join(header, ", ") +
		"; say which is which with --time COLUMN --map hr=COLUMN")
}

// own is a layout that the command line spells out.
func (cmd importCSVCmd) own() (play.Table, error) {
	if cmd.Time == "" {
		return play.Table{}, usageError("--map needs --time, the column with the time")
	}
	zone, err := time.LoadLocation(cmd.Zone)
	if err != nil {
		return play.Table{}, usageError("--zone: " + err.Error())
	}
	l := play.Table{Name: "own", Profile: cmd.Profile, Time: play.TimeColumn{Column: cmd.Time, Format: cmd.Format, Zone: zone}}
	for field, column := range cmd.Map {
		l.Map = append(l.Map, play.Column{From: column, To: field})
	}
	return l, nil
}

// columnsOf reads the header of a table.
func columnsOf(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	defer f.Close()
	t, err := columns.New(f)
	if err != nil {
		return nil, fmt.Errorf("read header of %s: %w", path, err)
	}
	return t.Columns(), nil
}

// listLayouts lists the layouts that are known by name.
func listLayouts(c *console) error {
	type row struct {
		Name    string   `json:"name"`
		Profile string   `json:"profile"`
		Columns []string `json:"columns"`
	}
	rows := []row{}
	for _, p := range play.Presets() {
		r := row{Name: p.Name, Profile: p.Profile, Columns: []string{p.Time.Column}}
		for _, m := range p.Map {
			r.Columns = append(r.Columns, m.From)
		}
		rows = append(rows, r)
	}
	return c.print(rows, func(t *table) {
		t.row("LAYOUT", "PROFILE", "COLUMNS")
		for _, r := range rows {
			t.row(r.Name, r.Profile, strings.Join(r.Columns, ", "))
		}
	})
}
