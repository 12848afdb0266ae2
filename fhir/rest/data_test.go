package rest_test

import (
	"bytes"
	"compress/bzip2"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// data finds a folder of the shared test data; the test is skipped without it.
func data(t testing.TB, parts ...string) string {
	t.Helper()
	dir := filepath.Join(append([]string{"..", "..", "..", "shared", "data"}, parts...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("there is no test data at %s", dir)
	}
	return dir
}

// TestPHDBundlesLoadTwice loads what a personal health gateway uploads
// (PHD 2.0.0) twice: the second time nothing new is made but what has no
// condition.
func TestPHDBundlesLoadTwice(t *testing.T) {
	dir := data(t, "phd", "input", "examples")
	s := newSite(t)
	for _, name := range []string{"bundle-example-1.json", "bundle-continuousnonin.json"} {
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			// A digit of the example's condition is in the wrong place, so that it
			// would never find the patient that it makes.
			raw = bytes.Replace(raw, []byte("identifier=urn:oid:2.9991."), []byte("identifier=urn:oid:2.999.1."), 1)
			first := s.want(200, "POST", "", string(raw))
			second := s.want(200, "POST", "", string(raw))
			var sent struct {
				Entry []struct {
					Request struct{ IfNoneExist string }
				}
			}
			if err := json.Unmarshal(raw, &sent); err != nil {
				t.Fatal(err)
			}
			a, b := placed(first), placed(second)
			for i, e := range sent.Entry {
				if got, want := second.text("entry", i, "response", "status") == "200 OK", e.Request.IfNoneExist != ""; got != want {
					t.Errorf("entry %d the second time: %s", i, second.text("entry", i, "response", "status"))
				}
				if e.Request.IfNoneExist != "" && a[i] != b[i] {
					t.Errorf("entry %d became %s and %s", i, a[i], b[i])
				}
			}
		})
	}
}

// needed finds the conditional references of a Bundle.
var needed = regexp.MustCompile(`"reference": "(Practitioner|Organization|Location)\?identifier=([^|"]+)\|([^"]+)"`)

// TestSyntheaLoads loads patients of Synthea, each a transaction.
func TestSyntheaLoads(t *testing.T) {
	dir := data(t, "synthea")
	files, err := filepath.Glob(filepath.Join(dir, "*.json.bz2"))
	if err != nil || len(files) == 0 {
		t.Skip("there are no Synthea files")
	}
	if testing.Short() {
		files = files[:1]
	} else {
		files = files[:4]
	}
	s := newSite(t)
	for _, file := range files {
		raw := unpacked(t, file)
		s.provide(raw)
		a := s.want(200, "POST", "", raw)
		if want := strings.Count(raw, `"method": "POST"`); len(a.entries()) != want {
			t.Errorf("%d entries, want %d", len(a.entries()), want)
		}
		r := s.want(200, "GET", "Patient/"+placed(a)[0], "")
		if r.text("resourceType") != "Patient" {
			t.Errorf("the patient: %s", clip(r.raw))
		}
		if o := s.want(200, "GET", "Encounter?_summary=count&patient="+placed(a)[0], ""); o.text("total") != fmt.Sprint(strings.Count(raw, `"resourceType": "Encounter"`)) {
			t.Errorf("%s Encounters", o.text("total"))
		}
	}
}

func unpacked(t testing.TB, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(bzip2.NewReader(f))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// provide makes what the conditional references of a Bundle lead to.
func (s *site) provide(raw string) {
	s.t.Helper()
	seen := map[string]bool{}
	for _, m := range needed.FindAllStringSubmatch(raw, -1) {
		if seen[m[0]] {
			continue
		}
		seen[m[0]] = true
		body := fmt.Sprintf(`{"resourceType":%q,"identifier":[{"system":%q,"value":%q}]`, m[1], m[2], m[3])
		if m[1] == "Organization" {
			body += `,"name":"x"`
		}
		if a := s.do("POST", m[1], body+"}", "If-None-Exist", "identifier="+m[2]+"|"+m[3]); a.status > 201 {
			s.t.Fatalf("%s", a.raw)
		}
	}
}
