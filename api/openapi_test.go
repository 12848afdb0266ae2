package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// update rewrites openapi.json: go test ./api -run OpenAPI -update.
func update() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite openapi.json")
	flag.Parse()
	os.Exit(m.Run())
}

// TestOpenAPIIsUpToDate compares the document with the file that clients are
// made from.
func TestOpenAPIIsUpToDate(t *testing.T) {
	s := build(Config{}, http.NewServeMux())
	b, err := json.MarshalIndent(s.huma.OpenAPI(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, '\n')
	if update() {
		if err := os.WriteFile("openapi.json", b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, b) {
		t.Error("openapi.json is not what the routes say; run go test ./api -run OpenAPI -update")
	}
	if !strings.HasPrefix(string(b), "{") || !bytes.Contains(b, []byte(`"openapi": "3.1.0"`)) {
		t.Error("not OpenAPI 3.1")
	}
}

// TestEveryRouteNamesOneAction walks the document: policy and audit hang on the
// action, so each route has one and none has another's.
func TestEveryRouteNamesOneAction(t *testing.T) {
	s := build(Config{}, http.NewServeMux())
	action := regexp.MustCompile(`^[a-z]+\.[a-z]+(-[a-z]+)*$`)
	seen := map[string]string{}
	ops := operations(s.huma.OpenAPI())
	if len(ops) < 35 {
		t.Errorf("only %d routes", len(ops))
	}
	for _, op := range ops {
		where := op.Method + " " + op.Path
		if !action.MatchString(op.OperationID) {
			t.Errorf("%s: %q is no action", where, op.OperationID)
		}
		if other, ok := seen[op.OperationID]; ok {
			t.Errorf("%s and %s are both %s", where, other, op.OperationID)
		}
		seen[op.OperationID] = where
		if op.Summary == "" {
			t.Errorf("%s: no summary", where)
		}
	}
}

// TestEveryRouteAsksPolicy forbids everything and calls every route.
func TestEveryRouteAsksPolicy(t *testing.T) {
	mux := http.NewServeMux()
	asked := map[vigil.Action]bool{}
	s := build(Config{Permit: func(_ vigil.Actor, a vigil.Action) error {
		asked[a] = true
		return vigil.Errorf(vigil.Forbidden, "no")
	}}, mux)
	bodies := map[string]string{
		"patient.register": `{"family":"A"}`, "device.register": `{"profile":"x"}`, "location.register": `{"name":"1","unit":"A"}`,
		"stay.admit": `{"patient":"a","location":"b"}`, "token.create": `{"role":"admin"}`, "quarantine.close": `{"reason":"x"}`,
		"profile.check": `{"text":""}`,
	}
	for _, op := range operations(s.huma.OpenAPI()) {
		path := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(op.Path, "x")
		body := bodies[op.OperationID]
		if body == "" && op.RequestBody != nil {
			body = "{}"
		}
		for _, known := range []bool{true, false} {
			w := call(mux, op.Method, path, body, known)
			want := http.StatusForbidden
			if !known && op.Method != http.MethodGet {
				want = http.StatusUnauthorized
			}
			if w.Code != want {
				t.Errorf("%s %s (actor known: %v): %d %s, want %d", op.Method, op.Path, known, w.Code, w.Body, want)
			}
		}
		if !asked[vigil.Action(op.OperationID)] {
			t.Errorf("%s: policy was not asked", op.OperationID)
		}
	}
}

func TestEveryKindHasItsStatus(t *testing.T) {
	want := map[vigil.Kind]int{
		vigil.Internal: 500, vigil.Invalid: 422, vigil.NotFound: 404, vigil.Conflicting: 409, vigil.Unknown: 401,
		vigil.Forbidden: 403, vigil.TooLarge: 413, vigil.Overloaded: 503, vigil.Full: 507, vigil.Unavailable: 503,
	}
	for k := vigil.Internal; k <= vigil.Unavailable; k++ {
		if got := status(k); got != want[k] {
			t.Errorf("%s: %d, want %d", k, got, want[k])
		}
	}
}

// TestEveryRouteAnswersAsDocumented calls every route of a ward, about things
// that are there and things that are not: each status is in the document.
func TestEveryRouteAnswersAsDocumented(t *testing.T) {
	h, patient := ward(t)
	bodies := map[string]string{
		"patient.register": `{"family":"A"}`, "device.register": `{"id":"new","profile":"test-oximeter"}`,
		"location.register": `{"name":"1","unit":"A"}`, "stay.admit": `{"patient":"` + patient + `","location":"b"}`,
		"token.create": `{"role":"reader"}`, "quarantine.close": `{"reason":"x"}`, "profile.check": `{"text":""}`,
		"profile.try": `{"text":"","payload":""}`, "device.assign": `{"patient":"` + patient + `"}`,
	}
	s := build(Config{}, http.NewServeMux())
	for _, op := range operations(s.huma.OpenAPI()) {
		for _, id := range []string{"ox-1", "nobody"} {
			path := regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(op.Path, id)
			body := bodies[op.OperationID]
			if body == "" && op.RequestBody != nil {
				body = "{}"
			}
			w := call(h.handler, op.Method, path, body, true)
			if _, known := op.Responses[strconv.Itoa(w.Code)]; !known || w.Code >= 500 {
				t.Errorf("%s %s: %d is not documented: %s", op.Method, path, w.Code, w.Body)
			}
		}
	}
}
