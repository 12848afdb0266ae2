package reading

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices/iomt"
)

// A group is the series whose readings make one Observation together: one, or
// the parts of a panel, in the order of their ids.
type group struct {
	id    vigil.SeriesID // of the series, or of the panel
	parts []vigil.Series
	panel *vigil.Panel

	// What a mapping says of the Observation: nil and empty without one.
	template *iomt.Template
	shown    []*iomt.Value // of each part
	whose    string        // whose key would seal it
	period   vigil.Instant // the time whose readings make one Observation, 0 for one reading

	// The parts of the JSON that are the same for every reading, made when
	// first needed.
	head, tail []byte
	values     []valueFrame
	profiles   []byte // ,"profile":[…] of meta, when the parts of needs are there
	needs      []int
}

// A valueFrame is what stands around the value of one part.
type valueFrame struct {
	code []byte // {"code":{…} for a component
	unit []byte // ,"unit":…,"system":…,"code":… of the quantity
}

func (g *group) wave() bool             { return g.parts[0].Metric.IsWave() }
func (g *group) subject() vigil.Subject { return g.parts[0].Subject }
func (g *group) device() vigil.DeviceID { return g.parts[0].Device }

// owner names whose key would seal what is said of the subject.
func (g *group) owner() string {
	if g.whose == "" {
		g.whose = owner(g.subject())
	}
	return g.whose
}

func (g *group) category() string { return g.parts[0].Metric.Category }

// codes are those of Observation.code.
func (g *group) codes() []vigil.Code {
	if g.panel != nil {
		return g.panel.Codes
	}
	return translated(g.parts[0].Metric.Codes)
}

// title is Observation.code.text.
func (g *group) title() string {
	if g.panel != nil {
		for _, c := range g.panel.Codes {
			if c.Display != "" {
				return c.Display
			}
		}
		return g.panel.Name
	}
	return metricTitle(g.parts[0].Metric)
}

func metricTitle(m *vigil.Metric) string {
	return cmp.Or(m.Title, m.Name)
}

// groupSeries puts the parts of panels together; groups come in the order of
// their first series.
func groupSeries(series []vigil.Series) []*group {
	type panelKey struct {
		subject vigil.Subject
		device  vigil.DeviceID
		channel string
		panel   string
	}
	slices.SortFunc(series, func(a, b vigil.Series) int { return cmp.Compare(a.ID, b.ID) })
	panels := map[panelKey]*group{}
	groups := make([]*group, 0, len(series))
	for _, s := range series {
		if s.Metric.Panel == nil || s.Metric.IsWave() {
			groups = append(groups, &group{id: s.ID, parts: []vigil.Series{s}})
			continue
		}
		k := panelKey{s.Subject, s.Device, s.Channel, s.Metric.Panel.Name}
		if g, ok := panels[k]; ok {
			g.parts = append(g.parts, s)
			continue
		}
		g := &group{id: panelID(s), parts: []vigil.Series{s}, panel: s.Metric.Panel}
		panels[k] = g
		groups = append(groups, g)
	}
	return groups
}

// allSeries returns numeric series and waves alike.
func (s *Source) allSeries(ctx context.Context, q vigil.SeriesQuery) ([]vigil.Series, error) {
	q.Waves = false
	numeric, err := s.c.Readings.Series(ctx, q)
	if err != nil {
		return nil, err
	}
	q.Waves = true
	waves, err := s.c.Readings.Series(ctx, q)
	return append(slices.Clip(numeric), waves...), err
}

// groupOf finds the group that a series belongs to.
func (s *Source) groupOf(ctx context.Context, id vigil.SeriesID) (*group, error) {
	found, err := s.allSeries(ctx, vigil.SeriesQuery{IDs: []vigil.SeriesID{id}})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, noObservation()
	}
	if found[0].Metric.Panel == nil || found[0].Metric.IsWave() {
		g := s.shape(groupSeries(found[:1])[0])
		s.panels.note(g)
		return g, nil
	}
	siblings, err := s.c.Readings.Series(ctx, vigil.SeriesQuery{
		Subjects: []vigil.Subject{found[0].Subject}, Devices: []vigil.DeviceID{found[0].Device},
	})
	if err != nil {
		return nil, err
	}
	for _, g := range groupSeries(siblings) {
		if slices.ContainsFunc(g.parts, func(s vigil.Series) bool { return s.ID == id }) {
			s.shape(g)
			s.panels.note(g)
			return g, nil
		}
	}
	return nil, noObservation()
}

// WireID makes an id of ours a FHIR id: the underscore is not allowed there
// (datatypes.html#id), so an id that has one is written with dashes and a
// short hash that keeps it unique.
func WireID(id string) string {
	if !strings.Contains(id, "_") {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	s := strings.ReplaceAll(id, "_", "-")
	return s[:min(len(s), 64-9)] + "." + hex.EncodeToString(sum[:4])
}

// PatientID finds the patient that a FHIR id names. An id that nobody has is
// returned as it came: it matches nothing.
func (s *Source) PatientID(wire string) vigil.PatientID {
	if _, ok := s.c.Registry.Patient(vigil.PatientID(wire)); ok || !strings.Contains(wire, ".") {
		return vigil.PatientID(wire)
	}
	for _, p := range s.c.Registry.Patients() {
		if WireID(string(p.ID)) == wire {
			return p.ID
		}
	}
	return vigil.PatientID(wire)
}

// DeviceID is PatientID for devices.
func (s *Source) DeviceID(wire string) vigil.DeviceID {
	if _, ok := s.c.Registry.Device(vigil.DeviceID(wire)); ok || !strings.Contains(wire, ".") {
		return vigil.DeviceID(wire)
	}
	for _, d := range s.c.Registry.Devices() {
		if WireID(string(d.ID)) == wire {
			return d.ID
		}
	}
	return vigil.DeviceID(wire)
}
