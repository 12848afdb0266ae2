// Package gatt reads the measurement characteristics of the Bluetooth health
// profiles and gives their fields as a JSON text, so that device profiles read
// them by the same paths as JSON. Layouts are those of the Bluetooth SIG's GATT
// Specification Supplement; numbers are the SFLOAT and FLOAT of IEEE
// 11073-20601, whose special values become the texts NaN, NRes, +INF, -INF and
// reserved, never numbers.
package gatt

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errShort is what a payload is that ends before its flags say.
var errShort = errors.New("the characteristic ends before its last field")

// AppendJSON appends the fields of a characteristic's value as a JSON object.
// The characteristic is named by its 16-bit number in hexadecimal, with or
// without 0x, or by the full UUID. Supported are
//
//	2a37 heart rate, 2a1c and 2a1e temperature, 2a35 and 2a36 blood pressure,
//	2a18 glucose, 2a5e and 2a5f pulse oximetry, 2a9d weight
func AppendJSON(dst []byte, characteristic string, value []byte) ([]byte, error) {
	short := shorten(characteristic)
	r := &reader{rest: value}
	w := &writer{dst: append(dst, '{')}
	w.text("characteristic", short)
	switch short {
	case "2a37":
		heartRate(r, w)
	case "2a1c", "2a1e":
		temperature(r, w)
	case "2a35", "2a36":
		bloodPressure(r, w)
	case "2a18":
		glucose(r, w)
	case "2a5e":
		oximetrySpot(r, w)
	case "2a5f":
		oximetryContinuous(r, w)
	case "2a9d":
		weight(r, w)
	default:
		return dst, fmt.Errorf("the channel %q names no characteristic that can be read", short)
	}
	if r.short {
		return dst, errShort
	}
	if len(r.rest) > 0 {
		return dst, fmt.Errorf("%d bytes behind the last field", len(r.rest))
	}
	return append(w.dst, '}'), nil
}

// shorten returns the 16-bit number of a characteristic in small letters.
func shorten(s string) string {
	s = strings.TrimPrefix(strings.ToLower(s), "0x")
	if rest, ok := strings.CutSuffix(s, "-0000-1000-8000-00805f9b34fb"); ok {
		s = strings.TrimPrefix(rest, "0000")
	}
	if len(s) > 40 {
		s = s[:40]
	}
	return s
}

// A reader takes little-endian fields from a value.
type reader struct {
	rest  []byte
	short bool
}

// take returns the next n bytes, zeros when there are fewer.
func (r *reader) take(n int) []byte {
	if len(r.rest) < n {
		r.short, r.rest = true, nil
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) u8() int  { return int(r.take(1)[0]) }
func (r *reader) u16() int { return int(binary.LittleEndian.Uint16(r.take(2))) }
func (r *reader) u24() int {
	b := r.take(3)
	return int(b[0]) | int(b[1])<<8 | int(b[2])<<16
}

// sfloat reads a 16-bit number: 4 bits of exponent, 12 of mantissa, both in
// two's complement.
func (r *reader) sfloat() float {
	v := r.u16()
	mantissa, exponent := v&0xfff, v>>12
	if exponent >= 8 {
		exponent -= 16
	}
	if s := specialOf(mantissa, 0x7ff); s != "" {
		return float{special: s}
	}
	if mantissa >= 0x800 {
		mantissa -= 0x1000
	}
	return float{mantissa: mantissa, exponent: exponent}
}

// float reads a 32-bit number: 8 bits of exponent, 24 of mantissa.
func (r *reader) float() float {
	mantissa := r.u24()
	exponent := r.u8()
	if exponent >= 128 {
		exponent -= 256
	}
	if s := specialOf(mantissa, 0x7fffff); s != "" {
		return float{special: s}
	}
	if mantissa >= 0x800000 {
		mantissa -= 0x1000000
	}
	return float{mantissa: mantissa, exponent: exponent}
}

// specialOf names the five mantissas around the largest that are no numbers.
func specialOf(mantissa, nan int) string {
	switch mantissa {
	case nan:
		return "NaN"
	case nan + 1:
		return "NRes"
	case nan - 1:
		return "+INF"
	case nan + 3:
		return "-INF"
	case nan + 2:
		return "reserved"
	}
	return ""
}

// A float is a number with the digits that it was sent with, or a special value.
type float struct {
	mantissa, exponent int
	special            string
}

// append writes the number as JSON: 98 with exponent -1 is 9.8, 980 with -2 is
// 9.80.
func (f float) append(dst []byte) []byte {
	if f.special != "" {
		return append(append(append(dst, '"'), f.special...), '"')
	}
	if f.exponent >= 0 {
		dst = strconv.AppendInt(dst, int64(f.mantissa), 10)
		if f.mantissa != 0 && f.exponent > 0 {
			dst = append(dst, 'e')
			dst = strconv.AppendInt(dst, int64(f.exponent), 10)
		}
		return dst
	}
	m := f.mantissa
	if m < 0 {
		dst = append(dst, '-')
		m = -m
	}
	digits := strconv.Itoa(m)
	for len(digits) <= -f.exponent {
		digits = "0" + digits
	}
	point := len(digits) + f.exponent
	dst = append(dst, digits[:point]...)
	dst = append(dst, '.')
	return append(dst, digits[point:]...)
}

// scaled returns the number with its point moved.
func (f float) scaled(by int) float {
	f.exponent += by
	return f
}

// A writer writes the members of an object.
type writer struct{ dst []byte }

// name begins a member.
func (w *writer) name(n string) {
	if w.dst[len(w.dst)-1] != '{' {
		w.dst = append(w.dst, ',')
	}
	w.dst = append(w.dst, '"')
	w.dst = append(w.dst, n...)
	w.dst = append(w.dst, '"', ':')
}

func (w *writer) text(n, v string) {
	w.name(n)
	quoted, err := json.Marshal(v)
	if err != nil {
		quoted = []byte("null")
	}
	w.dst = append(w.dst, quoted...)
}

func (w *writer) int(n string, v int) {
	w.name(n)
	w.dst = strconv.AppendInt(w.dst, int64(v), 10)
}

func (w *writer) flag(n string, v bool) {
	w.name(n)
	w.dst = strconv.AppendBool(w.dst, v)
}

func (w *writer) float(n string, v float) {
	w.name(n)
	w.dst = v.append(w.dst)
}

// time reads a date and time and writes it as local time without zone: the
// device does not say it. An unknown one is not written.
func (w *writer) time(n string, r *reader, offset int) {
	year, b := r.u16(), r.take(5)
	if year == 0 || b[0] == 0 || b[1] == 0 {
		return
	}
	day, hour, minute := int(b[1]), int(b[2]), int(b[3])
	if offset != 0 {
		day, hour, minute, year, b[0] = shiftMinutes(year, b[0], day, hour, minute, offset)
	}
	w.text(n, fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", year, b[0], day, hour, minute, b[4]))
}
