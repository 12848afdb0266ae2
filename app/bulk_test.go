package app

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// ask sends a request to the whole server, as its owner.
func (s *spine) ask(routes http.Handler, method, path, body string, headers ...string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	r = r.WithContext(context.WithValue(r.Context(), localKey{}, true))
	w := httptest.NewRecorder()
	routes.ServeHTTP(w, r)
	return w
}

// manifest of an export.
type exported struct {
	TransactionTime        string
	Output, Deleted, Error []struct {
		Type, URL string
		Count     int
	}
}

// exports carries an export out and returns its manifest.
func (s *spine) exports(routes http.Handler, query string) exported {
	s.t.Helper()
	w := s.ask(routes, http.MethodGet, "/fhir/"+query, "", "Prefer", "respond-async")
	if w.Code != http.StatusAccepted {
		s.t.Fatalf("kick-off: %d %s", w.Code, w.Body)
	}
	at := strings.TrimPrefix(w.Header().Get("Content-Location"), "http://example.com")
	var m exported
	s.soon("the export is done", func() bool {
		w := s.ask(routes, http.MethodGet, at, "")
		switch w.Code {
		case http.StatusAccepted:
			return false
		case http.StatusOK:
		default:
			s.t.Fatalf("status: %d %s", w.Code, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
			s.t.Fatal(err)
		}
		return true
	})
	return m
}

// resources reads the files of an export: by type and id, without what the server
// says of versions.
func (s *spine) resources(routes http.Handler, m exported) (map[string]string, []byte) {
	s.t.Helper()
	out := map[string]string{}
	var all bytes.Buffer
	for _, f := range m.Output {
		w := s.ask(routes, http.MethodGet, strings.TrimPrefix(f.URL, "http://example.com"), "")
		if w.Code != http.StatusOK {
			s.t.Fatalf("%s: %d %s", f.URL, w.Code, w.Body)
		}
		all.Write(w.Body.Bytes())
		lines := bufio.NewScanner(w.Body)
		lines.Buffer(nil, 16<<20)
		n := 0
		for lines.Scan() {
			doc, err := tree.Parse(bytes.Clone(lines.Bytes()))
			if err != nil {
				s.t.Fatal(err)
			}
			n++
			root := doc.Root()
			out[root.Get("resourceType").Text()+"/"+root.Get("id").Text()] = string(tree.Filter(root, func(name string, _ tree.Node) (bool, tree.Keep) {
				return true, func(inner string, _ tree.Node) (bool, tree.Keep) {
					return name != "meta" || inner != "versionId" && inner != "lastUpdated", nil
				}
			}))
		}
		if n != f.Count {
			s.t.Errorf("%s has %d lines, the manifest says %d", f.Type, n, f.Count)
		}
	}
	return out, all.Bytes()
}

// TestADayIsExportedAndImported exports a day of readings with what clients
// wrote, loads it into a new installation, and compares.
func TestADayIsExportedAndImported(t *testing.T) {
	from, end := newRecordSpine(t, t.TempDir())
	defer end()
	routes := from.routes()
	anna, bert := from.patient("Berg"), from.patient("Dahl")
	from.device("mon-1", anna, vigil.Interval{})
	from.device("mon-2", bert, vigil.Interval{})
	readings := from.day(t)
	if w := from.ask(routes, http.MethodPost, "/fhir", synthea(t), "Content-Type", "application/fhir+json"); w.Code != http.StatusOK {
		t.Fatalf("load Synthea: %d %.500s", w.Code, w.Body)
	}
	m := from.exports(routes, "$export")
	want, lines := from.resources(routes, m)
	observed := 0
	for _, f := range m.Output {
		if f.Type == "Observation" {
			observed += f.Count
		}
	}
	if observed < readings || len(m.Error) > 0 || len(want) < 500 {
		t.Fatalf("%d Observations of at least %d, %d resources, errors %v", observed, readings, len(want), m.Error)
	}

	t.Logf("%d resources, %d of them Observations", len(want), observed)
	to, stop := newRecordSpine(t, t.TempDir())
	defer stop()
	fresh := to.routes()
	for range 2 { // the second time nothing changes
		w := to.ask(fresh, http.MethodPost, "/fhir/$import", string(lines), "Content-Type", "application/fhir+ndjson")
		if w.Code != http.StatusOK || bytes.Contains(w.Body.Bytes(), []byte("OperationOutcome")) {
			t.Fatalf("import: %d %.2000s", w.Code, w.Body)
		}
	}
	got, _ := to.resources(fresh, to.exports(fresh, "$export"))
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s was\n%s\nand is\n%s", name, text, got[name])
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok && !strings.HasPrefix(name, "DeviceMetric/") && !strings.HasPrefix(name, "Provenance/") {
			t.Errorf("%s was not exported", name)
		}
	}
	for _, r := range []string{"Observation", "Patient"} {
		w := to.ask(fresh, http.MethodGet, "/fhir/"+r+"?_summary=count", "")
		if !strings.Contains(w.Body.String(), `"total"`) {
			t.Errorf("count %s: %s", r, w.Body)
		}
	}
}

// day sends a day of readings of two devices and returns how many there are.
func (s *spine) day(t *testing.T) int {
	t.Helper()
	const every, minutes = 5, 24 * 60 / 5
	done := make(chan error, 2*minutes)
	for i := range minutes {
		at := taken.Add(-time.Duration(i*every) * time.Minute)
		for d, device := range []vigil.DeviceID{"mon-1", "mon-2"} {
			s.ingest.Take(vigil.Message{Device: device, Arrived: arrived, Payload: fmt.Appendf(nil, `{"t":%d,"o":%d,"p":%d}`, ms(at), 90+i%10, 60+i%40+d)}, func(err error) { done <- err })
		}
	}
	for range 2 * minutes {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	s.drain()
	return 2 * 2 * minutes
}

// synthea reads a transaction with the whole record of a made-up patient,
// without its conditional references, whose targets are not part of it.
func synthea(t *testing.T) string {
	t.Helper()
	files, err := filepath.Glob("../../shared/data/synthea/*.json.bz2")
	if err != nil || len(files) == 0 {
		t.Skip("no Synthea data in ../shared/data/synthea")
	}
	var smallest string
	var size int64
	for _, name := range files {
		if st, err := os.Stat(name); err == nil && (size == 0 || st.Size() < size) {
			smallest, size = name, st.Size()
		}
	}
	f, err := os.Open(smallest)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	return conditional.ReplaceAllString(string(text), `"$1/elsewhere"`)
}

var conditional = regexp.MustCompile(`"([A-Z][A-Za-z]+)\?identifier=[^"]+"`)

// TestAMoveIsExported moves readings to another patient between two exports: the
// second has those that are now his, and says of the others that they were
// entered in error.
func TestAMoveIsExported(t *testing.T) {
	s, end := newRecordSpine(t, t.TempDir())
	defer end()
	routes := s.routes()
	anna, bert := s.patient("Berg"), s.patient("Dahl")
	s.device("d", anna, vigil.Interval{})
	s.say(`{"t":%d,"o":97}`, ms(taken))
	m := s.exports(routes, "$export?_type=Observation")
	if first, _ := s.resources(routes, m); len(first) != 1 {
		t.Fatalf("the first export has %v", first)
	}
	if m := s.exports(routes, "$export?_type=Observation&_since="+m.TransactionTime); len(m.Output) != 0 {
		t.Errorf("nothing has changed, and an export has %v", m.Output)
	}
	before := vigil.Interval{From: arrived.Add(-time.Hour)}
	if err := s.registry.Unassign(s.ctx, "d", before, "it was not hers"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.registry.Assign(s.ctx, "d", bert, before, "it was his"); err != nil {
		t.Fatal(err)
	}
	s.drain()
	second, _ := s.resources(routes, s.exports(routes, "$export?_type=Observation&_since="+m.TransactionTime))
	var said []string
	for _, text := range second {
		doc, err := tree.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, doc.Root().Get("status").Text()+" "+doc.Root().Get("subject").Get("reference").Text())
	}
	slices.Sort(said)
	// Between the two it was nobody's.
	want := []string{"entered-in-error ", "entered-in-error Patient/" + anna.ID, "final Patient/" + bert.ID}
	if !slices.Equal(said, want) {
		t.Errorf("after the move an export has %q, want %q", said, want)
	}
}
