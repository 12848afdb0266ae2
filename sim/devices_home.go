package sim

import (
	"math"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/body"
)

// spot adds the measurements of a device that is used now and then: as often
// as the plan says, or at its usual times of day.
func (g *gadget) spot(measure func(at vigil.Instant), clocks ...time.Duration) {
	g.state = measure
	if g.First > 0 {
		first := g.stage.start.Add(g.First)
		g.tasks = append(g.tasks, task{first, measure, func(vigil.Instant) vigil.Instant { return never }})
	}
	if g.Every > 0 {
		g.every(g.stage.start.Add(g.First+g.Every), g.Every, measure)
		return
	}
	for _, clock := range clocks {
		g.daily(clock, 25*time.Minute, clock.String(), measure)
	}
}

// actMeasure makes a spot device measure now.
func actMeasure(g *gadget, _ string, at vigil.Instant) { g.state.(func(vigil.Instant))(at) }

func clock(hour, minute int) time.Duration {
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
}

func startCuff(g *gadget) {
	g.spot(func(at vigil.Instant) {
		p := g.stage.person
		sys, dia := p.Value(body.Systolic)+2.5*g.rng.NormFloat64(), p.Value(body.Diastolic)+2*g.rng.NormFloat64()
		var o object
		o.str("time", rfc3339(at, g.stage.zone)).int("n", g.number(at)).num("sys", sys, 0).num("dia", dia, 0)
		o.num("mean", dia+(sys-dia)/3, 0).num("pulse", p.Value(body.HeartRate), 0)
		if p.Rhythm() == body.AtrialFibrillation {
			o.bool("irregular", true)
		}
		g.say(at, o.int("battery", g.battery(at)).end())
	}, clock(7, 30), clock(19, 30))
}

func startThermometer(g *gadget) {
	g.spot(func(at vigil.Instant) {
		var o object
		o.str("time", rfc3339(at, g.stage.zone)).num("temp", g.stage.person.Value(body.Temperature)+0.05*g.rng.NormFloat64(), 1)
		g.say(at, o.int("battery", g.battery(at)).end())
	}, clock(8, 0))
}

func startScale(g *gadget) {
	g.spot(func(at vigil.Instant) {
		var o object
		o.str("time", rfc3339(at, g.stage.zone)).int("n", g.number(at)).num("weight", g.stage.person.Weight()+0.05*g.rng.NormFloat64(), 1)
		g.say(at, o.int("battery", g.battery(at)).end())
	}, clock(7, 5))
}

func startGlucoseMeter(g *gadget) {
	g.spot(func(at vigil.Instant) {
		x := g.stage.person.Value(body.Glucose) * (1 + 0.05*g.rng.NormFloat64())
		var o object
		o.str("time", rfc3339(at, g.stage.zone)).int("n", g.number(at))
		switch {
		case x > 600:
			o.str("glucose", "HI")
		case x < 20:
			o.str("glucose", "LO")
		default:
			o.num("glucose", x, 0)
		}
		g.say(at, o.int("battery", g.battery(at)).end())
	}, clock(7, 15), clock(12, 0), clock(18, 10), clock(22, 15))
}

// cgmPeriod is the time between two samples of a continuous glucose monitor.
const cgmPeriod = 5 * time.Minute

// cgmState is what the sensor has seen last; interstitial glucose follows
// plasma with a delay of some eight minutes.
type cgmState struct{ tissue, before float64 }

func startCGM(g *gadget) {
	now := g.stage.person.Value(body.Glucose)
	s := &cgmState{now, now}
	g.state = s
	first := g.stagger(10 * time.Second)
	if g.First > 0 {
		first = g.stage.start.Add(g.First)
	}
	g.every(g.stage.start.Add(time.Minute), time.Minute, func(vigil.Instant) {
		s.tissue += (g.stage.person.Value(body.Glucose) - s.tissue) / 8
	})
	hour := 0
	g.every(first, cgmPeriod, func(at vigil.Instant) {
		x := s.tissue * (1 + 0.015*g.rng.NormFloat64())
		var sample, o object
		sample.int("t", seconds(at)).int("n", seconds(at)/int64(cgmPeriod.Seconds()))
		switch {
		case x < 40:
			sample.str("glucose", "LO")
		case x > 400:
			sample.str("glucose", "HI")
		default:
			trend := min(max((x-s.before)/cgmPeriod.Minutes(), -9.9), 9.9)
			sample.num("glucose", x, 0).num("trend", trend, 1)
		}
		s.before = x
		// No "now": a gateway may deliver this much later, and the clock is right.
		if hour++; hour%12 == 1 {
			o.int("battery", g.battery(at))
		}
		g.say(at, o.raw("samples", append(append([]byte{'['}, sample.end()...), ']')).end())
	})
}

func startPen(g *gadget) {
	g.daily(clock(22, 0), 30*time.Minute, "basal", func(at vigil.Instant) {
		// Long-acting insulin holds the baseline; the model's baseline
		// already counts on it.
		g.dose(at, 18+math.Round(2*g.stage.chance(at.Time(), "basal")), "long")
	})
}

// inject gives rapid insulin with the pen: a priming shot into the air, and
// the dose.
func (g *gadget) inject(at vigil.Instant, units float64) {
	units = max(math.Round(units*2)/2, 0.5)
	g.stage.person.Inject(units)
	g.dose(at, units, "rapid")
}

func (g *gadget) dose(at vigil.Instant, units float64, insulin string) {
	var prime, dose, o object
	before := at.Add(-15 * time.Second)
	prime.int("t", seconds(before)).int("n", g.number(before)).num("units", 2, 1).str("insulin", insulin).bool("prime", true)
	dose.int("t", seconds(at)).int("n", g.number(at)).num("units", units, 1).str("insulin", insulin).bool("prime", false)
	list := append([]byte{'['}, prime.end()...)
	list = append(append(append(list, ','), dose.end()...), ']')
	g.say(at, o.int("battery", g.battery(at)).raw("doses", list).end())
}

// bottleState counts the tablets.
type bottleState struct{ left int64 }

func startBottle(g *gadget) {
	g.state = &bottleState{left: 30 + g.rng.Int64N(40)}
	for _, slot := range []struct {
		name string
		at   time.Duration
	}{{"morning", clock(8, 0)}, {"evening", clock(20, 0)}} {
		g.daily(slot.at, 20*time.Minute, slot.name, func(at vigil.Instant) {
			forgot := g.stage.scene.Story == nil && g.stage.chance(at.Time().In(g.stage.zone), slot.name+" forgotten") > 0.88
			if g.missing || forgot {
				g.missing = false
				return
			}
			g.takeDose(at, slot.name)
		})
	}
	g.every(g.stagger(time.Minute), 6*time.Hour, func(at vigil.Instant) {
		var o object
		g.say(at, o.int("t", millis(at)).int("n", g.number(at)).int("battery", g.battery(at)).end())
	})
}

func (g *gadget) takeDose(at vigil.Instant, slot string) {
	g.bottleSays(at.Add(-20*time.Second), "opened", "")
	g.bottleSays(at, "dose-taken", slot)
	g.bottleSays(at.Add(time.Second), "closed", "")
}

func (g *gadget) bottleSays(at vigil.Instant, event, slot string) {
	s := g.state.(*bottleState)
	var o object
	o.int("t", millis(at)).int("n", g.number(at)).str("event", event)
	switch event {
	case "dose-taken":
		if s.left = s.left - 1; s.left < 0 {
			s.left = 60
		}
		o.str("slot", slot).int("count", 1).int("left", s.left)
	case "refilled":
		s.left = 60
		o.int("left", s.left)
	}
	g.say(at, o.end())
}

func actBottle(g *gadget, word string, at vigil.Instant) {
	switch word {
	case "miss-dose":
		g.missing = true
	case "dose-taken":
		slot := "morning"
		if at.Time().In(g.stage.zone).Hour() >= 14 {
			slot = "evening"
		}
		g.takeDose(at, slot)
	default:
		g.bottleSays(at, word, "")
	}
}

func startPendant(g *gadget) {
	g.every(g.stagger(30*time.Second), 15*time.Minute, func(at vigil.Instant) { g.pendantSays(at, "heartbeat") })
}

func (g *gadget) pendantSays(at vigil.Instant, event string) {
	var o object
	o.int("t", millis(at)).int("n", g.number(at)).str("event", event)
	if event == "fall" {
		o.num("confidence", 0.8+0.19*g.rng.Float64(), 2)
	}
	g.say(at, o.int("battery", g.battery(at)).end())
}

func actPendant(g *gadget, word string, at vigil.Instant) { g.pendantSays(at, word) }

// watchState counts steps since midnight.
type watchState struct {
	steps float64
	day   int
}

func startWatch(g *gadget) {
	s := &watchState{day: g.stage.start.Time().In(g.stage.zone).YearDay()}
	g.state = s
	now := g.stage.start.Time().In(g.stage.zone)
	s.steps = 320 * max(float64(now.Hour()-7), 0)
	minute := 0
	g.every(g.stagger(20*time.Second), time.Minute, func(at vigil.Instant) {
		g.watchSays(at, "", minute)
		minute++
	})
}

func (g *gadget) watchSays(at vigil.Instant, event string, minute int) {
	p, s := g.stage.person, g.state.(*watchState)
	if day := at.Time().In(g.stage.zone).YearDay(); day != s.day {
		s.day, s.steps = day, 0
	}
	walks := !p.Asleep() && g.rng.Float64() < 0.18
	if event == "" && walks {
		s.steps += 40 + 60*g.rng.Float64()
	}
	var o object
	o.int("t", millis(at))
	if event != "" {
		o.str("event", event)
	}
	o.num("hr", min(max(p.Value(body.HeartRate), 20), 299), 0).num("steps", s.steps, 0)
	if event == "" && minute%10 == 0 {
		o.num("resp", min(max(p.Value(body.Breathing), 4), 79), 0).num("spo2", max(p.Value(body.Saturation), 50), 0)
	}
	if event == "" && minute%15 == 0 {
		o.int("battery", g.battery(at))
		if p.Rhythm() == body.AtrialFibrillation {
			o.str("event", "irregular-rhythm")
		}
	}
	g.say(at, o.end())
}

func actWatch(g *gadget, word string, at vigil.Instant) { g.watchSays(at, word, 1) }
