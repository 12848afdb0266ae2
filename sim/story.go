package sim

import (
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/body"
)

// A Story is something that happens to a person or a place, and what must be
// seen of it. Stories are files, see stories/*.yaml.
type Story struct {
	Name   string
	Title  string
	Source string // where the course comes from, if anywhere
	File   string
	Text   []byte
	// Person is who it happens to; nil for a story of a place.
	Person *body.Config
	// Clock is the local time of day at which it begins, negative for any.
	Clock   time.Duration
	Devices []string // profiles
	Course  []Act
	// Again starts the course over after this long; 0 plays it once.
	Again  time.Duration
	Expect []Expect
}

// An Act is one entry of a course. Only what is set happens.
type Act struct {
	At      time.Duration
	Like    string // stable, asleep, awake, exercising or resting
	Towards map[body.Vital]float64
	Over    time.Duration
	Rhythm  string
	Ectopic *float64 // premature beats per minute
	Eats    float64  // grams of carbohydrate
	Injects float64  // units of rapid insulin
	Device  string   // profile
	Does    string   // what the device does
}

// An Expect is what must be seen. Exactly one of Alarm, Score, Vital, Event,
// Never, Silent and Late is set.
type Expect struct {
	// By is when it must have been seen at the latest; From is when the
	// looking begins. Until, instead of By, means all the time up to then.
	From, By, Until time.Duration
	Alarm           string               // name of an alarm rule; judged by the alarm engine's tests
	Score           map[string]Condition // name of a score; judged by the scores' tests
	Vital           map[string]Condition // metric as the profile names it
	Event           string
	Never           string // an event that must not come
	Silent          string // profile of a device that sends nothing from From to By
	Late            string // profile of a device that delivers in arrears
	Pos             string
}

// A Condition compares a value.
type Condition struct {
	Op    string // < <= > >= ==
	Value float64
}

// Holds tells whether x fulfils the condition.
func (c Condition) Holds(x float64) bool {
	switch c.Op {
	case "<":
		return x < c.Value
	case "<=":
		return x <= c.Value
	case ">":
		return x > c.Value
	case ">=":
		return x >= c.Value
	}
	return x == c.Value
}

// Length returns how long the story must run until all is seen.
func (s *Story) Length() time.Duration {
	var d time.Duration
	for _, a := range s.Course {
		d = max(d, a.At+a.Over)
	}
	for _, e := range s.Expect {
		d = max(d, e.By, e.Until)
	}
	return d
}

// direct puts a story's acts on the stage.
func (st *stage) direct(s *Story) {
	pace := st.scene.Pace
	if pace == 0 {
		pace = 1
	}
	faster := func(d time.Duration) time.Duration { return time.Duration(float64(d) / pace) }
	for _, a := range s.Course {
		first := st.start.Add(st.scene.Begin + faster(a.At))
		then := func(vigil.Instant) vigil.Instant { return never }
		if s.Again > 0 {
			then = func(at vigil.Instant) vigil.Instant { return at.Add(faster(s.Again)) }
		}
		act := a
		act.Over = faster(a.Over)
		st.course = append(st.course, task{first, func(at vigil.Instant) { st.enact(&act, at) }, then})
	}
}

// enact does one act.
func (st *stage) enact(a *Act, at vigil.Instant) {
	if g := st.gadget(a.Device); a.Device != "" && g != nil {
		g.perform(a.Does, at)
	}
	p := st.person
	if p == nil {
		return
	}
	over := a.Over
	switch a.Like {
	case "stable":
		p.Release(max(over, time.Minute))
		p.SetRhythm(body.Sinus)
		p.SetEffort(0)
	case "asleep", "awake":
		p.SetAsleep(a.Like == "asleep")
	case "exercising":
		p.SetEffort(0.7)
	case "resting":
		p.SetEffort(0)
	}
	for v, to := range a.Towards {
		p.Towards(v, to, over)
	}
	if a.Rhythm != "" {
		if r, err := body.ParseRhythm(a.Rhythm); err == nil { // checked when the file was read
			p.SetRhythm(r)
		}
	}
	if a.Ectopic != nil {
		p.SetEctopics(*a.Ectopic)
	}
	if a.Eats > 0 {
		p.Eat(a.Eats)
	}
	if a.Injects > 0 {
		if pen := st.gadget("insulin-pen"); pen != nil {
			pen.inject(at, a.Injects)
		} else {
			p.Inject(a.Injects)
		}
	}
}
