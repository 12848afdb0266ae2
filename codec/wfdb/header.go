package wfdb

import (
	"bytes"
	"fmt"
	"math"
	"path"
	"strconv"
	"strings"
	"time"
)

// Limits on what a header may ask for, so that a damaged one cannot make a
// reader take all memory.
const (
	maxHeader   = 4 << 20 // bytes
	maxSignals  = 1024
	maxPerFrame = 4096    // samples of all signals together
	maxSkew     = 1 << 16 // frames
	maxSegments = 1 << 16
)

// defaultGain is used for a signal that states none; such a signal is not
// calibrated (header(5), "ADC gain").
const defaultGain = 200

// A Header is what a .hea file says.
type Header struct {
	Name      string
	Frequency float64 // frames per second
	Frames    int64   // frames in the record; 0 if the header does not say
	// Start is the time of the first sample as a wall clock of an unknown
	// place, in UTC. It is zero unless the header gives both date and time.
	Start    time.Time
	Signals  []Signal  // of a single-segment record
	Segments []Segment // of a multi-segment record; Signals is empty then
	Comments []string  // the lines after a #, trimmed
}

// A Signal is how one channel is stored and what its samples mean.
type Signal struct {
	File     string
	Format   int
	PerFrame int     // samples per frame, at least 1
	Skew     int     // frames by which the signal lags in the file
	Offset   int64   // bytes before the first sample
	Gain     float64 // ADC units per physical unit; physical = (sample-Baseline)/Gain
	// Calibrated is false when the header states no gain.
	Calibrated bool
	Baseline   int
	Units      string // as the header writes it, "mV" unless it says otherwise
	ADCZero    int
	Initial    int // value before the first difference of format 8
	Checksum   int16
	// Checked is true when the header gives a checksum.
	Checked bool
	Title   string // description, such as "MLII"
}

// A Segment is one part of a multi-segment record.
type Segment struct {
	Name   string // "~" for a gap
	Frames int64  // 0 for the layout segment
}

// gap is the name of a segment without data.
const gap = "~"

// Physical returns the value of a sample in the signal's units.
func (s *Signal) Physical(sample int32) float64 {
	return (float64(sample) - float64(s.Baseline)) / s.Gain
}

// A SyntaxError says where a header cannot be read.
type SyntaxError struct {
	Line int
	Msg  string
}

// Error returns the line and what is wrong there.
func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Msg) }

// ParseHeader reads a .hea file. Errors are *SyntaxError.
func ParseHeader(text []byte) (*Header, error) {
	if len(text) > maxHeader {
		return nil, &SyntaxError{1, "header is too long"}
	}
	h := &Header{}
	signals, segments, seen := -1, -1, false
	for i, raw := range bytes.Split(text, []byte("\n")) {
		line := strings.TrimSpace(string(raw))
		var err error
		switch {
		case line == "":
		case line[0] == '#':
			h.Comments = append(h.Comments, strings.TrimSpace(line[1:]))
		case !seen:
			seen = true
			signals, segments, err = h.parseRecord(line)
		case segments >= 0 && len(h.Segments) < segments:
			err = h.parseSegment(line)
		case segments < 0 && len(h.Signals) < signals:
			err = h.parseSignal(line)
		default:
			err = fmt.Errorf("more lines than the first line announces")
		}
		if err != nil {
			return nil, &SyntaxError{i + 1, err.Error()}
		}
	}
	switch {
	case !seen:
		return nil, &SyntaxError{1, "no record line"}
	case segments >= 0 && len(h.Segments) != segments:
		return nil, &SyntaxError{1, fmt.Sprintf("%d segments announced, %d listed", segments, len(h.Segments))}
	case segments < 0 && len(h.Signals) != signals:
		return nil, &SyntaxError{1, fmt.Sprintf("%d signals announced, %d described", signals, len(h.Signals))}
	}
	return h, nil
}

// parseRecord reads "name[/segments] signals [freq[/counter[(base)]] [frames
// [time [date]]]]"; segments is -1 for a single-segment record.
func (h *Header) parseRecord(line string) (signals, segments int, err error) {
	f := strings.Fields(line)
	if len(f) < 2 {
		return 0, 0, fmt.Errorf("want a record name and a number of signals")
	}
	segments = -1
	name, count, multi := strings.Cut(f[0], "/")
	h.Name, h.Frequency = name, 250 // header(5): the default frequency
	if name == "" {
		return 0, 0, fmt.Errorf("the record has no name")
	}
	if multi {
		if segments, err = number(count, 1, maxSegments); err != nil {
			return 0, 0, fmt.Errorf("number of segments: %w", err)
		}
	}
	if signals, err = number(f[1], 0, maxSignals); err != nil {
		return 0, 0, fmt.Errorf("number of signals: %w", err)
	}
	if len(f) > 2 {
		freq, _, _ := strings.Cut(f[2], "/")
		if h.Frequency, err = positive(freq); err != nil {
			return 0, 0, fmt.Errorf("sampling frequency: %w", err)
		}
	}
	if len(f) > 3 {
		if h.Frames, err = strconv.ParseInt(f[3], 10, 48); err != nil || h.Frames < 0 {
			return 0, 0, fmt.Errorf("number of samples: not a number: %q", f[3])
		}
	}
	if len(f) > 5 {
		h.Start = startTime(f[4], f[5])
	}
	return signals, segments, nil
}

// startTime reads the base time and date; a form it does not know gives no
// start rather than no record.
func startTime(clock, date string) time.Time {
	for _, layout := range []string{"15:04:05 02/01/2006", "15:04:05 2/1/2006"} {
		if t, err := time.Parse(layout, clock+" "+date); err == nil {
			return t
		}
	}
	return time.Time{}
}

func (h *Header) parseSegment(line string) error {
	f := strings.Fields(line)
	if len(f) < 2 {
		return fmt.Errorf("want a segment name and its number of samples")
	}
	n, err := strconv.ParseInt(f[1], 10, 48)
	if err != nil || n < 0 {
		return fmt.Errorf("number of samples: not a number: %q", f[1])
	}
	if strings.ContainsAny(f[0], "/\\") {
		return fmt.Errorf("segment name %q holds a path", f[0])
	}
	h.Segments = append(h.Segments, Segment{Name: f[0], Frames: n})
	return nil
}

// parseSignal reads "file format[xN][:skew][+offset] [gain[(base)][/unit]
// [bits [zero [initial [checksum [block [title…]]]]]]]".
func (h *Header) parseSignal(line string) error {
	f := strings.Fields(line)
	if len(f) < 2 {
		return fmt.Errorf("want a file name and a format")
	}
	s := Signal{File: f[0], PerFrame: 1, Gain: defaultGain, Units: "mV"}
	if s.File != gap && (s.File != path.Base(s.File) || strings.Contains(s.File, "\\")) {
		return fmt.Errorf("file name %q holds a path", s.File)
	}
	if err := s.parseFormat(f[1]); err != nil {
		return err
	}
	explicit := false
	if len(f) > 2 {
		var err error
		if explicit, err = s.parseGain(f[2]); err != nil {
			return err
		}
	}
	if err := s.parseNumbers(f); err != nil {
		return err
	}
	if !explicit {
		s.Baseline = s.ADCZero
	}
	if len(f) > 8 {
		s.Title = strings.Join(f[8:], " ")
	}
	total := s.PerFrame
	for i := range h.Signals {
		total += h.Signals[i].PerFrame
	}
	if total > maxPerFrame {
		return fmt.Errorf("more than %d samples per frame", maxPerFrame)
	}
	h.Signals = append(h.Signals, s)
	return nil
}

// parseNumbers reads the fields from the ADC zero to the checksum; a field
// that is missing keeps its default.
func (s *Signal) parseNumbers(f []string) (err error) {
	if len(f) > 4 {
		if s.ADCZero, err = number(f[4], math.MinInt32, math.MaxInt32); err != nil {
			return fmt.Errorf("ADC zero: %w", err)
		}
	}
	s.Initial = s.ADCZero
	if len(f) > 5 {
		if s.Initial, err = number(f[5], math.MinInt32, math.MaxInt32); err != nil {
			return fmt.Errorf("initial value: %w", err)
		}
	}
	if len(f) > 6 {
		n, err := number(f[6], math.MinInt32, math.MaxInt32)
		if err != nil {
			return fmt.Errorf("checksum: %w", err)
		}
		// Some writers give the 16 bits without sign (test01_00s_frame).
		s.Checksum, s.Checked = int16(n&0xffff), true // #nosec G115 -- the low 16 bits are meant
	}
	return nil
}

func (s *Signal) parseFormat(t string) (err error) {
	t, offset, hasOffset := strings.Cut(t, "+")
	t, skew, hasSkew := strings.Cut(t, ":")
	t, per, hasPer := strings.Cut(t, "x")
	if s.Format, err = number(t, 0, 1000); err != nil {
		return fmt.Errorf("format: %w", err)
	}
	if hasPer {
		if s.PerFrame, err = number(per, 1, maxPerFrame); err != nil {
			return fmt.Errorf("samples per frame: %w", err)
		}
	}
	if hasSkew {
		if s.Skew, err = number(skew, 0, maxSkew); err != nil {
			return fmt.Errorf("skew: %w", err)
		}
	}
	if hasOffset {
		n, err := number(offset, 0, math.MaxInt32)
		if err != nil {
			return fmt.Errorf("byte offset: %w", err)
		}
		s.Offset = int64(n)
	}
	return nil
}

// parseGain reads "gain[(baseline)][/units]" and tells whether a baseline was
// given.
func (s *Signal) parseGain(t string) (explicit bool, err error) {
	t, units, hasUnits := strings.Cut(t, "/")
	if hasUnits && units != "" {
		s.Units = units
	}
	t, base, explicit := strings.Cut(t, "(")
	if explicit {
		if s.Baseline, err = number(strings.TrimSuffix(base, ")"), math.MinInt32, math.MaxInt32); err != nil {
			return false, fmt.Errorf("baseline: %w", err)
		}
	}
	gain, err := strconv.ParseFloat(t, 64)
	if err != nil || math.IsNaN(gain) || math.IsInf(gain, 0) {
		return false, fmt.Errorf("gain: not a number: %q", t)
	}
	if gain != 0 {
		s.Gain, s.Calibrated = gain, true
	}
	return explicit, nil
}

func number(t string, low, high int) (int, error) {
	n, err := strconv.Atoi(t)
	if err != nil {
		return 0, fmt.Errorf("not a number: %q", t)
	}
	if n < low || n > high {
		return 0, fmt.Errorf("%d is not between %d and %d", n, low, high)
	}
	return n, nil
}

func positive(t string) (float64, error) {
	v, err := strconv.ParseFloat(t, 64)
	if err != nil || !(v > 0) || v > 1e9 {
		return 0, fmt.Errorf("not a positive number: %q", t)
	}
	return v, nil
}
