package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/bench"
)

// TestBenchOfRunningServer registers devices at a server that runs already, with
// a token and without its data folder, sends a batch, and leaves: none of the
// devices may send any more.
//
// Seen to fail when Register does not note what it made, and when a batch does
// not carry the gateway's secret.
func TestBenchOfRunningServer(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	s, err := bench.Start(t.Context(), server(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}()
	var token struct{ Token string }
	if err := s.Call(t.Context(), http.MethodPost, "/api/v1/tokens", map[string]string{"role": "admin"}, &token); err != nil {
		t.Fatal(err)
	}
	joined, err := bench.Join(t.Context(), bench.Reach{HTTP: s.HTTP, MQTT: s.MQTT, Token: token.Token})
	if err != nil {
		t.Fatal(err)
	}
	devices, err := joined.Register(t.Context(), "ward", "pulse-oximeter", 3)
	if err != nil {
		t.Fatal(err)
	}
	line := `{"device":"` + devices[0].ID + `","payload":{"spo2":97,"pulse":72}}` + "\n"
	if err := joined.Lines(t.Context(), strings.NewReader(line)); err != nil {
		t.Fatal(err)
	}
	if err := joined.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	var list struct {
		Devices []struct{}
	}
	if err := s.Call(t.Context(), http.MethodGet, "/api/v1/devices", nil, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Devices) != 4 {
		t.Errorf("%d devices are registered, want three and a gateway", len(list.Devices))
	}
	if err := bench.Publish(t.Context(), s.MQTT, devices[0], []byte(`{"spo2":97}`)); err == nil {
		t.Error("a device may still publish")
	}
}

// TestBenchReachNeedsProof proves that a server elsewhere is not measured
// without a token.
func TestBenchReachNeedsProof(t *testing.T) {
	if _, err := bench.Join(t.Context(), bench.Reach{HTTP: "127.0.0.1:1"}); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("got %v", err)
	}
}

// TestFiguresOfBothStores prints one line for what was measured on both, and
// names a row that only one has.
func TestFiguresOfBothStores(t *testing.T) {
	r := bench.Report{Rows: []bench.Row{
		{Store: bench.SQLite, Name: "readings", Value: 300_000, Unit: "/s", Target: 300_000, Met: true},
		{Store: bench.SQLite, Name: "start", Value: 0.5, Unit: "s"},
		{Store: bench.Postgres, Name: "readings", Value: 140_000, Unit: "/s", Target: 150_000},
	}}
	var text bytes.Buffer
	if err := printFigures(&console{out: &text}, r); err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(text.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{"WHAT SQLITE POSTGRESQL TARGET", "readings 300000 met 140000 missed /s 3e+05", "start 0.50 s"}
	if tail := got[len(got)-3:]; strings.Join(tail, "|") != strings.Join(want, "|") {
		t.Errorf("got %q, want %q", tail, want)
	}
	text.Reset()
	if err := printFigures(&console{out: &text, json: true}, r); err != nil {
		t.Fatal(err)
	}
	var back bench.Report
	if err := json.Unmarshal(text.Bytes(), &back); err != nil || len(back.Rows) != 3 || back.Rows[2].Store != bench.Postgres {
		t.Errorf("got %+v, %v", back, err)
	}
}
