package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Crash kills a server over and over while devices send, and then asks for
// everything that was acknowledged.
type Crash struct {
	Command
	// DB is a PostgreSQL on which a database is made for the runs; "" keeps
	// everything in the data folder. The database is not killed.
	DB   string
	Runs int
	// Seed chooses the moments; the same seed chooses the same.
	Seed uint64
	// Tell is told of each run; nil tells nobody.
	Tell func(string)
}

// A CrashReport says what was sent and what is not as it should be.
type CrashReport struct {
	Store    string `json:"store"`
	Runs     int    `json:"runs"`
	Acked    int    `json:"acked"`    // messages that were acknowledged
	Unknown  int    `json:"unknown"`  // sent, and never acknowledged
	Readings int    `json:"readings"` // read back
	Blocks   int    `json:"blocks"`   // wave blocks read back
	// Missing, Doubled and Wrong describe at most faultsTold faults each;
	// Faults counts them all.
	Missing []string `json:"missing"`
	Doubled []string `json:"doubled"`
	Wrong   []string `json:"wrong"`
	Faults  int      `json:"faults"`
	// Takeover is the longest time until another server had taken over
	// everything from a killed one, in a Cluster.
	Takeover time.Duration `json:"takeover,omitempty"`

	until int64 // what was acknowledged later need not be there
}

const (
	faultsTold = 20
	// crashSenders is how many devices of each kind send at the same time.
	crashSenders = 4
	// hurried is the share of runs that are killed while they still start.
	hurried = 0.2
	// flooded is the share of runs in which the devices send as fast as they
	// can.
	flooded = 0.2
)

// Run kills the server Runs times and checks what it kept.
func (c Crash) Run(ctx context.Context) (CrashReport, error) {
	if c.Tell == nil {
		c.Tell = func(string) {}
	}
	if c.DB == "" {
		return c.runAll(ctx, SQLite)
	}
	d, err := NewDatabase(ctx, c.DB)
	if err != nil {
		return CrashReport{}, err
	}
	c.Args = append(slices.Clone(c.Args), "--db", d.DSN)
	report, err := c.runAll(ctx, Postgres)
	if err != nil || report.Faults > 0 {
		if c.Tell != nil {
			c.Tell("the database " + d.name + " is kept")
		}
		return report, err
	}
	return report, d.Drop(ctx)
}

// runAll kills the server Runs times and checks what it kept.
func (c Crash) runAll(ctx context.Context, store string) (CrashReport, error) {
	r := rand.New(rand.NewPCG(c.Seed, 1)) // #nosec G404 -- moments, not secrets
	w, err := c.enrol(ctx)
	if err != nil {
		return CrashReport{}, err
	}
	for i := range c.Runs {
		if err := ctx.Err(); err != nil {
			return CrashReport{}, err
		}
		says, err := c.once(ctx, w, r)
		if err != nil {
			return CrashReport{}, fmt.Errorf("run %d: %w", i+1, err)
		}
		c.Tell(fmt.Sprintf("run %d: %s", i+1, says))
	}
	s, err := Start(ctx, c.Command)
	if err != nil {
		return CrashReport{}, fmt.Errorf("after the last kill: %w", err)
	}
	report, err := w.check(ctx, s, ever)
	report.Runs, report.Store = c.Runs, store
	return report, errors.Join(err, s.Stop())
}

// enrol registers the senders' devices and stops the server in order.
func (c Crash) enrol(ctx context.Context) (*witness, error) {
	s, err := Start(ctx, c.Command)
	if err != nil {
		return nil, err
	}
	w, err := newWitness(ctx, s, "", crashSenders)
	return w, errors.Join(err, s.Stop())
}

// once starts the server, lets the devices send, and kills it.
func (c Crash) once(ctx context.Context, w *witness, r *rand.Rand) (string, error) {
	command := c.Command
	every := []string{"50ms", "300ms", "1m"}[r.IntN(3)] // kills meet checkpoints, or much to replay
	command.Args = append([]string{"--checkpoint", every}, command.Args...)
	s, ready, err := Launch(command)
	if err != nil {
		return "", err
	}
	if r.Float64() < hurried {
		after := time.Duration(r.Int64N(int64(250 * time.Millisecond)))
		select {
		case <-time.After(after):
		case <-s.Gone():
			return "", fmt.Errorf("the server ended by itself: %w", s.err)
		}
		return fmt.Sprintf("killed %s after its start", after.Round(time.Millisecond)), s.Kill()
	}
	select {
	case <-ready:
	case <-s.Gone():
		return "", fmt.Errorf("the server does not start: %w", s.err)
	case <-time.After(startLimit):
		return "", errors.Join(errors.New("the server is not ready in time"), s.Kill())
	}
	before := w.acked()
	sending, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	pause := breath
	if r.Float64() < flooded {
		pause = 0
	}
	w.send(sending, &g, s, pause)
	after := 20*time.Millisecond + time.Duration(r.Int64N(int64(600*time.Millisecond)))
	select {
	case <-time.After(after):
	case <-s.Gone():
		return "", fmt.Errorf("the server ended by itself: %w", s.err)
	}
	if err := s.Kill(); err != nil {
		return "", err
	}
	stop()
	if err := g.Wait(); err != nil {
		return "", err
	}
	return fmt.Sprintf("killed after %s and %d acknowledged messages", after.Round(time.Millisecond), w.acked()-before), nil
}

// Scratch makes a folder that is short enough for a socket's path.
func Scratch() (string, error) {
	dir, err := os.MkdirTemp("", "vigil-bench-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	return filepath.Clean(dir), nil
}
