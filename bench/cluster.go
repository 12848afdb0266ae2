package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-iomt/vigil"
)

// A Cluster runs two servers that share a journal and a database, and kills one
// of them over and over while devices send to both. Those of the dead one go on
// with the other. Now and then one is not killed but stopped for longer than the
// other has patience, and wakes up in the belief that nothing happened. In the
// end both are asked for everything that was acknowledged.
type Cluster struct {
	Exe  string
	Dir  string   // where the two data folders are made
	NATS string   // nats://… of servers that carry no journal yet
	DB   string   // a PostgreSQL beside which a database is made
	Args []string // further flags of both servers
	Runs int
	Seed uint64
	Log  io.Writer // what the servers write; nil drops it
	Tell func(string)
}

// ClusterNATS is what a CrashReport of a Cluster has as its store.
const ClusterNATS = "two servers on postgres and nats"

const (
	// takeoverLimit is how soon after a kill the other server must have taken
	// everything over.
	takeoverLimit = 10 * time.Second
	// visibleLimit is how long a check waits for what was acknowledged last.
	visibleLimit = 10 * time.Second
	// asleep is the share of runs in which one is stopped instead of killed.
	asleep = 0.34
)

// A partner is one of the two servers with the devices that send to it.
type partner struct {
	command Command
	*Server
	alive bool
	w     *witness
}

// Run kills one of the servers Runs times and checks what they kept.
func (c Cluster) Run(ctx context.Context) (CrashReport, error) {
	if c.Tell == nil {
		c.Tell = func(string) {}
	}
	d, err := NewDatabase(ctx, c.DB)
	if err != nil {
		return CrashReport{}, err
	}
	two := c.partners(d.DSN)
	report, err := c.run(ctx, two)
	for _, p := range two {
		if p.alive {
			err = errors.Join(err, p.Stop())
		}
	}
	report.Runs, report.Store = c.Runs, ClusterNATS
	if err != nil || report.Faults > 0 {
		c.Tell("the database " + d.name + " is kept")
		return report, err
	}
	return report, d.Drop(ctx)
}

// partners returns the two, not yet started.
func (c Cluster) partners(dsn string) []*partner {
	var two []*partner
	for _, node := range []string{"a", "b"} {
		args := append(slices.Clone(c.Args), "--nats", c.NATS, "--db", dsn, "--node", node)
		two = append(two, &partner{command: Command{Exe: c.Exe, Data: filepath.Join(c.Dir, node), Args: args, Log: c.Log}})
	}
	return two
}

// start starts a partner that is not running.
func (p *partner) start(ctx context.Context) (err error) {
	if p.alive {
		return nil
	}
	if err := os.MkdirAll(p.command.Data, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	p.Server, err = Start(ctx, p.command)
	p.alive = err == nil
	return err
}

// run is Run with the partners at hand.
func (c Cluster) run(ctx context.Context, two []*partner) (CrashReport, error) {
	r := rand.New(rand.NewPCG(c.Seed, 2)) // #nosec G404 -- moments, not secrets
	var all witness
	for i, p := range two {
		err := p.start(ctx)
		if err == nil {
			p.w, err = newWitness(ctx, p.Server, fmt.Sprintf("%c-", 'a'+i), crashSenders/2)
		}
		if err != nil {
			return CrashReport{}, err
		}
		all.logs = append(all.logs, p.w.logs...)
	}
	var late time.Duration
	for i := range c.Runs {
		once, says := c.kill, "killed"
		if r.Float64() < asleep {
			once, says = c.doze, "stopped for a while"
		}
		took, report, err := c.once(ctx, two, &all, r, once)
		if err != nil {
			return report, fmt.Errorf("run %d: %w", i+1, err)
		}
		late = max(late, took)
		report.Takeover = late
		c.Tell(fmt.Sprintf("run %d: %s; the other server had taken over after %s; %d messages acknowledged",
			i+1, says, took.Round(time.Millisecond), all.acked()))
		if report.Faults > 0 {
			return report, nil
		}
	}
	report, err := c.both(ctx, two, &all)
	report.Takeover = late
	return report, err
}

// A flight is devices that send: those of a server that is to fail, and those of
// the other one.
type flight struct {
	victim, other *partner
	there, here   errgroup.Group
}

// once lets the devices send to both, lets one fail, and checks the other.
func (c Cluster) once(ctx context.Context, two []*partner, all *witness, r *rand.Rand,
	fail func(ctx, sending context.Context, f *flight) (time.Duration, error),
) (time.Duration, CrashReport, error) {
	for _, p := range two {
		if err := p.start(ctx); err != nil {
			return 0, CrashReport{}, err
		}
	}
	f := &flight{victim: two[0], other: two[1]}
	if r.IntN(2) == 1 {
		f.victim, f.other = f.other, f.victim
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	f.victim.w.send(sending, &f.there, f.victim.Server, breath)
	f.other.w.send(sending, &f.here, f.other.Server, breath)
	select {
	case <-time.After(200*time.Millisecond + time.Duration(r.Int64N(int64(4*time.Second)))): // also while partitions change hands
	case <-f.victim.Gone():
		return 0, CrashReport{}, fmt.Errorf("the server ended by itself: %w", f.victim.err)
	case <-f.other.Gone():
		return 0, CrashReport{}, fmt.Errorf("the server ended by itself: %w", f.other.err)
	}
	took, err := fail(ctx, sending, f)
	stop()
	if err = errors.Join(err, f.here.Wait(), f.there.Wait()); err != nil {
		return took, CrashReport{}, err
	}
	report, err := settled(ctx, all, f.other.Server)
	if took > takeoverLimit {
		report.fault(&report.Wrong, "the other server had taken over after %s, later than %s", took, takeoverLimit)
	}
	return took, report, err
}

// kill kills the one server; its devices go on with the other.
func (c Cluster) kill(ctx, sending context.Context, f *flight) (time.Duration, error) {
	killed := time.Now()
	f.victim.alive = false
	if err := errors.Join(f.victim.Kill(), f.there.Wait()); err != nil {
		return 0, err
	}
	f.victim.w.send(sending, &f.here, f.other.Server, breath)
	return c.takeover(ctx, f.other, f.victim.w, killed)
}

// doze stops the process of the one server until the other has taken over, and a
// second longer. Its devices wait, and go on with it when it wakes up.
func (c Cluster) doze(ctx, _ context.Context, f *flight) (time.Duration, error) {
	stopped := time.Now()
	if err := syscall.Kill(-f.victim.Pid, syscall.SIGSTOP); err != nil {
		return 0, fmt.Errorf("stop process: %w", err)
	}
	took, err := c.takeover(ctx, f.other, f.other.w, stopped)
	rest(ctx, time.Second)
	woken := time.Now()
	if err = errors.Join(err, syscall.Kill(-f.victim.Pid, syscall.SIGCONT)); err != nil {
		return took, err
	}
	ctx, cancel := context.WithTimeout(ctx, 4*takeoverLimit)
	defer cancel()
	for _, l := range f.victim.w.logs {
		if l.wire != "mqtt" {
			continue // a batch that was not answered in time is not sent again in this run
		}
		if err := l.shown(ctx, f.victim.Server, woken.UnixNano()); err != nil {
			return took, fmt.Errorf("%s does not come through after its server woke up: %w", l.ID, err)
		}
	}
	return took, nil
}

// takeover waits until a server has accepted and shows a new message of every
// device that sends to it, and writes every partition; it returns how long after
// the failure that was.
func (c Cluster) takeover(ctx context.Context, s *partner, w *witness, killed time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*takeoverLimit)
	defer cancel()
	for _, l := range w.logs {
		if err := l.shown(ctx, s.Server, killed.UnixNano()); err != nil {
			return 0, fmt.Errorf("%s did not come through on the other server: %w", l.ID, err)
		}
	}
	for {
		held, all, err := s.partitions(ctx)
		if err == nil && held == all {
			return time.Since(killed), nil
		}
		if rest(ctx, 50*time.Millisecond); ctx.Err() != nil {
			return 0, fmt.Errorf("the other server writes %d of %d partitions: %w", held, all, errors.Join(err, ctx.Err()))
		}
	}
}

// shown waits until a server shows a message of the device that was acknowledged
// after an instant.
func (l *ledger) shown(ctx context.Context, s *Server, after int64) error {
	for {
		if n := l.ackedAfter(after); n >= 0 {
			var page struct {
				Readings []keptReading `json:"readings"`
			}
			at := vigil.Instant(l.at(n) * 1000)
			query := url.Values{"device": {l.ID}, "from": {at.String()}, "to": {(at + 1000).String()}}
			err := s.Call(ctx, http.MethodGet, "/api/v1/readings?"+query.Encode(), nil, &page)
			if err == nil && len(page.Readings) > 0 {
				return nil
			}
		}
		if rest(ctx, 20*time.Millisecond); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// ackedAfter returns a message that was acknowledged after an instant, -1 when
// there is none.
func (l *ledger) ackedAfter(after int64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := len(l.acked) - 1; n >= 0; n-- {
		if l.acked[n] > after {
			return n
		}
	}
	return -1
}

// partitions returns how many partitions a server writes, and how many there
// are.
func (s *Server) partitions(ctx context.Context) (held, all int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.HTTP+"/metrics", nil)
	if err != nil {
		return 0, 0, fmt.Errorf("make request: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, fmt.Errorf("ask for metrics: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, 0, fmt.Errorf("ask for metrics: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "vigil_journal_frames_total{") {
			all++
		}
		if value, ok := strings.CutPrefix(line, "vigil_store_partitions_held "); ok {
			if held, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return 0, 0, fmt.Errorf("read metrics: %w", err)
			}
		}
	}
	return held, all, nil
}

// settled checks a server as soon as it shows everything that was acknowledged,
// or for as long as it has time for that.
func settled(ctx context.Context, all *witness, s *Server) (CrashReport, error) {
	for until := time.Now().Add(visibleLimit); ; {
		report, err := all.check(ctx, s, ever)
		if err != nil || len(report.Missing) == 0 || time.Now().After(until) {
			return report, err
		}
		rest(ctx, 200*time.Millisecond)
	}
}

// both asks each server for everything: they must give the same answer.
func (c Cluster) both(ctx context.Context, two []*partner, all *witness) (CrashReport, error) {
	var reports []CrashReport
	for _, p := range two {
		if err := p.start(ctx); err != nil {
			return CrashReport{}, fmt.Errorf("after the last kill: %w", err)
		}
		report, err := settled(ctx, all, p.Server)
		if err != nil || report.Faults > 0 {
			return report, err
		}
		reports = append(reports, report)
	}
	a, b := &reports[0], &reports[1]
	if a.Readings != b.Readings || a.Blocks != b.Blocks {
		a.fault(&a.Wrong, "one server shows %d readings and %d wave blocks, the other %d and %d", a.Readings, a.Blocks, b.Readings, b.Blocks)
	}
	return *a, nil
}
