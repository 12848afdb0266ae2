package fhir

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/reading"
)

// A deviceRecord is a device with what it is and whom it serves now.
type deviceRecord struct {
	vigil.Device
	title  string
	codes  []vigil.Code
	serves vigil.Subject
}

func (h *Handler) deviceRecord(d vigil.Device) deviceRecord {
	x := deviceRecord{Device: d, title: d.Profile}
	if h.c.DeviceType != nil {
		title, codes := h.c.DeviceType(d.Profile)
		x.title, x.codes = cmp.Or(title, x.title), codes
	}
	now := vigil.InstantOf(h.c.Now())
	for _, a := range h.c.Registry.Assignments(d.ID) {
		if a.Holds(now) {
			x.serves = a.Subject
		}
	}
	return x
}

// status is Device.status (http://hl7.org/fhir/device-status).
func (x *deviceRecord) status() string {
	if x.Revoked != 0 {
		return "inactive"
	}
	return "active"
}

// appendDevice appends the resource with the given version; none with "".
func appendDevice(dst []byte, x deviceRecord, version string) []byte {
	dst = append(dst, `{"resourceType":"Device","id":`...)
	dst = appendString(dst, reading.WireID(string(x.ID)))
	dst = appendVersion(dst, version)
	if x.Serial != "" {
		dst = append(dst, `,"identifier":[{"type":`...)
		dst = appendConcept(dst, []vigil.Code{{System: reading.IdentifierType, Value: "SNO", Display: "Serial Number"}}, "")
		dst = appendMember(dst, "value", x.Serial)
		dst = append(dst, `}]`...)
	}
	if x.UDI != "" {
		dst = append(dst, `,"udiCarrier":[{"carrierHRF":`...)
		dst = appendString(dst, x.UDI)
		dst = append(dst, `}]`...)
	}
	dst = append(dst, `,"status":"`...)
	dst = append(append(dst, x.status()...), '"')
	dst = appendMember(dst, "manufacturer", x.Maker)
	dst = appendMember(dst, "serialNumber", x.Serial)
	if x.Name != "" {
		dst = append(dst, `,"deviceName":[{"name":`...)
		dst = appendString(dst, x.Name)
		dst = append(dst, `,"type":"user-friendly-name"}]`...)
	}
	dst = appendMember(dst, "modelNumber", x.Model)
	dst = append(dst, `,"type":`...)
	dst = appendConcept(dst, x.codes, x.title)
	if x.Firmware != "" {
		dst = append(dst, `,"version":[{"type":{"text":"firmware"},"value":`...)
		dst = appendString(dst, x.Firmware)
		dst = append(dst, `}]`...)
	}
	switch x.serves.Kind {
	case vigil.OfPatient:
		dst = append(dst, `,"patient":{"reference":`...)
		dst = appendString(dst, "Patient/"+reading.WireID(x.serves.ID))
		dst = append(dst, '}')
	case vigil.OfLocation:
		dst = append(dst, `,"location":{"reference":`...)
		dst = appendString(dst, "Location/"+reading.WireID(x.serves.ID))
		dst = append(dst, '}')
	case vigil.NoSubject, vigil.OfAsset, vigil.OfShipment, vigil.OfDevice:
	}
	return append(dst, '}')
}

func (h *Handler) readDevice(w http.ResponseWriter, r *http.Request, id, version string) error {
	d, ok := h.c.Registry.Device(h.source.DeviceID(id))
	if !ok || reading.WireID(string(d.ID)) != id {
		return notFound("there is no such Device")
	}
	x := h.deviceRecord(d)
	current := versionOf(appendDevice(nil, x, ""))
	if version != "" && version != current {
		return notFound("this Device has no such version, or it is not kept")
	}
	return h.sendResource(w, r, current, 0, func(dst []byte) []byte { return appendDevice(dst, x, current) })
}

func (h *Handler) searchDevices(w http.ResponseWriter, r *http.Request, more url.Values) error {
	s, err := h.parseSearch(r, "Device", more, searchNames(deviceCapabilities())...)
	if err != nil {
		return err
	}
	devices := h.c.Registry.Devices()
	items := make([]deviceRecord, len(devices))
	for i, d := range devices {
		items[i] = h.deviceRecord(d)
	}
	for _, p := range s.params {
		keep, err := h.deviceTest(r, p)
		if err != nil {
			return err
		}
		items = slices.DeleteFunc(items, func(x deviceRecord) bool { return !keep(&x) })
	}
	return sendRecords(h, w, r, s, items, recordType[deviceRecord]{
		id: func(x deviceRecord) string { return reading.WireID(string(x.ID)) },
		keys: map[string]func(a, b deviceRecord) int{
			"_id":          func(a, b deviceRecord) int { return cmp.Compare(a.ID, b.ID) },
			"device-name":  func(a, b deviceRecord) int { return cmp.Compare(fold(a.Name), fold(b.Name)) },
			"manufacturer": func(a, b deviceRecord) int { return cmp.Compare(fold(a.Maker), fold(b.Maker)) },
			"model":        func(a, b deviceRecord) int { return cmp.Compare(fold(a.Model), fold(b.Model)) },
			"type":         func(a, b deviceRecord) int { return cmp.Compare(fold(a.title), fold(b.title)) },
		},
		write: func(dst []byte, x deviceRecord) []byte {
			return appendDevice(dst, x, versionOf(appendDevice(nil, x, "")))
		},
	})
}

// deviceTest is what one parameter asks of a device.
func (h *Handler) deviceTest(r *http.Request, p param) (func(*deviceRecord) bool, error) {
	switch p.name {
	case "model", "manufacturer", "device-name", "udi-carrier":
		test, err := p.textTest()
		return func(x *deviceRecord) bool {
			switch p.name {
			case "model":
				return x.Model != "" && test(x.Model)
			case "manufacturer":
				return x.Maker != "" && test(x.Maker)
			case "udi-carrier":
				return x.UDI != "" && test(x.UDI)
			}
			return x.Name != "" && test(x.Name) || test(x.title)
		}, err
	case "type":
		if p.modifier == "text" {
			p.modifier = ""
			test, err := p.textTest()
			return func(x *deviceRecord) bool { return test(x.title) }, err
		}
	}
	if err := p.plainOnly(); err != nil && p.name != "patient" {
		return nil, err
	}
	tokens := p.tokens()
	switch p.name {
	case "_id":
		return func(x *deviceRecord) bool { return slices.Contains(p.values, reading.WireID(string(x.ID))) }, nil
	case "identifier":
		return func(x *deviceRecord) bool {
			return x.Serial != "" && anyToken(tokens, []vigil.Code{{Value: x.Serial}})
		}, nil
	case "type":
		return func(x *deviceRecord) bool { return anyToken(tokens, x.codes) }, nil
	case "status":
		return func(x *deviceRecord) bool {
			return anyToken(tokens, []vigil.Code{{System: "http://hl7.org/fhir/device-status", Value: x.status()}})
		}, nil
	}
	var patients []vigil.Subject
	for _, v := range p.values {
		if ref, ok := h.reference(r, p, v); ok && (ref.kind == "" || ref.kind == "Patient") {
			patients = append(patients, vigil.PatientSubject(h.source.PatientID(ref.id)))
		}
	}
	return func(x *deviceRecord) bool { return slices.Contains(patients, x.serves) }, nil
}
