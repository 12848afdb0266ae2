package topic_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/vigil-iomt/vigil/fhir/topic"
)

// TestTheGuideIsRight posts the examples of docs/guide/fhir-subscriptions.md.
func TestTheGuideIsRight(t *testing.T) {
	text, err := os.ReadFile("../../docs/guide/fhir-subscriptions.md")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, func(c *topic.Config) { c.Endpoints = topic.Endpoints{"ehr.example.org"}; c.Client = nil })
	examples := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(text, -1)
	if len(examples) != 3 {
		t.Fatalf("%d examples", len(examples))
	}
	s.stop() // nothing is to leave
	for _, e := range examples {
		s.want(201, "POST", "Subscription", string(e[1]))
	}
}
