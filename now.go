package vigil

import (
	"encoding/json"
	"math"
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
func (s *Series) Now(p Point) ReadingNow { return s.NowAt(&p) }

// NowAt is Now for a point that stays where it is: the value of the reading is
// the point's own.
func (s *Series) NowAt(p *Point) ReadingNow {
	r := s.textless(p)
	r.Text = p.Text(s.Metric)
	return r
}

// AppendNow appends NowAt as JSON behind who, which AppendWho made once: of ten
// thousand series that and the texts would be most of the work.
func (s *Series) AppendNow(b, who []byte, p *Point) []byte {
	var room [32]byte
	r := s.textless(p)
	return r.appendWhat(append(b, who...), p.AppendText(room[:0], s.Metric))
}

// AppendWho appends what NowAt, as JSON, begins with: everything that never
// changes of a series.
func (s *Series) AppendWho(b []byte) []byte {
	r := ReadingNow{Series: s.ID, Subject: s.Subject, Device: s.Device, Channel: s.Channel, Metric: s.Metric.Name}
	return r.appendWho(b)
}

// textless is NowAt without the text.
func (s *Series) textless(p *Point) ReadingNow {
	r := ReadingNow{
		Series: s.ID, Subject: s.Subject, Device: s.Device, Channel: s.Channel, Metric: s.Metric.Name,
		Unit: s.Metric.Unit, Decimals: p.Digits(s.Metric), Taken: p.Taken,
		Arrived: p.Arrived, Quality: p.Quality, SilenceMS: s.Metric.Silence / 1000, Version: p.Version,
	}
	if p.Quality.State() == NoState {
		r.Value = &p.Value
	}
	return r
}

// Digits returns how many digits after the point the value has, -1 when nobody
// said.
func (p *Point) Digits(m *Metric) int8 {
	if m.Decimals >= 0 {
		return m.Decimals
	}
	return p.Decimals
}

// Text returns the value as AppendText writes it.
func (p *Point) Text(m *Metric) string {
	var buf [32]byte
	return string(p.AppendText(buf[:0], m))
}

// AppendText appends the value as a person reads it, without its unit: rounded
// to the digits that the device meant, "> 600" for above and "< 20" for below a
// limit, nothing where a state stands for the value.
func (p *Point) AppendText(b []byte, m *Metric) []byte {
	if p.Quality.State() != NoState {
		return b
	}
	switch {
	case p.Quality.Has(Above):
		b = append(b, "> "...)
	case p.Quality.Has(Below):
		b = append(b, "< "...)
	}
	return AppendDecimal(b, p.Value, p.Digits(m))
}

// AppendDecimal appends v with so many digits after the point, with as many as
// it needs when decimals is negative. There is no minus zero.
func AppendDecimal(b []byte, v float64, decimals int8) []byte {
	if decimals >= 0 {
		if out, ok := AppendExact(b, v, decimals); ok {
			return out
		}
	} else {
		for d := range int8(4) {
			if out, ok := AppendExact(b, v, d); ok {
				return out
			}
		}
	}
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

// AppendExact appends v with so many digits after the point, from 0 to 9, if
// that says all of it: reading the text gives v again. It is several times
// faster than the general way, and what devices say is nearly always such.
func AppendExact(b []byte, v float64, decimals int8) ([]byte, bool) {
	powers := [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}
	if decimals < 0 || int(decimals) >= len(powers) {
		return b, false
	}
	// Up to 15 digits, a decimal and the number that is nearest to it belong to
	// each other alone; scaled and power are whole numbers without error, so
	// that their quotient is that number.
	power := powers[decimals]
	scaled := math.Round(v * power)
	if exact := math.Abs(scaled) < 1e15 && scaled/power == v; !exact { // not a number is not exact
		return b, false
	}
	n := int64(scaled)
	if n < 0 {
		b, n = append(b, '-'), -n
	}
	if decimals == 0 {
		return strconv.AppendInt(b, n, 10), true
	}
	unit := int64(power)
	b = append(strconv.AppendInt(b, n/unit, 10), '.')
	rest := n % unit
	for unit /= 10; unit > 0; unit /= 10 {
		b = append(b, '0'+byte(rest/unit%10)) // #nosec G115 -- a digit
	}
	return b, true
}

// AppendJSON appends the reading as a JSON object.
func (r *ReadingNow) AppendJSON(b []byte) []byte {
	return r.appendWhat(r.appendWho(b), []byte(r.Text))
}

// appendWho appends what never changes of a series.
func (r *ReadingNow) appendWho(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"series":`...), int64(r.Series), 10)
	var room [64]byte
	b = appendText(append(b, `,"subject":`...), r.Subject.appendString(room[:0]))
	b = appendText(append(b, `,"device":`...), string(r.Device))
	if r.Channel != "" {
		b = appendText(append(b, `,"channel":`...), r.Channel)
	}
	return appendText(append(b, `,"metric":`...), r.Metric)
}

// appendWhat appends what is new, with the text of the value.
func (r *ReadingNow) appendWhat(b, text []byte) []byte {
	b = append(b, `,"value":`...)
	if r.Value == nil {
		b = append(b, "null"...)
	} else {
		b = AppendDecimal(b, *r.Value, -1)
	}
	b = appendText(append(b, `,"text":`...), text)
	b = appendText(append(b, `,"unit":`...), r.Unit)
	b = strconv.AppendInt(append(b, `,"decimals":`...), int64(r.Decimals), 10)
	b = r.Taken.appendRFC3339(append(b, `,"time":"`...))
	b = r.Arrived.appendRFC3339(append(b, `","arrived":"`...))
	b = append(b, `","quality":[`...)
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
func appendText[T string | []byte](b []byte, s T) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			t, err := json.Marshal(string(s))
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
