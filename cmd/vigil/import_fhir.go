package main

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/internal/socket"
)

// importFHIRCmd loads FHIR resources. Every resource is put at its id; what is
// there already stays as it is, so that a file can be loaded again. A Bundle that
// is a transaction or a batch is carried out; of other Bundles the resources are
// loaded.
type importFHIRCmd struct {
	Paths  []string `arg:"" help:"Files and folders: .ndjson and .json, as they are or packed as .gz or .bz2." type:"existing"`
	Errors string   `help:"File that gets what is wrong, one OperationOutcome a line." type:"path" placeholder:"FILE"`
}

// A fhirLoad is an import under way.
type fhirLoad struct {
	c      *console
	cl     *client
	errs   io.Writer // nil: none
	begun  time.Time
	told   int
	name   string // of the file
	Files  int    `json:"files"`
	Kept   int64  `json:"written"`
	Same   int64  `json:"unchanged"`
	Failed int64  `json:"failed"`
	Rate   int64  `json:"perSecond"`
	at     time.Time
}

// Run loads them.
func (cmd importFHIRCmd) Run(c *console) (err error) {
	files, err := resourceFiles(cmd.Paths)
	if err != nil {
		return err
	}
	l := &fhirLoad{c: c, cl: c.client(), begun: time.Now()}
	if cmd.Errors != "" {
		f, err := os.OpenFile(cmd.Errors, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("make file of errors: %w", err)
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		l.errs = f
	}
	for _, name := range files {
		if err := l.file(name); err != nil {
			return fmt.Errorf("load %s: %w", name, err)
		}
		l.Files++
	}
	l.Rate = int64(float64(l.Kept+l.Same) / time.Since(l.begun).Seconds())
	err = c.print(l, func(t *table) {
		t.row("files", l.Files)
		t.row("written", l.Kept)
		t.row("unchanged", l.Same)
		t.row("failed", l.Failed)
		t.row("resources a second", l.Rate)
	})
	if err == nil && l.Failed > 0 {
		err = fmt.Errorf("%d could not be loaded; everything else was", l.Failed)
	}
	return err
}

// resourceFiles lists the files, of folders what looks like one: those first on
// which others build.
func resourceFiles(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		err := filepath.WalkDir(p, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (path == p || looksLikeResources(path)) {
				out = append(out, path)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("look for files: %w", err)
		}
	}
	if len(out) == 0 {
		return nil, usageError("there are no files of resources: .ndjson or .json, perhaps with .gz or .bz2")
	}
	slices.SortStableFunc(out, func(a, b string) int { return basics(b) - basics(a) })
	return out, nil
}

// basics is 1 for files of what others refer to, as Synthea and exports name
// them.
func basics(path string) int {
	name := strings.ToLower(filepath.Base(path))
	for _, p := range [...]string{"hospital", "practitioner", "organization", "location", "patient-", "device-"} {
		if strings.HasPrefix(name, p) {
			return 1
		}
	}
	return 0
}

func looksLikeResources(path string) bool {
	name := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(path), ".gz"), ".bz2")
	return strings.HasSuffix(name, ".ndjson") || strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".jsonl")
}

// file loads one file.
func (l *fhirLoad) file(name string) error {
	l.name = filepath.Base(name) + ": "
	f, err := os.Open(name) // #nosec G304 -- the user names it
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	var from io.Reader = f
	switch lower := strings.ToLower(name); {
	case strings.HasSuffix(lower, ".gz"):
		if from, err = gzip.NewReader(f); err != nil {
			return fmt.Errorf("unpack: %w", err)
		}
	case strings.HasSuffix(lower, ".bz2"):
		from = bzip2.NewReader(f)
	}
	if strings.Contains(strings.ToLower(filepath.Base(name)), "json.") || strings.HasSuffix(name, ".json") {
		if !strings.Contains(name, ".ndjson") {
			return l.document(from)
		}
	}
	return l.lines(name, from)
}

// The bounds of what is sent at a time: so much that it is quick, so little that
// one sees it go on.
const (
	loadLines = 20_000
	loadBytes = 32 << 20
	maxBundle = 512 << 20
)

// lines loads NDJSON.
func (l *fhirLoad) lines(name string, from io.Reader) error {
	lines := bufio.NewReaderSize(from, 1<<20)
	var some bytes.Buffer
	first, n := 1, 0
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read: %w", err)
		}
		some.Write(line)
		n++
		last := err != nil
		if some.Len() > 0 && (last || n == loadLines || some.Len() >= loadBytes) {
			if err := l.post(name, first, some.Bytes()); err != nil {
				return err
			}
			first, n = first+n, 0
			some.Reset()
		}
		if last {
			return nil
		}
	}
}

// document loads a file with one resource: a Bundle, or any other.
func (l *fhirLoad) document(from io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(from, maxBundle))
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	doc, err := tree.Parse(text)
	if err != nil {
		return l.fail(nil, fmt.Sprintf("it is no JSON: %v", err))
	}
	root := doc.Root()
	if root.Get("resourceType").Text() != "Bundle" {
		return l.post("", 1, oneLine(nil, text))
	}
	switch root.Get("type").Text() {
	case "transaction", "batch":
		return l.bundle(text)
	}
	var lines []byte
	for e := range root.Get("entry").Items() {
		if r := e.Get("resource"); r.Ok() {
			lines = oneLine(lines, r.Raw())
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return l.post("", 1, lines)
}

// oneLine appends JSON as one line.
func oneLine(dst, text []byte) []byte {
	for _, b := range text {
		if b == '\n' || b == '\r' {
			b = ' '
		}
		dst = append(dst, b)
	}
	return append(dst, '\n')
}

// send posts to the server.
func (l *fhirLoad) send(path, media string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(l.c.ctx, http.MethodPost, socket.Base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set("Content-Type", media)
	r.Header.Set("Prefer", "return=minimal")
	a, err := l.cl.http.Do(r)
	var unreached *url.Error
	if errors.As(err, &unreached) {
		return nil, l.cl.unreachable(unreached)
	}
	return a, err
}

// post loads lines, of which the first has a number.
func (l *fhirLoad) post(name string, first int, lines []byte) error {
	a, err := l.send("/fhir/$import", "application/fhir+ndjson", lines)
	if err != nil {
		return err
	}
	defer func() { _ = a.Body.Close() }() // it was only read
	answer := bufio.NewScanner(a.Body)
	answer.Buffer(nil, 16<<20)
	whole := false
	for answer.Scan() {
		line := answer.Bytes()
		if bytes.Contains(line, []byte(`"resourceType":"Parameters"`)) {
			whole, err = l.count(line)
			if err != nil {
				return err
			}
			continue
		}
		where := ""
		if name != "" && first > 1 {
			where = fmt.Sprintf("behind line %d: ", first-1)
		}
		if err := l.tell(line, where); err != nil {
			return err
		}
	}
	if err := answer.Err(); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if a.StatusCode != http.StatusOK || !whole {
		return fmt.Errorf("the server answers %s", a.Status)
	}
	l.progress()
	return nil
}

// count adds what the server says of lines.
func (l *fhirLoad) count(line []byte) (whole bool, err error) {
	var p struct {
		Parameter []struct {
			Name         string
			ValueInteger int64
			ValueBoolean bool
		}
	}
	if err := json.Unmarshal(line, &p); err != nil {
		return false, fmt.Errorf("read answer: %w", err)
	}
	for _, x := range p.Parameter {
		switch x.Name {
		case "written":
			l.Kept += x.ValueInteger
		case "unchanged":
			l.Same += x.ValueInteger
		case "failed":
			l.Failed += x.ValueInteger
		case "complete":
			whole = x.ValueBoolean
		}
	}
	return whole, nil
}

// bundle carries out a transaction or a batch.
func (l *fhirLoad) bundle(text []byte) error {
	a, err := l.send("/fhir", "application/fhir+json", text)
	if err != nil {
		return err
	}
	defer func() { _ = a.Body.Close() }() // it was only read
	answer, err := io.ReadAll(a.Body)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if a.StatusCode != http.StatusOK {
		return l.fail(answer, "")
	}
	doc, err := tree.Parse(answer)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	for e := range doc.Root().Get("entry").Items() {
		switch response := e.Get("response"); {
		case strings.HasPrefix(response.Get("status").Text(), "20"):
			l.Kept++
		default:
			if err := l.fail(response.Get("outcome").Raw(), ""); err != nil {
				return err
			}
		}
	}
	l.progress()
	return nil
}

// fail counts and tells something that could not be loaded.
func (l *fhirLoad) fail(outcome []byte, text string) error {
	l.Failed++
	if outcome == nil {
		w := tree.NewWriter(nil)
		w.Object().Text("resourceType", "OperationOutcome").Name("issue").Array().Object().Text("severity", "error").Text("code", "structure").Text("diagnostics", text).End().End().End()
		outcome = w.Bytes()
	}
	return l.tell(outcome, "")
}

// maxShown bounds how many errors are shown.
const maxShown = 20

// tell tells of one error.
func (l *fhirLoad) tell(outcome []byte, where string) error {
	if l.errs != nil {
		if _, err := l.errs.Write(oneLine(nil, outcome)); err != nil {
			return fmt.Errorf("write file of errors: %w", err)
		}
	}
	if l.told++; l.told <= maxShown {
		fmt.Fprintln(l.c.err, l.name+where+issueText(outcome))
	} else if l.told == maxShown+1 && l.errs == nil {
		fmt.Fprintln(l.c.err, "… more; --errors FILE lists all")
	}
	return nil
}

// issueText is what an OperationOutcome says first.
func issueText(outcome []byte) string {
	doc, err := tree.Parse(bytes.Clone(outcome))
	if err != nil {
		return strings.TrimSpace(string(outcome[:min(len(outcome), 300)]))
	}
	i := doc.Root().Get("issue").At(0)
	text := i.Get("diagnostics").Text() + i.Get("details").Get("text").Text()
	if at := i.Get("expression").At(0).Text(); at != "" {
		text += " (" + at + ")"
	}
	return text
}

// progress says now and then how far the load is.
func (l *fhirLoad) progress() {
	if now := time.Now(); !l.c.json && now.Sub(l.at) > 2*time.Second {
		if !l.at.IsZero() {
			fmt.Fprintf(l.c.err, "%d resources\n", l.Kept+l.Same)
		}
		l.at = now
	}
}
