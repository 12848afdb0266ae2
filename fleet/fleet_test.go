package fleet_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fleet"
	"github.com/vigil-iomt/vigil/internal/seal"
	"github.com/vigil-iomt/vigil/store"
)

// noon is the present of these tests.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at returns the instant some time from noon.
func at(d time.Duration) vigil.Instant { return vigil.InstantOf(noon.Add(d)) }

// A house is a registry on a real store, with the moves that it asked for.
type house struct {
	*fleet.Registry
	ctx   context.Context
	db    *store.DB
	moves []vigil.Reattribution
	fail  error
}

// newHouse opens a registry in a temporary folder.
func newHouse(t *testing.T, dir string) *house {
	t.Helper()
	h := &house{ctx: vigil.WithActor(t.Context(), vigil.LocalAdmin())}
	now := func() time.Time { return noon }
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), store.Config{Path: dir, Partitions: 4, Sealer: seal.Plain{}, Now: now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	h.db = db
	h.Registry, err = fleet.Open(t.Context(), fleet.Config{
		Documents: db, Now: now, Log: log,
		Move: func(_ context.Context, r vigil.Reattribution) error {
			if h.fail != nil {
				return h.fail
			}
			h.moves = append(h.moves, r)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// close closes the store, so that the folder can be opened again.
func (h *house) close(t *testing.T) {
	t.Helper()
	if err := h.db.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// patient registers a patient.
func (h *house) patient(t *testing.T, name string) vigil.Subject {
	t.Helper()
	p, err := h.AddPatient(h.ctx, vigil.Patient{Family: name, MRN: name})
	if err != nil {
		t.Fatal(err)
	}
	return vigil.PatientSubject(p.ID)
}

// device registers a device that serves a subject.
func (h *house) device(t *testing.T, id vigil.DeviceID, s vigil.Subject, during vigil.Interval) string {
	t.Helper()
	_, secret, err := h.AddDevice(h.ctx, vigil.Device{ID: id, Profile: "scale"}, s, during)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	h := newHouse(t, dir)
	secret := h.device(t, "d1", vigil.Subject{}, vigil.Interval{})
	check := func(h *house, id vigil.DeviceID, secret string, want vigil.Kind) {
		t.Helper()
		_, err := h.Authenticate(h.ctx, id, secret)
		if want == vigil.Internal && err != nil || want != vigil.Internal && vigil.KindOf(err) != want {
			t.Errorf("authenticate %s: got %v, want kind %v", id, err, want)
		}
	}
	check(h, "d1", secret, vigil.Internal)
	check(h, "d1", "wrong", vigil.Unknown)
	check(h, "d2", secret, vigil.Unknown)
	h.close(t)

	h = newHouse(t, dir) // after a restart
	check(h, "d1", secret, vigil.Internal)
	if err := h.RevokeDevice(h.ctx, "d1"); err != nil {
		t.Fatal(err)
	}
	check(h, "d1", secret, vigil.Forbidden)
	h.close(t)
	h = newHouse(t, dir)
	defer h.close(t)
	check(h, "d1", secret, vigil.Forbidden)
	docs, err := h.db.Documents(h.ctx, "device")
	if err != nil || len(docs) != 1 {
		t.Fatalf("devices: %v, %v", docs, err)
	}
	if got := string(docs[0].Body); len(got) == 0 || strings.Contains(got, secret) {
		t.Errorf("the secret is on disk: %s", got)
	}
}

func TestWritesNeedAnActor(t *testing.T) {
	h := newHouse(t, t.TempDir())
	defer h.close(t)
	if _, err := h.AddPatient(t.Context(), vigil.Patient{Family: "X"}); vigil.KindOf(err) != vigil.Unknown {
		t.Errorf("a write without an actor: %v", err)
	}
}

func TestServedAt(t *testing.T) {
	h := newHouse(t, t.TempDir())
	defer h.close(t)
	ida, otto := h.patient(t, "Ida"), h.patient(t, "Otto")
	bed, err := h.AddLocation(h.ctx, vigil.Location{Name: "01", Unit: "4 East", Kind: "bed"})
	if err != nil {
		t.Fatal(err)
	}
	fridge, err := h.AddLocation(h.ctx, vigil.Location{Name: "Fridge", Unit: "4 East", Kind: "fridge"})
	if err != nil {
		t.Fatal(err)
	}
	h.device(t, "patch", ida, vigil.Interval{From: at(-2 * time.Hour), To: at(-time.Hour)})
	h.device(t, "monitor", vigil.Subject{Kind: vigil.OfLocation, ID: bed.ID}, vigil.Interval{})
	h.device(t, "logger", vigil.Subject{Kind: vigil.OfLocation, ID: fridge.ID}, vigil.Interval{})
	if _, err := h.Admit(h.ctx, vigil.PatientID(ida.ID), bed.ID, at(-3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := h.Discharge(h.ctx, vigil.PatientID(ida.ID), at(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Admit(h.ctx, vigil.PatientID(otto.ID), bed.ID, at(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	none := vigil.Subject{}
	for _, c := range []struct {
		says   string
		device vigil.DeviceID
		at     time.Duration
		want   vigil.Subject
	}{
		{"before the assignment", "patch", -3 * time.Hour, none},
		{"from is inclusive", "patch", -2 * time.Hour, ida},
		{"within", "patch", -90 * time.Minute, ida},
		{"to is exclusive", "patch", -time.Hour, none},
		{"the patient who was in the bed", "monitor", -150 * time.Minute, ida},
		{"nobody in the bed", "monitor", -90 * time.Minute, none},
		{"the next patient in the bed", "monitor", 0, otto},
		{"a fridge is itself a subject", "logger", 0, vigil.Subject{Kind: vigil.OfLocation, ID: fridge.ID}},
		{"unknown device", "nobody", 0, none},
	} {
		if got := h.ServedAt(c.device, at(c.at)); got != c.want {
			t.Errorf("%s: got %v, want %v", c.says, got, c.want)
		}
	}
	if !h.OthersServed("monitor", vigil.Interval{From: at(-24 * time.Hour), To: at(0)}, otto) {
		t.Error("the monitor served Ida, too")
	}
	if h.OthersServed("patch", vigil.Interval{From: at(-24 * time.Hour), To: at(0)}, ida) {
		t.Error("the patch served nobody but Ida")
	}
}

func TestOverlapsAreRefused(t *testing.T) {
	h := newHouse(t, t.TempDir())
	defer h.close(t)
	ida, otto := h.patient(t, "Ida"), h.patient(t, "Otto")
	h.device(t, "d", ida, vigil.Interval{From: at(-time.Hour)})
	if _, err := h.Assign(h.ctx, "d", otto, vigil.Interval{}, "test"); vigil.KindOf(err) != vigil.Conflicting {
		t.Errorf("overlap: %v", err)
	}
	if _, err := h.Assign(h.ctx, "d", otto, vigil.Interval{From: at(-2 * time.Hour), To: at(-time.Hour)}, "test"); err != nil {
		t.Errorf("touching intervals do not overlap: %v", err)
	}
	if err := h.Unassign(h.ctx, "d", vigil.Interval{}, "done"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Assign(h.ctx, "d", otto, vigil.Interval{}, "test"); err != nil {
		t.Errorf("after unassigning: %v", err)
	}
}

func TestPastAssignmentsMoveReadings(t *testing.T) {
	dir := t.TempDir()
	h := newHouse(t, dir)
	ida, otto := h.patient(t, "Ida"), h.patient(t, "Otto")
	h.device(t, "d", vigil.Subject{}, vigil.Interval{})
	if _, err := h.Assign(h.ctx, "d", ida, vigil.Interval{From: at(-2 * time.Hour), To: at(-time.Hour)}, "was hers"); err != nil {
		t.Fatal(err)
	}
	want(t, h.moves, vigil.Reattribution{Device: "d", During: vigil.Interval{From: at(-2 * time.Hour), To: at(-time.Hour)}, To: ida, Reason: "was hers"})

	h.moves = nil
	if err := h.Unassign(h.ctx, "d", vigil.Interval{From: at(-90 * time.Minute)}, "a mistake"); err != nil {
		t.Fatal(err)
	}
	want(t, h.moves, vigil.Reattribution{Device: "d", During: vigil.Interval{From: at(-90 * time.Minute)}, To: vigil.Unattributed("d"), Reason: "a mistake"})

	// A journal that fails does not lose the move: the next start carries it.
	h.moves, h.fail = nil, vigil.Errorf(vigil.Unavailable, "no journal")
	if _, err := h.Assign(h.ctx, "d", otto, vigil.Interval{From: at(-time.Hour)}, "his"); err == nil {
		t.Error("the failure is hidden")
	}
	h.close(t)
	h = newHouse(t, dir)
	defer h.close(t)
	if got := h.ServedAt("d", at(0)); got != otto {
		t.Errorf("after a restart it serves %v, want %v", got, otto)
	}
	if err := h.Resume(h.ctx); err != nil {
		t.Fatal(err)
	}
	want(t, h.moves, vigil.Reattribution{Device: "d", During: vigil.Interval{From: at(-time.Hour)}, To: otto, Reason: "his"})
	if err := h.Resume(h.ctx); err != nil || len(h.moves) != 1 {
		t.Errorf("a second resume moves again: %v, %v", h.moves, err)
	}
	said := h.Reattributions("d")
	if len(said) != 3 || said[1].Reason != "a mistake" || said[1].Actor.ID != "local-admin" || said[1].At == 0 {
		t.Errorf("who moved readings, and why: %+v", said)
	}
}

// TestUnassignAPastStretch: a device was away from its patient for half an hour.
func TestUnassignAPastStretch(t *testing.T) {
	h := newHouse(t, t.TempDir())
	defer h.close(t)
	ida, none := h.patient(t, "Ida"), vigil.Subject{}
	h.device(t, "d", ida, vigil.Interval{})
	away := vigil.Interval{From: at(-90 * time.Minute), To: at(-time.Hour)}
	if err := h.Unassign(h.ctx, "d", away, "lent to another ward"); err != nil {
		t.Fatal(err)
	}
	want(t, h.moves, vigil.Reattribution{Device: "d", During: away, To: vigil.Unattributed("d"), Reason: "lent to another ward"})
	for when, serves := range map[time.Duration]vigil.Subject{-2 * time.Hour: ida, -90 * time.Minute: none, -61 * time.Minute: none, -time.Hour: ida, 0: ida} {
		if got := h.ServedAt("d", at(when)); got != serves {
			t.Errorf("at %s: got %v, want %v", when, got, serves)
		}
	}
	if err := h.Unassign(h.ctx, "d", away, "again"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("it served nobody then: %v", err)
	}
	if err := h.Unassign(h.ctx, "d", vigil.Interval{From: at(0), To: at(-1)}, "backwards"); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("until before from: %v", err)
	}
}

// TestPastStaysMoveReadings: a patient left the bed earlier than anybody said.
func TestPastStaysMoveReadings(t *testing.T) {
	h := newHouse(t, t.TempDir())
	defer h.close(t)
	ida := h.patient(t, "Ida")
	var beds [2]vigil.Location
	for i, name := range []string{"01", "02"} {
		var err error
		if beds[i], err = h.AddLocation(h.ctx, vigil.Location{Name: name, Unit: "4 East"}); err != nil {
			t.Fatal(err)
		}
		h.device(t, vigil.DeviceID("monitor-"+name), vigil.Subject{Kind: vigil.OfLocation, ID: beds[i].ID}, vigil.Interval{})
	}
	if _, err := h.Admit(h.ctx, vigil.PatientID(ida.ID), beds[0].ID, at(-3*time.Hour)); err != nil {
		t.Fatal(err)
	}
	const why = "the patient of the place changed"
	h.moves = nil
	if _, err := h.Admit(h.ctx, vigil.PatientID(ida.ID), beds[1].ID, at(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	want(t, h.moves,
		vigil.Reattribution{Device: "monitor-02", During: vigil.Interval{From: at(-2 * time.Hour)}, To: ida, Reason: why},
		vigil.Reattribution{Device: "monitor-01", During: vigil.Interval{From: at(-2 * time.Hour)}, To: vigil.Unattributed("monitor-01"), Reason: why})
	h.moves = nil
	if err := h.Discharge(h.ctx, vigil.PatientID(ida.ID), at(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	want(t, h.moves, vigil.Reattribution{Device: "monitor-02", During: vigil.Interval{From: at(-time.Hour)}, To: vigil.Unattributed("monitor-02"), Reason: why})
}

// want compares moves without their ids and actors.
func want(t *testing.T, got []vigil.Reattribution, want ...vigil.Reattribution) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d moves %+v, want %d", len(got), got, len(want))
	}
	for i := range got {
		g := got[i]
		if g.ID == "" || g.Actor.ID == "" {
			t.Errorf("move %d has no id or actor: %+v", i, g)
		}
		g.ID, g.Actor = "", vigil.Actor{}
		if g.Device != want[i].Device || g.During != want[i].During || g.To != want[i].To || g.Reason != want[i].Reason {
			t.Errorf("move %d: got %+v, want %+v", i, g, want[i])
		}
	}
}

func TestTokens(t *testing.T) {
	h := newHouse(t, t.TempDir())
	defer h.close(t)
	k, text, err := h.AddToken(h.ctx, "script", "reader")
	if err != nil {
		t.Fatal(err)
	}
	if a, err := h.Bearer(text); err != nil || a.Roles[0] != "reader" {
		t.Errorf("bearer: %+v, %v", a, err)
	}
	if _, err := h.Bearer(text + "x"); vigil.KindOf(err) != vigil.Unknown {
		t.Errorf("a wrong token: %v", err)
	}
	if err := h.RevokeToken(h.ctx, k.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Bearer(text); vigil.KindOf(err) != vigil.Unknown {
		t.Errorf("a revoked token: %v", err)
	}
	if _, _, err := h.AddToken(h.ctx, "", "king"); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("an unknown role: %v", err)
	}
}
