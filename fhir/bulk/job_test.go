package bulk_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/bulk"
)

// TestJobsGoOn stops the service while an export is under way.
func TestJobsGoOn(t *testing.T) {
	s := newSite(t)
	s.some()
	reached := make(chan struct{})
	changes := s.config.Changes
	s.stop()
	s.config.Changes = func(ctx context.Context, types []string, after int64, limit int) ([]vigil.Resource, error) {
		if types[0] == "Patient" { // Observations and Organizations are done
			close(reached)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return changes(ctx, types, after, limit)
	}
	s.open()
	w := s.want(http.StatusAccepted, http.MethodGet, "$export", "")
	job := w.Header().Get("Content-Location")
	<-reached
	s.want(http.StatusAccepted, http.MethodGet, job, "")
	s.stop()
	s.config.Changes = changes
	s.moment = func() { t.Error("the time of the export is another one") }
	s.put("Patient", "late", "")
	s.open()
	if _, got := s.read(s.wait(job)); got != everything {
		t.Errorf("after a start: %s", got)
	}
	s.stop()
	s.open()
	if _, got := s.read(s.wait(job)); got != everything {
		t.Errorf("after another start: %s", got)
	}
}

func TestJobsAreBounded(t *testing.T) {
	now := time.Now()
	var mu sync.Mutex
	s := newSite(t, func(c *bulk.Config) {
		c.MaxJobs, c.Keep = 2, time.Hour
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	s.some()
	for range 2 {
		s.export("$export?_type=Patient")
	}
	w := s.do(http.MethodGet, "$export", "")
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
		t.Errorf("a third job: %d %s", w.Code, w.Body)
	}
	mu.Lock()
	now = now.Add(2 * time.Hour)
	mu.Unlock()
	s.export("$export?_type=Patient") // the others have expired

	s = newSite(t, func(c *bulk.Config) { c.MaxBytes = 1000 })
	s.some()
	for i := range 20 {
		s.put("Patient", fmt.Sprintf("p%d", i), `,"name":[{"family":"`+strings.Repeat(fmt.Sprintf("%x", time.Now().UnixNano()), 100)+`"}]`)
	}
	w = s.want(http.StatusAccepted, http.MethodGet, "$export", "")
	limit := time.After(20 * time.Second)
	for job := w.Header().Get("Content-Location"); ; {
		w = s.do(http.MethodGet, job, "")
		if w.Code == http.StatusInternalServerError {
			break
		}
		select {
		case <-limit:
			t.Fatalf("an export that is too large: %d", w.Code)
		default:
		}
	}
	if !strings.Contains(w.Body.String(), "room") {
		t.Errorf("an export that is too large: %s", w.Body)
	}
	s.want(http.StatusTooManyRequests, http.MethodGet, "$export", "")
}

// TestCancel deletes a job that is under way.
func TestCancel(t *testing.T) {
	s := newSite(t)
	reached, ended := make(chan struct{}), make(chan struct{})
	s.stop()
	s.config.Moment = func(ctx context.Context) (vigil.Instant, error) {
		close(reached)
		<-ctx.Done()
		close(ended)
		return 0, ctx.Err()
	}
	s.open()
	job := s.want(http.StatusAccepted, http.MethodGet, "$export", "").Header().Get("Content-Location")
	<-reached
	s.want(http.StatusAccepted, http.MethodDelete, job, "")
	<-ended
	s.want(http.StatusNotFound, http.MethodGet, job, "")
	s.stop()
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}
