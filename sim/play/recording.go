package play

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/wfdb"
)

// A Recording reads a WFDB record as payloads of the profile ecg-recorder, a
// block of all its leads at a time, with the annotations that fall into it.
type Recording struct {
	record *wfdb.Record
	notes  []wfdb.Annotation
	beats  []vigil.Instant // offsets from the start
	frames int             // of one block
	start  vigil.Instant   // time of frame 0
	only   map[string]bool
	rate   float64
}

// Lead is the name under which the profile ecg-recorder knows a signal's title,
// and whether it knows it at all. Units must fit: an arterial pressure that is
// not in mmHg is not one.
func Lead(s *wfdb.Signal) (string, bool) {
	title := strings.ToUpper(strings.TrimSpace(s.Title))
	title = strings.TrimPrefix(title, "ECG ")
	switch title {
	case "I", "II", "III", "AVR", "AVL", "AVF", "V", "V1", "V2", "V3", "V4", "V5", "V6", "MLII":
		return title, strings.EqualFold(s.Units, "mV")
	case "ABP", "ART", "CVP", "PAP":
		return title, strings.EqualFold(s.Units, "mmHg")
	case "PLETH", "RESP":
		return title, true
	}
	return title, false
}

// Open opens a record. Annotations is the extension of its annotation file; a
// file that is not there means no annotations. Leads limits the signals by
// title; none means all that the recorder's profile knows.
func Open(fsys fs.FS, name, annotations string, leads []string, block time.Duration) (*Recording, error) {
	rec, err := wfdb.Open(fsys, name)
	if err != nil {
		return nil, err
	}
	r := &Recording{record: rec, rate: rec.Header.Frequency, start: Undated}
	if !rec.Header.Start.IsZero() {
		r.start = vigil.InstantOf(rec.Header.Start)
	}
	r.frames = max(int(math.Round(r.rate*block.Seconds())), 1)
	for _, l := range leads {
		if r.only == nil {
			r.only = map[string]bool{}
		}
		r.only[strings.ToUpper(l)] = true
	}
	known := 0
	for i := range rec.Layout {
		if _, ok := r.lead(&rec.Layout[i]); ok {
			known++
		}
	}
	if known == 0 {
		return nil, errors.Join(fmt.Errorf("record %s: none of its signals is one that the profile ecg-recorder knows", name), rec.Close())
	}
	if err := r.annotations(fsys, name, annotations); err != nil {
		return nil, errors.Join(err, rec.Close())
	}
	return r, nil
}

func (r *Recording) lead(s *wfdb.Signal) (string, bool) {
	l, ok := Lead(s)
	return l, ok && (r.only == nil || r.only[l])
}

func (r *Recording) annotations(fsys fs.FS, name, ext string) error {
	if ext == "" {
		return nil
	}
	a, err := wfdb.ReadAnnotations(fsys, name, ext)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	scale := 1.0
	if a.Frequency > 0 {
		scale = r.rate / a.Frequency
	}
	for _, x := range a.Annotations {
		x.Sample = int64(math.Round(float64(x.Sample) * scale))
		r.notes = append(r.notes, x)
		if x.Code.IsBeat() {
			r.beats = append(r.beats, r.at(x.Sample)-r.start)
		}
	}
	return nil
}

// Close closes the files.
func (r *Recording) Close() error { return r.record.Close() }

// Start returns the time of the first sample: what the header says, or Undated.
func (r *Recording) Start() vigil.Instant { return r.start }

// Beats returns when after the start each annotated beat came.
func (r *Recording) Beats() []vigil.Instant { return r.beats }

// Length returns how long the record is; 0 if its header does not say.
func (r *Recording) Length() time.Duration {
	return time.Duration(float64(r.record.Header.Frames) / r.rate * float64(time.Second))
}

// SetStart moves the recording.
func (r *Recording) SetStart(at vigil.Instant) { r.start = at }

func (r *Recording) at(frame int64) vigil.Instant {
	return r.start + vigil.Instant(math.Round(float64(frame)/r.rate*1e6))
}

// Next returns the next block's payload and the time of its first sample;
// io.EOF at the end. A nil payload is a block without anything in it.
func (r *Recording) Next() (vigil.Instant, json.RawMessage, error) {
	b, err := r.record.Next(r.frames)
	if err != nil {
		if !errors.Is(err, io.EOF) {
			err = fmt.Errorf("play record: %w", err)
		}
		return 0, nil, err
	}
	start := r.at(b.Start)
	out := append([]byte(`{"time":"`), start.String()...)
	out = append(out, '"')
	n := len(out)
	out = r.waves(out, &b)
	out = r.marks(out, b.Start+int64(b.Frames))
	if len(out) == n {
		return start, nil, nil
	}
	return start, append(out, '}'), nil
}

// waves appends the leads of a block that have a sample.
func (r *Recording) waves(out []byte, b *wfdb.Block) []byte {
	sep := `,"waves":[`
	for i := range b.Signals {
		s := &b.Signals[i]
		lead, ok := r.lead(s)
		if !ok || !anySample(b.Samples[i]) {
			continue
		}
		out = append(out, sep...)
		sep = ","
		out = append(append(out, `{"lead":"`...), lead...)
		out = appendNumber(append(out, `","rate":`...), r.rate*float64(s.PerFrame))
		out = appendNumber(append(out, `,"gain":`...), 1/s.Gain)
		out = appendNumber(append(out, `,"offset":`...), -float64(s.Baseline)/s.Gain)
		out = append(out, `,"samples":[`...)
		for j, v := range b.Samples[i] {
			if j > 0 {
				out = append(out, ',')
			}
			if v == wfdb.Missing {
				out = append(out, "null"...)
			} else {
				out = strconv.AppendInt(out, int64(v), 10)
			}
		}
		out = append(out, "]}"...)
	}
	if sep == "," {
		out = append(out, ']')
	}
	return out
}

func anySample(s []int32) bool {
	for _, v := range s {
		if v != wfdb.Missing {
			return true
		}
	}
	return false
}

func appendNumber(out []byte, v float64) []byte {
	if v == 0 {
		return append(out, '0') // never -0
	}
	return strconv.AppendFloat(out, v, 'g', -1, 64)
}

// marks appends the annotations before a frame, and forgets them.
func (r *Recording) marks(out []byte, before int64) []byte {
	sep := `,"annotations":[`
	for len(r.notes) > 0 && r.notes[0].Sample < before {
		a := r.notes[0]
		r.notes = r.notes[1:]
		kind := "note"
		switch {
		case a.Code.IsBeat():
			kind = "beat"
		case a.Code == wfdb.Rhythm:
			kind = "rhythm"
		}
		out = append(append(out, sep...), `{"time":"`...)
		sep = ","
		out = append(append(out, r.at(a.Sample).String()...), `","type":"`...)
		out = append(append(out, kind...), `","code":`...)
		out = appendText(out, a.Code.Symbol())
		if a.Text != "" {
			out = appendText(append(out, `,"note":`...), a.Text)
		}
		out = append(out, '}')
	}
	if sep == "," {
		out = append(out, ']')
	}
	return out
}

func appendText(out []byte, s string) []byte {
	t, err := json.Marshal(s)
	if err != nil {
		return append(out, `""`...) // a string always marshals
	}
	return append(out, t...)
}
