package vigil

import (
	"encoding/json"
	"strconv"
)

// A ReadingNow is the newest reading of a series as screens and scripts get it:
// complete in itself, so that it can be shown without asking for more.
type ReadingNow struct {
	Series  SeriesID `json:"series"`
	Subject Subject  `json:"subject"`
	Device  DeviceID `json:"device"`
	Channel string   `json:"channel,omitempty"`
	Metric  string   `json:"metric"`
	// Value is nil when Quality holds a state that explains its absence.
	Value *float64 `json:"value"`
	// Text is the value as a person reads it: with the digits that the device
	// meant, "> 600" for above, empty where there is no value.
	Text     string  `json:"text"`
	Unit     string  `json:"unit"` // UCUM
	Decimals int8    `json:"decimals"`
	Taken    Instant `json:"time"`
	Arrived  Instant `json:"arrived"`
	Quality  Quality `json:"quality"`
	// SilenceMS is after how many milliseconds without a new usable reading
	// the series counts as silent; 0 is never.
	SilenceMS int64  `json:"silenceMs"`
	Version   uint16 `json:"version"`
}

// Now returns a point of the series as screens get it.
func (s *Series) Now(p Point) ReadingNow {
	r := ReadingNow{
		Series: s.ID, Subject: s.Subject, Device: s.Device, Channel: s.Channel, Metric: s.Metric.Name,
		Text: p.Text(s.Metric), Unit: s.Metric.Unit, Decimals: p.digits(s.Metric), Taken: p.Taken,
		Arrived: p.Arrived, Quality: p.Quality, SilenceMS: s.Metric.Silence / 1000, Version: p.Version,
	}
	if p.Quality.State() == NoState {
		r.Value = &p.Value
	}
	return r
}

// digits returns how many digits after the point the value has, -1 when nobody
// said.
func (p Point) digits(m *Metric) int8 {
	if m.Decimals >= 0 {
		return m.Decimals
	}
	return p.Decimals
}

// Text returns the value as a person reads it, without its unit: rounded to the
// digits that the device meant, "> 600" for above and "< 20" for below a limit,
// empty where a state stands for the value.
func (p Point) Text(m *Metric) string {
	if p.Quality.State() != NoState {
		return ""
	}
	var buf [32]byte
	b := buf[:0]
	switch {
	case p.Quality.Has(Above):
		b = append(b, "> "...)
	case p.Quality.Has(Below):
		b = append(b, "< "...)
	}
	return string(AppendDecimal(b, p.Value, p.digits(m)))
}

// AppendDecimal appends v with so many digits after the point, with as many as
// it needs when decimals is negative. There is no minus zero.
func AppendDecimal(b []byte, v float64, decimals int8) []byte {
	start := len(b)
	b = strconv.AppendFloat(b, v, 'f', int(max(decimals, -1)), 64)
	if b[start] != '-' {
		return b
	}
	for _, c := range b[start+1:] {
		if c != '0' && c != '.' {
			return b
		}
	}
	return append(b[:start], b[start+1:]...)
}

// AppendJSON appends the reading as a JSON object.
func (r *ReadingNow) AppendJSON(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"series":`...), int64(r.Series), 10)
	b = appendText(append(b, `,"subject":`...), r.Subject.String())
	b = appendText(append(b, `,"device":`...), string(r.Device))
	if r.Channel != "" {
		b = appendText(append(b, `,"channel":`...), r.Channel)
	}
	b = appendText(append(b, `,"metric":`...), r.Metric)
	b = append(b, `,"value":`...)
	if r.Value == nil {
		b = append(b, "null"...)
	} else {
		b = AppendDecimal(b, *r.Value, -1)
	}
	b = appendText(append(b, `,"text":`...), r.Text)
	b = appendText(append(b, `,"unit":`...), r.Unit)
	b = strconv.AppendInt(append(b, `,"decimals":`...), int64(r.Decimals), 10)
	b = appendText(append(b, `,"time":`...), r.Taken.String())
	b = appendText(append(b, `,"arrived":`...), r.Arrived.String())
	b = append(b, `,"quality":[`...)
	for i, w := range r.Quality.Words() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, w)
	}
	b = strconv.AppendInt(append(b, `],"silenceMs":`...), r.SilenceMS, 10)
	b = strconv.AppendUint(append(b, `,"version":`...), uint64(r.Version), 10)
	return append(b, '}')
}

// MarshalJSON writes the reading as AppendJSON does.
func (r ReadingNow) MarshalJSON() ([]byte, error) { return r.AppendJSON(nil), nil }

// appendText appends s as a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			t, err := json.Marshal(s)
			if err != nil {
				t = []byte(`""`) // a string always marshals
			}
			return append(b, t...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
