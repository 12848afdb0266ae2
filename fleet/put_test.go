package fleet_test

import (
	"testing"

	"github.com/vigil-iomt/vigil"
)

func TestWhatIsKnownFromElsewhereIsPut(t *testing.T) {
	r := newHouse(t, t.TempDir())
	defer r.close(t)
	ctx := r.ctx
	changes := func() int {
		log, err := r.db.DocumentHistory(ctx, "registry", "changes")
		if err != nil {
			t.Fatal(err)
		}
		return len(log)
	}
	a := vigil.Patient{ID: "a", Family: "Berg", Sex: "unknown", MRN: "1"}
	b := vigil.Patient{ID: "b", Family: "Dahl", Sex: "unknown", MRN: "1"}
	if err := r.PutPatients(ctx, a, b); err != nil {
		t.Fatal(err)
	}
	got, _ := r.Patient("b")
	if owner, _ := r.PatientNamed("1"); owner != "a" || got.MRN != "" {
		t.Errorf("the record number is of %s, and %+v", owner, got)
	}
	before := changes()
	kept, _ := r.Patient("a")
	if err := r.PutPatients(ctx, a, vigil.Patient{ID: "b", Family: "Dahl", Sex: "unknown", MRN: "1"}); err != nil || changes() != before {
		t.Errorf("what was known made change %d after %d: %v", changes(), before, err)
	}
	a.MRN, a.Family = "2", "Bergström"
	if err := r.PutPatients(ctx, a); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.PatientNamed("1"); ok {
		t.Error("the old record number still names somebody")
	}
	if got, _ := r.Patient("a"); got.Family != "Bergström" || got.Created != kept.Created {
		t.Errorf("got %+v", got)
	}
	if err := r.PutPatients(ctx, vigil.Patient{ID: "c"}); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("without a name: %v", err)
	}

	d := vigil.Device{ID: "d", Profile: "generic-json", Serial: "S1"}
	if err := r.PutDevices(ctx, d); err != nil {
		t.Fatal(err)
	}
	secret, err := r.RenewSecret(ctx, "d")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.PutDevices(ctx, vigil.Device{ID: "d", Name: "Cuff", Firmware: "2"}); err != nil {
		t.Fatal(err)
	}
	if got, _ := r.Device("d"); got.Name != "Cuff" || got.Serial != "" || got.Profile != "generic-json" {
		t.Errorf("got %+v", got)
	}
	if _, err := r.Authenticate(ctx, "d", secret); err != nil {
		t.Errorf("its secret is void: %v", err)
	}
	before = changes()
	if err := r.PutDevices(ctx, vigil.Device{ID: "d", Name: "Cuff", Firmware: "2"}); err != nil || changes() != before {
		t.Errorf("what was known made change %d after %d: %v", changes(), before, err)
	}
}
