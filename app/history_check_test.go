package app

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/vigil-iomt/vigil"
)

// A utterance is one message on its way, as those who sent it know it. What was
// never acknowledged may be kept or not, now or later.
type utterance struct {
	message   vigil.Message
	key       string // identity of what several say differently
	n         int    // number of what is said once
	value     float64
	fix       bool
	call, ret int64 // ret is 0 as long as there is no acknowledgement
	resent    bool
}

// A glance is one read of everything that is kept under a key.
type glance struct {
	key     string
	history bool
}

// A version is one value that is kept under a key.
type version struct {
	value             float64
	version, conflict int
	standing, flagged bool
}

// keepsAll is what a key may hold, as the store's promise has it: a function of
// the order in which the messages entered the journal. Any order will do that
// agrees with who heard what when.
func keepsAll() porcupine.Model {
	return porcupine.Model{
		Partition: byKey,
		Init:      func() any { return []version(nil) },
		Step: func(state, in, out any) (bool, any) {
			kept := state.([]version)
			switch in := in.(type) {
			case *utterance:
				return true, takenIn(kept, in)
			case glance:
				return out.(string) == shown(kept, in.history), kept
			}
			return false, kept
		},
		Equal:         func(a, b any) bool { return slices.Equal(a.([]version), b.([]version)) },
		DescribeState: func(s any) string { return shown(s.([]version), true) },
	}
}

// byKey puts what is about one key together.
func byKey(all []porcupine.Operation) [][]porcupine.Operation {
	at := map[string]int{}
	var out [][]porcupine.Operation
	for _, op := range all {
		key := ""
		switch in := op.Input.(type) {
		case *utterance:
			key = in.key
		case glance:
			key = in.key
		}
		if _, ok := at[key]; !ok {
			at[key] = len(out)
			out = append(out, nil)
		}
		out[at[key]] = append(out[at[key]], op)
	}
	return out
}

// takenIn is what is kept once a message was taken in.
func takenIn(kept []version, u *utterance) []version {
	if strings.Contains(u.key, "/m") { // known by its message: the first counts
		if len(kept) > 0 {
			return kept
		}
		return []version{{u.value, 1, 0, true, false}}
	}
	newest, conflict, standing := 0, 0, 0
	for _, k := range kept {
		if k.value == u.value && (!u.fix || k.standing || k.version > 1) {
			return kept
		}
		newest, conflict = max(newest, k.version), max(conflict, k.conflict)
		if k.standing {
			standing++
		}
	}
	out := slices.Clone(kept)
	if standing == 0 {
		return append(out, version{u.value, newest + 1, 0, true, false})
	}
	for i := range out {
		if u.fix {
			out[i].standing = false
		} else if out[i].standing {
			out[i].flagged = true
		}
	}
	if u.fix {
		return append(out, version{u.value, newest + 1, 0, true, false})
	}
	return append(out, version{u.value, 1, conflict + 1, true, true})
}

// shown is how a read shows what is kept.
func shown(kept []version, history bool) string {
	list := slices.Clone(kept)
	slices.SortFunc(list, func(a, b version) int { return 1000*(a.conflict-b.conflict) + a.version - b.version })
	var b strings.Builder
	for _, k := range list {
		if k.standing || history {
			fmt.Fprintf(&b, "%g v%d c%d %t;", k.value, k.version, k.conflict, k.flagged)
		}
	}
	return b.String()
}

// judge looks for an order of everything that was said and read that explains
// what was read.
func (c *chronicle) judge() {
	c.mu.Lock()
	ops := slices.Clone(c.glances)
	for i, u := range c.said {
		if u.key == "" {
			continue
		}
		op := porcupine.Operation{ClientId: i, Input: u, Call: u.call, Return: u.ret}
		if u.ret == 0 {
			op.Return = math.MaxInt64
		}
		ops = append(ops, op)
	}
	c.mu.Unlock()
	for _, about := range byKey(ops) {
		if porcupine.CheckOperationsTimeout(keepsAll(), about, time.Minute) == porcupine.Illegal {
			var says []string
			for _, op := range about {
				if u, ok := op.Input.(*utterance); ok {
					says = append(says, fmt.Sprintf("%d-%d %s %g fix=%t", op.Call, u.ret, u.key, u.value, u.fix))
				} else {
					says = append(says, fmt.Sprintf("%d-%d read %+v: %s", op.Call, op.Return, op.Input, op.Output))
				}
			}
			slices.SortFunc(says, func(a, b string) int { return leading(a) - leading(b) })
			c.blame("no order of these explains what was read:\n  %s", strings.Join(says, "\n  "))
		}
	}
}

// leading is the number that a text begins with.
func leading(s string) int {
	n, _ := strconv.Atoi(s[:strings.IndexByte(s, '-')])
	return n
}

// glance reads everything that is kept of a device whose keys are contested.
func (c *chronicle) glance(d vigil.DeviceID) {
	for _, history := range []bool{true, false} {
		call := c.now()
		if !c.wait() {
			return
		}
		kept := map[string][]string{}
		for _, metric := range []string{"spo2", "pulse"} {
			for _, p := range c.points(d, metric, history) {
				key := fmt.Sprintf("%s/t%d", d, p.Key)
				if metric == "pulse" {
					key = fmt.Sprintf("%s/m%d", d, int(p.Value-60)/10)
				}
				kept[key] = append(kept[key], fmt.Sprintf("%g v%d c%d %t;", p.Value, p.Version, p.Conflict, p.Quality.Has(vigil.Conflict)))
			}
		}
		ret := c.now()
		c.mu.Lock()
		for _, key := range keysOf(d) {
			c.glances = append(c.glances, porcupine.Operation{ClientId: -1, Input: glance{key, history},
				Output: strings.Join(kept[key], ""), Call: call, Return: ret})
			delete(kept, key)
		}
		c.mu.Unlock()
		for key, what := range kept {
			c.blame("%s was never sent: %v", key, what)
		}
	}
}

// points returns what is kept of a device, of all its subjects.
func (c *chronicle) points(d vigil.DeviceID, metric string, history bool) []vigil.Point {
	list, err := c.s.db.Series(c.s.ctx, vigil.SeriesQuery{Devices: []vigil.DeviceID{d}, Metrics: []string{metric}})
	var out []vigil.Point
	for _, one := range list {
		var p []vigil.Point
		if err == nil {
			p, err = c.s.db.Points(c.s.ctx, vigil.PointQuery{Series: one.ID, History: history})
		}
		out = append(out, p...)
	}
	if err != nil {
		c.blame("%s cannot be read: %v", d, err)
	}
	return out
}

// count compares what is kept of a device that says everything once: what was
// acknowledged, or was seen before, is there, nothing is there twice, and nothing
// that was never said.
func (c *chronicle) count(d vigil.DeviceID) {
	call := c.now()
	if !c.wait() {
		return
	}
	readings, marks := map[int]int{}, map[int]int{}
	for _, p := range c.points(d, "spo2", false) {
		n := int(p.Taken-taken) / 1000
		if p.Quality.Has(vigil.EnteredInError) {
			continue // it is another's
		}
		readings[n]++
		if p.Value != float64(50+n%50) {
			c.blame("%s: reading %d is %g", d, n, p.Value)
		}
	}
	events, err := c.s.db.Events(c.s.ctx, vigil.EventQuery{Devices: []vigil.DeviceID{d}, Types: []string{"mark"}})
	if err != nil {
		c.blame("events of %s cannot be read: %v", d, err)
	}
	for _, e := range events {
		marks[int(e.Taken-taken)/1000]++
	}
	c.mu.Lock()
	sent, owed := map[int]bool{}, map[int]bool{}
	for n := range c.seen[d] {
		owed[n] = true
	}
	for _, u := range c.said {
		if u.message.Device == d && u.key == "" {
			sent[u.n] = true
			if u.ret != 0 && u.ret < call {
				owed[u.n] = true
			}
		}
	}
	for n := range readings {
		c.seen[d][n] = true
	}
	c.mu.Unlock()
	c.compare(d, "reading", readings, sent, owed, func(int) bool { return true })
	c.compare(d, "mark", marks, sent, owed, marked)
}

// marked tells whether message n says that something happened, too.
func marked(n int) bool { return n%10 == 0 }

// compare blames for what is not there, or is and should not be.
func (c *chronicle) compare(d vigil.DeviceID, what string, kept map[int]int, sent, owed map[int]bool, has func(int) bool) {
	for n := range owed {
		if has(n) && kept[n] == 0 {
			c.blame("%s: %s %d was acknowledged, or seen, and is not there", d, what, n)
		}
	}
	for n, times := range kept {
		if times > 1 || !sent[n] || !has(n) {
			c.blame("%s: %s %d is there %d times; sent: %t", d, what, n, times, sent[n])
		}
	}
}

// whose compares to whom each standing reading of the device that changes hands
// belongs with who had it then.
func (c *chronicle) whose() {
	list, err := c.s.db.Series(c.s.ctx, vigil.SeriesQuery{Devices: []vigil.DeviceID{saysPassed}, Metrics: []string{"spo2"}})
	if err != nil {
		c.blame("series cannot be read: %v", err)
	}
	for _, one := range list {
		points, err := c.s.db.Points(c.s.ctx, vigil.PointQuery{Series: one.ID})
		if err != nil {
			c.blame("series cannot be read: %v", err)
		}
		for _, p := range points {
			n := int(p.Taken-taken) / 1000
			if had := c.had(n); !p.Quality.Has(vigil.EnteredInError) && had != one.Subject {
				c.blame("reading %d stands with %v, but %v had the device", n, one.Subject, had)
			}
		}
	}
}

// had returns who had the device when it said message n.
func (c *chronicle) had(n int) vigil.Subject {
	if n/slotSize < slots {
		return c.owner[n/slotSize]
	}
	return vigil.Unattributed(saysPassed)
}

// setAside compares the quarantine with what was acknowledged as quarantined,
// and with what was replayed.
func (c *chronicle) setAside() {
	entries, err := c.s.db.Quarantine(c.s.ctx, vigil.QuarantineQuery{Device: saysOdd})
	if err != nil {
		c.blame("the quarantine cannot be read: %v", err)
	}
	state := map[string]vigil.QuarantineState{}
	for _, e := range entries {
		if _, twice := state[e.ID]; twice || e.Count != 1 {
			c.blame("entry %s is listed twice, or stands for %d", e.ID, e.Count)
		}
		state[e.ID] = e.State
		want := vigil.Open
		if c.replayed[e.ID] {
			want = vigil.Replayed
		}
		if e.State != want {
			c.blame("entry %s is %s, want %s", e.ID, e.State, want)
		}
	}
	c.mu.Lock()
	unsure := 0
	for _, u := range c.said {
		if u.message.Device == saysOdd && u.ret == 0 {
			unsure++
		}
	}
	acked := len(c.entries)
	for id := range c.entries {
		if state[id] == "" {
			c.faults = append(c.faults, "entry "+id+" was acknowledged and is not there")
		}
	}
	c.mu.Unlock()
	if len(state) > acked+unsure {
		c.blame("%d entries of %d acknowledged messages and %d others", len(state), acked, unsure)
	}
	times := map[int]int{}
	for _, p := range c.points(saysOdd, "spo2", false) {
		times[int(p.Taken-taken)/1000]++
	}
	c.compare(saysOdd, "replayed reading", times, c.landed, c.landed, func(int) bool { return true })
}
