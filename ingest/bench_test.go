package ingest

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

// A ward is a registry of one monitor that serves one patient.
type ward struct{}

func (ward) Device(id vigil.DeviceID) (vigil.Device, bool) {
	return vigil.Device{ID: id, Profile: "bedside-monitor"}, true
}

func (ward) ServedAt(vigil.DeviceID, vigil.Instant) vigil.Subject {
	return vigil.PatientSubject("018f0000-0000-7000-8000-000000000001")
}

func (ward) OthersServed(vigil.DeviceID, vigil.Interval, vigil.Subject) bool { return false }
func (ward) PatientNamed(string) (vigil.PatientID, bool)                     { return "", false }
func (ward) MovedAt() vigil.Instant                                          { return 0 }

// drain is a journal that keeps nothing.
type drain struct{}

func (drain) Append(_ []vigil.Record, done func(error)) { done(nil) }

// BenchmarkTake understands a message of six readings.
func BenchmarkTake(b *testing.B) {
	catalog, problems := devices.Load("")
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	in := New(Config{Registry: ward{}, Profiles: func() *devices.Catalog { return catalog }, Journal: drain{}, Now: time.Now})
	m := vigil.Message{Device: "monitor", Protocol: "mqtt", Arrived: arrival,
		Payload: fmt.Appendf(nil, `{"t":%d,"hr":72,"pulse":72,"spo2":97,"resp":14,"temp":36.7,"etco2":38}`, arrival.Time().UnixMilli())}
	var failed error
	done := func(err error) { failed = err }
	b.ReportAllocs()
	for b.Loop() {
		in.Take(m, done)
	}
	if failed != nil {
		b.Fatal(failed)
	}
}
