package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
)

// A job is an export or an import under way, or done.
type job struct {
	ID      string        `json:"id"`
	Kind    string        `json:"kind"` // export, import
	Actor   vigil.Actor   `json:"actor"`
	Base    string        `json:"base"`    // address of the base as the client knows it
	Request string        `json:"request"` // address that was asked
	Token   bool          `json:"token"`   // a token is needed for the files
	Made    vigil.Instant `json:"made"`
	State   state         `json:"state"`
	// At is the time that an export shows, 0 until it has begun.
	At      vigil.Instant   `json:"at"`
	Export  *exportAsk      `json:"export,omitempty"`
	Import  *importAsk      `json:"import,omitempty"`
	Step    int             `json:"step"` // steps that are done
	Files   []file          `json:"files,omitempty"`
	Outcome json.RawMessage `json:"outcome,omitempty"` // of one that failed
	Expires vigil.Instant   `json:"expires"`

	// The rest is not kept, and guarded by the lock of the service.
	running, gone bool
	ctx           context.Context //nolint:containedctx // it is how a running job is stopped
	stop          func()
	at            string // what is being done
	count         int64  // resources of the step
	partial       int64  // bytes that the step has written
}

// A state is how far a job is.
type state string

const (
	going  state = "" // it waits or runs
	done   state = "done"
	failed state = "failed"
)

func (j *job) ended() bool { return j.State != going }

// size is how much room the files of a job take.
func (j *job) size() int64 {
	n := j.partial
	for i := range j.Files {
		n += j.Files[i].stored()
	}
	return n
}

// add makes a job and lets it wait.
func (s *Service) add(j *job) error {
	now := s.c.Now()
	j.ID, j.Made = vigil.NewID(now), vigil.InstantOf(now)
	s.sweep()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.jobs) >= s.c.MaxJobs {
		return rest.Refuse(http.StatusTooManyRequests, "throttled", "there are %d bulk jobs already; delete one, or wait until one expires", len(s.jobs))
	}
	if s.bytes >= s.c.MaxBytes {
		return rest.Refuse(http.StatusTooManyRequests, "throttled", "the files of bulk jobs take all the room they may; delete a job, or wait until one expires")
	}
	if err := os.Mkdir(filepath.Join(s.c.Dir, j.ID), 0o700); err != nil {
		return fmt.Errorf("make folder of bulk job: %w", err)
	}
	if err := s.save(j); err != nil {
		return err
	}
	s.jobs[j.ID] = j
	s.stir()
	return nil
}

// save puts the state of a job on disk.
func (s *Service) save(j *job) error {
	plain, err := json.Marshal(j)
	if err != nil {
		return fmt.Errorf("write bulk job: %w", err)
	}
	path := filepath.Join(s.c.Dir, j.ID, "job")
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) // #nosec G304 -- a folder of this room's own
	if err != nil {
		return fmt.Errorf("write bulk job: %w", err)
	}
	_, err = f.Write(s.c.Sealer.Seal(nil, owner, plain))
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("write bulk job: %w", err)
	}
	return nil
}

// readJob reads the state of a job, and removes files that no step has finished.
func (s *Service) readJob(id string) (*job, error) {
	dir := filepath.Join(s.c.Dir, id)
	sealed, err := os.ReadFile(filepath.Join(dir, "job")) // #nosec G304 -- a folder of this room's own
	if err != nil {
		return nil, fmt.Errorf("read bulk job: %w", err)
	}
	plain, err := s.c.Sealer.Open(nil, sealed)
	if err != nil {
		return nil, fmt.Errorf("open bulk job: %w", err)
	}
	j := &job{}
	if err := json.Unmarshal(plain, j); err != nil {
		return nil, fmt.Errorf("read bulk job: %w", err)
	}
	if j.ID != id || j.Export == nil && j.Import == nil {
		return nil, fmt.Errorf("the bulk job %q is none", id)
	}
	known := map[string]bool{"job": true}
	for i := range j.Files {
		known[j.Files[i].Name] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read bulk job: %w", err)
	}
	for _, e := range entries {
		if !known[e.Name()] {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return nil, fmt.Errorf("clear bulk job: %w", err)
			}
		}
	}
	return j, nil
}

// run does the steps of a job that are left.
func (s *Service) run(j *job) error {
	in := s.c.Inside(j.Actor, j.Base)
	if j.At == 0 {
		at, err := s.c.Moment(j.ctx)
		if err != nil {
			return err
		}
		// Times are written in milliseconds: all that changed in the one before.
		at -= at%millisecond + 1
		s.change(j, func() { j.At = at })
		if err := s.keep(j); err != nil {
			return err
		}
	}
	if j.Kind == "export" {
		return s.export(in, j)
	}
	return s.importAll(in, j)
}

const millisecond = vigil.Instant(time.Millisecond / time.Microsecond)

// change changes what others read of a job.
func (s *Service) change(j *job, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// keep saves a job that runs.
func (s *Service) keep(j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.gone {
		return context.Canceled
	}
	return s.save(j)
}

// stepped notes that a step is done, with its files.
func (s *Service) stepped(j *job, w *writer) error {
	files, err := w.finish()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.gone {
		return context.Canceled
	}
	j.Files = append(j.Files, files...)
	j.partial, j.count = 0, 0
	j.Step++
	if len(files) == 0 {
		return nil // an empty step is soon done again
	}
	return s.save(j)
}

// wrote notes how much a step has written; no job takes more than there is room
// for.
func (s *Service) wrote(j *job, n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	j.partial += n
	s.bytes += n
	if s.bytes > s.c.MaxBytes {
		return vigil.Errorf(vigil.TooLarge, "the files of bulk jobs would take more room than they may")
	}
	return nil
}
