package rest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/rest"
)

func TestOperationsAreWhereTheySay(t *testing.T) {
	echo := func(_ context.Context, in *rest.Invocation) (*rest.Result, error) {
		body := ""
		if in.Body != nil {
			body = in.Body.Root().Get("resourceType").Text()
		}
		return &rest.Result{Body: rest.AppendOutcome(nil, rest.Issue{Severity: "information", Code: "informational",
			Text: fmt.Sprint(in.Method, " ", in.Type, "/", in.ID, " ", in.Query.Get("a"), " ", body, " ", string(in.Raw))})}, nil
	}
	s := newSite(t, func(c *rest.Config) {
		c.Operations = []rest.Operation{
			{Name: "echo", Definition: "http://x/echo", System: true, Type: true, Instance: true, Types: []string{"Patient"}, Handle: echo},
			{Name: "change", Definition: "http://x/change", Instance: true, Affects: true, Handle: echo},
			{Name: "raw", System: true, Raw: true, Handle: echo},
			{Name: "own", System: true, Methods: []string{http.MethodDelete}, Serve: func(w http.ResponseWriter, r *http.Request, in *rest.Invocation) error {
				if in.Query.Get("fail") != "" {
					return rest.Refuse(http.StatusConflict, "conflict", "no")
				}
				b, err := io.ReadAll(r.Body)
				fmt.Fprint(w, r.Method, " ", in.Path, " ", string(b))
				return err
			}},
			{Name: "text", System: true, Handle: func(context.Context, *rest.Invocation) (*rest.Result, error) {
				return &rest.Result{Media: "text/plain", Stream: func(w io.Writer) error {
					_, err := io.WriteString(w, "streamed")
					return err
				}}, nil
			}},
		}
	})
	for request, want := range map[string]string{
		"GET $echo?a=1": "GET / 1  ", "GET Patient/$echo": "GET Patient/   ", "GET Patient/x/$echo?a=2": "GET Patient/x 2  ",
		"POST Patient/x/$echo " + patient("b"): "POST Patient/x  Patient ", "POST Patient/x/$change": "POST Patient/x   ",
	} {
		method, rest, _ := strings.Cut(request, " ")
		target, body, _ := strings.Cut(rest, " ")
		if a := s.want(200, method, target, body); a.text("issue", 0, "diagnostics") != want {
			t.Errorf("%s: %q, want %q", request, a.text("issue", 0, "diagnostics"), want)
		}
	}
	if a := s.want(200, "POST", "Patient/$echo", "a=7", "Content-Type", "application/x-www-form-urlencoded"); !strings.Contains(string(a.raw), "POST Patient/ 7") {
		t.Errorf("a form: %s", a.raw)
	}
	if a := s.want(200, "POST", "$raw", "{ query }", "Content-Type", "application/graphql"); !strings.Contains(string(a.raw), "{ query }") {
		t.Errorf("raw: %s", a.raw)
	}
	if a := s.want(200, "GET", "$text", ""); string(a.raw) != "streamed" || a.header.Get("Content-Type") != "text/plain" {
		t.Errorf("text: %s", a.raw)
	}
	if a := s.want(200, "DELETE", "$own/1/2", "x"); string(a.raw) != "DELETE [1 2] x" {
		t.Errorf("own: %s", a.raw)
	}
	s.refused(s.do("GET", "$own?fail=1", ""), 409, "conflict")
	s.refused(s.do("GET", "Observation/$echo", ""), 404, "not-supported")
	s.refused(s.do("GET", "$echo/x", ""), 404, "not-supported")
	s.refused(s.do("GET", "Patient/x/$change", ""), 405, "not-supported")
	s.refused(s.do("GET", "$nothing", ""), 404, "not-supported")

	a := s.want(200, "POST", "", bundleOf("batch", entryOf("", "GET", "$echo?a=3", ""), entryOf("", "POST", "Patient/y/$echo", patient("z")), entryOf("", "GET", "$own", "")))
	if !strings.Contains(a.text("entry", 0, "resource"), "GET / 3") || !strings.Contains(a.text("entry", 1, "resource"), "POST Patient/y  Patient") || a.text("entry", 2, "response", "status") != "400 Bad Request" {
		t.Errorf("in a batch: %s", a.raw)
	}
	if m := s.want(200, "GET", "metadata", ""); !strings.Contains(string(m.raw), `"operation":[{"name":"echo","definition":"http://x/echo"}]`) {
		t.Error("nobody is told of the operation")
	}
}
