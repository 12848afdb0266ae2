package play

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/table"
)

// A Column says which field of the payload a column of the table becomes.
type Column struct {
	From, To string
	// Beside: the column says something about others, and is nothing alone.
	Beside bool
}

// A TimeColumn says where the time of a row is and how it is written.
type TimeColumn struct {
	Column string
	// Format is rfc3339, unix-s, unix-ms, seconds (since the start of the
	// recording), or a Go layout such as "02/01/2006 15:04".
	Format string
	// Zone is where a clock without a zone stood; nil is UTC.
	Zone *time.Location
	// Start is the beginning of a recording whose times are seconds since
	// then; Undated if 0.
	Start vigil.Instant
}

// A Table says how the rows of a table become messages.
type Table struct {
	Name    string // of the preset
	Profile string // of the device that the messages belong to
	Time    TimeColumn
	Map     []Column
	// Fixed are fields that every payload has, such as a unit.
	Fixed map[string]string
	// Who is a column that names the person; a table of several needs Where.
	Who string
	// Waves makes each column a lead of an ecg-recorder, at Rate per second.
	Waves bool
	Rate  float64
}

// A CSVConfig says which table to play as whose messages.
type CSVConfig struct {
	// Open opens the table; it is called twice when times are shifted to the
	// last row.
	Open   func() (io.ReadCloser, error)
	Device vigil.DeviceID
	Table
	// Where keeps the rows whose columns have these values.
	Where map[string]string
	Timing
}

// CSV plays a table. A message's id is made of its device and content, so that
// a second import of a row, from the same file or from a longer export, lands
// nothing twice.
func CSV(ctx context.Context, c CSVConfig, s Sender) (Summary, error) {
	c.defaults()
	if c.Time.Zone == nil {
		c.Time.Zone = time.UTC
	}
	if c.Time.Start == 0 {
		c.Time.Start = Undated
	}
	shift, err := c.shift(ctx)
	if err != nil {
		return Summary{}, err
	}
	p := &tablePlayer{c: c, shift: shift, pace: pacer{t: c.Timing}, sender: s}
	if err := c.rows(ctx, p.row); err != nil {
		return p.sum, err
	}
	if err := p.flushWaves(ctx); err != nil {
		return p.sum, err
	}
	return p.sum, flush(ctx, s)
}

// Check reads the table once and says what would keep it from being played.
func (c CSVConfig) Check(ctx context.Context) error {
	c.defaults()
	if c.Time.Zone == nil {
		c.Time.Zone = time.UTC
	}
	return c.rows(ctx, func(ctx context.Context, _ vigil.Instant, _ table.Row) error { return ctx.Err() })
}

// shift returns by how much times move.
func (c *CSVConfig) shift(ctx context.Context) (time.Duration, error) {
	if c.ShiftTo == 0 {
		return 0, nil
	}
	var first, last vigil.Instant
	err := c.rows(ctx, func(_ context.Context, at vigil.Instant, _ table.Row) error {
		if first == 0 || at < first {
			first = at
		}
		last = max(last, at)
		return nil
	})
	if c.Speed > 0 {
		return c.ShiftTo.Sub(first), err
	}
	return c.ShiftTo.Sub(last), err
}

func invalid(err error) error {
	return &vigil.Error{Kind: vigil.Invalid, Op: "import csv", Msg: err.Error(), Err: err}
}

// rows calls f for each row that is wanted.
func (c *CSVConfig) rows(ctx context.Context, f func(context.Context, vigil.Instant, table.Row) error) (err error) {
	file, err := c.Open()
	if err != nil {
		return fmt.Errorf("open table: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	t, err := table.New(file)
	if err != nil {
		return invalid(err)
	}
	if err := c.check(t); err != nil {
		return invalid(err)
	}
	who := ""
	for {
		row, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return invalid(err)
		}
		if !c.wanted(row) {
			continue
		}
		if c.Who != "" {
			if x := row.Get(c.Who); who == "" {
				who = x
			} else if x != who {
				return invalid(fmt.Errorf("line %d: the table holds several people (column %q: %q, %q); choose one with --where %s=…", row.Line, c.Who, who, x, c.Who))
			}
		}
		at, err := c.Time.parse(row.Get(c.Time.Column))
		if err != nil {
			return invalid(fmt.Errorf("line %d: column %q: %w", row.Line, c.Time.Column, err))
		}
		if err := f(ctx, at, row); err != nil {
			return err
		}
	}
}

// check looks whether the table has the columns that are asked for.
func (c *CSVConfig) check(t *table.Reader) error {
	need := []string{c.Time.Column}
	for _, m := range c.Map {
		need = append(need, m.From)
	}
	for k := range c.Where {
		need = append(need, k)
	}
	for _, n := range need {
		if !t.Has(n) {
			return fmt.Errorf("line 1: no column %q; the table has %s", n, strings.Join(t.Columns(), ", "))
		}
	}
	if c.Waves && !(c.Rate > 0) {
		return errors.New("waves need a rate")
	}
	return nil
}

func (c *CSVConfig) wanted(row table.Row) bool {
	for k, v := range c.Where {
		if row.Get(k) != v {
			return false
		}
	}
	return true
}

// parse reads a time.
func (t *TimeColumn) parse(s string) (vigil.Instant, error) {
	scale := 1.0
	switch t.Format {
	case "", "rfc3339":
		x, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			return 0, fmt.Errorf("not a time in rfc3339: %q", s)
		}
		return vigil.InstantOf(x), nil
	case "unix-ms":
		scale = 1e-3
	case "unix-s", "seconds":
	default:
		x, err := time.ParseInLocation(t.Format, s, t.Zone)
		if err != nil {
			return 0, fmt.Errorf("not a time like %q: %q", t.Format, s)
		}
		return vigil.InstantOf(x), nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > -1e15 && v < 1e15) {
		return 0, fmt.Errorf("not a number: %q", s)
	}
	at := vigil.Instant(v*scale*1e6 + 0.5)
	if t.Format == "seconds" {
		at += t.Start
	}
	return at, nil
}

// A tablePlayer sends rows.
type tablePlayer struct {
	c      CSVConfig
	shift  time.Duration
	pace   pacer
	sender Sender
	sum    Summary
	wave   waveBlock
}

func (p *tablePlayer) row(ctx context.Context, at vigil.Instant, row table.Row) error {
	at = at.Add(p.shift)
	if p.c.Waves {
		return p.waveRow(ctx, at, row)
	}
	b := append([]byte(`{"time":"`), at.String()...)
	b = append(b, '"')
	alone := false
	for _, m := range p.c.Map {
		if v := row.Get(m.From); !empty(v) {
			b = append(appendText(append(b, ','), m.To), ':')
			b = appendCell(b, v)
			alone = alone || !m.Beside
		}
	}
	if !alone {
		p.sum.Skipped++
		return nil
	}
	for _, k := range sortedKeys(p.c.Fixed) {
		b = append(appendText(append(b, ','), k), ':')
		b = appendText(b, p.c.Fixed[k])
	}
	return p.send(ctx, at, at, append(b, '}'))
}

// empty tells whether a cell says that there is no value.
func empty(v string) bool {
	switch v {
	case "", "-", "--", "NA", "N/A", "NaN", "nan", "null", "NULL":
		return true
	}
	return false
}

// appendCell writes a number as the number it is, digit for digit, and anything
// else as a text, which the profile judges.
func appendCell(b []byte, v string) []byte {
	if json.Valid([]byte(v)) && (v[0] == '-' || v[0] >= '0' && v[0] <= '9') {
		return append(b, v...)
	}
	if f, err := strconv.ParseFloat(v, 64); err == nil && f == f && f < 1e300 && f > -1e300 && !strings.ContainsAny(v, "xXpP_") {
		return strconv.AppendFloat(b, f, 'f', -1, 64) // "+5", ".5", "05"
	}
	return appendText(b, v)
}

// send sends a payload of a time; it is known at due.
func (p *tablePlayer) send(ctx context.Context, at, due vigil.Instant, payload []byte) error {
	if err := p.pace.wait(ctx, due, p.sender); err != nil {
		return err
	}
	h := fnv.New128a()
	_, _ = h.Write(payload) // never fails
	l := vigil.Message{
		Device: p.c.Device, ID: fmt.Sprintf("%s-%x", p.c.Device, h.Sum(nil)), Payload: payload, Historical: p.c.Historical,
	}
	if err := p.sender.Send(ctx, l); err != nil {
		return err
	}
	p.sum.Messages++
	p.sum.span(at)
	return nil
}
