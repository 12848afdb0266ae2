package sim

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A kind is how devices of one profile are simulated.
type kind struct {
	// start gives the device its tasks.
	start func(g *gadget)
	// does lists what a story can make such a device do, besides the words
	// that every device knows.
	does []string
	// act does one of them.
	act func(g *gadget, word string, at vigil.Instant)
}

// everyDevice lists what a story can make any device do.
func everyDevice() []string { return []string{"fall-silent", "speak", "cut-off", "reconnect"} }

// kindOf returns the simulation of a profile, or nil.
func kindOf(profile string) *kind {
	switch profile {
	case "bedside-monitor":
		return &kind{startMonitor, []string{"leads-off", "leads-on", "probe-off", "probe-on", "measure"}, actMonitor}
	case "ecg-patch":
		return &kind{startPatch, []string{"leads-off", "leads-on", "button"}, actPatch}
	case "ecg-recorder":
		return &kind{startRecorder, nil, nil}
	case "pulse-oximeter":
		return &kind{startOximeter, []string{"probe-off", "probe-on"}, actOximeter}
	case "bp-cuff":
		return &kind{startCuff, []string{"measure"}, actMeasure}
	case "thermometer":
		return &kind{startThermometer, []string{"measure"}, actMeasure}
	case "scale":
		return &kind{startScale, []string{"measure"}, actMeasure}
	case "glucose-meter":
		return &kind{startGlucoseMeter, []string{"measure"}, actMeasure}
	case "cgm":
		return &kind{startCGM, nil, nil}
	case "insulin-pen":
		return &kind{startPen, nil, nil}
	case "pill-bottle":
		return &kind{startBottle, []string{"miss-dose", "dose-taken", "opened", "closed", "refilled"}, actBottle}
	case "smart-bed":
		return &kind{startBed, []string{"bed-exit", "bed-enter", "rail-down"}, actBed}
	case "fall-pendant":
		return &kind{startPendant, []string{"fall", "button", "fall-cancelled"}, actPendant}
	case "fridge-logger":
		return &kind{startFridge, []string{"door-open", "door-closed"}, actFridge}
	case "asset-tag":
		return &kind{startTag, nil, nil}
	case "smartwatch":
		return &kind{startWatch, []string{"fall", "sos"}, actWatch}
	}
	return nil
}

// profiles lists the profiles that are simulated.
func profiles() []string {
	return []string{
		"asset-tag", "bedside-monitor", "bp-cuff", "cgm", "ecg-patch", "ecg-recorder", "fall-pendant",
		"fridge-logger", "glucose-meter", "insulin-pen", "pill-bottle", "pulse-oximeter", "scale", "smart-bed",
		"smartwatch", "thermometer",
	}
}

// A gadget is a device that runs.
type gadget struct {
	Device
	kind  *kind
	stage *stage
	rng   *rand.Rand
	tasks []task
	seq   int64
	full  float64 // battery at the start, %
	// What a story did to it.
	silent, cut, leadsOff, probeOff, missing bool
	held                                     []vigil.Message
	lastID                                   vigil.Instant
	state                                    any // of its kind
}

// A task is something that a gadget does again and again.
type task struct {
	next vigil.Instant
	do   func(at vigil.Instant)
	then func(at vigil.Instant) vigil.Instant
}

// every adds a task with a fixed period; first is when it runs first.
func (g *gadget) every(first vigil.Instant, period time.Duration, do func(at vigil.Instant)) {
	g.tasks = append(g.tasks, task{first, do, func(at vigil.Instant) vigil.Instant { return at.Add(period) }})
}

// daily adds a task at a local time of each day, give or take spread.
func (g *gadget) daily(clock, spread time.Duration, salt string, do func(at vigil.Instant)) {
	then := func(at vigil.Instant) vigil.Instant { return g.stage.daily(at, clock, spread, string(g.ID)+salt) }
	g.tasks = append(g.tasks, task{then(g.stage.start), do, then})
}

// say sends a payload that was made at a time.
func (g *gadget) say(at vigil.Instant, payload []byte) { g.sayOn("", at, payload) }

func (g *gadget) sayOn(channel string, at vigil.Instant, payload []byte) {
	if g.silent {
		return
	}
	// Two messages of one instant need two ids.
	g.lastID = max(g.lastID+1, at)
	l := vigil.Message{
		Device: g.ID, Channel: channel, ID: string(g.ID) + "-" + strconv.FormatInt(int64(g.lastID), 36),
		Stated: at, Payload: payload,
	}
	if g.cut {
		g.held = append(g.held, l)
		return
	}
	g.stage.out = append(g.stage.out, l)
}

// number returns a record number that is greater than all before it, also
// those of an earlier run.
func (g *gadget) number(at vigil.Instant) int64 {
	g.seq = max(g.seq+1, millis(at)/100)
	return g.seq
}

// battery returns the charge in %; it falls by a quarter in a day and is
// charged every third night.
func (g *gadget) battery(at vigil.Instant) int64 {
	days := float64(at) / 86400e6
	used := (days/3 - float64(int64(days/3))) * 60
	return int64(max(g.full-used, 3))
}

// perform makes the device do what a story says.
func (g *gadget) perform(word string, at vigil.Instant) {
	switch word {
	case "fall-silent":
		g.silent = true
		g.stage.link(g.ID, false)
	case "speak":
		g.silent = false
		g.stage.link(g.ID, true)
	case "cut-off":
		g.cut = true
		g.stage.link(g.ID, false)
	case "reconnect":
		g.cut = false
		g.stage.link(g.ID, true)
		g.stage.out = append(g.stage.out, g.held...)
		g.held = nil
	case "leads-off", "leads-on":
		g.leadsOff = word == "leads-off"
	case "probe-off", "probe-on":
		g.probeOff = word == "probe-off"
	default:
		if g.kind.act != nil {
			g.kind.act(g, word, at)
		}
	}
}

// has tells whether a part is connected.
func (d *Device) has(part string) bool { return slices.Contains(d.Parts, part) }
