package operate_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// call finds the calls of the guide.
var calls = regexp.MustCompile(`(?m)^curl (.*)"\$FHIR/([^"]*)"$`)

// TestTheGuideIsRight makes the calls of docs/guide/fhir-operations.md.
func TestTheGuideIsRight(t *testing.T) {
	text, err := os.ReadFile("../../docs/guide/fhir-operations.md")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	s.put(anna, `{"resourceType":"Encounter","id":"stay-1","status":"finished","class":{"code":"IMP"},"subject":{"reference":"Patient/anna"}}`)
	found := calls.FindAllStringSubmatch(string(text), -1)
	if len(found) < 12 {
		t.Fatalf("%d calls", len(found))
	}
	for _, c := range found {
		options, target := c[1], strings.ReplaceAll(c[2], `\$`, `$`)
		method, body := "GET", ""
		var headers []string
		for _, o := range regexp.MustCompile(`-([dH]) '([^']*)'`).FindAllStringSubmatch(options, -1) {
			if o[1] == "d" {
				method, body = "POST", o[2]
				continue
			}
			name, value, _ := strings.Cut(o[2], ": ")
			headers = append(headers, name, value)
		}
		s.want(200, method, target, body, headers...)
	}
}
