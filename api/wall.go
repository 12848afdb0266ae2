package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/live"
)

// WallDevice is a device as a wall shows it.
type WallDevice struct {
	ID      vigil.DeviceID `json:"id"`
	Name    string         `json:"name,omitempty"`
	Profile string         `json:"profile"`
	Kind    string         `json:"kind,omitempty"`
	Title   string         `json:"title,omitempty"`
}

// Bed is one place with who is there and what is measured.
type Bed struct {
	Location vigil.Location     `json:"location"`
	Patient  *vigil.Patient     `json:"patient" doc:"null in a free bed."`
	Devices  []WallDevice       `json:"devices"`
	Series   []SeriesInfo       `json:"series" doc:"Of the patient, or of the place where nobody is, seen in the last 24 h."`
	Latest   []vigil.ReadingNow `json:"latest"`
}

// Unit is a ward or service.
type Unit struct {
	Name string `json:"name"`
	Beds []Bed  `json:"beds"`
}

// Stray is a device whose readings belong to nobody.
type Stray struct {
	Device   WallDevice      `json:"device"`
	Location *vigil.Location `json:"location" doc:"Where it is, null if nobody knows."`
}

// Wall is everything that a wall shows.
type Wall struct {
	Time         vigil.Instant `json:"time"`
	Units        []Unit        `json:"units"`
	Unattributed []Stray       `json:"unattributed"`
}

// wall registers the route of the wall.
func (s *server) wall() {
	handle(s, route{"wall.read", http.MethodGet, "/wall", "Units, beds, patients, devices and newest readings"},
		func(ctx context.Context, in *struct {
			Unit string `query:"unit" doc:"Only this unit."`
		}) (*answer[Wall], error) {
			w, err := s.readWall(ctx, in.Unit)
			return said(w), err
		})
}

// A census is who is where and what serves them at one instant.
type census struct {
	at       vigil.Instant
	patients map[string]vigil.PatientID              // by place
	serving  map[vigil.Subject][]vigil.DeviceID      // devices by their subject
	places   map[vigil.DeviceID]*vigil.Location      // where a device is assigned to a place
	seen     map[vigil.Subject][]vigil.Series        // series by subject
	latest   map[vigil.SeriesID]vigil.Point          // newest points
	kinds    map[string]struct{ kind, title string } // by profile
}

// readWall puts the wall together.
func (s *server) readWall(ctx context.Context, unit string) (Wall, error) {
	w := Wall{Time: s.now(), Units: []Unit{}, Unattributed: []Stray{}}
	c := s.census()
	var subjects []vigil.Subject
	places := slices.DeleteFunc(slices.Clone(s.c.Registry.Locations()), func(l vigil.Location) bool {
		return unit != "" && l.Unit != unit
	})
	for _, l := range places {
		subjects = append(subjects, c.subject(l.ID))
	}
	for _, d := range s.c.Registry.Devices() {
		subjects = append(subjects, vigil.Unattributed(d.ID))
	}
	if err := s.measure(ctx, c, subjects); err != nil {
		return w, err
	}
	for _, l := range places {
		bed, err := s.bed(ctx, c, l)
		if err != nil {
			return w, err
		}
		if n := len(w.Units); n == 0 || w.Units[n-1].Name != l.Unit {
			w.Units = append(w.Units, Unit{Name: l.Unit})
		}
		u := &w.Units[len(w.Units)-1]
		u.Beds = append(u.Beds, bed)
	}
	w.Unattributed = s.strays(c, unit)
	return w, nil
}

// census reads the registry.
func (s *server) census() *census {
	c := &census{
		at: s.now(), patients: map[string]vigil.PatientID{}, serving: map[vigil.Subject][]vigil.DeviceID{},
		places: map[vigil.DeviceID]*vigil.Location{}, seen: map[vigil.Subject][]vigil.Series{},
		kinds: map[string]struct{ kind, title string }{},
	}
	r := s.c.Registry
	for _, stay := range r.Stays() {
		if stay.Holds(c.at) {
			c.patients[stay.Location] = stay.Patient
		}
	}
	for _, a := range r.Assignments("") {
		if !a.Holds(c.at) {
			continue
		}
		c.serving[a.Subject] = append(c.serving[a.Subject], a.Device)
		if a.Subject.Kind == vigil.OfLocation {
			if l, ok := r.Location(a.Subject.ID); ok {
				c.places[a.Device] = &l
			}
		}
	}
	catalog, _ := s.c.Profiles()
	for _, p := range catalog.Profiles() {
		c.kinds[p.Name] = struct{ kind, title string }{p.Kind, p.Title}
	}
	return c
}

// subject returns whose readings a place shows: the patient's who is there,
// else its own.
func (c *census) subject(place string) vigil.Subject {
	if p, ok := c.patients[place]; ok {
		return vigil.PatientSubject(p)
	}
	return vigil.Subject{Kind: vigil.OfLocation, ID: place}
}

// measure reads the series of the subjects and their newest points.
func (s *server) measure(ctx context.Context, c *census, subjects []vigil.Subject) error {
	if len(subjects) == 0 {
		return nil
	}
	var ids []vigil.SeriesID
	for _, waves := range []bool{false, true} {
		list, err := s.c.Readings.Series(ctx, vigil.SeriesQuery{Subjects: subjects, Waves: waves})
		if err != nil {
			return err
		}
		sortByName(list)
		for _, v := range list {
			c.seen[v.Subject] = append(c.seen[v.Subject], v)
			if !waves {
				ids = append(ids, v.ID)
			}
		}
	}
	var err error
	c.latest, err = s.c.Readings.Latest(ctx, ids)
	return err
}

// recent tells whether a numeric series was seen within the horizon.
func (c *census) recent(v *vigil.Series) bool {
	p, ok := c.latest[v.ID]
	oldest := c.at.Add(-live.Horizon)
	return ok && (p.Taken >= oldest || p.Arrived >= oldest)
}

// bed puts one place together.
func (s *server) bed(ctx context.Context, c *census, l vigil.Location) (Bed, error) {
	b := Bed{Location: l, Devices: []WallDevice{}, Series: []SeriesInfo{}, Latest: []vigil.ReadingNow{}}
	own := vigil.Subject{Kind: vigil.OfLocation, ID: l.ID}
	subject := c.subject(l.ID)
	ids := slices.Clone(c.serving[own])
	if subject != own {
		ids = append(ids, c.serving[subject]...)
		if p, ok := s.c.Registry.Patient(vigil.PatientID(subject.ID)); ok {
			b.Patient = &p
		}
	}
	for _, id := range ids {
		if d, ok := s.c.Registry.Device(id); ok {
			b.Devices = append(b.Devices, c.device(d))
		}
	}
	for i := range c.seen[subject] {
		v := &c.seen[subject][i]
		if v.Metric.IsWave() {
			if ok, err := s.recentWave(ctx, c, v, b.Latest); err != nil || !ok {
				if err != nil {
					return b, err
				}
				continue
			}
		} else if !c.recent(v) {
			continue
		} else {
			b.Latest = append(b.Latest, v.Now(c.latest[v.ID]))
		}
		b.Series = append(b.Series, infoOf(v))
	}
	return b, nil
}

// recentWave tells whether a wave was seen within the horizon. A device whose
// numbers are fresh is not asked about each of its waves.
func (s *server) recentWave(ctx context.Context, c *census, v *vigil.Series, fresh []vigil.ReadingNow) (bool, error) {
	if slices.ContainsFunc(fresh, func(r vigil.ReadingNow) bool { return r.Device == v.Device }) {
		return true, nil
	}
	blocks, err := s.c.Readings.Waves(ctx, v.ID, vigil.Interval{From: c.at.Add(-live.Horizon)}, 1)
	return len(blocks) > 0, err
}

// device returns a device as a wall shows it.
func (c *census) device(d vigil.Device) WallDevice {
	k := c.kinds[d.Profile]
	return WallDevice{d.ID, d.Name, d.Profile, k.kind, k.title}
}

// strays lists the devices that sent readings within the horizon that belong to
// nobody, and still do.
func (s *server) strays(c *census, unit string) []Stray {
	out := []Stray{}
	for _, d := range s.c.Registry.Devices() {
		place := c.places[d.ID]
		if unit != "" && (place == nil || place.Unit != unit) {
			continue
		}
		for i := range c.seen[vigil.Unattributed(d.ID)] {
			if v := &c.seen[vigil.Unattributed(d.ID)][i]; c.recent(v) && !c.later(d.ID, c.latest[v.ID]) {
				out = append(out, Stray{c.device(d), place})
				break
			}
		}
	}
	return out
}

// later tells whether a device has readings of somebody behind a point.
func (c *census) later(id vigil.DeviceID, p vigil.Point) bool {
	for subject, list := range c.seen {
		if subject.Kind == vigil.OfDevice {
			continue
		}
		for i := range list {
			if q, ok := c.latest[list[i].ID]; ok && list[i].Device == id && q.Taken > p.Taken {
				return true
			}
		}
	}
	return false
}
