package reading

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A span is a stretch of time: from lo to just before hi.
type span struct{ lo, hi vigil.Instant }

// A DateTest is one value of a date parameter: a prefix (search.html#prefix)
// and the span that the text stands for.
type DateTest struct {
	prefix string
	span
}

// ParseDateTest reads a prefix and a date. approx is a tenth of the distance
// between the date and now, as the standard suggests for ap.
func ParseDateTest(s string, now vigil.Instant) (DateTest, error) {
	t := DateTest{prefix: "eq"}
	if len(s) > 2 && s[0] >= 'a' && s[0] <= 'z' {
		t.prefix, s = s[:2], s[2:]
		switch t.prefix {
		case "eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap":
		default:
			return t, fmt.Errorf("%q is no prefix for a date", t.prefix)
		}
	}
	v, err := parseDate(s)
	if err != nil {
		return t, err
	}
	if t.prefix == "ap" {
		d := now - v.lo
		d = max(d, -d) / 10
		v.lo, v.hi = v.lo-d, v.hi+d
	}
	t.span = v
	return t, nil
}

// ParseDate reads a date and returns from when to just before when it is.
func ParseDate(s string) (from, to vigil.Instant, err error) {
	v, err := parseDate(s)
	return v.lo, v.hi, err
}

// parseDate reads a date or time with any precision: YYYY, YYYY-MM, YYYY-MM-DD,
// YYYY-MM-DDThh:mm, …:ss, ….fraction; without a zone it is UTC. A space where
// the zone's plus should be is a plus that was not escaped.
func parseDate(s string) (span, error) {
	bad := fmt.Errorf("%q is no date like 2026, 2026-01-31 or 2026-01-31T12:00:00Z", s)
	day, clock, timed := strings.Cut(s, "T")
	if !timed {
		layouts := [...]string{4: "2006", 7: "2006-01", 10: "2006-01-02"}
		if len(s) >= len(layouts) || layouts[len(s)] == "" {
			return span{}, bad
		}
		t, err := time.Parse(layouts[len(s)], s)
		if err != nil {
			return span{}, bad
		}
		var end time.Time
		switch len(s) {
		case 4:
			end = t.AddDate(1, 0, 0)
		case 7:
			end = t.AddDate(0, 1, 0)
		default:
			end = t.AddDate(0, 0, 1)
		}
		return span{vigil.InstantOf(t), vigil.InstantOf(end)}, nil
	}
	clock = strings.Replace(clock, " ", "+", 1)
	zone := "Z"
	if i := strings.IndexAny(clock, "Z+-"); i >= 0 {
		clock, zone = clock[:i], clock[i:]
	}
	layout, unit := "15:04:05", time.Second
	if len(clock) == 5 {
		layout, unit = "15:04", time.Minute
	}
	if _, fraction, ok := strings.Cut(clock, "."); ok {
		unit = time.Duration(math.Pow10(max(9-len(fraction), 3)))
	}
	t, err := time.Parse("2006-01-02T"+layout+"Z07:00", day+"T"+clock+zone)
	if err != nil {
		return span{}, bad
	}
	lo := vigil.InstantOf(t)
	return span{lo, lo.Add(unit)}, nil
}

// holds tells whether a resource's time, from a to just before b, passes the
// test.
func (t DateTest) holds(a, b vigil.Instant) bool {
	within := a >= t.lo && b <= t.hi
	switch t.prefix {
	case "ne":
		return !within
	case "lt":
		return a < t.lo
	case "gt":
		return b > t.hi
	case "le":
		return a < t.lo || within
	case "ge":
		return b > t.hi || within
	case "sa":
		return a >= t.hi
	case "eb":
		return b <= t.lo
	case "ap":
		return a < t.hi && b > t.lo
	}
	return within
}

// window is the stretch outside of which nothing passes. Times of resources
// may be up to slack long.
func (t DateTest) window(slack vigil.Instant) span {
	w := span{math.MinInt64, math.MaxInt64}
	switch t.prefix {
	case "eq":
		w = span{t.lo, t.hi}
	case "ap":
		w = span{t.lo - slack, t.hi}
	case "lt", "eb":
		w.hi = t.lo
	case "le":
		w.hi = t.hi
	case "gt", "ge":
		w.lo = t.lo - slack
	case "sa":
		w.lo = t.hi
	}
	return w
}

// Dates are the values of one parameter, of which one must hold.
type Dates []DateTest

// Holds tells whether a time, from a to just before b, passes.
func (d Dates) Holds(a, b vigil.Instant) bool { return d.holds(a, b) }

func (d Dates) holds(a, b vigil.Instant) bool {
	for _, t := range d {
		if t.holds(a, b) {
			return true
		}
	}
	return false
}

// window is the stretch outside of which nothing passes.
func (d Dates) window(slack vigil.Instant) span {
	w := span{math.MaxInt64, math.MinInt64}
	for _, t := range d {
		o := t.window(slack)
		w.lo, w.hi = min(w.lo, o.lo), max(w.hi, o.hi)
	}
	return w
}
