package app

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
)

// historyProfile is a device that says what the test wants; its saturation is
// in the field that is filled in.
const historyProfile = `
profile: %[1]s
title: Device with a history
maker: Vigil
kind: other
source: this test
codec: json
time: {path: $.t, format: unix-ms}
correction: {path: $.fix}
cadence: 1 s
readings:
  - {metric: spo2, path: $.%[2]s, unit: "%%", code: {loinc: 59408-5, mdc: 150456}, decimals: 0, valid: [0, 100]}
  - {metric: pulse, path: $.p, unit: "/min", code: {loinc: 8867-4, mdc: 149530}, decimals: 0, valid: [20, 300]}
events:
  - {event: mark, when: $.e == "mark", title: A mark}
examples:
  - name: a good one
    payload: {"t": 1700000000000, "%[2]s": 97, "p": 72, "e": "mark"}
    want: {spo2: 97 %%, pulse: 72 /min, mark: event}
  - name: nothing of it
    payload: {"y": 1}
    refuse: none of this profile's fields found
`

// The devices of a history.
const (
	saysOne    vigil.DeviceID = "one"    // says other things than two under the same identities
	saysTwo    vigil.DeviceID = "two"    //
	saysOnce   vigil.DeviceID = "steady" // says everything once
	saysPassed vigil.DeviceID = "passed" // does so, too, and goes from patient to patient
	saysOdd    vigil.DeviceID = "odd"    // is not understood
)

// passed changes hands by slots of its messages.
const (
	slots    = 8
	slotSize = 50
)

// contested are when readings of one identity were taken: some are late.
var contested = []time.Duration{0, time.Second, 2 * time.Second, -30 * time.Hour, -60 * time.Hour}

// ids is how many message ids are used.
const ids = 3

// keysOf lists what a contested device speaks about.
func keysOf(d vigil.DeviceID) []string {
	var out []string
	for _, at := range contested {
		out = append(out, fmt.Sprintf("%s/t%d", d, taken.Add(at)))
	}
	for i := range ids {
		out = append(out, fmt.Sprintf("%s/m%d", d, i))
	}
	return out
}

// A chronicle is a server that lives through crashes, and what its clients know
// of it.
type chronicle struct {
	t        *testing.T
	s        *spine
	dir      string
	patients []vigil.Subject
	owner    [slots]vigil.Subject
	next     map[vigil.DeviceID]int
	landed   map[int]bool
	replayed map[string]bool

	mu      sync.Mutex
	clock   int64
	life    int // how many crashes there were: an answer from before one counts no more
	said    []*utterance
	glances []porcupine.Operation
	seen    map[vigil.DeviceID]map[int]bool
	entries map[string]bool
	faults  []string
}

// now is the time of the clients.
func (c *chronicle) now() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	return c.clock
}

// blame notes a broken promise.
func (c *chronicle) blame(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, fmt.Sprintf(format, args...))
}

// newChronicle makes the server of a history.
func newChronicle(t *testing.T, dir string) *chronicle {
	c := &chronicle{
		t: t, dir: dir, next: map[vigil.DeviceID]int{}, landed: map[int]bool{}, replayed: map[string]bool{},
		entries: map[string]bool{}, seen: map[vigil.DeviceID]map[int]bool{saysOnce: {}, saysPassed: {}},
	}
	c.profile("history", "o")
	c.profile("odd", "o")
	c.open()
	for _, name := range []string{"Ida", "Otto"} {
		c.patients = append(c.patients, c.s.patient(name))
	}
	for _, d := range []vigil.DeviceID{saysOne, saysTwo, saysOnce, saysPassed, saysOdd} {
		profile, to := "history", c.patients[0]
		if d == saysOdd {
			profile = "odd"
		}
		if d == saysPassed {
			to = vigil.Subject{}
		}
		if _, _, err := c.s.registry.AddDevice(c.s.ctx, vigil.Device{ID: d, Profile: profile}, to, vigil.Interval{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range c.owner {
		c.owner[i] = vigil.Unattributed(saysPassed)
	}
	return c
}

// profile writes a profile that reads the saturation from a field.
func (c *chronicle) profile(name, field string) {
	dir := filepath.Join(c.dir, "devices")
	err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, name+".yaml"), fmt.Appendf(nil, historyProfile, name, field), 0o600))
	if err != nil {
		c.t.Fatal(err)
	}
}

// open starts the server. It makes no checkpoint by itself: a folder that is
// copied meanwhile would be of no one moment.
func (c *chronicle) open() {
	c.s = newSpineWith(c.t, c.dir, map[string]string{"checkpoint": "1000h"})
}

// take sends one message. done is called when there is an answer.
func (c *chronicle) take(u *utterance, done func()) {
	if u.message.Arrived == 0 {
		u.message.Arrived = arrived
	}
	c.mu.Lock()
	c.clock++
	u.call = c.clock
	life := c.life
	c.said = append(c.said, u)
	c.mu.Unlock()
	c.s.ingest.Take(u.message, func(err error) {
		defer done()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.life != life {
			return
		}
		var refusal *vigil.Refusal
		switch {
		case errors.As(err, &refusal):
			c.entries[refusal.Entry] = true
		case err != nil:
			c.faults = append(c.faults, fmt.Sprintf("%+v was refused: %v", u, err))
			return
		}
		c.clock++
		u.ret = c.clock
	})
}

// all sends messages without waiting in between, and returns how to wait.
func (c *chronicle) all(list []*utterance) *sync.WaitGroup {
	var answers sync.WaitGroup
	answers.Add(len(list))
	for _, u := range list {
		c.take(u, answers.Done)
	}
	return &answers
}

// wait returns when everything that is in the journal now can be read.
func (c *chronicle) wait() bool {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for p := range c.s.journal.Partitions() {
		for head := c.s.journal.Head(p); c.s.db.Applied(p) < head; {
			select {
			case <-tick.C:
			case <-late:
				c.blame("what is in the journal cannot be read after 20 seconds")
				return false
			}
		}
	}
	return true
}

// A contest is one message about a contested identity.
type contest struct {
	Client, Device, Key, Value int
	ID, Fix, Twice             bool
}

// utterances makes the messages of a contest: two when two gateways deliver it.
func (k contest) utterances() []*utterance {
	d := []vigil.DeviceID{saysOne, saysTwo}[k.Device]
	u := utterance{value: float64(90 + k.Value), fix: k.Fix, message: vigil.Message{Device: d}}
	if k.ID {
		i := k.Key % ids
		u.key, u.value, u.fix = fmt.Sprintf("%s/m%d", d, i), float64(60+10*i+k.Value), false
		u.message.ID, u.message.Payload = fmt.Sprint("m", i), fmt.Appendf(nil, `{"p":%g}`, u.value)
	} else {
		at := taken.Add(contested[k.Key])
		u.key = fmt.Sprintf("%s/t%d", d, at)
		u.message.Payload = fmt.Appendf(nil, `{"t":%d,"o":%g,"fix":%t}`, ms(at), u.value, k.Fix)
	}
	if !k.Twice {
		return []*utterance{&u}
	}
	again := u
	u.message.Gateway, again.message.Gateway = "gateway-1", "gateway-2"
	return []*utterance{&u, &again}
}

// contend lets several clients speak about the same things, each after the
// answer to what it said before, while somebody reads.
func (c *chronicle) contend(list []contest) {
	var clients, reader sync.WaitGroup
	for client := range 3 {
		clients.Go(func() {
			for _, k := range list {
				if k.Client == client {
					c.all(k.utterances()).Wait()
				}
			}
		})
	}
	reader.Go(func() {
		c.glance(saysOne)
		c.glance(saysTwo)
		c.count(saysOnce)
	})
	clients.Wait()
	reader.Wait()
}

// many makes the next n messages of a device that says everything once.
func (c *chronicle) many(d vigil.DeviceID, n int, backwards bool) []*utterance {
	out := make([]*utterance, n)
	for i := range out {
		no := c.next[d] + i
		mark, field := "", "o"
		if d != saysOdd && marked(no) {
			mark = `,"e":"mark"`
		}
		if d == saysOdd {
			field = "x"
		}
		payload := fmt.Appendf(nil, `{"t":%d,%q:%d%s}`, ms(taken)+int64(no), field, 50+no%50, mark)
		u := &utterance{n: no, message: vigil.Message{Device: d, Arrived: arrived + vigil.Instant(no), Payload: payload}}
		if backwards {
			out[n-1-i] = u
		} else {
			out[i] = u
		}
	}
	c.next[d] += n
	return out
}

// pass gives the device that changes hands to a patient, or to nobody, for some
// slots, while it speaks.
func (c *chronicle) pass(from, until, to, n int) {
	answers := c.all(c.many(saysPassed, n, false))
	for slot := from; slot <= until; slot++ {
		during := vigil.Interval{From: taken.Add(time.Duration(slot*slotSize) * time.Millisecond)}
		during.To = during.From.Add(slotSize * time.Millisecond)
		err := c.s.registry.Unassign(c.s.ctx, saysPassed, during, "it was not")
		c.owner[slot] = vigil.Unattributed(saysPassed)
		if vigil.KindOf(err) == vigil.NotFound {
			err = nil // it was nobody's
		}
		if err == nil && to < len(c.patients) {
			_, err = c.s.registry.Assign(c.s.ctx, saysPassed, c.patients[to], during, "it was")
			c.owner[slot] = c.patients[to]
		}
		if err != nil {
			c.blame("pass the device on: %v", err)
		}
	}
	answers.Wait()
}

// repair mends the profile of the device that is not understood, replays what
// waits, and spoils the profile again.
func (c *chronicle) repair() {
	c.wait()
	for _, field := range []string{"x", "o"} {
		c.profile("odd", field)
		c.s.reload(LoadProfiles(c.s.c.Profiles()))
		if field == "o" {
			break
		}
		out, err := c.s.ingest.ReplayAll(c.s.ctx, c.s.db, saysOdd)
		if err != nil {
			c.blame("replay: %v", err)
		}
		for _, r := range out {
			e, err := c.s.db.QuarantineEntry(c.s.ctx, r.Entry)
			if err != nil || r.Refusal != nil {
				c.blame("replay of %s: %v, %v", r.Entry, err, r.Refusal)
				continue
			}
			c.replayed[r.Entry] = true
			c.landed[int(e.Message.Arrived-arrived)] = true
		}
	}
}

// again sends anew what was never acknowledged.
func (c *chronicle) again() {
	c.mu.Lock()
	var list []*utterance
	for _, u := range c.said {
		if u.ret == 0 && !u.resent {
			again := *u
			u.resent = true
			list = append(list, &again)
		}
	}
	c.mu.Unlock()
	c.all(list).Wait()
}

// restart stops in order and starts again.
func (c *chronicle) restart() {
	c.database("")
	c.s.close()
	c.open()
}

// database lets every checkpoint fail at a table, or none when it is empty.
func (c *chronicle) database(table string) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(c.dir, "vigil.db")+"?_pragma=busy_timeout(30000)")
	if err == nil {
		_, err = db.ExecContext(c.s.ctx, `DROP TRIGGER IF EXISTS gone`)
		if err == nil && table != "" {
			_, err = db.ExecContext(c.s.ctx, `CREATE TRIGGER gone BEFORE INSERT ON `+table+` BEGIN SELECT RAISE(ABORT, 'gone'); END`)
		}
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// crash takes the folder away from a server in full flight, as a loss of power
// leaves it: of what no sync has covered, a part is there, or zeros are.
func (c *chronicle) crash(n, part int, zeros bool) {
	flying := append(c.many(saysOnce, n, false), c.many(saysPassed, n, false)...)
	answers := c.all(append(flying, c.many(saysOdd, n%5, false)...))
	c.mu.Lock()
	c.life++ // whoever is answered from here on never heard it
	c.mu.Unlock()
	marks := map[string][]byte{"highwater": nil, "acknowledged": nil} // as old as what was synced
	var err error
	for name := range marks {
		marks[name], err = os.ReadFile(filepath.Join(c.dir, "journal", name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.t.Fatal(err)
		}
	}
	synced := c.sizes(c.dir)
	from, to := c.dir, c.dir+"+"
	for range 10 { // the journal's server may rename a file meanwhile
		if err = os.CopyFS(to, fsWithoutSocket(from)); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		_ = os.RemoveAll(to)
	}
	for name, mark := range marks {
		path := filepath.Join(to, "journal", name)
		if mark != nil {
			err = errors.Join(err, os.WriteFile(path, mark, 0o600))
		} else {
			_ = os.Remove(path)
		}
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.s.stop()
	<-c.s.done
	_ = c.s.server.close() // nobody will ask that one again
	answers.Wait()
	for name, size := range c.sizes(to) {
		if size > synced[name] {
			c.tear(filepath.Join(to, name), synced[name]+(size-synced[name])*int64(part)/100, zeros)
		}
	}
	if err := os.RemoveAll(from); err != nil {
		c.t.Fatal(err)
	}
	c.dir = to
	c.open()
	if d := c.s.journal.Stats().Damage; len(d) > 0 {
		c.blame("what was never synced is called damaged: %v", d)
	}
}

// sizes returns how long the message files of the journal are.
func (c *chronicle) sizes(dir string) map[string]int64 {
	out := map[string]int64{}
	err := filepath.WalkDir(filepath.Join(dir, "journal"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".blk" {
			var st fs.FileInfo
			if st, err = d.Info(); err == nil {
				out[strings.TrimPrefix(path, dir)] = st.Size()
			}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went while we looked
		}
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// tear cuts a file, or turns its end into zeros.
func (c *chronicle) tear(path string, at int64, zeros bool) {
	st, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, at)
	}
	if err == nil && zeros {
		err = os.Truncate(path, st.Size())
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// TestHistories lets clients publish, repeat, contradict and correct, while
// others read, patients change, profiles are repaired, checkpoints succeed and
// fail, old messages expire, and the power goes: whatever was acknowledged can be
// read from then on, once, and what was seen stays. What several say about one
// thing reads as if they had said it in some order.
//
// VIGIL_HISTORIES says how many histories are tried.
func TestHistories(t *testing.T) {
	histories := 12
	if testing.Short() {
		histories = 4
	}
	if n, err := strconv.Atoi(os.Getenv("VIGIL_HISTORIES")); err == nil {
		histories = n
	}
	for name, value := range map[string]string{
		"rapid.checks": strconv.Itoa(histories), "rapid.nofailfile": "true", "rapid.shrinktime": "20s",
	} {
		f := flag.Lookup(name)
		before := f.Value.String()
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(before) })
	}
	root, n := t.TempDir(), 0
	rapid.Check(t, func(r *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawStep), 4, 24).Draw(r, "steps")
		n++
		c := newChronicle(t, filepath.Join(root, strconv.Itoa(n)))
		defer func() {
			c.database("")
			c.s.close()
		}()
		for i, s := range steps {
			if c.happen(s); len(c.faults) > 0 {
				r.Fatalf("after step %d, %s: %s", i, s.Kind, c.faults[0])
			}
		}
		if c.judge(); len(c.faults) > 0 {
			r.Fatal(c.faults[0])
		}
	})
}
