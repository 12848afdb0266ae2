package reading

import (
	"os"
	"strings"
	"testing"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/fhir/check"
	"github.com/vigil-iomt/vigil/fhir/schema"
	"github.com/vigil-iomt/vigil/fhir/terms"
	"github.com/vigil-iomt/vigil/fhir/tree"
)

// withUSCore is R4 with US Core, where that is at hand.
func withUSCore(t *testing.T) *schema.Set {
	t.Helper()
	f, err := os.Open("../../../shared/data/us-core/us-core-6.1.0.tgz")
	if err != nil {
		t.Skip("the US Core package is not here: ", err)
	}
	defer f.Close()
	p, err := schema.ReadPackage(f)
	if err != nil {
		t.Fatal(err)
	}
	set, err := schema.R4().With(p)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// everything is a patient with one reading of every metric of every device type.
func everything(t *testing.T) *memory {
	t.Helper()
	catalog, problems := devices.Load("")
	if len(problems) > 0 {
		for _, p := range problems {
			if !p.Warning {
				t.Fatal(p)
			}
		}
	}
	m := ward()
	m.series, m.points, m.waves = nil, map[vigil.SeriesID][]vigil.Point{}, map[vigil.SeriesID][]vigil.Wave{}
	for _, p := range catalog.Profiles() {
		for _, metric := range p.Metrics() {
			id := vigil.SeriesID(len(m.series) + 1)
			m.series = append(m.series, vigil.Series{ID: id, Subject: vigil.PatientSubject("anna"), Device: vigil.DeviceID(p.Name), Metric: metric})
			if metric.IsWave() {
				m.waves[id] = []vigil.Wave{{Metric: metric, Start: at(-10), Gain: 0.5, Samples: []int32{1, vigil.Missing, 3}}}
				continue
			}
			absent := taken(-60, 0)
			absent.Quality = absent.Quality.With(vigil.SensorOff)
			m.points[id] = []vigil.Point{taken(-5, 37.5), absent}
		}
	}
	return m
}

// TestAllDeviceTypesConform validates what every device type makes, against R4
// and against the profiles that the Observations name.
func TestAllDeviceTypesConform(t *testing.T) {
	set := withUSCore(t)
	c := check.New(set, terms.New(set))
	s := source(everything(t))
	named := map[string]int{}
	for _, typ := range s.Types() {
		for _, h := range gather(t, s, typ, ask(t, engine(t), typ, ""), nil, -1) {
			doc, err := tree.Parse(h.Body)
			if err != nil {
				t.Fatal(err)
			}
			for p := range doc.Root().Get("meta").Get("profile").Items() {
				named[p.Text()]++
			}
			for _, i := range c.Check(doc, check.Options{Level: check.Profiles, Now: now}) {
				if i.Severity > check.Warning {
					t.Fatalf("%+v\n%s", i, h.Body)
				}
			}
		}
	}
	for _, want := range []string{r4Profile + "heartrate", coreProfile + "blood-pressure", coreProfile + "pulse-oximetry", coreProfile + "body-temperature"} {
		if named[want] == 0 {
			t.Errorf("no Observation names %s", want)
		}
	}
	t.Log(named)
}

// TestAPanelWithoutAPartNamesNoProfile: the profile demands both pressures.
func TestAPanelWithoutAPartNamesNoProfile(t *testing.T) {
	m := ward()
	m.points[3] = m.points[3][:1]
	s := source(m)
	for i, h := range gather(t, s, Observation, ask(t, engine(t), Observation, "code=85354-9"), nil, -1) {
		if strings.Contains(string(h.Body), coreProfile+"blood-pressure") != (i == 0) {
			t.Errorf("measurement %d: %s", i, h.Body)
		}
	}
}
