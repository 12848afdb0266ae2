package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/bench"
)

// TestIdleConnections connects many devices that say nothing: each takes little
// memory, and whoever speaks is still heard. `vigil bench read` does the same
// with 10,000.
//
// Seen to fail when protocol/mqtt gives each connection a large buffer from the
// beginning.
func TestIdleConnections(t *testing.T) {
	const (
		devices = 2000
		each    = 48 << 10 // bytes; two goroutines, buffers, the broker's client
	)
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
	list, err := s.Register(t.Context(), "idle", "pulse-oximeter", devices+1)
	if err != nil {
		t.Fatal(err)
	}
	before, err := s.Resident()
	if err != nil {
		t.Skipf("the memory of a process cannot be read here: %v", err)
	}
	leave, err := s.Idle(t.Context(), list[:devices])
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	after, err := s.Resident()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d connections take %d KiB, %d B each", devices, (after-before)>>10, (after-before)/devices)
	if after > before+devices*each {
		t.Errorf("%d bytes for each connection, more than %d", (after-before)/devices, each)
	}
	payload := fmt.Appendf(nil, `{"t":%d,"spo2":97,"pulse":70}`, time.Now().UnixMilli())
	if err := bench.Publish(t.Context(), s.MQTT, list[devices], payload); err != nil {
		t.Errorf("beside them: %v", err)
	}
}
