package sim

import (
	"math"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/body"
)

// block is the length of a wave message: whole samples at 250, 125, 75 and
// 25 /s, and short enough for a sweep to look smooth.
const block = 400 * time.Millisecond

// waveBuffers are reused from block to block.
type waveBuffers struct{ ecg, pleth, resp, abp []float64 }

func newBuffers(ecg, pleth, resp, abp float64) *waveBuffers {
	n := func(rate float64) []float64 { return make([]float64, int(rate*block.Seconds())) }
	return &waveBuffers{n(ecg), n(pleth), n(resp), n(abp)}
}

// stagger returns a moment within a period after the start that belongs to the
// device, so that a ward does not speak in chorus. It is a whole millisecond.
func (g *gadget) stagger(period time.Duration) vigil.Instant {
	return g.stage.start.Add(time.Duration(g.rng.Int64N(int64(period/time.Millisecond))) * time.Millisecond)
}

func startMonitor(g *gadget) {
	g.state = newBuffers(250, 125, 25, 125)
	first := g.stagger(block)
	g.every(first.Add(block), block, g.monitorWaves)
	g.every(first, time.Second, g.monitorNumbers)
	nibp := g.Every
	if nibp == 0 {
		nibp = 15 * time.Minute
	}
	if !g.has("abp") {
		g.every(g.stagger(8*time.Second).Add(2*time.Second), nibp, g.monitorPressure)
	}
	g.every(g.stagger(5*time.Second), time.Minute, func(at vigil.Instant) {
		var o object
		g.say(at, o.int("t", millis(at)).int("battery", g.battery(at)).end())
	})
}

// monitorWaves sends the block that ends at at.
func (g *gadget) monitorWaves(at vigil.Instant) {
	b, start, w := g.state.(*waveBuffers), at.Add(-block), g.stage.person.Waves
	var waves object
	if !g.leadsOff && !g.has("no-ecg") {
		w.ECG(b.ecg, body.LeadII, start, 250)
		waves.samples("ecg-ii", b.ecg, 0.005)
	}
	if !g.probeOff {
		w.Pleth(b.pleth, start, 125)
		waves.samples("pleth", b.pleth, 0.001)
	}
	if !g.leadsOff {
		w.Breath(b.resp, start, 25)
		waves.samples("resp", b.resp, 0.001)
	}
	if g.has("abp") {
		w.Pressure(b.abp, start, 125)
		waves.samples("abp", b.abp, 0.1)
	}
	if len(waves.b) == 0 {
		return
	}
	var o object
	g.say(at, o.int("t", millis(start)).raw("waves", waves.end()).end())
}

func (g *gadget) monitorNumbers(at vigil.Instant) {
	p := g.stage.person
	var o object
	o.int("t", millis(at))
	rate := p.Waves.Rate(at)
	if g.leadsOff {
		o.str("leads", "off")
	} else {
		o.num("hr", rate, 0).num("resp", p.Value(body.Breathing), 0)
	}
	switch {
	case g.probeOff:
		o.str("probe", "off")
	case rate < 20:
		o.str("probe", "searching")
	case p.Mean() < 42:
		o.str("probe", "low-perfusion")
	default:
		o.num("pulse", rate, 0).num("spo2", p.Value(body.Saturation), 0)
	}
	if g.has("temp") {
		o.num("temp", p.Value(body.Temperature), 1)
	}
	if g.has("etco2") {
		o.num("etco2", p.Value(body.EtCO2), 0)
	}
	if g.has("abp") {
		var a object
		a.num("sys", p.Value(body.Systolic), 0).num("dia", p.Value(body.Diastolic), 0).num("mean", p.Mean(), 0)
		o.raw("abp", a.end())
	}
	g.say(at, o.end())
}

func (g *gadget) monitorPressure(at vigil.Instant) {
	p := g.stage.person
	var n, o object
	n.int("t", millis(at)).num("sys", p.Value(body.Systolic), 0).num("dia", p.Value(body.Diastolic), 0).num("mean", p.Mean(), 0)
	g.say(at, o.int("t", millis(at)).raw("nibp", n.end()).end())
}

func actMonitor(g *gadget, word string, at vigil.Instant) {
	if word == "measure" {
		g.monitorPressure(at)
	}
}

func startPatch(g *gadget) {
	g.state = newBuffers(250, 0, 0, 0)
	g.every(g.stagger(block).Add(block), block, func(at vigil.Instant) {
		b, start := g.state.(*waveBuffers), at.Add(-block)
		var o object
		o.int("t", millis(start)).int("seq", g.number(start))
		if g.leadsOff {
			if millis(at)/1000 == millis(start)/1000 {
				return // says so once a second only
			}
			o.str("lead", "off")
			g.say(at, o.end())
			return
		}
		if millis(at)/1000 != millis(start)/1000 {
			o.num("hr", g.stage.person.Waves.Rate(at), 0).num("resp", g.stage.person.Value(body.Breathing), 0)
		}
		g.stage.person.Waves.ECG(b.ecg, body.LeadI, start, 250)
		g.say(at, o.samples("ecg", b.ecg, 0.005).end())
	})
	g.every(g.stagger(20*time.Second), 10*time.Minute, func(at vigil.Instant) {
		var o object
		g.say(at, o.int("t", millis(at)).int("seq", g.number(at)).int("battery", g.battery(at)).end())
	})
}

func actPatch(g *gadget, word string, at vigil.Instant) {
	var o object
	g.say(at, o.int("t", millis(at)).int("seq", g.number(at)).str("event", word).end())
}

func startOximeter(g *gadget) {
	g.state = newBuffers(0, 75, 0, 0)
	first := g.stagger(block)
	g.every(first.Add(block), block, func(at vigil.Instant) {
		if g.probeOff {
			return
		}
		b, start := g.state.(*waveBuffers), at.Add(-block)
		g.stage.person.Waves.Pleth(b.pleth, start, 75)
		var o object
		g.say(at, o.int("t", millis(start)).samples("pleth", b.pleth, 0.001).end())
	})
	g.every(first, time.Second, g.oximeterNumbers)
	g.every(g.stagger(20*time.Second), 10*time.Minute, func(at vigil.Instant) {
		var o object
		g.say(at, o.int("t", millis(at)).int("battery", g.battery(at)).end())
	})
}

func (g *gadget) oximeterNumbers(at vigil.Instant) {
	p := g.stage.person
	var o object
	o.int("t", millis(at))
	rate := p.Waves.Rate(at)
	switch {
	case g.probeOff:
		o.str("status", "finger-out")
	case rate < 20:
		o.str("status", "searching")
	default:
		perfusion := 4.5 * min(max((p.Mean()-35)/45, 0.05), 1.2)
		o.num("spo2", p.Value(body.Saturation), 0).num("pulse", rate, 0).num("pi", perfusion, 1)
	}
	g.say(at, o.end())
}

// actOximeter has nothing to do: probe-off and probe-on are known to every
// gadget.
func actOximeter(*gadget, string, vigil.Instant) {}

// bedState is whether somebody lies in the bed.
type bedState struct{ empty bool }

func startBed(g *gadget) {
	g.state = &bedState{}
	g.every(g.stagger(10*time.Second), 10*time.Second, func(at vigil.Instant) { g.bedSays(at, "") })
}

func (g *gadget) bedSays(at vigil.Instant, event string) {
	p, s := g.stage.person, g.state.(*bedState)
	var o object
	o.int("t", millis(at))
	if event != "" {
		o.str("event", event)
	}
	o.bool("occupied", !s.empty)
	if !s.empty {
		if rate := p.Waves.Rate(at); rate >= 20 {
			o.num("hr", rate, 0)
		}
		if r := p.Value(body.Breathing); r >= 2 {
			o.num("resp", r, 0)
		}
		if event == "bed-enter" {
			o.num("weight", p.Weight(), 1)
		}
	}
	g.say(at, o.end())
}

func actBed(g *gadget, word string, at vigil.Instant) {
	s := g.state.(*bedState)
	switch word {
	case "bed-exit":
		s.empty = true
		g.stage.person.SetEffort(0.35)
	case "bed-enter":
		s.empty = false
		g.stage.person.SetEffort(0)
	}
	g.bedSays(at, word)
}

// room is the inside of a fridge, or whatever a logger measures.
type room struct {
	temp, humidity float64
	open           bool
	cooling        bool
	last           vigil.Instant
}

func newRoom() room { return room{temp: 4.6, humidity: 42} }

// live lets the air warm and cool: the compressor runs between 4 and 5.6 Cel,
// an open door lets the ward's 22 Cel in.
func (r *room) live(at vigil.Instant) {
	if r.last == 0 {
		r.last = at
	}
	for ; r.last < at; r.last = r.last.Add(10 * time.Second) {
		const dt = 10.0
		r.temp += (22 - r.temp) * dt / 14000
		if r.open {
			r.temp += (22 - r.temp) * dt / 420
			r.humidity += (60 - r.humidity) * dt / 200
		} else {
			r.humidity += (42 - r.humidity) * dt / 900
		}
		if r.cooling {
			r.temp -= 0.03 * dt / 10
		}
		if r.temp > 5.6 {
			r.cooling = true
		} else if r.temp < 4.0 {
			r.cooling = false
		}
	}
}

func startFridge(g *gadget) {
	g.every(g.stagger(10*time.Second), time.Minute, func(at vigil.Instant) { g.fridgeSays(at, "") })
	g.every(g.stagger(30*time.Second), time.Hour, func(at vigil.Instant) {
		var o object
		g.say(at, o.int("t", millis(at)).int("n", g.number(at)).int("battery", g.battery(at)).end())
	})
}

func (g *gadget) fridgeSays(at vigil.Instant, event string) {
	r := &g.stage.room
	r.live(at)
	var o object
	o.int("t", millis(at)).int("n", g.number(at))
	if event != "" {
		o.str("event", event)
	}
	noise := 0.05 * g.rng.NormFloat64()
	g.say(at, o.num("temp", r.temp+noise, 1).num("humidity", math.Round(r.humidity), 0).end())
}

func actFridge(g *gadget, word string, at vigil.Instant) {
	g.stage.room.live(at)
	g.stage.room.open = word == "door-open"
	g.fridgeSays(at, word)
}

func startTag(g *gadget) {
	zones := []string{"4 East corridor", "4 East store", "4 East bay 2", "4 East dirty utility"}
	g.every(g.stagger(30*time.Second), 10*time.Minute, func(at vigil.Instant) {
		zone := zones[0]
		moving := g.rng.Float64() < 0.3
		if moving {
			zone = zones[g.rng.IntN(len(zones))]
		}
		var o object
		o.int("t", millis(at)).str("reader", "reader-"+strings.ReplaceAll(strings.ToLower(zone), " ", "-")).str("zone", zone)
		o.int("rssi", -55-g.rng.Int64N(25))
		if moving {
			o.bool("moving", true)
		}
		g.say(at, o.int("battery", g.battery(at)).end())
	})
}
