package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/bench"
)

// TestSlowDisk makes every sync of the running server wait, so that the disk
// takes far less than devices send: memory stays bounded, acknowledgements come
// later and never before a sync could have ended, whoever finds the queue full
// is told to come again, and the doctor says why. When the disk is well again
// everything that was acknowledged is there once, and ingest is as fast as
// before. VIGIL_SLOW_SECONDS says how long the disk is slow.
//
// Seen to fail when stream/server.go leaves out SyncAlways (acknowledgements
// come before a sync), when stream's queue has no bound (nobody is told to come
// again), and when httpin leaves out Retry-After.
func TestSlowDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	c := server(t)
	c.Args = []string{"--partitions", "1"} // one queue to fill
	s, err := bench.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	d := &slowDisk{t: t, s: s, each: time.Second, noise: noise(192 << 10)}
	if d.devices, err = s.Register(t.Context(), "slow", "pulse-oximeter", slowSenders+1); err != nil {
		t.Fatal(err)
	}
	before := d.speed()
	idle := d.resident()
	well := d.slowDown()
	d.send(time.Duration(number(t, "VIGIL_SLOW_SECONDS", 16))*time.Second, well)
	d.check(idle)
	for attempt := 0; ; attempt++ { // other tests share this machine
		after := d.speed()
		t.Logf("a message is acknowledged in %s before and %s after", before, after)
		if after <= 3*before+20*time.Millisecond {
			break
		}
		if attempt == 20 {
			t.Errorf("ingest does not recover: %s before, %s after", before, after)
			break
		}
	}
}

// slowSenders fill a queue of 16 MiB and wait in front of it.
const slowSenders = 160

// A slowDisk is a server whose syncs wait.
type slowDisk struct {
	t       *testing.T
	s       *bench.Server
	devices []bench.Device
	each    time.Duration // that a sync waits
	noise   string
	at      atomic.Int64 // makes times of readings

	slow              atomic.Bool
	early, told, mute atomic.Int64 // acknowledged too soon; told to come again, and without saying when
	peak              atomic.Uint64
	doctor            string

	mu   sync.Mutex
	sent map[string][]int64 // by device: times of readings that were acknowledged
	took []time.Duration    // until they were, while the disk was slow
	cut  int                // publishes over MQTT that were not acknowledged
}

// noise is text that no compression makes small.
func noise(n int) string {
	b := make([]byte, n*3/4)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// resident returns the memory of the server.
func (d *slowDisk) resident() uint64 {
	n, err := d.s.Resident()
	if err != nil {
		d.t.Skipf("the memory of a process cannot be read here: %v", err)
	}
	return n
}

// one sends a message and returns the status, how long it took, and whether a
// refusal says when to come again.
func (d *slowDisk) one(ctx context.Context, dev bench.Device, at int64, more string) (status int, again bool, err error) {
	body := fmt.Sprintf(`{"t":%d,"spo2":%d,"x":%q}`, at, 50+at%50, more)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"http://"+d.s.HTTP+"/ingest/v1/devices/"+dev.ID+"/messages", strings.NewReader(body))
	if err != nil {
		return 0, false, err
	}
	req.SetBasicAuth(dev.ID, dev.Secret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("Retry-After") != "", err
}

// next returns a time of a reading that no other has.
func (d *slowDisk) next() int64 { return time.Now().UnixMilli() - 3_600_000 + d.at.Add(1) }

// speed returns the median time until a small message is acknowledged.
func (d *slowDisk) speed() time.Duration {
	d.t.Helper()
	var all []time.Duration
	for range 51 {
		begun := time.Now()
		if status, _, err := d.one(d.t.Context(), d.devices[slowSenders], d.next(), ""); err != nil || status != http.StatusOK {
			d.t.Fatalf("status %d, %v", status, err)
		}
		all = append(all, time.Since(begun))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// slowDown lets strace delay every sync of the server, and returns how to stop
// that.
func (d *slowDisk) slowDown() (well func()) {
	d.t.Helper()
	delay := strconv.FormatInt(d.each.Microseconds(), 10)
	cmd := exec.Command("strace", "-f", "-p", strconv.Itoa(d.s.Pid), "-o", os.DevNull, "-e", "trace=fsync,fdatasync",
		"-e", "inject=fsync,fdatasync:delay_enter="+delay)
	var says bytes.Buffer
	cmd.Stderr = &says
	if err := cmd.Start(); err != nil {
		d.t.Skipf("strace is not here; scripts/setup installs it: %v", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	well = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it lets go of the server
		<-ended
	})
	d.t.Cleanup(well)
	for {
		begun := time.Now()
		if _, _, err := d.one(d.t.Context(), d.devices[slowSenders], d.next(), ""); err != nil {
			d.t.Fatal(err)
		}
		if time.Since(begun) >= d.each {
			return well
		}
		select {
		case <-ended:
			d.t.Skipf("strace may not trace here: %s", says.String())
		default:
		}
	}
}

// send lets all devices send for a while, makes the disk well, and returns when
// everything that they had begun to send is acknowledged.
func (d *slowDisk) send(lasts time.Duration, well func()) {
	d.sent = map[string][]int64{}
	d.slow.Store(true)
	ctx, stop := context.WithCancel(d.t.Context())
	defer stop()
	var senders, watch sync.WaitGroup
	end := time.Now().Add(lasts)
	for i := range slowSenders {
		senders.Go(func() {
			for time.Now().Before(end) {
				d.insist(d.devices[i])
			}
		})
	}
	watch.Go(func() { d.watch(ctx) })
	watch.Go(func() { d.mqtt(ctx, end) })
	<-time.After(time.Until(end))
	d.consult()
	d.slow.Store(false)
	well()
	senders.Wait()
	stop()
	watch.Wait()
}

// insist sends one message until it is acknowledged, as a device does.
func (d *slowDisk) insist(dev bench.Device) {
	at := d.next()
	for {
		slow, begun := d.slow.Load(), time.Now()
		status, again, err := d.one(d.t.Context(), dev, at, d.noise)
		took := time.Since(begun)
		slow = slow && d.slow.Load()
		switch {
		case err != nil:
			d.t.Errorf("%s: %v", dev.ID, err)
			return
		case status == http.StatusOK:
			if slow && took < d.each {
				d.early.Add(1)
			}
			d.mu.Lock()
			d.sent[dev.ID] = append(d.sent[dev.ID], at)
			if slow {
				d.took = append(d.took, took)
			}
			d.mu.Unlock()
			return
		case status == http.StatusServiceUnavailable:
			d.told.Add(1)
			if !again {
				d.mute.Add(1)
			}
			<-time.After(time.Second) // as Retry-After asks
		default:
			d.t.Errorf("%s: status %d", dev.ID, status)
			return
		}
	}
}

// mqtt publishes small messages one after another, beside the others.
func (d *slowDisk) mqtt(ctx context.Context, end time.Time) {
	dev := d.devices[slowSenders]
	for time.Now().Before(end) && ctx.Err() == nil {
		at := d.next()
		slow, begun := d.slow.Load(), time.Now()
		err := bench.Publish(ctx, d.s.MQTT, dev, fmt.Appendf(nil, `{"t":%d,"spo2":%d}`, at, 50+at%50))
		slow = slow && d.slow.Load()
		if err == nil && slow && time.Since(begun) < d.each {
			d.early.Add(1)
		}
		d.mu.Lock()
		if err == nil {
			d.sent[dev.ID] = append(d.sent[dev.ID], at)
		} else {
			d.cut++
		}
		d.mu.Unlock()
	}
}

// watch notes the largest memory of the server.
func (d *slowDisk) watch(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if n, err := d.s.Resident(); err == nil && n > d.peak.Load() {
				d.peak.Store(n)
			}
		}
	}
}

// consult asks the doctor.
func (d *slowDisk) consult() {
	var out, errOut bytes.Buffer
	run(d.t.Context(), []string{"doctor", "--data", d.s.Data}, nil, &out, &errOut)
	d.doctor = out.String() + errOut.String()
}

// check looks at what happened.
func (d *slowDisk) check(idle uint64) {
	t := d.t
	const room = 600 << 20 // the queue, what waits in front of it, the ring, and what the collector has not yet taken
	slices.Sort(d.took)
	t.Logf("%d messages were acknowledged while the disk was slow, %d told to come again, %d not acknowledged over MQTT; memory %d MiB idle, %d MiB at most",
		len(d.took), d.told.Load(), d.cut, idle>>20, d.peak.Load()>>20)
	if len(d.took) == 0 || d.told.Load() == 0 {
		t.Error("nobody was acknowledged, or nobody was held back; this proves nothing")
	}
	if n := d.early.Load(); n > 0 {
		t.Errorf("%d acknowledgements came before a sync could have ended", n)
	}
	if n := d.mute.Load(); n > 0 {
		t.Errorf("%d of %d refusals do not say when to come again", n, d.told.Load())
	}
	if peak := d.peak.Load(); peak > idle+room {
		t.Errorf("memory grew to %d MiB", peak>>20)
	}
	for _, words := range []string{"journal speed", "a synced write takes up to", "devices are held back"} {
		if !strings.Contains(d.doctor, words) {
			t.Errorf("the doctor does not say %q:\n%s", words, d.doctor)
		}
	}
	for _, dev := range d.devices[:slowSenders] {
		d.compare(dev)
	}
	d.atLeast(d.devices[slowSenders])
}

// kept returns the times of the readings of a device, in milliseconds.
func (d *slowDisk) kept(dev bench.Device) []int64 {
	var page struct {
		Readings []struct {
			Time time.Time `json:"time"`
		} `json:"readings"`
	}
	path := "/api/v1/readings?metric=spo2&limit=10000&device=" + dev.ID
	if err := d.s.Call(d.t.Context(), http.MethodGet, path, nil, &page); err != nil {
		d.t.Fatal(err)
	}
	var out []int64
	for _, r := range page.Readings {
		out = append(out, r.Time.UnixMilli())
	}
	return out
}

// compare fails unless just what was acknowledged is there, once.
func (d *slowDisk) compare(dev bench.Device) {
	want := d.sent[dev.ID]
	slices.Sort(want)
	var got []int64
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if got = d.kept(dev); slices.Equal(got, want) {
			return
		}
	}
	d.t.Errorf("%s: %d readings are there, %d were acknowledged", dev.ID, len(got), len(want))
}

// atLeast fails unless everything that was acknowledged is there, and nothing
// twice: the device may have been cut off before it heard of the rest.
func (d *slowDisk) atLeast(dev bench.Device) {
	var got []int64
	missing := func(at int64) bool { return !slices.Contains(got, at) }
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if got = d.kept(dev); !slices.ContainsFunc(d.sent[dev.ID], missing) {
			break
		}
	}
	for i, at := range got {
		if i > 0 && got[i-1] == at {
			d.t.Errorf("%s: a reading is there twice", dev.ID)
		}
	}
	if slices.ContainsFunc(d.sent[dev.ID], missing) {
		d.t.Errorf("%s: of %d acknowledged readings some are missing among %d", dev.ID, len(d.sent[dev.ID]), len(got))
	}
}
