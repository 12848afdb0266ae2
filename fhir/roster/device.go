package roster

import (
	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// friendly is the type of the name that people gave a device.
const friendly = "user-friendly-name"

// A Device is a device with what is known of it beside its record in the
// registry.
type Device struct {
	vigil.Device
	Title string       // of its type
	Codes []vigil.Code // of its type
	// Patient and Location are the ids in FHIR of whom or what it serves now.
	// Assigned says that the registry knows whom it served at all: only then a
	// reference may be taken away.
	Patient, Location string
	Assigned          bool
}

// DeviceOf is what the registry holds of a Device (device.html). Its profile
// and its rights have no word in FHIR.
func DeviceOf(root tree.Node) vigil.Device {
	return vigil.Device{
		ID: vigil.DeviceID(text(root, "id")), Name: text(nickname(root), "name"), Maker: text(root, "manufacturer"),
		Model: text(root, "modelNumber"), Serial: text(root, "serialNumber"), UDI: text(carrier(root), "carrierHRF"),
		Firmware: text(firmware(root), "value"),
	}
}

func nickname(root tree.Node) tree.Node {
	return first(root.Get("deviceName"), func(n tree.Node) bool { return text(n, "type") == friendly })
}

func carrier(root tree.Node) tree.Node {
	return first(root.Get("udiCarrier"), func(n tree.Node) bool { return text(n, "carrierHRF") != "" })
}

// firmware is the version of the firmware: the one that is said to be, by a word
// or by the code of the Continua specializations (MDC 531976).
func firmware(root tree.Node) tree.Node {
	return first(root.Get("version"), func(n tree.Node) bool {
		return text(n.Get("type"), "text") == "firmware" || coded(n.Get("type"), vigil.Code{System: vigil.MDC, Value: "531976"})
	})
}

// Resource returns the Device that the registry's device is, without meta: a new
// one, or an old one with what the registry knows otherwise. It is not changed
// when the old one says the same already.
func (d Device) Resource(old *tree.Doc, id string) (body []byte, changed bool) {
	for _, s := range []*string{&d.Name, &d.Maker, &d.Model, &d.Serial, &d.UDI, &d.Firmware, &d.Title} {
		*s = clean(*s)
	}
	if old == nil {
		return d.fresh(id), true
	}
	root, have, e := old.Root(), DeviceOf(old.Root()), tree.NewEdit(old)
	differs := func(want, have string) bool {
		is := want != "" && want != have
		changed = changed || is
		return is
	}
	for _, m := range [...]struct{ name, want, have string }{
		{"manufacturer", d.Maker, have.Maker}, {"modelNumber", d.Model, have.Model}, {"serialNumber", d.Serial, have.Serial},
	} {
		if differs(m.want, m.have) {
			put(e, root, m.name, m.want)
		}
	}
	if differs(d.Name, have.Name) {
		amend(e, root, "deviceName", nickname(root), "name", d.Name, nicknameOf(d.Name))
	}
	if differs(d.UDI, have.UDI) {
		amend(e, root, "udiCarrier", carrier(root), "carrierHRF", d.UDI, carrierOf(d.UDI))
	}
	if differs(d.Firmware, have.Firmware) {
		amend(e, root, "version", firmware(root), "value", d.Firmware, firmwareOf(d.Firmware))
	}
	if d.Revoked != 0 && differs("inactive", text(root, "status")) {
		put(e, root, "status", "inactive")
	}
	changed = d.serves(e, root, "patient", "Patient/", d.Patient) || changed
	changed = d.serves(e, root, "location", "Location/", d.Location) || changed
	if !changed {
		return old.Bytes(), false
	}
	return e.Bytes(), true
}

// amend changes an element of a list, or adds one that is not there yet.
func amend(e *tree.Edit, root tree.Node, list string, element tree.Node, name, value string, whole []byte) {
	if element.Ok() {
		put(e, element, name, value)
		return
	}
	add(e, root, list, whole)
}

// serves notes whom or what the device serves.
func (d Device) serves(e *tree.Edit, root tree.Node, name, kind, id string) bool {
	have := root.Get(name)
	switch {
	case !d.Assigned, id == "" && !have.Ok(), id != "" && text(have, "reference") == kind+id:
		return false
	case id == "":
		e.Remove(have)
	default:
		e.Put(root, name, referenceTo(kind+id))
	}
	return true
}

// fresh is a Device that says what the registry knows.
func (d Device) fresh(id string) []byte {
	w := tree.NewWriter(nil).Object().Text("resourceType", "Device").Text("id", id)
	if d.Serial != "" {
		b := []byte(`{"type":{"coding":[{"system":"` + identifierType + `","code":"SNO","display":"Serial Number"}]},"value":`)
		w.Name("identifier").Array().Raw(append(tree.AppendString(b, d.Serial), '}')).End()
	}
	if d.UDI != "" {
		w.Name("udiCarrier").Array().Raw(carrierOf(d.UDI)).End()
	}
	status := "active"
	if d.Revoked != 0 {
		status = "inactive"
	}
	w.Text("status", status)
	member(w, "manufacturer", d.Maker)
	member(w, "serialNumber", d.Serial)
	if d.Name != "" {
		w.Name("deviceName").Array().Raw(nicknameOf(d.Name)).End()
	}
	member(w, "modelNumber", d.Model)
	w.Name("type").Object()
	if len(d.Codes) > 0 {
		w.Name("coding").Array()
		for _, c := range d.Codes {
			w.Object()
			member(w, "system", c.System)
			member(w, "code", c.Value)
			member(w, "display", c.Display)
			w.End()
		}
		w.End()
	}
	title := d.Title
	if title == "" {
		title = d.Profile
	}
	member(w, "text", title)
	w.End()
	if d.Firmware != "" {
		w.Name("version").Array().Raw(firmwareOf(d.Firmware)).End()
	}
	if d.Patient != "" {
		w.Member("patient", referenceTo("Patient/"+d.Patient))
	}
	if d.Location != "" {
		w.Member("location", referenceTo("Location/"+d.Location))
	}
	return w.End().Bytes()
}

// member writes a member unless it says nothing.
func member(w *tree.Writer, name, value string) {
	if value != "" {
		w.Text(name, value)
	}
}

func referenceTo(what string) []byte {
	return append(tree.AppendString([]byte(`{"reference":`), what), '}')
}

func nicknameOf(name string) []byte {
	return append(tree.AppendString([]byte(`{"name":`), name), `,"type":"`+friendly+`"}`...)
}

func carrierOf(udi string) []byte {
	return append(tree.AppendString([]byte(`{"carrierHRF":`), udi), '}')
}

func firmwareOf(version string) []byte {
	return append(tree.AppendString([]byte(`{"type":{"text":"firmware"},"value":`), version), '}')
}
