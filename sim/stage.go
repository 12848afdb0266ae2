package sim

import (
	"hash/fnv"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/body"
)

// A stage is a scene that runs.
type stage struct {
	scene      *Scene
	zone       *time.Location
	recordings fs.FS
	start      vigil.Instant
	person     *body.Person // nil where nobody is
	room       room
	gadgets    []*gadget
	course     []task
	due        vigil.Instant // of the next task, for the engine
	index      int           // in the plan
	seed       uint64
	// out and links collect what happens until the engine fetches it.
	out   []vigil.Message
	links []linkChange
}

// A linkChange is a device that loses or regains its connection.
type linkChange struct {
	device vigil.DeviceID
	up     bool
}

// seedOf makes a seed from the plan's seed and a name, so that adding a scene
// changes no other.
func seedOf(seed uint64, name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return h.Sum64() ^ seed*0x9e3779b97f4a7c15
}

func newStage(p *Plan, s *Scene, recordings fs.FS, start vigil.Instant) (*stage, error) {
	st := &stage{scene: s, zone: p.Zone, recordings: recordings, start: start, seed: seedOf(p.Seed, s.Location.ID)}
	if st.zone == nil {
		st.zone = time.UTC
	}
	st.room = newRoom()
	if s.Patient != nil || s.Story != nil && s.Story.Person != nil {
		c := s.Body
		c.Zone = st.zone
		st.person = body.New(c, st.seed, start)
		st.routine()
	}
	for i := range s.Devices {
		d := s.Devices[i]
		k := kindOf(d.Profile)
		if k == nil {
			return nil, vigil.Errorf(vigil.Invalid, "device %s: no simulation of profile %q", d.ID, d.Profile)
		}
		seed := seedOf(p.Seed, "device "+string(d.ID))
		g := &gadget{Device: d, kind: k, stage: st, rng: rand.New(rand.NewPCG(seed, 1)), full: 70 + float64(seed%30)} // #nosec G404 -- a simulation
		st.gadgets = append(st.gadgets, g)
		if s.Away || s.Patient == nil && !d.OfPlace && st.person == nil {
			continue // switched off, or in reserve
		}
		k.start(g)
	}
	if s.Story != nil {
		st.direct(s.Story)
	}
	return st, nil
}

// tasks calls yield for each task of the scene.
func (st *stage) tasks(yield func(t *task, g *gadget)) {
	for i := range st.course {
		yield(&st.course[i], nil)
	}
	for _, g := range st.gadgets {
		for i := range g.tasks {
			yield(&g.tasks[i], g)
		}
	}
}

// never is later than any simulation.
const never = vigil.Instant(1 << 62)

// next returns when something happens next.
func (st *stage) next() vigil.Instant {
	at := never
	st.tasks(func(t *task, _ *gadget) { at = min(at, t.next) })
	return at
}

// play does everything that is due at a time.
func (st *stage) play(at vigil.Instant) {
	if st.person != nil {
		st.person.Live(at)
	}
	st.tasks(func(t *task, _ *gadget) {
		for t.next <= at {
			due := t.next
			t.next = t.then(due)
			t.do(due)
		}
	})
}

func (st *stage) link(device vigil.DeviceID, up bool) {
	st.links = append(st.links, linkChange{device, up})
}

// daily returns the first time after at that lies near a local time of day. The
// day's deviation depends on the day and the salt alone, so that a backfill and
// a live run agree.
func (st *stage) daily(at vigil.Instant, clock, spread time.Duration, salt string) vigil.Instant {
	t := at.Time().In(st.zone)
	for day := -1; ; day++ {
		midnight := time.Date(t.Year(), t.Month(), t.Day()+day, 0, 0, 0, 0, st.zone)
		due := midnight.Add(clock + time.Duration(st.chance(midnight, salt)*float64(spread)))
		if x := vigil.InstantOf(due.Truncate(time.Second)); x > at {
			return x
		}
	}
}

// chance returns a number from -1 to 1 that belongs to a day.
func (st *stage) chance(day time.Time, salt string) float64 {
	h := seedOf(st.seed, day.Format("2006-01-02")+salt)
	return float64(h>>11)/(1<<52) - 1
}

// gadget returns the first device of a profile, or with an id.
func (st *stage) gadget(name string) *gadget {
	for _, g := range st.gadgets {
		if g.Profile == name || string(g.ID) == name {
			return g
		}
	}
	return nil
}

// routine gives a person meals. People with diabetes inject for them with
// their pen, not always the right amount.
func (st *stage) routine() {
	for _, m := range []struct {
		name  string
		clock time.Duration
		grams float64
	}{
		{"breakfast", 7*time.Hour + 30*time.Minute, 45}, {"lunch", 12*time.Hour + 30*time.Minute, 60},
		{"dinner", 18*time.Hour + 40*time.Minute, 65},
	} {
		then := func(at vigil.Instant) vigil.Instant { return st.daily(at, m.clock, 35*time.Minute, m.name) }
		st.course = append(st.course, task{then(st.start), func(at vigil.Instant) { st.meal(at, m.name, m.grams) }, then})
	}
}

func (st *stage) meal(at vigil.Instant, name string, grams float64) {
	day := at.Time().In(st.zone)
	grams *= 1 + 0.3*st.chance(day, name+" size")
	st.person.Eat(grams)
	pen := st.gadget("insulin-pen")
	if pen == nil {
		return
	}
	units := grams / 10.5 * (1 + 0.25*st.chance(day, name+" dose"))
	units += max(st.person.Value(body.Glucose)-150, 0) / 45
	if st.scene.Story == nil && st.chance(day, name+" forgotten") > 0.93 {
		return
	}
	pen.inject(at, units)
}
