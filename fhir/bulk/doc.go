// Package bulk carries many resources at once: $export as the Bulk Data Access
// guide 2 has it (hl7.org/fhir/uv/bulkdata), and $import of NDJSON, sent or
// fetched.
//
// Whoever asks for an export or for an import of addresses gets a job. Its state
// and its files lie in a folder of their own, sealed, so that jobs go on after a
// restart and nothing of them can be read by others. A job is done in steps, of
// one type or one address each; what a step had written when the server stopped
// is written again.
//
// An export is exact: it has the state of everything at its transactionTime,
// whatever is written while it runs, and the next one with that time as _since
// has the rest.
package bulk

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
)

// Config says what bulk data needs.
type Config struct {
	Dir    string // where jobs lie; made when it is not there
	Sealer Sealer
	// Inside lets jobs do what those may do who asked for them.
	Inside func(actor vigil.Actor, base string) *rest.Invocation
	// Changes lists versions of some types behind a write, in the order of
	// writing, deletions included.
	Changes func(ctx context.Context, types []string, after int64, limit int) ([]vigil.Resource, error)
	// Moved returns queries for Observations of readings that became somebody
	// else's since a time: of such a move their meta.lastUpdated says nothing. Nil
	// for none.
	Moved func(since vigil.Instant) []string
	// Moment returns a time such that everything that changed before can be read,
	// and nothing more will change before.
	Moment func(ctx context.Context) (vigil.Instant, error)
	// Hosts are those that $import may fetch from: names, or name:port.
	Hosts []string
	// MaxJobs bounds how many jobs there are at a time, those that are done and
	// not yet expired included; 0 means 50. MaxBytes bounds the room that all
	// their files take; 0 means 20 GB. Keep is how long the files of a job are
	// kept behind its end; 0 means a day.
	MaxJobs  int
	MaxBytes int64
	Keep     time.Duration
	// FileSize is about how large a file gets; 0 means 200 MB.
	FileSize int64
	Now      func() time.Time
	Log      *slog.Logger
}

// A Sealer turns plain bytes into bytes at rest and back.
type Sealer interface {
	Seal(dst []byte, subject string, plain []byte) []byte
	Open(dst []byte, sealed []byte) ([]byte, error)
}

// owner names whose key seals what lies in the folder: jobs have resources of
// many patients in one file, and live for a day.
const owner = "system"

// A Service keeps jobs and carries them out.
type Service struct {
	c    Config
	http *http.Client
	wake chan struct{}

	mu    sync.Mutex
	jobs  map[string]*job
	bytes int64 // that files of jobs take
}

// workers is how many jobs run at a time.
const workers = 2

// Open opens the folder of jobs.
func Open(c Config) (*Service, error) {
	if c.MaxJobs == 0 {
		c.MaxJobs = 50
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 20 << 30
	}
	if c.Keep == 0 {
		c.Keep = 24 * time.Hour
	}
	if c.FileSize == 0 {
		c.FileSize = 200 << 20
	}
	s := &Service{c: c, wake: make(chan struct{}, 1), jobs: map[string]*job{}}
	s.http = s.fetcher()
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "make folder of bulk jobs: %w", err)
	}
	entries, err := os.ReadDir(c.Dir)
	if err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "read folder of bulk jobs: %w", err)
	}
	for _, e := range entries {
		j, err := s.readJob(e.Name())
		if err != nil { // nobody was told of it, or it is damaged
			c.Log.Warn("a bulk job cannot be read and is removed", "job", e.Name(), "error", err)
			if err := os.RemoveAll(filepath.Join(c.Dir, e.Name())); err != nil {
				return nil, vigil.Errorf(vigil.Unavailable, "remove bulk job: %w", err)
			}
			continue
		}
		s.jobs[j.ID] = j
		s.bytes += j.size()
	}
	return s, nil
}

// sweepEvery is how often jobs are looked for that have expired.
const sweepEvery = time.Minute

// Run carries out jobs until ctx is done.
func (s *Service) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	free := make(chan struct{}, workers)
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for {
		s.sweep()
		for len(free) < workers {
			j := s.next(ctx)
			if j == nil {
				break
			}
			free <- struct{}{}
			all.Go(func() {
				s.carryOut(j)
				<-free
				s.stir()
			})
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-sweep.C:
		}
	}
}

// stir lets Run look for something to do.
func (s *Service) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// next takes the oldest job that waits.
func (s *Service) next(ctx context.Context) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	var first *job
	for _, j := range s.jobs {
		if !j.ended() && !j.running && (first == nil || j.ID < first.ID) {
			first = j
		}
	}
	if first != nil {
		first.running = true
		first.ctx, first.stop = context.WithCancel(vigil.WithActor(ctx, first.Actor))
	}
	return first
}

// sweep removes jobs that have expired.
func (s *Service) sweep() {
	now := vigil.InstantOf(s.c.Now())
	s.mu.Lock()
	var old []string
	for _, j := range s.jobs {
		if j.ended() && j.Expires <= now {
			old = append(old, j.ID)
		}
	}
	s.mu.Unlock()
	slices.Sort(old)
	for _, id := range old {
		s.remove(id)
	}
}

// remove ends a job and takes away everything of it.
func (s *Service) remove(id string) {
	s.mu.Lock()
	j := s.jobs[id]
	delete(s.jobs, id)
	if j == nil {
		s.mu.Unlock()
		return
	}
	running := j.running
	if running {
		j.gone = true // whoever runs it clears up
		j.stop()
	} else {
		s.bytes -= j.size()
	}
	s.mu.Unlock()
	if !running {
		s.clear(id)
	}
}

// clear removes the folder of a job.
func (s *Service) clear(id string) {
	if err := os.RemoveAll(filepath.Join(s.c.Dir, id)); err != nil {
		s.c.Log.Error("files of a bulk job stay behind", "job", id, "error", err)
	}
}

// carryOut runs a job to its end, or until it is stopped.
func (s *Service) carryOut(j *job) {
	err := s.run(j)
	ctx := j.ctx
	s.mu.Lock()
	defer s.mu.Unlock()
	j.stop()
	j.running = false
	if j.gone {
		s.bytes -= j.size()
		s.clear(j.ID)
		return
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return // the server stops; it goes on at the next start
	}
	j.State, j.Expires = done, vigil.InstantOf(s.c.Now().Add(s.c.Keep))
	if err != nil {
		s.c.Log.Warn("a bulk job failed", "job", j.ID, "kind", j.Kind, "error", err)
		j.State, j.Outcome = failed, rest.Outcome(err, "")
	}
	if err := s.save(j); err != nil {
		s.c.Log.Error("a bulk job cannot be kept", "job", j.ID, "error", err)
	}
}
