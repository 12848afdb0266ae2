package play

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A WFDBConfig says which record to play as whose messages.
type WFDBConfig struct {
	FS     fs.FS
	Record string // path in FS, with or without ".hea"
	// Annotations is the extension of the annotation file, "atr" if empty;
	// "none" plays no annotations.
	Annotations string
	Leads       []string // titles of signals, none means all
	Device      vigil.DeviceID
	// Block is the length of one message; half a second if 0.
	Block time.Duration
	// Start is the time of the first sample for a record that states none;
	// Undated if 0.
	Start vigil.Instant
	// Most limits how much of the record is played; 0 is all of it.
	Most time.Duration
	Timing
}

// WFDB plays a record as messages of the profile ecg-recorder. A message's id is
// made of device, record, start and position, so that a second import of the
// same record at the same times lands nothing twice.
func WFDB(ctx context.Context, c WFDBConfig, s Sender) (sum Summary, err error) {
	r, err := c.open()
	if err != nil {
		return sum, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	r.SetStart(c.begin(r))
	p := pacer{t: c.Timing}
	id := string(c.Device) + "-" + strings.TrimSuffix(path.Base(c.Record), ".hea") + "-" + strconv.FormatInt(int64(r.Start()), 36) + "-"
	for n := int64(0); ; n++ {
		at, payload, err := r.Next()
		if errors.Is(err, io.EOF) || err == nil && c.Most > 0 && at.Sub(r.Start()) >= c.Most {
			return sum, flush(ctx, s)
		}
		if err != nil {
			return sum, err
		}
		if payload == nil {
			sum.Skipped++
			continue
		}
		// A block is known when its last sample is.
		if err := p.wait(ctx, at.Add(c.Block), s); err != nil {
			return sum, err
		}
		l := vigil.Message{Device: c.Device, ID: id + strconv.FormatInt(n, 36), Payload: payload, Historical: c.Historical}
		if err := s.Send(ctx, l); err != nil {
			return sum, err
		}
		sum.Messages++
		sum.span(at)
	}
}

// Check opens the record and says what would keep it from being played.
func (c WFDBConfig) Check() error {
	r, err := c.open()
	if err != nil {
		return err
	}
	return r.Close()
}

// open fills in what was left out and opens the record.
func (c *WFDBConfig) open() (*Recording, error) {
	c.defaults()
	if c.Block == 0 {
		c.Block = 500 * time.Millisecond
	}
	switch c.Annotations {
	case "":
		c.Annotations = "atr"
	case "none":
		c.Annotations = ""
	}
	r, err := Open(c.FS, c.Record, c.Annotations, c.Leads, c.Block)
	if err != nil {
		return nil, &vigil.Error{Kind: vigil.Invalid, Op: "import wfdb", Msg: err.Error(), Err: err}
	}
	return r, nil
}

// begin returns the time of the first sample.
func (c *WFDBConfig) begin(r *Recording) vigil.Instant {
	switch {
	case c.ShiftTo != 0 && c.Speed > 0:
		return c.ShiftTo
	case c.ShiftTo != 0:
		length := r.Length()
		if c.Most > 0 && (length == 0 || c.Most < length) {
			length = c.Most
		}
		return c.ShiftTo.Add(-length)
	case c.Start != 0:
		return c.Start
	}
	return r.Start()
}
