package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/rest"
)

// The names in addresses: base/$bulk/job is the state of a job, and what follows
// behind it the name of a file.
const (
	jobs      = "bulk"
	canonical = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"
	ndjson    = "application/fhir+ndjson"
)

// Operations returns $export, $import, and the addresses of jobs.
func (s *Service) Operations() []rest.Operation {
	return []rest.Operation{
		{Name: "export", Definition: canonical + "export", System: true, Foreign: true, Handle: s.startExport},
		{Name: "export", Definition: canonical + "patient-export", Type: true, Types: []string{"Patient"}, Foreign: true, Handle: s.startExport},
		{Name: "export", Definition: canonical + "group-export", Instance: true, Types: []string{"Group"}, Foreign: true, Handle: s.startExport},
		{Name: "import", System: true, Affects: true, Foreign: true, Serve: s.serveImport},
		{Name: jobs, System: true, Foreign: true, Methods: []string{http.MethodDelete}, Serve: s.serveJob},
	}
}

// startExport makes the job of an export.
func (s *Service) startExport(ctx context.Context, in *rest.Invocation) (*rest.Result, error) {
	lenient := strings.Contains(strings.Join(in.Header.Values("Prefer"), ","), "handling=lenient")
	ask, err := askOf(in, lenient)
	if err != nil {
		return nil, err
	}
	switch {
	case ask.Level == "group":
		_, err = members(ctx, in, ask.Group, ask.Patients)
	default:
		err = known(ctx, in, ask.Patients)
	}
	if err != nil {
		return nil, err
	}
	// What would be refused later is refused now.
	for typ, queries := range ask.Filters {
		for _, q := range queries {
			if _, err := in.Seek(ctx, typ, q, nil); err != nil {
				return nil, err
			}
		}
	}
	address := in.Base + "/"
	if in.Type != "" {
		address += in.Type + "/"
	}
	if in.ID != "" {
		address += in.ID + "/"
	}
	address += "$export"
	if in.RawQuery != "" {
		address += "?" + in.RawQuery
	}
	j := &job{Kind: "export", Actor: in.Actor, Base: in.Base, Request: address, Token: in.Header.Get("Authorization") != "", Export: ask}
	return s.start(j)
}

// start lets a job wait for its turn and tells where to ask for it.
func (s *Service) start(j *job) (*rest.Result, error) {
	if err := s.add(j); err != nil {
		return nil, err
	}
	h := http.Header{"Content-Location": {j.Base + "/$" + jobs + "/" + j.ID}}
	return &rest.Result{Status: http.StatusAccepted, Header: h, Body: rest.AppendOutcome(nil, rest.Issue{
		Severity: "information", Code: "informational", Text: "The " + j.Kind + " has begun; Content-Location says where to ask for it.",
	})}, nil
}

// mine returns a job for those who may see it: who asked for it, and
// administrators.
func (s *Service) mine(in *rest.Invocation, id string) (*job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	if j == nil || j.Actor.ID != in.Actor.ID && !slices.Contains(in.Actor.Roles, "admin") {
		return nil, rest.Refuse(http.StatusNotFound, "not-found", "there is no such job; it may have expired")
	}
	return j, nil
}

// serveJob answers for jobs and their files.
func (s *Service) serveJob(w http.ResponseWriter, r *http.Request, in *rest.Invocation) error {
	if len(in.Path) == 0 || len(in.Path) > 2 {
		return rest.Refuse(http.StatusNotFound, "not-found", "there is nothing at this address")
	}
	j, err := s.mine(in, in.Path[0])
	if err != nil {
		return err
	}
	switch get := r.Method == http.MethodGet || r.Method == http.MethodHead; {
	case len(in.Path) == 1 && r.Method == http.MethodDelete:
		s.remove(j.ID)
		w.WriteHeader(http.StatusAccepted)
		return nil
	case !get:
		w.Header().Set("Allow", "DELETE, GET, HEAD")
		return rest.Refuse(http.StatusMethodNotAllowed, "not-supported", "%s is not supported here", r.Method)
	case len(in.Path) == 1:
		return s.status(w, j)
	}
	return s.serveFile(w, r, j, in.Path[1])
}

// status tells how far a job is.
func (s *Service) status(w http.ResponseWriter, j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	switch j.State {
	case done:
		body, err := json.Marshal(j.manifest())
		if err != nil {
			return fmt.Errorf("write manifest: %w", err)
		}
		h.Set("Content-Type", "application/json")
		h.Set("Expires", j.Expires.Time().UTC().Format(http.TimeFormat))
		_, err = w.Write(body) // #nosec G705 -- JSON, sent as such
		return ignoreGone(err)
	case failed:
		h.Set("Content-Type", "application/fhir+json")
		h.Set("Expires", j.Expires.Time().UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusInternalServerError)
		_, err := w.Write(j.Outcome) // #nosec G705 -- JSON, sent as such
		return ignoreGone(err)
	case going:
	}
	h.Set("X-Progress", j.progress())
	h.Set("Retry-After", "1")
	if vigil.InstantOf(s.c.Now()).Sub(j.Made) > time.Minute {
		h.Set("Retry-After", "10")
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// ignoreGone takes it for nothing that a client is gone.
func ignoreGone(error) error { return nil }

// progress says in at most 100 letters how far a job is.
func (j *job) progress() string {
	steps := 0
	if j.Export != nil {
		steps = len(j.Export.Types) + 1
	} else {
		steps = len(j.Import.Inputs)
	}
	switch {
	case !j.running:
		return "waiting for its turn"
	case j.at == "":
		return "beginning"
	}
	return fmt.Sprintf("%.50s: %d resources; %d of %d done", j.at, j.count, j.Step, steps)
}

// A manifest lists the files of a job that is done.
type manifest struct {
	TransactionTime     string         `json:"transactionTime"`
	Request             string         `json:"request"`
	RequiresAccessToken bool           `json:"requiresAccessToken"`
	Output              []manifestFile `json:"output"`
	Deleted             []manifestFile `json:"deleted"`
	Error               []manifestFile `json:"error"`
}

type manifestFile struct {
	Type  string `json:"type"`
	Input string `json:"inputUrl,omitempty"`
	URL   string `json:"url,omitempty"`
	Count int64  `json:"count"`
}

func (j *job) manifest() *manifest {
	m := &manifest{
		TransactionTime: j.At.Time().UTC().Format("2006-01-02T15:04:05.000Z"), Request: j.Request, RequiresAccessToken: j.Token,
		Output: []manifestFile{}, Deleted: []manifestFile{}, Error: []manifestFile{},
	}
	for i := range j.Files {
		f := &j.Files[i]
		out := manifestFile{Type: f.Type, Input: f.Input, Count: f.Count}
		if f.Name != "" {
			out.URL = j.Base + "/$" + jobs + "/" + j.ID + "/" + f.Name
		}
		switch f.Role {
		case "output":
			m.Output = append(m.Output, out)
		case "deleted":
			m.Deleted = append(m.Deleted, out)
		default:
			m.Error = append(m.Error, out)
		}
	}
	return m
}

// serveFile sends a file, as gzip to those who take it, whole or in ranges
// (RFC 9110, 14.2).
func (s *Service) serveFile(w http.ResponseWriter, r *http.Request, j *job, name string) error {
	s.mu.Lock()
	i := slices.IndexFunc(j.Files, func(f file) bool { return f.Name == name && name != "" })
	ended := j.State == done
	var f file
	if i >= 0 {
		f = j.Files[i]
	}
	s.mu.Unlock()
	if i < 0 || !ended {
		return rest.Refuse(http.StatusNotFound, "not-found", "there is no such file; it may have expired")
	}
	packed := takesGzip(r.Header.Get("Accept-Encoding"))
	from, err := s.read(j.ID, &f, packed)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // it was only read
	h := w.Header()
	h.Set("Content-Type", ndjson)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "private, no-transform")
	tag := j.ID + "-" + strconv.Itoa(i)
	if packed {
		h.Set("Content-Encoding", "gzip")
		tag += "-gzip"
	}
	h.Set("ETag", strconv.Quote(tag))
	http.ServeContent(w, r, "", time.Time{}, from)
	return nil
}

// takesGzip tells whether a client takes gzip.
func takesGzip(accept string) bool {
	for t := range strings.SplitSeq(accept, ",") {
		name, q, _ := strings.Cut(strings.ReplaceAll(t, " ", ""), ";")
		if strings.EqualFold(name, "gzip") && strings.Trim(strings.TrimPrefix(q, "q="), "0.") != "" || strings.EqualFold(name, "gzip") && q == "" {
			return true
		}
	}
	return false
}
