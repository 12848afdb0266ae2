package devices

import (
	"math"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/jsonbody"
	"github.com/vigil-iomt/vigil/codec/ucum"
)

// powers of ten for rounding.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12}

// absent gives a reading that says why there is no value. Two ways to the same
// metric give one.
func (x *decoding) absent(g *group, r *reading, s vigil.State) {
	for i := range g.readings {
		if o := &g.readings[i]; o == r {
			break
		} else if o.index == r.index && (o.channel == "" || o.channel == x.channel) {
			return
		}
	}
	x.put(r, 0, 0, vigil.Quality(0).With(s))
}

// put gives a reading.
func (x *decoding) put(r *reading, v float64, decimals int8, q vigil.Quality) {
	x.found = true
	at, kind, key, ok := x.stamp(r.time)
	if !ok {
		return
	}
	x.out.Readings = append(x.out.Readings, vigil.Reading{
		Metric: r.metric, Stated: at, Value: v, Decimals: decimals, KeyKind: kind, Key: key, Correction: x.fixes, Quality: q,
	})
}

// value reads one value.
func (x *decoding) value(r *reading) {
	ref := x.find(r.path)
	kind := x.doc.Kind(ref)
	if kind <= jsonbody.Null {
		if r.required {
			x.found = true
			x.refuse(r.path, "missing")
		}
		x.found = x.found || kind == jsonbody.Null
		return
	}
	x.found = true
	v, decimals, reason := 0.0, int8(0), ""
	if len(r.specials) > 0 {
		if s := r.special(x.doc, ref, kind); s != nil {
			if !s.nothing {
				x.put(r, s.value, s.digits, s.flag|vigil.Quality(0).With(s.state))
			}
			return
		}
	}
	if v, decimals, reason = x.digits(r, ref, kind); reason != "" {
		x.refuse(r.path, reason)
		return
	}
	if r.plain {
		x.judge(r, v, decimals)
		return
	}
	v = v*r.scale + r.offset
	converter, ok := x.unit(r)
	if !ok {
		return
	}
	shift := r.shift
	if r.unit.path != nil {
		shift += digitsOf(&converter)
	}
	x.judge(r, converter.Convert(v), decimals+shift)
}

// judge rounds a value to the digits that were meant, and gives it.
func (x *decoding) judge(r *reading, v float64, decimals int8) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		x.refuse(r.path, "number out of range")
		return
	}
	if decimals < 0 {
		decimals = 0
	}
	if !r.plain || r.decimals >= 0 && decimals > r.decimals {
		d := decimals
		if r.decimals >= 0 {
			d = r.decimals
		}
		v = round(v, d)
		decimals = d
	}
	if r.decimals >= 0 {
		decimals = r.decimals
	}
	v += 0 // not -0
	var q vigil.Quality
	if r.hasValid && (v < r.valid[0] || v > r.valid[1]) {
		q = vigil.Implausible
	}
	x.put(r, v, decimals, q)
}

// round rounds to digits behind the point, where float64 has them.
func round(v float64, digits int8) float64 {
	if int(digits) >= len(powers) {
		return v
	}
	p := powers[digits]
	if w := math.Round(v * p); math.Abs(w) < 1<<53 {
		return w / p
	}
	return v
}

// digits reads the number itself.
func (x *decoding) digits(r *reading, ref jsonbody.Ref, kind jsonbody.Kind) (v float64, decimals int8, reason string) {
	switch kind {
	case jsonbody.Number:
		v, decimals, ok := x.doc.Number(ref)
		if !ok {
			return 0, 0, "number out of range"
		}
		return v, decimals, ""
	case jsonbody.String:
		s, _ := x.doc.Str(ref)
		if v, ok := r.words[string(s)]; ok {
			return v, 0, ""
		}
		if r.quoted {
			if v, decimals, ok := jsonbody.ParseNumber(s); ok {
				return v, decimals, ""
			}
		}
	case jsonbody.True, jsonbody.False:
		if v, ok := r.words[string(x.doc.Raw(ref))]; ok {
			return v, 0, ""
		}
	case jsonbody.Missing, jsonbody.Null, jsonbody.Array, jsonbody.Object:
	}
	return 0, 0, "not a number"
}

// special finds the special value that a value is.
func (r *reading) special(d *jsonbody.Doc, ref jsonbody.Ref, kind jsonbody.Kind) *special {
	var text []byte
	var num float64
	switch kind {
	case jsonbody.String:
		text, _ = d.Str(ref)
	case jsonbody.Number:
		num, _, _ = d.Number(ref)
	case jsonbody.True, jsonbody.False:
		text = d.Raw(ref)
	case jsonbody.Missing, jsonbody.Null, jsonbody.Array, jsonbody.Object:
		return nil
	}
	for i := range r.specials {
		s := &r.specials[i]
		if kind == jsonbody.Number && s.isNum && s.num == num || kind != jsonbody.Number && s.text == string(text) {
			return s
		}
	}
	return nil
}

// unit finds the conversion for the unit that the message says.
func (x *decoding) unit(r *reading) (ucum.Converter, bool) {
	u := &r.unit
	if u.path == nil {
		return u.fixed, true
	}
	ref := x.find(u.path)
	if !present(x.doc.Kind(ref)) {
		if u.none {
			x.refuse(u.path, "the unit is missing")
		}
		return u.fixed, !u.none
	}
	s, ok := x.doc.Str(ref)
	if !ok {
		x.refuse(u.path, "not a unit")
		return ucum.Converter{}, false
	}
	if c, ok := u.words[string(s)]; ok {
		return c, true
	}
	c, err := u.converter(string(s))
	if err != nil {
		x.refuse(u.path, err.Error())
		return c, false
	}
	return c, true
}

// converter prepares the conversion from a unit to the stored one.
func (u *unitSpec) converter(from string) (ucum.Converter, error) {
	if u.mass > 0 {
		return ucum.NewMolarConverter(from, u.store, u.mass, u.perMole)
	}
	return ucum.NewConverter(from, u.store)
}

// digitsOf returns how many digits behind the point a conversion adds, so that
// about as many digits mean something behind it as before.
func digitsOf(c *ucum.Converter) int8 {
	factor, _, ok := c.Linear()
	if !ok || factor == 0 {
		return 2
	}
	return int8(max(-12, min(12, math.Round(-math.Log10(math.Abs(factor)))))) // #nosec G115 -- bounded
}
