package gatt

import "time"

// shiftMinutes moves a date and time by minutes.
func shiftMinutes(year int, month byte, day, hour, minute, by int) (d, h, m, y int, mo byte) {
	t := time.Date(year, time.Month(month), day, hour, minute+by, 0, 0, time.UTC)
	return t.Day(), t.Hour(), t.Minute(), t.Year(), byte(t.Month()) // #nosec G115 -- 1 to 12
}

// heartRate reads 0x2A37.
func heartRate(r *reader, w *writer) {
	flags := r.u8()
	if flags&1 != 0 {
		w.int("heart-rate", r.u16())
	} else {
		w.int("heart-rate", r.u8())
	}
	if flags&4 != 0 {
		w.flag("contact", flags&2 != 0)
	}
	if flags&8 != 0 {
		w.int("energy", r.u16()) // kJ
	}
	if flags&16 == 0 {
		return
	}
	w.name("rr") // 1/1024 s, oldest first
	w.dst = append(w.dst, '[')
	for first := true; len(r.rest) >= 2; first = false {
		if !first {
			w.dst = append(w.dst, ',')
		}
		w.dst = float{mantissa: r.u16()}.append(w.dst)
	}
	w.dst = append(w.dst, ']')
}

// temperature reads 0x2A1C and 0x2A1E.
func temperature(r *reader, w *writer) {
	flags := r.u8()
	w.float("temperature", r.float())
	w.text("unit", pick(flags&1 != 0, "[degF]", "Cel"))
	if flags&2 != 0 {
		w.time("time", r, 0)
	}
	if flags&4 != 0 {
		w.int("site", r.u8())
	}
}

// bloodPressure reads 0x2A35 and 0x2A36.
func bloodPressure(r *reader, w *writer) {
	flags := r.u8()
	w.float("systolic", r.sfloat())
	w.float("diastolic", r.sfloat())
	w.float("mean", r.sfloat())
	w.text("unit", pick(flags&1 != 0, "kPa", "mm[Hg]"))
	if flags&2 != 0 {
		w.time("time", r, 0)
	}
	if flags&4 != 0 {
		w.float("pulse", r.sfloat())
	}
	if flags&8 != 0 {
		if user := r.u8(); user != 0xff {
			w.int("user", user)
		}
	}
	if flags&16 != 0 {
		status := r.u16()
		w.int("status", status)
		w.flag("moved", status&1 != 0)
		w.flag("cuff-loose", status&2 != 0)
		w.flag("irregular-pulse", status&4 != 0)
	}
}

// glucose reads 0x2A18. The concentration is given in mg/dL or mmol/L instead
// of kg/L or mol/L.
func glucose(r *reader, w *writer) {
	flags := r.u8()
	w.int("number", r.u16())
	stamp := reader{rest: r.take(7)}
	offset := 0
	if flags&1 != 0 {
		offset = r.u16()
		if offset >= 1<<15 {
			offset -= 1 << 16
		}
		if offset == 0x7fff || offset == -0x8000 {
			offset = 0 // more or less than can be said
		}
	}
	w.time("time", &stamp, offset)
	if flags&2 != 0 {
		c := r.sfloat()
		if flags&4 != 0 {
			w.float("glucose", c.scaled(3))
			w.text("unit", "mmol/L")
		} else {
			w.float("glucose", c.scaled(5))
			w.text("unit", "mg/dL")
		}
		b := r.u8()
		w.int("fluid", b&15)
		w.int("location", b>>4)
	}
	if flags&8 != 0 {
		status := r.u16()
		w.int("status", status)
		w.flag("too-high", status&(1<<5) != 0)
		w.flag("too-low", status&(1<<6) != 0)
	}
}

// oximetrySpot reads 0x2A5E.
func oximetrySpot(r *reader, w *writer) {
	flags := r.u8()
	w.float("spo2", r.sfloat())
	w.float("pulse", r.sfloat())
	if flags&1 != 0 {
		w.time("time", r, 0)
	}
	oximetryStatus(r, w, flags&2 != 0, flags&4 != 0, flags&8 != 0)
}

// oximetryContinuous reads 0x2A5F.
func oximetryContinuous(r *reader, w *writer) {
	flags := r.u8()
	w.float("spo2", r.sfloat())
	w.float("pulse", r.sfloat())
	if flags&1 != 0 {
		w.float("spo2-fast", r.sfloat())
		w.float("pulse-fast", r.sfloat())
	}
	if flags&2 != 0 {
		w.float("spo2-slow", r.sfloat())
		w.float("pulse-slow", r.sfloat())
	}
	oximetryStatus(r, w, flags&4 != 0, flags&8 != 0, flags&16 != 0)
}

// oximetryStatus reads what both kinds of oximetry end with.
func oximetryStatus(r *reader, w *writer, measurement, device, amplitude bool) {
	if measurement {
		w.int("status", r.u16())
	}
	if device {
		w.int("device-status", r.u24())
	}
	if amplitude {
		w.float("perfusion", r.sfloat())
	}
}

// weight reads 0x2A9D: steps of 0.005 kg or 0.01 lb.
func weight(r *reader, w *writer) {
	flags := r.u8()
	raw := r.u16()
	imperial := flags&1 != 0
	switch {
	case raw == 0xffff:
		w.text("weight", "failed")
	case imperial:
		w.float("weight", float{mantissa: raw, exponent: -2})
	default:
		w.float("weight", float{mantissa: raw * 5, exponent: -3})
	}
	w.text("unit", pick(imperial, "[lb_av]", "kg"))
	if flags&2 != 0 {
		w.time("time", r, 0)
	}
	if flags&4 != 0 {
		if user := r.u8(); user != 0xff {
			w.int("user", user)
		}
	}
	if flags&8 != 0 {
		w.float("bmi", float{mantissa: r.u16(), exponent: -1})
		height := r.u16()
		if imperial {
			w.float("height", float{mantissa: height, exponent: -1}) // inches
		} else {
			w.float("height", float{mantissa: height, exponent: -3}) // metres
		}
	}
}

// pick returns a when the condition holds, else b.
func pick(is bool, a, b string) string {
	if is {
		return a
	}
	return b
}
