package roster

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

func parse(t interface{ Fatalf(string, ...any) }, s string) *tree.Doc {
	d, err := tree.Parse([]byte(s))
	if err != nil {
		t.Fatalf("%v\n%s", err, s)
	}
	return d
}

func TestWhatTheRegistryHoldsOfAPatient(t *testing.T) {
	tests := []struct {
		name, body string
		want       vigil.Patient
	}{
		{"nothing", `{"id":"a"}`, vigil.Patient{ID: "a", Family: "Unknown", Sex: "unknown"}},
		{"the official name", `{"id":"a","name":[{"use":"nickname","given":["Jim"]},{"use":"official","family":"Chalmers","given":["Peter","James"]}],"gender":"male","birthDate":"1974-12"}`,
			vigil.Patient{ID: "a", Family: "Chalmers", Given: "Peter James", Sex: "male", Born: "1974-12"}},
		{"a name as text", `{"id":"a","name":[{"text":"Baby Girl"}]}`, vigil.Patient{ID: "a", Family: "Baby Girl", Sex: "unknown"}},
		{"a given name alone", `{"id":"a","name":[{"given":["Cher"]}],"gender":"other"}`, vigil.Patient{ID: "a", Family: "Unknown", Given: "Cher", Sex: "other"}},
		{"a record number among identifiers", `{"id":"a","name":{"family":"B"},"identifier":[{"system":"urn:x","value":"1"},{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]},"value":"4711"}]}`,
			vigil.Patient{ID: "a", Family: "B", Sex: "unknown", MRN: "4711"}},
		{"no values of the wrong kind", `{"id":"a","name":[7,{"family":["x"]}],"birthDate":"soon","gender":4}`, vigil.Patient{ID: "a", Family: "Unknown", Sex: "unknown"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := PatientOf(parse(t, tt.body).Root()); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestOnlyWhatDiffersIsChanged(t *testing.T) {
	old := `{"resourceType":"Patient", "id":"a","identifier":[{"system":"urn:x","value":"1"}],"name":[{"use":"official","family":"Berg","_family":{"extension":[]},"given":["Bo"],"period":{"start":"2001"}}],"telecom":[{"value":"12.50"}],"gender":"male"}`
	p := vigil.Patient{ID: "a", Family: "Berg", Given: "Bo", Sex: "male"}
	if body, changed := Patient(parse(t, old), "a", p); changed || string(body) != old {
		t.Errorf("nothing differs, and it is changed to\n%s", body)
	}
	p.Family, p.Born, p.MRN = "Bergström", "1980", "4712"
	body, changed := Patient(parse(t, old), "a", p)
	want := `{"resourceType":"Patient", "id":"a","identifier":[{"system":"urn:x","value":"1"},{"use":"usual","type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR","display":"Medical record number"}]},"value":"4712"}],"name":[{"use":"official","family":"Bergström","given":["Bo"],"period":{"start":"2001"}}],"telecom":[{"value":"12.50"}],"gender":"male","birthDate":"1980"}`
	if !changed || string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
}

// TestBothWaysAgree: what a resource became says of itself what the registry
// holds, so nothing goes around in circles.
func TestBothWaysAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string) vigil.Patient {
			return vigil.Patient{
				ID: "a", Family: rapid.StringMatching(`[ \pL']{1,8}`).Draw(rt, name+"family") + "x", Given: rapid.String().Draw(rt, name+"given"),
				Sex:  rapid.SampledFrom([]string{"male", "female", "other", "unknown"}).Draw(rt, name+"sex"),
				Born: rapid.SampledFrom([]string{"", "1980", "1980-02", "1980-02-03"}).Draw(rt, name+"born"),
				MRN:  rapid.SampledFrom([]string{"", "1", " 2 "}).Draw(rt, name+"mrn"),
			}
		}
		body, _ := Patient(nil, "a", draw("first "))
		next := draw("second ")
		body, _ = Patient(parse(rt, string(body)), "a", next)
		doc := parse(rt, string(body))
		if again, changed := Patient(doc, "a", next); changed {
			rt.Fatalf("it changes again:\n%s\n%s", body, again)
		}
		if again, changed := Patient(doc, "a", PatientOf(doc.Root())); changed {
			rt.Fatalf("what the registry would hold changes it:\n%s\n%s", body, again)
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string) Device {
			s := func(f string) string { return rapid.SampledFrom([]string{"", "a", "b ", "ü\"\\"}).Draw(rt, name+f) }
			return Device{Device: vigil.Device{ID: "d", Profile: "p", Name: s("name"), Maker: s("maker"), Model: s("model"), Serial: s("serial"), UDI: s("udi"), Firmware: s("firmware")},
				Patient: rapid.SampledFrom([]string{"", "p", "q.2"}).Draw(rt, name+"patient"), Assigned: rapid.Bool().Draw(rt, name+"assigned")}
		}
		body, _ := draw("first ").Resource(nil, "d")
		next := draw("second ")
		body, _ = next.Resource(parse(rt, string(body)), "d")
		doc := parse(rt, string(body))
		if again, changed := next.Resource(doc, "d"); changed {
			rt.Fatalf("it changes again:\n%s\n%s", body, again)
		}
		next.Device = DeviceOf(doc.Root())
		if again, changed := next.Resource(doc, "d"); changed {
			rt.Fatalf("what the registry would hold changes it:\n%s\n%s", body, again)
		}
	})
}

func FuzzRoster(f *testing.F) {
	f.Add(`{"id":"a","name":[{"family":"x","given":["y",null,{}]}],"identifier":{"type":[]},"deviceName":[[],{"type":"user-friendly-name"}]}`)
	f.Fuzz(func(t *testing.T, s string) {
		doc, err := tree.Parse([]byte(s))
		if err != nil || doc.Root().Kind() != tree.Object {
			return
		}
		for _, p := range []vigil.Patient{PatientOf(doc.Root()), {Family: "x", Given: "y z", Born: "1999", Sex: "male", MRN: "1"}} {
			body, _ := Patient(doc, "a", p)
			parse(t, string(body))
		}
		d := Device{Device: vigil.Device{Name: "x", UDI: "y", Firmware: "z", Serial: "s"}, Assigned: true, Patient: "p"}
		body, _ := d.Resource(doc, "a")
		parse(t, string(body))
	})
}
