package devices

import (
	"fmt"
	"math"
	"strings"
	"time"
	_ "time/tzdata" // profiles name zones; the machine need not know them

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/jsonbody"
)

// A Clock says whose clock counts.
type Clock uint8

// The policies of a profile's time.
const (
	// ClockTrust takes the device's times as they are.
	ClockTrust Clock = iota
	// ClockCorrect moves them by how far the device's own "now" beside them
	// is off.
	ClockCorrect
	// ClockIgnore takes the time of arrival.
	ClockIgnore
)

// String returns the word that profiles use.
func (c Clock) String() string { return [...]string{"trust", "correct", "ignore"}[min(c, ClockIgnore)] }

// A timeFormat says how times are written in a message.
type timeFormat struct {
	name   string
	unit   float64 // microseconds of one, for numbers since 1970
	layout string  // Go's, for texts
	zone   *time.Location
}

// layoutWords are what layouts of profiles are written with, and Go's words for
// them. Longer ones stand before shorter ones.
func layoutWords() *strings.Replacer {
	return strings.NewReplacer(
		"YYYY", "2006", "YY", "06", "MMM", "Jan", "MM", "01", "M", "1", "DD", "02", "D", "2",
		"hh12", "03", "h12", "3", "hh", "15", "mm", "04", "ss", "05",
		".ffffff", ".000000", ".fff", ".000", ",fff", ",000", "AM", "PM", "±hh:mm", "-07:00", "±hhmm", "-0700", "Z", "Z07:00",
	)
}

// parseTimeFormat reads the format of a profile's times.
func parseTimeFormat(name, zone string) (timeFormat, error) {
	f := timeFormat{name: name, zone: time.UTC}
	if zone != "" {
		z, err := time.LoadLocation(zone)
		if err != nil || zone == "Local" {
			return f, fmt.Errorf("zone: %q is not a zone like Europe/Berlin", zone)
		}
		f.zone = z
	}
	switch name {
	case "unix-s":
		f.unit = 1e6
	case "unix-ms":
		f.unit = 1e3
	case "unix-us":
		f.unit = 1
	case "rfc3339":
		f.layout = time.RFC3339Nano
	default:
		f.layout = layoutWords().Replace(name)
		if !strings.Contains(f.layout, "06") || !strings.Contains(f.layout, "2") {
			return f, fmt.Errorf("format: %q is neither unix-s, unix-ms, unix-us, rfc3339 nor a layout like YYYY-MM-DD hh:mm:ss", name)
		}
	}
	return f, nil
}

// maxInstant is the last instant of the year 9999, in microseconds since 1970.
const maxInstant = 253402300799999999

// read reads a time from a message. Microseconds are kept exactly.
func (f *timeFormat) read(d *jsonbody.Doc, r jsonbody.Ref) (vigil.Instant, bool) {
	if f.unit > 0 {
		if v, ok := d.Int(r); ok {
			if v > maxInstant/int64(f.unit) || v < -maxInstant/int64(f.unit) {
				return 0, false
			}
			return vigil.Instant(v * int64(f.unit)), true
		}
		v, _, ok := d.Number(r)
		if v *= f.unit; !ok || math.Abs(v) > maxInstant {
			return 0, false
		}
		return vigil.Instant(math.Round(v)), true
	}
	text, ok := d.Str(r)
	if !ok || len(text) > 64 {
		return 0, false
	}
	t, err := time.ParseInLocation(f.layout, string(text), f.zone)
	if err != nil && f.name == "rfc3339" && f.zone != time.UTC {
		t, err = time.ParseInLocation("2006-01-02T15:04:05.999999999", string(text), f.zone)
	}
	if err != nil || t.Year() < 0 || t.Year() > 9999 {
		return 0, false
	}
	return vigil.InstantOf(t), true
}
