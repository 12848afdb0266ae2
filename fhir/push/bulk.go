package push

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
)

// A Bulk is a server that exports bulk data (Bulk Data Access 2).
type Bulk struct {
	Client *http.Client
	Base   string
	Token  string
	// Sleep waits; nil waits for real.
	Sleep func(ctx context.Context, d time.Duration) error
	// Progress is told how far an export is; nil tells nobody.
	Progress func(string)
}

// A Manifest lists the files of an export.
type Manifest struct {
	TransactionTime        string
	Output, Deleted, Error []File
}

// A File is one file of an export.
type File struct {
	Type, URL string
	Count     int64
}

// A StatusError is an answer with another status than one that is wanted.
type StatusError struct {
	Status int
	Text   string // what the answer says
}

// Error is the status with what the answer says.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the server answers %d: %s", e.Status, e.Text)
}

// maxManifest bounds what a server answers beside files.
const maxManifest = 64 << 20

// ask sends a request and gives the answer when it has one of some statuses.
func (b *Bulk) ask(ctx context.Context, method, address string, headers map[string]string, statuses ...int) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if b.Token != "" {
		r.Header.Set("Authorization", "Bearer "+b.Token)
	}
	for name, v := range headers {
		r.Header.Set(name, v)
	}
	a, err := b.Client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask server: %w", err)
	}
	if slices.Contains(statuses, a.StatusCode) {
		return a, nil
	}
	text, err := io.ReadAll(io.LimitReader(a.Body, 64<<10))
	e := &StatusError{a.StatusCode, said(text)}
	return nil, errors.Join(e, err, a.Body.Close())
}

// said is what an OperationOutcome says, or the beginning of what is none.
func said(text []byte) string {
	var o struct {
		Issue []struct {
			Diagnostics string
			Details     struct{ Text string }
		}
	}
	if json.Unmarshal(text, &o) == nil && len(o.Issue) > 0 {
		return o.Issue[0].Diagnostics + o.Issue[0].Details.Text
	}
	return strings.TrimSpace(string(text[:min(len(text), 300)]))
}

// Start asks for an export and returns the address of its job.
func (b *Bulk) Start(ctx context.Context, query url.Values) (string, error) {
	address := b.Base + "/$export"
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	a, err := b.ask(ctx, http.MethodGet, address, map[string]string{"Accept": "application/fhir+json", "Prefer": "respond-async"}, http.StatusAccepted)
	if err != nil {
		return "", err
	}
	return a.Header.Get("Content-Location"), a.Body.Close()
}

// Wait waits until an export is done.
func (b *Bulk) Wait(ctx context.Context, job string) (*Manifest, error) {
	for {
		a, err := b.ask(ctx, http.MethodGet, job, map[string]string{"Accept": "application/json"}, http.StatusAccepted, http.StatusOK, http.StatusTooManyRequests)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(io.LimitReader(a.Body, maxManifest))
		if err := errors.Join(err, a.Body.Close()); err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		if a.StatusCode == http.StatusOK {
			m := &Manifest{}
			if err := json.Unmarshal(text, m); err != nil {
				return nil, fmt.Errorf("read manifest: %w", err)
			}
			return m, nil
		}
		if p := a.Header.Get("X-Progress"); p != "" && b.Progress != nil {
			b.Progress(p)
		}
		wait := time.Second
		if n, err := strconv.Atoi(a.Header.Get("Retry-After")); err == nil && n >= 0 {
			wait = min(time.Duration(n)*time.Second, time.Minute)
		}
		rest := b.Sleep
		if rest == nil {
			rest = sleep
		}
		if err := rest(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// Remove removes an export from its server.
func (b *Bulk) Remove(ctx context.Context, job string) error {
	a, err := b.ask(ctx, http.MethodDelete, job, nil, http.StatusAccepted, http.StatusOK, http.StatusNoContent, http.StatusNotFound)
	if err != nil {
		return err
	}
	return a.Body.Close()
}

// maxLine bounds a line of a file.
const maxLine = 64 << 20

// Lines calls f with the lines of a file behind the first skip. A line is good
// until the next one.
func (b *Bulk) Lines(ctx context.Context, file string, skip int64, f func(line []byte) error) error {
	a, err := b.ask(ctx, http.MethodGet, file, map[string]string{"Accept": "application/fhir+ndjson"}, http.StatusOK)
	if err != nil {
		return err
	}
	defer func() { _ = a.Body.Close() }() // it was only read
	lines := bufio.NewScanner(a.Body)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		if skip--; skip >= 0 {
			continue
		}
		if err := f(line); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read file of an export: %w", err)
	}
	return nil
}

// A Place is how far a transfer has got; whoever transfers keeps it.
type Place struct {
	// Since is the time up to which everything was transferred.
	Since string `json:"since,omitempty"`
	Job   string `json:"job,omitempty"`  // the export under way
	File  int    `json:"file,omitempty"` // files of it that are done
	Line  int64  `json:"line,omitempty"` // lines of the next that are done
}

// A Transfer carries what a server exports into another one.
type Transfer struct {
	From  *Bulk
	To    *Pusher
	Types []string // all when empty
	Batch int      // resources of one Bundle, 0 means 100
	Place Place
	Keep  func(Place) error // keeps the place
}

// rank puts types first that others refer to, so that servers that want to have
// what is referred to get it before.
func rank(typ string) int {
	first := [...]string{"Organization", "Location", "Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Device", "DeviceMetric", "Medication", "Encounter", "Condition", "Procedure", "ServiceRequest", "Observation"}
	if i := slices.Index(first[:], typ); i >= 0 {
		return i
	}
	return len(first)
}

// Run transfers everything that has changed since the place that was reached
// before. An export that was under way goes on where it was.
func (t *Transfer) Run(ctx context.Context) error {
	m, err := t.export(ctx)
	if err != nil {
		return err
	}
	slices.SortStableFunc(m.Output, func(a, b File) int { return rank(a.Type) - rank(b.Type) })
	files := slices.Concat(m.Output, m.Deleted)
	for ; t.Place.File < len(files); t.Place.File, t.Place.Line = t.Place.File+1, 0 {
		if err := t.file(ctx, files[t.Place.File], t.Place.File >= len(m.Output)); err != nil {
			return err
		}
	}
	if err := t.To.Settle(ctx); err != nil {
		return err
	}
	job := t.Place.Job
	t.Place = Place{Since: m.TransactionTime}
	if err := t.Keep(t.Place); err != nil {
		return err
	}
	return t.From.Remove(ctx, job)
}

// export waits for the export that is under way, or for a new one.
func (t *Transfer) export(ctx context.Context) (*Manifest, error) {
	if t.Place.Job != "" {
		m, err := t.From.Wait(ctx, t.Place.Job)
		var e *StatusError
		if !errors.As(err, &e) || e.Status != http.StatusNotFound {
			return m, err
		}
		// It has expired: everything of it comes again, which changes nothing.
	}
	q := url.Values{}
	if len(t.Types) > 0 {
		q.Set("_type", strings.Join(t.Types, ","))
	}
	if t.Place.Since != "" {
		q.Set("_since", t.Place.Since)
	}
	job, err := t.From.Start(ctx, q)
	if err != nil {
		return nil, err
	}
	t.Place = Place{Since: t.Place.Since, Job: job}
	if err := t.Keep(t.Place); err != nil {
		return nil, err
	}
	return t.From.Wait(ctx, job)
}

// file transfers one file.
func (t *Transfer) file(ctx context.Context, f File, deletions bool) error {
	size := t.Batch
	if size == 0 {
		size = 100
	}
	var items []Item
	lines := t.Place.Line
	send := func() error {
		if err := t.To.Send(ctx, items); err != nil {
			return err
		}
		items = items[:0]
		t.Place.Line = lines
		if len(t.To.waiting) > 0 {
			return nil // what waits would be forgotten
		}
		return t.Keep(t.Place)
	}
	err := t.From.Lines(ctx, f.URL, t.Place.Line, func(line []byte) error {
		some, err := itemsOf(line, deletions)
		if err != nil {
			return err
		}
		items = append(items, some...)
		if lines++; len(items) < size {
			return nil
		}
		return send()
	})
	if err != nil || len(items) == 0 {
		return err
	}
	return send()
}

func itemsOf(line []byte, deletions bool) ([]Item, error) {
	if deletions {
		return DeletedOf(line)
	}
	i, err := ItemOf(line)
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "a file of the export cannot be read: %w", err)
	}
	return []Item{i}, nil
}
