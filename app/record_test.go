package app

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/fhir/tree"
	"github.com/vigil-iomt/vigil/store"
)

// newRecordSpine is a spine that keeps the record, too, until end is called.
func newRecordSpine(t *testing.T, dir string) (s *spine, end func()) {
	t.Helper()
	s = newSpine(t, dir)
	ctx, stop := context.WithCancel(s.ctx)
	done := make(chan error, 1)
	go func() { done <- s.keepRecord(ctx) }()
	s.soon("the record is kept", func() bool { // before that nobody waits for it
		s.roster.mu.Lock()
		defer s.roster.mu.Unlock()
		return s.roster.runs
	})
	return s, func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.close()
	}
}

// write writes a resource as a client of the FHIR server would.
func (s *spine) write(typ, id, body string) vigil.Resource {
	s.t.Helper()
	doc, err := tree.Parse([]byte(body))
	if err != nil {
		s.t.Fatal(err)
	}
	var out vigil.Resource
	err = s.db.WriteResources(s.ctx, func(ctx context.Context, tx *store.ResourceTx) error {
		old, err := tx.Newest(ctx, typ, id)
		if err != nil && vigil.KindOf(err) != vigil.NotFound {
			return err
		}
		out, err = tx.Put(ctx, vigil.Resource{
			Type: typ, ID: id, Version: old.Version + 1, Changed: tx.At(), Method: "PUT", Actor: vigil.LocalAdmin(),
			Body: []byte(body), Keys: s.searchEngine().Extract(doc.Root()).Keys(),
		})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.outbox.written()
	return out
}

// soon waits until something is so.
func (s *spine) soon(what string, is func() bool) {
	s.t.Helper()
	limit := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-limit:
			s.t.Fatalf("in 10 s it was not so that %s", what)
		}
	}
}

func TestRegistryAndRecordAreTheSame(t *testing.T) {
	s, end := newRecordSpine(t, t.TempDir())
	defer end()
	anna := s.patient("Berg")
	s.device("mon_1", anna, vigil.Interval{})
	s.roster.settle(s.ctx)
	r, err := s.db.Resource(s.ctx, "Patient", anna.ID)
	if err != nil || !strings.Contains(string(r.Body), `"family":"Berg"`) || r.Version != 1 || r.Owner != anna.String() {
		t.Fatalf("the patient in the record: %+v %s, %v", r, r.Body, err)
	}
	devices, err := s.db.SelectResources(s.ctx, vigil.ResourceQuery{Types: []string{"Device"}, Bodies: true})
	if err != nil || len(devices) != 1 || !strings.Contains(string(devices[0].Body), `"reference":"Patient/`+anna.ID) {
		t.Fatalf("the devices in the record: %+v, %v", devices, err)
	}

	// What clients write comes into the registry, and what the registry has no
	// word for stays in the record.
	s.write("Patient", anna.ID, `{"resourceType":"Patient","id":"`+anna.ID+`","name":[{"family":"Dahl","given":["Anna"]}],"telecom":[{"value":"1"}],"gender":"female"}`)
	s.write("Patient", "cleo", `{"resourceType":"Patient","id":"cleo"}`)
	s.write("Device", "cuff", `{"resourceType":"Device","id":"cuff","serialNumber":"S7"}`)
	s.soon("the registry knows", func() bool {
		p, _ := s.registry.Patient(vigil.PatientID(anna.ID))
		c, _ := s.registry.Patient("cleo")
		d, _ := s.registry.Device("cuff")
		return p.Family == "Dahl" && p.Given == "Anna" && c.Family == "Unknown" && d.Serial == "S7"
	})
	if _, err := s.registry.Assign(s.ctx, "cuff", vigil.PatientSubject("cleo"), vigil.Interval{From: vigil.InstantOf(time.Now().Add(-time.Minute))}, "test"); err != nil {
		t.Fatal(err)
	}
	s.roster.settle(s.ctx)
	r, err = s.db.Resource(s.ctx, "Device", "cuff")
	if err != nil || !strings.Contains(string(r.Body), `"serialNumber":"S7","patient":{"reference":"Patient/cleo"}`) || r.Version != 2 {
		t.Errorf("the cuff in the record: version %d %s, %v", r.Version, r.Body, err)
	}

	// Nothing goes around in circles.
	s.reconcile()
	s.roster.settle(s.ctx)
	for id, want := range map[string]int64{anna.ID: 2, "cleo": 1} {
		r, err := s.db.Resource(s.ctx, "Patient", id)
		if err != nil || r.Version != want {
			t.Errorf("patient %s has version %d, want %d, %v", id, r.Version, want, err)
		}
	}
}

func TestPostedVitalsReachTheScreens(t *testing.T) {
	dir := t.TempDir()
	s, end := newRecordSpine(t, dir)
	anna := s.patient("Berg")
	when := time.Now().UTC().Truncate(time.Second)
	post := func(id, value string) {
		s.write("Observation", id, `{"resourceType":"Observation","id":"`+id+`","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/`+
			anna.ID+`"},"effectiveDateTime":"`+when.Format(time.RFC3339)+`","valueQuantity":{"value":`+value+`,"system":"http://unitsofmeasure.org","code":"/min"}}`)
	}
	newest := func() (vigil.Series, vigil.Point) {
		list, err := s.posted.Series(s.ctx, vigil.SeriesQuery{Subjects: []vigil.Subject{anna}})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(list, func(x vigil.Series) bool { return x.Channel == postedProtocol })
		if i < 0 {
			return vigil.Series{}, vigil.Point{}
		}
		pts, err := s.posted.Latest(s.ctx, []vigil.SeriesID{list[i].ID})
		if err != nil {
			t.Fatal(err)
		}
		return list[i], pts[list[i].ID]
	}
	post("o1", "72")
	s.soon("the screens show 72", func() bool { _, p := newest(); return p.Value == 72 })
	post("o1", "74") // another version of the same
	s.soon("the screens show 74", func() bool { _, p := newest(); return p.Value == 74 })
	series, p := newest()
	pts, err := s.posted.Points(s.ctx, vigil.PointQuery{Series: series.ID})
	if err != nil || len(pts) != 1 || !p.Quality.Has(vigil.StoredElsewhere) {
		t.Errorf("%d points, %v, %v", len(pts), p.Quality, err)
	}
	if id, ok := s.posted.document(series.ID, p.Taken); !ok || id != "o1" {
		t.Errorf("the point comes from %q", id)
	}
	before := s.heads()
	kept, err := s.db.Series(s.ctx, vigil.SeriesQuery{Subjects: []vigil.Subject{anna}})
	if err != nil || len(kept) != 0 {
		t.Errorf("the store keeps %v, %v", kept, err)
	}

	// After a start the screens show it again, and it is not passed on again.
	end()
	s, end = newRecordSpine(t, dir)
	defer end()
	s.soon("the screens show 74 again", func() bool { _, p := newest(); return p.Value == 74 })
	if heads := s.heads(); !slices.Equal(heads, before) {
		t.Errorf("the journal went from %v to %v", before, heads)
	}
}

// TestAmendedReadingsAreHidden: a document stands for the reading, after a start,
// too, and the reading itself is the version before.
func TestAmendedReadingsAreHidden(t *testing.T) {
	dir := t.TempDir()
	s, end := newRecordSpine(t, dir)
	anna := s.patient("Berg")
	s.device("dev-1", anna, vigil.Interval{})
	if err := s.put(vigil.Message{Device: "dev-1", Payload: []byte(`{"t": 1700000000000, "o": 97}`)}); err != nil {
		t.Fatal(err)
	}
	find := func() []string {
		var ids []string
		q := s.searchEngine().Query("Observation")
		for h, err := range s.readings.Search(s.ctx, "Observation", q, nil) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, h.ID)
		}
		return ids
	}
	ids := find()
	if len(ids) != 1 {
		t.Fatalf("%d readings", len(ids))
	}
	r := s.write("Observation", ids[0], `{"resourceType":"Observation","id":"`+ids[0]+`","status":"amended","code":{"text":"x"}}`)
	s.written(s.ctx, []vigil.Resource{r})
	if left := find(); len(left) != 0 {
		t.Errorf("%v are found beside their documents", left)
	}
	end()
	s, end = newRecordSpine(t, dir)
	defer end()
	if left := find(); len(left) != 0 {
		t.Errorf("after a start %v are found beside their documents", left)
	}
	if old, err := s.readings.Read(s.ctx, "Observation", ids[0], 1); err != nil || !strings.Contains(string(old.Body), "59408-5") {
		t.Errorf("the reading is %s, %v", old.Body, err)
	}
}
