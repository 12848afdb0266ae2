package vigil

import (
	"fmt"
	"log/slog"
	"strings"
)

// A SubjectKind tells what sort of thing a reading is about.
type SubjectKind uint8

// The kinds. OfDevice is the subject of readings that could not be given to
// anyone: they stay with the device, shown there, never guessed into a chart.
const (
	NoSubject SubjectKind = iota
	OfPatient
	OfLocation
	OfAsset
	OfShipment
	OfDevice
)

// String returns the word used in texts: patient, location, asset, shipment,
// device.
func (k SubjectKind) String() string {
	switch k {
	case OfPatient:
		return "patient"
	case OfLocation:
		return "location"
	case OfAsset:
		return "asset"
	case OfShipment:
		return "shipment"
	case OfDevice:
		return "device"
	case NoSubject:
	}
	return ""
}

// A Subject is whom or what a reading is about.
type Subject struct {
	Kind SubjectKind
	ID   string
}

// PatientSubject returns the subject for a patient.
func PatientSubject(id PatientID) Subject { return Subject{OfPatient, string(id)} }

// Unattributed returns the subject that keeps a device's readings while nobody
// knows whose they are.
func Unattributed(id DeviceID) Subject { return Subject{OfDevice, string(id)} }

// String returns kind/id, as in patient/018f….
func (s Subject) String() string {
	if s.Kind == NoSubject {
		return ""
	}
	return s.Kind.String() + "/" + s.ID
}

// appendString appends what String returns.
func (s Subject) appendString(b []byte) []byte {
	if s.Kind == NoSubject {
		return b
	}
	return append(append(append(b, s.Kind.String()...), '/'), s.ID...)
}

// LogValue keeps patients out of logs.
func (s Subject) LogValue() slog.Value {
	if s.Kind == OfPatient {
		return PatientID(s.ID).LogValue()
	}
	return slog.StringValue(s.String())
}

// MarshalText writes kind/id.
func (s Subject) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads kind/id.
func (s *Subject) UnmarshalText(b []byte) error {
	v, err := ParseSubject(string(b))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

// ParseSubject reads kind/id; the empty text is no subject.
func ParseSubject(t string) (Subject, error) {
	if t == "" {
		return Subject{}, nil
	}
	kind, id, ok := strings.Cut(t, "/")
	if ok && ValidID(id) {
		for k := OfPatient; k <= OfDevice; k++ {
			if strings.EqualFold(k.String(), kind) {
				return Subject{k, id}, nil
			}
		}
	}
	return Subject{}, fmt.Errorf("read subject %q: want patient/ID, location/ID, asset/ID, shipment/ID or device/ID", t)
}
