package bulk_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/bulk"
)

const ndjson = "application/fhir+ndjson"

// load loads lines and returns what the answer says: outcomes, and last the sums.
func (s *site) load(lines string, headers ...string) []string {
	s.t.Helper()
	w := s.want(http.StatusOK, http.MethodPost, "$import", lines, append([]string{"Content-Type", ndjson}, headers...)...)
	return strings.Split(strings.TrimSpace(w.Body.String()), "\n")
}

func sums(written, same, failed int) string {
	return fmt.Sprintf(`{"resourceType":"Parameters","parameter":[{"name":"written","valueInteger":%d},{"name":"unchanged","valueInteger":%d},{"name":"failed","valueInteger":%d},{"name":"complete","valueBoolean":true}]}`, written, same, failed)
}

func TestImport(t *testing.T) {
	s := newSite(t)
	lines := "\xef\xbb\xbf" + `{"resourceType":"Patient","id":"a","gender":"female"}

{"resourceType":"Patient","id":"b","gender":"shoe"}
{"resourceType":"Patient","gender":"male"}
{"resourceType":"Patient","id":"c"
{"resourceType":"Shoe","id":"c"}
{"resourceType":"Patient","id":"no_id"}
{"resourceType":"Patient","id":"part","meta":{"tag":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationValue","code":"SUBSETTED"}]}}
{"resourceType":"Observation","id":"o"` + heart + `a"},"valueQuantity":{"value":1.50}}
{"resourceType":"Patient","id":"a","gender":"male"}` + "\r\n"
	got := s.load(lines)
	if len(got) != 7 || got[6] != sums(3, 0, 6) {
		t.Fatalf("got %s", strings.Join(got, "\n"))
	}
	for i, line := range []int{3, 4, 5, 6, 7, 8} {
		if !strings.Contains(got[i], fmt.Sprintf(`"line %d: `, line)) || !strings.Contains(got[i], `"resourceType":"OperationOutcome"`) {
			t.Errorf("line %d: %s", line, got[i])
		}
	}
	w := s.want(http.StatusOK, http.MethodGet, "Patient/a", "")
	if !strings.Contains(w.Body.String(), `"versionId":"2"`) || !strings.Contains(w.Body.String(), `"gender":"male"`) {
		t.Errorf("the last line for an id stands: %s", w.Body)
	}
	if w := s.want(http.StatusOK, http.MethodGet, "Observation?value-quantity=1.5", ""); !strings.Contains(w.Body.String(), `"value":1.50`) {
		t.Errorf("what was loaded is not found: %s", w.Body)
	}

	// Once more: nothing is written. What was exported comes with meta, and is
	// the same.
	second := `{"resourceType":"Patient","id":"a","meta":{"versionId":"9","lastUpdated":"2020-01-01T00:00:00Z"},"gender":"male"}` + "\n" + strings.Split(lines, "\n")[8]
	if got := s.load(second); len(got) != 1 || got[0] != sums(0, 2, 0) {
		t.Errorf("again: %s", got)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	fmt.Fprintln(z, second)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if got := s.load(packed.String(), "Content-Encoding", "gzip"); got[0] != sums(0, 2, 0) {
		t.Errorf("packed: %s", got)
	}
	if got := s.load(""); got[0] != sums(0, 0, 0) {
		t.Errorf("nothing: %s", got)
	}
	// What was deleted comes back.
	s.want(http.StatusNoContent, http.MethodDelete, "Patient/a", "")
	if got := s.load(second); got[0] != sums(1, 1, 0) {
		t.Errorf("after a deletion: %s", got)
	}
}

// TestImportOfMany has many batches, in which resources come twice.
func TestImportOfMany(t *testing.T) {
	s := newSite(t)
	var lines strings.Builder
	const n = 1200
	for _, gender := range []string{"male", "female"} {
		for i := range n {
			fmt.Fprintf(&lines, `{"resourceType":"Patient","id":"p%d","gender":"%s"}`+"\n", i, gender)
		}
	}
	if got := s.load(lines.String()); len(got) != 1 || got[0] != sums(2*n, 0, 0) {
		t.Fatal(got)
	}
	w := s.want(http.StatusOK, http.MethodGet, "Patient?gender=female&_summary=count", "")
	if !strings.Contains(w.Body.String(), fmt.Sprintf(`"total":%d`, n)) {
		t.Errorf("those of the second lines: %s", w.Body)
	}
}

func TestImportRefuses(t *testing.T) {
	s := newSite(t, func(c *bulk.Config) { c.Hosts = []string{"files.example.org", "intern.example.org:8443"} })
	for _, c := range []struct {
		media, body string
		status      int
	}{
		{"text/csv", "a,b", 415},
		{"application/json", "{", 400},
		{"application/json", "{}", 400},
		{"application/json", `{"inputFormat":"text/csv","input":[{"type":"Patient","url":"https://files.example.org/p"}]}`, 400},
		{"application/json", `{"input":[{"type":"Patient","url":"file:///etc/passwd"}]}`, 400},
		{"application/json", `{"input":[{"type":"Patient","url":"http://169.254.169.254/latest"}]}`, 403},
		{"application/json", `{"input":[{"type":"Patient","url":"http://intern.example.org/p"}]}`, 403},
		{"application/json", `{"input":[{"type":"Patient","url":"http://user@files.example.org/p"}]}`, 400},
	} {
		if w := s.do(http.MethodPost, "$import", c.body, "Content-Type", c.media); w.Code != c.status || !strings.Contains(w.Body.String(), "OperationOutcome") {
			t.Errorf("%s: got %d %s, want %d", c.body, w.Code, w.Body, c.status)
		}
	}
	s.want(http.StatusMethodNotAllowed, http.MethodGet, "$import", "")
	w := newSite(t).do(http.MethodPost, "$import", `{"input":[{"type":"Patient","url":"https://files.example.org/p"}]}`, "Content-Type", "application/json")
	if w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), "fhir-import-hosts") {
		t.Errorf("nothing is named: %d %s", w.Code, w.Body)
	}
}

// TestImportFetches fetches files, one of which is not there, and one of which
// leads elsewhere.
func TestImportFetches(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/patients":
			fmt.Fprintln(w, `{"resourceType":"Patient","id":"a"}`)
			fmt.Fprintln(w, `{"resourceType":"Observation","id":"a"}`)
			fmt.Fprintln(w, `{"resourceType":"Patient","id":"b","gender":"shoe"}`)
		case "/packed":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprintln(z, `{"resourceType":"Organization","id":"o","name":"Ward"}`)
			_ = z.Close()
		case "/away":
			http.Redirect(w, r, "http://elsewhere.example.org/", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	defer files.Close()
	s := newSite(t, func(c *bulk.Config) { c.Hosts = []string{strings.TrimPrefix(files.URL, "http://")} })
	body := `{"resourceType":"Parameters","parameter":[{"name":"inputFormat","valueCode":"application/fhir+ndjson"}`
	for _, f := range []string{"Patient/patients", "Organization/packed", "Patient/nothing", "Patient/away"} {
		typ, path, _ := strings.Cut(f, "/")
		body += `,{"name":"input","part":[{"name":"type","valueCode":"` + typ + `"},{"name":"url","valueUrl":"` + files.URL + "/" + path + `"}]}`
	}
	w := s.want(http.StatusAccepted, http.MethodPost, "$import", body+"]}")
	m := s.wait(w.Header().Get("Content-Location"))
	var got []string
	for _, o := range m.Output {
		got = append(got, fmt.Sprint(o.Type, " ", strings.TrimPrefix(o.InputURL, files.URL), " ", o.Count))
	}
	if want := "Patient /patients 1, Organization /packed 1, Patient /nothing 0, Patient /away 0"; strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
	got = nil
	for _, e := range m.Error {
		got = append(got, strings.TrimPrefix(e.InputURL, files.URL))
		for _, line := range s.lines(e.URL, e.Count) {
			if !strings.Contains(line, "OperationOutcome") {
				t.Error(line)
			}
		}
	}
	if want := "/patients, /nothing, /away"; strings.Join(got, ", ") != want {
		t.Errorf("errors: got %s\nwant %s", strings.Join(got, ", "), want)
	}
	s.want(http.StatusOK, http.MethodGet, "Organization/o", "")

	// A name that leads to this machine is not enough.
	s = newSite(t, func(c *bulk.Config) { c.Hosts = []string{"files.example.org"} })
	if err := s.bulk.MayDial("127.0.0.1:80"); err == nil {
		t.Error("a name may lead to this machine")
	}
	if err := s.bulk.MayDial("[::ffff:169.254.169.254]:80"); err == nil {
		t.Error("a name may lead to this link")
	}
}

// FuzzImport loads anything: it ends, and says of every line what became of it.
func FuzzImport(f *testing.F) {
	for _, seed := range []string{"", "\n\n", `{"resourceType":"Patient","id":"a"}`, `{"resourceType":"Patient","id":"a"}` + "\n{", "\x00", `{"resourceType":"Bundle","id":"b","entry":[{}]}`, strings.Repeat("[", 200)} {
		f.Add([]byte(seed))
	}
	s := newSite(f)
	f.Fuzz(func(t *testing.T, lines []byte) {
		s.t = t
		w := s.do(http.MethodPost, "$import", string(lines)+"\n", "Content-Type", ndjson)
		n := 0
		for l := range bytes.SplitSeq(lines, []byte("\n")) {
			if len(bytes.TrimSpace(bytes.TrimPrefix(l, []byte("\xef\xbb\xbf")))) > 0 {
				n++
			}
		}
		answer := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
		var said struct{ Parameter []struct{ ValueInteger int } }
		if err := json.Unmarshal([]byte(answer[len(answer)-1]), &said); err != nil || w.Code != http.StatusOK || len(said.Parameter) != 4 {
			t.Fatalf("%d %s, %v", w.Code, w.Body, err)
		}
		written, same, failed := said.Parameter[0].ValueInteger, said.Parameter[1].ValueInteger, said.Parameter[2].ValueInteger
		if written+same+failed != n || failed != len(answer)-1 {
			t.Fatalf("%d lines: %s", n, w.Body)
		}
	})
}
