package topic_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/fhir/topic"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// FuzzSubscription reads anything as a Subscription: nothing panics, and what was
// shaped once stays.
func FuzzSubscription(f *testing.F) {
	for _, p := range []spec{
		{topic: "vital-signs", endpoint: "http://127.0.0.1/x", filters: []string{"Observation?patient=ada&code=http://loinc.org|8867-4"}, headers: []string{"A: b"}, heartbeat: 3, end: "2030-01-01T00:00:00Z"},
		{topic: "resource", channel: "websocket", filters: []string{"Encounter?status=finished"}, content: "id-only", count: 3},
		{topic: "alert", endpoint: "http://127.0.0.1/x", filters: []string{"code:in=http://x"}},
		{criteria: "Observation?code=1&_sort=x&subject.name=y", endpoint: "ftp://x"},
	} {
		f.Add([]byte(p.body("x")))
	}
	f.Add([]byte(`{"resourceType":"Subscription","status":1,"error":[],"channel":{"header":{"a":1},"endpoint":"%"},"criteria":"?","_criteria":[]}`))
	d := topic.New(topic.Config{Engine: engine, Endpoints: topic.Endpoints{"127.0.0.1"}, Now: time.Now, Logger: quiet()})
	f.Fuzz(func(t *testing.T, src []byte) {
		doc, err := tree.Parse(src)
		if err != nil || doc.Root().Kind() != tree.Object {
			return
		}
		d.Check(context.Background(), doc)
		once := d.Shape("Subscription", doc)
		if twice := d.Shape("Subscription", once); !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("%s is shaped twice: %s", once.Bytes(), twice.Bytes())
		}
	})
}

// FuzzMessage takes anything that a client of a WebSocket says.
func FuzzMessage(f *testing.F) {
	for _, s := range []string{`{"type":"bind-with-token","payload":{"token":"x"}}`, "bind-with-token: x", "bind 1", "{", "ping", ""} {
		f.Add(s)
	}
	d := topic.New(topic.Config{Engine: engine, Now: time.Now, Logger: quiet()})
	f.Fuzz(func(t *testing.T, s string) {
		if kind, token := topic.Said(s); kind == "bind-with-token" && d.Valid(token) {
			t.Errorf("%q is a token", token)
		}
	})
}
