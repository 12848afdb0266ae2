package body

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A Config says who the person is.
type Config struct {
	Age        int    // years; 0 means 50
	Sex        string // male or female, FHIR AdministrativeGender
	Weight     float64
	Conditions []Condition
	// Baseline overrides the resting values that age and conditions give.
	Baseline map[Vital]float64
	// Zone is where the person's clock is read from: sleep, meals. Nil is UTC.
	Zone *time.Location
	// Ectopics is how many premature beats per minute the heart throws in.
	Ectopics float64
	// Rhythm is the rhythm at the start.
	Rhythm Rhythm
}

// A Person is a body in time. It is not safe for use by several goroutines.
type Person struct {
	config Config
	rng    *rand.Rand
	now    vigil.Instant
	base   [vitals]float64
	value  [vitals]float64 // without the wandering
	wander [vitals]float64
	pins   [vitals]pin
	rhythm Rhythm
	// effort is 0 at rest and 1 at the hardest; asleep 0 awake, 1 asleep.
	effort, effortSet float64
	asleep            float64
	awake             *bool // forced by a story; nil follows the clock
	weight            float64
	sugar             sugar
	Waves             *Waves
}

// A pin is a set point that a story holds.
type pin struct {
	on         bool
	from, to   float64
	start, end vigil.Instant
	release    bool // at the end of the ramp the body is itself again
}

// step is how far the state moves at once when it is watched; longStep is the
// most when nobody looks for a while, as in a backfill.
const (
	step     = time.Second
	longStep = 15 * time.Second
)

// New makes a person as of a time. Two persons of the same configuration and
// seed are the same.
func New(c Config, seed uint64, at vigil.Instant) *Person {
	if c.Age == 0 {
		c.Age = 50
	}
	if c.Zone == nil {
		c.Zone = time.UTC
	}
	p := &Person{config: c, rng: rand.New(rand.NewPCG(seed, 0x7669676c)), now: at, rhythm: c.Rhythm}
	p.base = baseline(c)
	p.weight = c.Weight
	if p.weight == 0 {
		p.weight = 78
		if c.Sex == "female" {
			p.weight = 66
		}
	}
	p.asleep = p.sleepiness()
	p.sugar = newSugar(p.has(Diabetes), p.base[Glucose])
	p.value = p.base
	for range 8 { // the couplings settle
		for v := range vitals {
			p.value[v] = p.setPoint(v)
		}
	}
	for v := range vitals {
		p.wander[v] = p.rng.NormFloat64() * v.spec().noise
	}
	p.Waves = newWaves(p, rand.New(rand.NewPCG(seed, 0x77617665)), at)
	return p
}

// baseline returns the resting values that belong to age and conditions.
func baseline(c Config) [vitals]float64 {
	b := [vitals]float64{
		HeartRate: 70, Saturation: 97, Breathing: 14, Systolic: 110 + 0.3*float64(c.Age),
		Diastolic: 72 + 0.08*float64(c.Age), Temperature: 36.7, Glucose: 96, EtCO2: 38,
	}
	for _, x := range c.Conditions {
		switch x {
		case COPD:
			b[Saturation] -= 3.5
			b[Breathing] += 4
			b[EtCO2] += 8
			b[HeartRate] += 6
		case Hypertension:
			b[Systolic] += 22
			b[Diastolic] += 10
		case HeartFailure:
			b[HeartRate] += 10
			b[Saturation] -= 1.5
			b[Breathing] += 3
			b[Systolic] -= 12
		case Diabetes:
			b[Glucose] = 135
		case Sepsis:
			b[Temperature] += 1.6
			b[Systolic] -= 18
			b[Diastolic] -= 12
		}
	}
	for v, x := range c.Baseline {
		b[v] = x
	}
	return b
}

func (p *Person) has(c Condition) bool { return slices.Contains(p.config.Conditions, c) }

// Now returns the time up to which the person has lived.
func (p *Person) Now() vigil.Instant { return p.now }

// Rhythm returns how the heart beats now.
func (p *Person) Rhythm() Rhythm { return p.rhythm }

// Value returns a vital now, in its unit.
func (p *Person) Value(v Vital) float64 {
	s := v.spec()
	x := p.value[v] + p.wander[v]
	if v == HeartRate && p.rhythm == Asystole {
		return 0
	}
	return min(max(x, s.low), s.high)
}

// Mean returns the mean arterial pressure in mm[Hg].
func (p *Person) Mean() float64 {
	sys, dia := p.Value(Systolic), p.Value(Diastolic)
	return dia + (sys-dia)/3
}

// Asleep tells whether the person sleeps.
func (p *Person) Asleep() bool { return p.asleep > 0.5 }

// Effort returns how hard the person works, from 0 at rest to 1.
func (p *Person) Effort() float64 { return p.effort }

// Weight returns the body weight in kg, which wanders by a few hundred grams
// from day to day.
func (p *Person) Weight() float64 {
	day := math.Floor(float64(p.now) / 86400e6)
	return p.weight + 0.35*math.Sin(day*1.7) + 0.2*math.Sin(day*0.53)
}

// SetRhythm changes the rhythm from now on.
func (p *Person) SetRhythm(r Rhythm) { p.rhythm = r }

// SetEctopics changes how many premature beats per minute there are.
func (p *Person) SetEctopics(perMinute float64) { p.config.Ectopics = perMinute }

// SetEffort makes the person work from now on, from 0 at rest to 1.
func (p *Person) SetEffort(e float64) { p.effortSet = min(max(e, 0), 1) }

// SetAsleep makes the person sleep or wake whatever the clock says.
func (p *Person) SetAsleep(asleep bool) { p.awake = new(!asleep) }

// Towards leads a vital to a value within a time, whatever else the body would
// do; the other vitals answer to it.
func (p *Person) Towards(v Vital, to float64, over time.Duration) {
	p.pins[v] = pin{on: true, from: p.setPoint(v), to: to, start: p.now, end: p.now.Add(over)}
}

// Release lets every vital go back to what the body itself would do, within a
// time.
func (p *Person) Release(over time.Duration) {
	for v := range vitals {
		if p.pins[v].on {
			p.pins[v] = pin{on: true, from: p.setPoint(v), to: p.natural(v), start: p.now, end: p.now.Add(over), release: true}
		}
	}
}

// Eat takes a meal of so many grams of carbohydrate.
func (p *Person) Eat(grams float64) { p.sugar.eat(grams) }

// Inject takes so many units of rapid insulin.
func (p *Person) Inject(units float64) { p.sugar.inject(units) }

// Live lets time pass until at.
func (p *Person) Live(at vigil.Instant) {
	for p.now.Add(step) <= at {
		d := min(max(at.Sub(p.now)/4, step).Truncate(step), longStep)
		p.now = p.now.Add(d)
		p.move(d.Seconds())
	}
}

// move moves the whole state by dt seconds.
func (p *Person) move(dt float64) {
	p.asleep += (p.sleepiness() - p.asleep) * dt / 300
	p.effort += (p.effortSet - p.effort) * (1 - math.Exp(-dt/20))
	p.sugar.step(dt, p.rng.NormFloat64())
	for v := range vitals {
		s := v.spec()
		set := p.setPoint(v)
		settle := s.settle
		if p.pins[v].on {
			settle = min(settle, 20) // a story's ramp is followed closely
		}
		p.value[v] += (set - p.value[v]) * (1 - math.Exp(-dt/settle))
		k := math.Exp(-dt / s.pace)
		p.wander[v] = p.wander[v]*k + s.noise*math.Sqrt(1-k*k)*p.rng.NormFloat64()
	}
}

// setPoint returns where a vital is going: the story's ramp, or what the body
// itself wants.
func (p *Person) setPoint(v Vital) float64 {
	n := &p.pins[v]
	if !n.on {
		return p.natural(v)
	}
	if p.now >= n.end {
		if n.release {
			n.on = false
			return p.natural(v)
		}
		return n.to
	}
	part := float64(p.now-n.start) / float64(n.end-n.start)
	return n.from + (n.to-n.from)*part
}
