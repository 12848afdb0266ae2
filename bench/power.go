package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Power takes the power away: it records what a server writes and syncs while
// devices send, rebuilds the data folder as a disk could hold it at some moment
// (what was synced, and any part of the rest, torn), starts a server on it, and
// asks for everything that had been acknowledged by that moment. It needs
// strace.
type Power struct {
	Command
	// Cuts is how many moments are tried.
	Cuts int
	// For is how long the devices send.
	For  time.Duration
	Seed uint64
	Tell func(string)
}

// HaveStrace tells whether strace can trace a program here.
func HaveStrace(ctx context.Context) bool {
	c := Command{Wrap: []string{"strace", "-o", os.DevNull}, Exe: "true"}
	return runQuietly(ctx, append(c.Wrap, c.Exe)) == nil
}

// traced are the calls that change files.
const traced = "openat,write,pwrite64,writev,pwritev,pwritev2,lseek,ftruncate,truncate,fallocate,copy_file_range,sendfile," +
	"fsync,fdatasync,sync_file_range,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat"

// Run records one run and tries Cuts moments of it.
func (p Power) Run(ctx context.Context) (CrashReport, error) {
	if p.Tell == nil {
		p.Tell = func(string) {}
	}
	scratch, err := Scratch()
	if err != nil {
		return CrashReport{}, err
	}
	defer os.RemoveAll(scratch) //nolint:errcheck // a temporary folder
	trace := filepath.Join(scratch, "trace")
	w, enrolled, err := p.record(ctx, trace)
	if err != nil {
		return CrashReport{}, err
	}
	calls, err := readTrace(trace)
	if err != nil {
		return CrashReport{}, err
	}
	first := slices.IndexFunc(calls, func(c call) bool { return c.at > enrolled })
	if first < 0 {
		return CrashReport{}, errors.New("nothing was written after the devices had been registered")
	}
	r := rand.New(rand.NewPCG(p.Seed, 2)) // #nosec G404 -- moments, not secrets
	var cuts []int
	for range p.Cuts {
		cuts = append(cuts, first+r.IntN(len(calls)-first))
	}
	slices.Sort(cuts)
	return p.try(ctx, w, calls, cuts, r, filepath.Join(scratch, "disk"))
}

// record runs a server under strace while devices send. It returns when the
// devices were registered, in ns since 1970.
func (p Power) record(ctx context.Context, trace string) (*witness, int64, error) {
	c := p.Command
	c.Wrap = []string{"strace", "-f", "-qqq", "--seccomp-bpf", "-ttt", "-y", "-xx", "-s", "67108864", "-e", "signal=none",
		"-e", "trace=" + traced, "-o", trace}
	c.Args = append([]string{"--checkpoint", "200ms"}, c.Args...)
	s, err := Start(ctx, c)
	if err != nil {
		return nil, 0, err
	}
	w, err := newWitness(ctx, s, "", 2)
	if err != nil {
		return nil, 0, errors.Join(err, s.Kill())
	}
	enrolled := time.Now().UnixNano()
	sending, stop := context.WithTimeout(ctx, p.For)
	defer stop()
	var g errgroup.Group
	w.send(sending, &g, s, breath)
	return w, enrolled, errors.Join(g.Wait(), s.Stop())
}

// try rebuilds the folder at each cut and checks it.
func (p Power) try(ctx context.Context, w *witness, calls []call, cuts []int, r *rand.Rand, dir string) (CrashReport, error) {
	all := CrashReport{Missing: []string{}, Doubled: []string{}, Wrong: []string{}}
	d := newDisk(p.Data)
	done := 0
	for _, cut := range cuts {
		for ; done < cut; done++ {
			if err := d.apply(&calls[done]); err != nil {
				return all, err
			}
		}
		lost, err := d.rebuild(dir, r)
		if err != nil {
			return all, err
		}
		one, err := p.inspect(ctx, w, dir, calls[cut].at)
		if err != nil {
			return all, fmt.Errorf("power lost at call %d of %d: %w", cut, len(calls), err)
		}
		all.add(&one)
		p.Tell(fmt.Sprintf("power lost at call %d of %d: %s unsynced were lost or torn, %d messages had been acknowledged, %d faults",
			cut, len(calls), lost, one.Acked, one.Faults))
		if err := os.RemoveAll(dir); err != nil {
			return all, fmt.Errorf("clear folder: %w", err)
		}
	}
	return all, nil
}

// inspect starts a server on a rebuilt folder and checks what it kept.
func (p Power) inspect(ctx context.Context, w *witness, dir string, at int64) (CrashReport, error) {
	c := p.Command
	c.Data = dir
	s, err := Start(ctx, c)
	if err != nil {
		return CrashReport{}, err
	}
	r, err := w.check(ctx, s, at)
	if err == nil {
		err = s.calm(ctx, &r)
	}
	return r, errors.Join(err, s.Stop())
}

// calm notes a fault when the server calls damaged what was only never synced.
func (s *Server) calm(ctx context.Context, r *CrashReport) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.HTTP+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask server: %w", err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		r.fault(&r.Wrong, "the server is not ready: %s", strings.TrimSpace(string(text)))
	}
	return nil
}

// add adds the report of one cut.
func (r *CrashReport) add(o *CrashReport) {
	r.Runs++
	r.Acked = max(r.Acked, o.Acked)
	r.Unknown = o.Unknown
	r.Readings += o.Readings
	r.Blocks += o.Blocks
	r.Faults += o.Faults
	for _, l := range []struct{ to, from *[]string }{{&r.Missing, &o.Missing}, {&r.Doubled, &o.Doubled}, {&r.Wrong, &o.Wrong}} {
		for _, says := range *l.from {
			if len(*l.to) < faultsTold {
				*l.to = append(*l.to, says)
			}
		}
	}
}
