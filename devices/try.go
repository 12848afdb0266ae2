package devices

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-iomt/vigil"
)

// A Tried is what a profile makes of a message, in the words of the examples.
type Tried struct {
	Readings []TriedPart     `json:"readings"`
	Waves    []TriedPart     `json:"waves"`
	Events   []TriedPart     `json:"events"`
	Refusals []vigil.Refusal `json:"refusals"`
	Patient  string          `json:"patient,omitempty"`
	// Speakers are the devices that the message names, with how many of the
	// parts are theirs.
	Speakers []Speaker     `json:"speakers,omitempty"`
	Now      vigil.Instant `json:"now,omitzero"` // what the device's clock shows
}

// A TriedPart is one reading, wave or event.
type TriedPart struct {
	Name  string        `json:"name"`          // of the metric, or the type of event
	Text  string        `json:"text"`          // as examples write it: "97 %"
	Time  vigil.Instant `json:"time,omitzero"` // as the device stated it
	Codes []vigil.Code  `json:"codes,omitempty"`
}

// Try decodes a message and tells what it said.
func Try(p *Profile, channel string, payload []byte) Tried {
	var d Decoded
	p.Decode(&d, channel, payload)
	return d.Tried()
}

// Tried renders what was decoded in the words of the examples.
func (d *Decoded) Tried() Tried {
	t := Tried{
		Readings: []TriedPart{}, Waves: []TriedPart{}, Events: []TriedPart{},
		Refusals: append([]vigil.Refusal{}, d.Refusals...), Patient: d.Patient, Now: d.Now,
		Speakers: slices.Clone(d.Speakers),
	}
	for i := range d.Readings {
		r := &d.Readings[i]
		t.Readings = append(t.Readings, TriedPart{r.Metric.Name, RenderReading(r), r.Stated, r.Metric.Codes})
	}
	for i := range d.Waves {
		w := &d.Waves[i]
		t.Waves = append(t.Waves, TriedPart{w.Metric.Name, RenderWave(w), w.Stated, w.Metric.Codes})
	}
	for i := range d.Events {
		e := &d.Events[i]
		t.Events = append(t.Events, TriedPart{e.Type, RenderEvent(e), e.Stated, e.Codes})
	}
	return t
}

// RenderReading writes a reading as examples do: "97 %", "> 600 mg/dL",
// "implausible 120 %", "absent sensor-off", "correction 101 mg/dL".
func RenderReading(r *vigil.Reading) string {
	var b strings.Builder
	if r.Correction {
		b.WriteString("correction ")
	}
	if s := r.Quality.State(); s != vigil.NoState {
		return b.String() + "absent " + s.String()
	}
	if r.Quality.Has(vigil.Implausible) {
		b.WriteString("implausible ")
	}
	switch {
	case r.Quality.Has(vigil.Above):
		b.WriteString("> ")
	case r.Quality.Has(vigil.Below):
		b.WriteString("< ")
	}
	b.WriteString(strconv.FormatFloat(r.Value, 'f', int(max(r.Decimals, 0)), 64))
	if r.Metric.Unit != "1" {
		b.WriteString(" " + r.Metric.Unit)
	}
	return b.String()
}

// shownSamples is how many samples of a wave are written out.
const shownSamples = 12

// RenderWave writes a wave as examples do: "[0.1 0.2 -] mV at 250 /s" with - for
// a missing sample, and only the count when it is long.
func RenderWave(w *vigil.Wave) string {
	var b strings.Builder
	if s := w.Quality.State(); s != vigil.NoState {
		b.WriteString("absent " + s.String() + " ")
	}
	if len(w.Samples) > shownSamples {
		b.WriteString(strconv.Itoa(len(w.Samples)) + " samples")
	} else {
		b.WriteByte('[')
		for i, s := range w.Samples {
			if i > 0 {
				b.WriteByte(' ')
			}
			if s == vigil.Missing {
				b.WriteByte('-')
				continue
			}
			b.WriteString(strconv.FormatFloat(round(w.Offset+w.Gain*float64(s), 9), 'f', -1, 64))
		}
		b.WriteByte(']')
	}
	if w.Metric.Unit != "1" {
		b.WriteString(" " + w.Metric.Unit)
	}
	rate := float64(w.Metric.RateNum) / float64(w.Metric.RateDen)
	return b.String() + " at " + strconv.FormatFloat(round(rate, 6), 'f', -1, 64) + " /s"
}

// RenderEvent writes an event as examples do: its data as JSON, or "event" when
// it has none.
func RenderEvent(e *vigil.Event) string {
	if len(e.Data) == 0 {
		return "event"
	}
	var b bytes.Buffer
	if err := json.Compact(&b, e.Data); err != nil {
		return string(e.Data)
	}
	return b.String()
}
