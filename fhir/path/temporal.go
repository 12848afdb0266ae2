package path

import (
	"fmt"
	"strings"
	"time"
)

// A Precision says down to which part a date or time is known.
type Precision uint8

// The parts of dates and times.
const (
	Year Precision = iota + 1
	Month
	Day
	Hour
	Minute
	Second
)

// A Temporal is a date, a date with time, or a time of day, known down to a
// part of it (FHIRPath N1 §2.1.5-7).
type Temporal struct {
	kind      Kind // Date, DateTime or Time
	prec      Precision
	digits    uint8 // of the fraction of the second, as written
	zoned     bool
	offset    int16 // minutes east, when zoned
	year      int16
	month     uint8
	day       uint8
	hour      uint8
	minute    uint8
	second    uint8
	nanos     int32
	hourAlone bool // the literal had an hour without minutes
}

// Kind returns Date, DateTime or Time.
func (t Temporal) Kind() Kind { return t.kind }

// Precision returns the smallest part that is known.
func (t Temporal) Precision() Precision { return t.prec }

// A clock reads digits from left to right.
type clock struct {
	s  string
	ok bool
}

// number takes exactly n digits, between lo and hi.
func (c *clock) number(n, lo, hi int) int {
	v := 0
	if !c.ok || len(c.s) < n {
		c.ok = false
		return 0
	}
	for i := range n {
		d := c.s[i]
		if d < '0' || d > '9' {
			c.ok = false
			return 0
		}
		v = v*10 + int(d-'0')
	}
	c.s = c.s[n:]
	if v < lo || v > hi {
		c.ok = false
	}
	return v
}

// next takes the character b when it is the next one.
func (c *clock) next(b byte) bool {
	if c.ok && c.s != "" && c.s[0] == b {
		c.s = c.s[1:]
		return true
	}
	return false
}

// ParseDate reads a date: 2015, 2015-02 or 2015-02-04.
func ParseDate(s string) (Temporal, bool) {
	t := Temporal{kind: Date}
	c := clock{s, true}
	t.date(&c)
	return t, c.ok && c.s == ""
}

// ParseDateTime reads a date with or without a time behind a T. A T without a
// time behind it is the literal of a partial DateTime.
func ParseDateTime(s string) (Temporal, bool) {
	t := Temporal{kind: DateTime}
	c := clock{s, true}
	t.date(&c)
	if c.next('T') && c.s != "" && t.prec == Day {
		t.time(&c)
		t.zone(&c)
	}
	return t, c.ok && c.s == ""
}

// ParseTime reads a time of day: 14, 14:34, 14:34:28 or 14:34:28.123.
func ParseTime(s string) (Temporal, bool) {
	t := Temporal{kind: Time}
	c := clock{s, true}
	t.time(&c)
	return t, c.ok && c.s == ""
}

func (t *Temporal) date(c *clock) {
	t.year, t.prec = int16(c.number(4, 1, 9999)), Year
	if !c.next('-') {
		return
	}
	t.month, t.prec = uint8(c.number(2, 1, 12)), Month
	if !c.next('-') {
		return
	}
	t.day, t.prec = uint8(c.number(2, 1, 31)), Day
	if int(t.day) > daysIn(int(t.year), int(t.month)) {
		c.ok = false
	}
}

func (t *Temporal) time(c *clock) {
	t.hour, t.prec, t.hourAlone = uint8(c.number(2, 0, 23)), Hour, true
	if !c.next(':') {
		return
	}
	t.minute, t.prec, t.hourAlone = uint8(c.number(2, 0, 59)), Minute, false
	if !c.next(':') {
		return
	}
	t.second, t.prec = uint8(c.number(2, 0, 60)), Second // 60 is a leap second
	if !c.next('.') {
		return
	}
	n := 0
	for n < len(c.s) && c.s[n] >= '0' && c.s[n] <= '9' {
		n++
	}
	if n == 0 {
		c.ok = false
		return
	}
	kept := min(n, 9)
	t.nanos = int32(c.number(kept, 0, 999999999))
	for range 9 - kept {
		t.nanos *= 10
	}
	t.digits = uint8(kept)
	if c.ok {
		c.s = c.s[n-kept:]
	}
}

func (t *Temporal) zone(c *clock) {
	switch {
	case c.next('Z'):
		t.zoned = true
	case c.next('+'):
		t.zoned, t.offset = true, int16(c.offset())
	case c.next('-'):
		t.zoned, t.offset = true, -int16(c.offset())
	}
}

func (c *clock) offset() int {
	h := c.number(2, 0, 14)
	if !c.next(':') {
		c.ok = false
	}
	return h*60 + c.number(2, 0, 59)
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// String writes the value as literals have it, without the @.
func (t Temporal) String() string {
	var b strings.Builder
	if t.kind != Time {
		fmt.Fprintf(&b, "%04d", t.year)
		if t.prec >= Month {
			fmt.Fprintf(&b, "-%02d", t.month)
		}
		if t.prec >= Day {
			fmt.Fprintf(&b, "-%02d", t.day)
		}
		if t.prec >= Hour {
			b.WriteByte('T')
		}
	}
	if t.prec >= Hour {
		fmt.Fprintf(&b, "%02d", t.hour)
	}
	if t.prec >= Minute {
		fmt.Fprintf(&b, ":%02d", t.minute)
	}
	if t.prec >= Second {
		fmt.Fprintf(&b, ":%02d", t.second)
		if t.digits > 0 {
			b.WriteString(fmt.Sprintf(".%09d", t.nanos)[:1+t.digits])
		}
	}
	if t.zoned {
		if t.offset == 0 {
			b.WriteByte('Z')
		} else {
			sign, o := '+', t.offset
			if o < 0 {
				sign, o = '-', -o
			}
			fmt.Fprintf(&b, "%c%02d:%02d", sign, o/60, o%60)
		}
	}
	return b.String()
}

// temporalOf returns an instant as a DateTime with milliseconds, a Date or a
// Time, in the zone of the instant.
func temporalOf(now time.Time, kind Kind) Temporal {
	_, offset := now.Zone()
	t := Temporal{
		kind: kind, prec: Second, digits: 3, year: int16(now.Year()), month: uint8(now.Month()), day: uint8(now.Day()),
		hour: uint8(now.Hour()), minute: uint8(now.Minute()), second: uint8(now.Second()),
		nanos: int32(now.Nanosecond() / 1e6 * 1e6), zoned: kind == DateTime, offset: int16(offset / 60),
	}
	switch kind {
	case Date:
		return Temporal{kind: Date, prec: Day, year: t.year, month: t.month, day: t.day}
	case Time:
		t.year, t.month, t.day, t.zoned, t.offset = 0, 0, 0, false, 0
	default:
	}
	return t
}

// Start returns the first instant that the value may mean, in UTC when it has
// no zone. A Time is on the first day of the year 1.
func (t Temporal) Start() time.Time {
	year := int(t.year)
	if t.kind == Time {
		year = 1
	}
	zone := time.UTC
	if t.zoned && t.offset != 0 {
		zone = time.FixedZone("", int(t.offset)*60)
	}
	return time.Date(year, time.Month(max(t.month, 1)), int(max(t.day, 1)), int(t.hour), int(t.minute), int(t.second), int(t.nanos), zone)
}

// field returns one part of the value as a number; seconds with their fraction.
func (t *Temporal) field(p Precision) int64 {
	switch p {
	case Year:
		return int64(t.year)
	case Month:
		return int64(t.month)
	case Day:
		return int64(t.day)
	case Hour:
		return int64(t.hour)
	case Minute:
		return int64(t.minute)
	default:
		return int64(t.second)*1e9 + int64(t.nanos)
	}
}

// utc returns the same instant in UTC.
func (t Temporal) utc() Temporal {
	if !t.zoned || t.offset == 0 || t.prec < Minute {
		return t
	}
	return t.moved(t.Start().UTC())
}

// moved returns t with the parts of an instant.
func (t Temporal) moved(u time.Time) Temporal {
	t.year, t.month, t.day = int16(u.Year()), uint8(u.Month()), uint8(u.Day())
	t.hour, t.minute, t.second, t.nanos = uint8(u.Hour()), uint8(u.Minute()), uint8(u.Second()), int32(u.Nanosecond())
	_, offset := u.Zone()
	t.offset = int16(offset / 60)
	return t
}

// compare compares part by part, FHIRPath N1 §6.2. It is not decided when the
// values agree as far as both are known, but one is known further; or when only
// one has a zone and the other's could change the answer.
func (t Temporal) compare(o Temporal) (order int, decided bool) {
	if (t.kind == Time) != (o.kind == Time) {
		return 0, false
	}
	if t.zoned != o.zoned && t.prec > Day && o.prec > Day {
		return t.compareUnzoned(o)
	}
	if t.zoned && o.zoned {
		t, o = t.utc(), o.utc()
	}
	first := Year
	if t.kind == Time {
		first = Hour
	}
	for p := first; p <= min(t.prec, o.prec); p++ {
		if a, b := t.field(p), o.field(p); a < b {
			return -1, true
		} else if a > b {
			return 1, true
		}
	}
	return 0, t.prec == o.prec
}

// compareUnzoned decides when one value has a zone and the other none, where
// it does not matter which: zones are up to 14 hours apart from UTC.
func (t Temporal) compareUnzoned(o Temporal) (int, bool) {
	const apart = 14*time.Hour + time.Minute
	d := t.Start().Sub(o.Start())
	switch {
	case d < -apart-time.Hour:
		return -1, true
	case d > apart+time.Hour:
		return 1, true
	}
	return 0, false
}

// add moves t by n units of a part of time. What is smaller than the precision
// of t is dropped (FHIRPath N1 §6.6.1).
func (t Temporal) add(n int64, unit string) (Temporal, bool) {
	if n > 1e15 || n < -1e15 {
		return Temporal{}, false
	}
	months := int64(0)
	switch unit {
	case "year":
		months = n * 12
	case "month":
		months = n
	default:
		return t.addTime(n, unit)
	}
	if t.kind == Time || months > 12*10000 || months < -12*10000 {
		return Temporal{}, false
	}
	if t.prec == Year {
		months = months / 12 * 12
	}
	m := int64(t.year)*12 + int64(max(t.month, 1)) - 1 + months
	if m < 12 || m >= 12*10000 {
		return Temporal{}, false
	}
	t.year = int16(m / 12)
	if t.prec >= Month {
		t.month = uint8(m%12) + 1
	}
	if t.prec >= Day {
		t.day = min(t.day, uint8(daysIn(int(t.year), int(t.month))))
	}
	return t, true
}

// nanosOf are the parts of time that have a fixed length.
func nanosOf(unit string) int64 {
	switch unit {
	case "week":
		return 7 * 24 * 3600e9
	case "day":
		return 24 * 3600e9
	case "hour":
		return 3600e9
	case "minute":
		return 60e9
	case "second":
		return 1e9
	case "millisecond":
		return 1e6
	}
	return 0
}

func (t Temporal) addTime(n int64, unit string) (Temporal, bool) {
	nanos, ok := mul64(n, nanosOf(unit))
	if nanosOf(unit) == 0 {
		return Temporal{}, false
	}
	days := int64(0)
	if !ok { // more than 292 years: whole days and what is left of them
		perDay := 24 * 3600 * int64(1e9) / nanosOf(unit)
		if perDay == 0 {
			days, nanos = n*7, 0
		} else {
			days, nanos = n/perDay, n%perDay*nanosOf(unit)
		}
	}
	days, nanos = days+nanos/(24*3600e9), nanos%(24*3600e9)
	switch {
	case days > 4e6 || days < -4e6:
		return Temporal{}, false
	case t.prec == Year && t.kind != Time:
		return t.add(days/365, "year")
	case t.prec == Month && t.kind != Time:
		return t.add(days/30, "month")
	}
	unitNanos := [...]int64{Day: 24 * 3600e9, Hour: 3600e9, Minute: 60e9, Second: 1}[t.prec]
	u := t.Start().AddDate(0, 0, int(days)).Add(time.Duration(nanos / unitNanos * unitNanos))
	if t.kind == Time {
		u = u.AddDate(1-u.Year(), 0, 0)
		v := t.moved(u)
		v.year, v.month, v.day = 0, 0, 0
		return v, true
	}
	if u.Year() < 1 || u.Year() > 9999 {
		return Temporal{}, false
	}
	v := t.moved(u)
	v.offset = t.offset
	return v, true
}
