package search

import (
	"fmt"
	"math"
	"strings"
)

// Where a period has no start or no end.
const (
	ever    = math.MinInt64
	forever = math.MaxInt64
)

const (
	second = int64(1_000_000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// dateSpan reads a date or time with any precision (search.html#date): YYYY,
// YYYY-MM, YYYY-MM-DD, with Thh:mm, :ss and a fraction, with or without a zone
// (then it is UTC). It returns the first and the last microsecond that the text
// stands for.
func dateSpan(s string) (lo, hi int64, err error) {
	r := dateReader{s: s}
	lo, hi = r.read()
	if r.bad || r.s != "" {
		return 0, 0, fmt.Errorf("%q is no date such as 2026, 2026-01-31 or 2026-01-31T12:00:00Z", clip(s))
	}
	return lo, hi, nil
}

type dateReader struct {
	s   string
	bad bool
}

// digits reads a number of n digits.
func (r *dateReader) digits(n, least, most int) int {
	if len(r.s) < n {
		r.bad = true
		return least
	}
	v := 0
	for _, c := range []byte(r.s[:n]) {
		if c < '0' || c > '9' {
			r.bad = true
			return least
		}
		v = v*10 + int(c-'0')
	}
	r.s = r.s[n:]
	if v < least || v > most {
		r.bad = true
	}
	return v
}

// sign reads one of the characters, if it is there.
func (r *dateReader) sign(of string) byte {
	if r.bad || r.s == "" || strings.IndexByte(of, r.s[0]) < 0 {
		return 0
	}
	c := r.s[0]
	r.s = r.s[1:]
	return c
}

func (r *dateReader) read() (lo, hi int64) {
	y := r.digits(4, 1, 9999)
	if r.sign("-") == 0 {
		return days(y, 1, 1) * day, days(y+1, 1, 1)*day - 1
	}
	m := r.digits(2, 1, 12)
	if r.sign("-") == 0 {
		return days(y, m, 1) * day, days(y, m+1, 1)*day - 1
	}
	d := r.digits(2, 1, 31)
	at := days(y, m, d)
	if d > 28 && at >= days(y, m+1, 1) {
		r.bad = true
	}
	if r.sign("T") == 0 {
		return at * day, at*day + day - 1
	}
	return r.clock(at * day)
}

// clock reads a time of day.
func (r *dateReader) clock(at int64) (lo, hi int64) {
	unit := minute
	at += int64(r.digits(2, 0, 24)) * hour
	if r.sign(":") == 0 {
		r.bad = true
	}
	at += int64(r.digits(2, 0, 59)) * minute
	if r.sign(":") != 0 {
		at += int64(r.digits(2, 0, 60)) * second
		unit = second
		if r.sign(".") != 0 {
			var f int64
			f, unit = r.fraction()
			at += f
		}
	}
	at -= r.zone()
	return at, at + unit - 1
}

// fraction reads the digits behind the point; those beyond the microsecond do
// not count.
func (r *dateReader) fraction() (v, unit int64) {
	n := 0
	unit = second
	for ; n < len(r.s) && '0' <= r.s[n] && r.s[n] <= '9'; n++ {
		if unit > 1 {
			unit /= 10
			v += int64(r.s[n]-'0') * unit
		}
	}
	r.bad = r.bad || n == 0
	r.s = r.s[n:]
	return v, unit
}

// zone reads how far the zone is ahead of UTC. A space is a plus that was not
// escaped in an address.
func (r *dateReader) zone() int64 {
	switch c := r.sign("Z+- "); c {
	case 0, 'Z':
		return 0
	default:
		v := int64(r.digits(2, 0, 14)) * hour
		if r.sign(":") == 0 {
			r.bad = true
		}
		v += int64(r.digits(2, 0, 59)) * minute
		if c == '-' {
			v = -v
		}
		return v
	}
}

// days counts the days from 1970-01-01 in the Gregorian calendar; month 13 is
// January of the next year.
func days(y, m, d int) int64 {
	if m > 12 {
		y, m = y+1, m-12
	}
	if m <= 2 {
		y, m = y-1, m+12
	}
	era := y / 400
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return int64(era)*146097 + int64(doe) - 719468
}

// clip shortens what is quoted in a message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:77], "") + "…"
	}
	return s
}
