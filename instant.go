package vigil

import (
	"fmt"
	"time"
)

// An Instant is a point in time: microseconds since 1970-01-01T00:00:00Z. Zero
// means "not known".
type Instant int64

// InstantOf returns the instant of t.
func InstantOf(t time.Time) Instant { return Instant(t.UnixMicro()) }

// Time returns the instant as a UTC time.
func (i Instant) Time() time.Time { return time.UnixMicro(int64(i)).UTC() }

// Add returns the instant d later.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d.Microseconds()) }

// Sub returns how long after other the instant is.
func (i Instant) Sub(other Instant) time.Duration {
	return time.Duration(i-other) * time.Microsecond
}

// String returns the instant as RFC 3339 text in UTC with as many digits as it
// needs; the zero instant is the empty string.
func (i Instant) String() string {
	var buf [len(time.RFC3339Nano)]byte
	return string(i.appendRFC3339(buf[:0]))
}

// appendRFC3339 appends what String returns.
func (i Instant) appendRFC3339(b []byte) []byte {
	if i == 0 {
		return b
	}
	t := i.Time()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, time.RFC3339Nano)
	}
	hour, minute, second := t.Clock()
	b = appendPair(appendPair(b, year/100), year%100)
	b = appendPair(append(b, '-'), int(month))
	b = appendPair(append(b, '-'), day)
	b = appendPair(append(b, 'T'), hour)
	b = appendPair(append(b, ':'), minute)
	b = appendPair(append(b, ':'), second)
	if fraction := t.Nanosecond() / 1000; fraction > 0 {
		b = appendPair(appendPair(appendPair(append(b, '.'), fraction/10_000), fraction/100%100), fraction%100)
		for b[len(b)-1] == '0' {
			b = b[:len(b)-1]
		}
	}
	return append(b, 'Z')
}

// appendPair appends a number below 100 as two digits.
func appendPair(b []byte, n int) []byte { return append(b, '0'+byte(n/10), '0'+byte(n%10)) } // #nosec G115 -- below 100

// MarshalText writes the instant as RFC 3339 text.
func (i Instant) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads RFC 3339 text; an empty text is the zero instant.
func (i *Instant) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*i = 0
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, string(b))
	if err != nil {
		return fmt.Errorf("read time %q: want RFC 3339 like 2026-01-31T12:00:00Z", b)
	}
	*i = InstantOf(t)
	return nil
}

// An Interval is a half-open stretch of time: From inclusive, To exclusive. A
// zero From is "since ever", a zero To is "until further notice".
type Interval struct {
	From Instant `json:"from,omitzero"`
	To   Instant `json:"to,omitzero"`
}

// Holds tells whether at lies in the interval.
func (v Interval) Holds(at Instant) bool {
	return at >= v.From && (v.To == 0 || at < v.To)
}

// Overlaps tells whether the two intervals share an instant.
func (v Interval) Overlaps(o Interval) bool {
	return (v.To == 0 || o.From < v.To) && (o.To == 0 || v.From < o.To)
}
