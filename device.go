package vigil

// A Device is a thing that reports or acts.
type Device struct {
	ID       DeviceID `json:"id"`
	Name     string   `json:"name,omitempty"`
	Profile  string   `json:"profile"`
	Maker    string   `json:"maker,omitempty"`
	Model    string   `json:"model,omitempty"`
	Serial   string   `json:"serial,omitempty"`
	UDI      string   `json:"udi,omitempty"` // Unique Device Identifier, human-readable form
	Firmware string   `json:"firmware,omitempty"`
	// Gateway devices may deliver messages for the devices named in For, or
	// for every device when For is empty and Gateway is true.
	Gateway bool       `json:"gateway,omitempty"`
	For     []DeviceID `json:"for,omitempty"`
	// Shared devices go from patient to patient: each message must say whose.
	Shared  bool    `json:"shared,omitempty"`
	Created Instant `json:"created"`
	Revoked Instant `json:"revoked,omitzero"` // since when its credentials are void; 0 while valid
}

// MaySpeakFor tells whether the device may deliver messages of other.
func (d *Device) MaySpeakFor(other DeviceID) bool {
	if d.ID == other {
		return true
	}
	if !d.Gateway {
		return false
	}
	if len(d.For) == 0 {
		return true
	}
	for _, id := range d.For {
		if id == other {
			return true
		}
	}
	return false
}

// An Assignment says whom or what a device served, and when.
type Assignment struct {
	ID      string   `json:"id"`
	Device  DeviceID `json:"device"`
	Subject Subject  `json:"subject"`
	Interval
	Actor  Actor  `json:"actor"`
	Reason string `json:"reason,omitempty"`
}

// A Patient is a person who is cared for.
type Patient struct {
	ID     PatientID `json:"id"`
	Family string    `json:"family"`
	Given  string    `json:"given,omitempty"`
	// Born is a date of birth as FHIR writes it: YYYY, YYYY-MM or YYYY-MM-DD.
	Born string `json:"born,omitempty"`
	// Sex is a code of FHIR AdministrativeGender: male, female, other, unknown.
	Sex string `json:"sex,omitempty"`
	// MRN is the medical record number that the house knows the patient by.
	MRN     string  `json:"mrn,omitempty"`
	Created Instant `json:"created"`
}

// A Location is a place that readings can be about and where a patient can be:
// a bed, a room, a home, a fridge.
type Location struct {
	ID   string `json:"id"`
	Name string `json:"name"` // "07", "Kitchen"
	Unit string `json:"unit"` // the ward or service it belongs to: "4 East", "Home"
	// Kind is bed, home, room, fridge or other.
	Kind string `json:"kind"`
	// Rank orders the places of a unit on a wall; the order never changes by
	// itself.
	Rank    int     `json:"rank"`
	Created Instant `json:"created"`
}

// A Stay says where a patient was, and when.
type Stay struct {
	ID       string    `json:"id"`
	Patient  PatientID `json:"patient"`
	Location string    `json:"location"`
	Interval
	Actor Actor `json:"actor"`
}
