package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/body"
)

// A HospitalConfig says which demo hospital to build.
type HospitalConfig struct {
	Seed uint64
	// Zone is the local time; nil is UTC.
	Zone *time.Location
	// Recording is a WFDB record that bed 05 replays, such as "203"; "" is a
	// synthesised ECG. The recording's folder goes into Config.Recordings.
	Recording string
	// Stories is a folder with stories that replace built-in ones; "" is none.
	Stories string
}

// Hospital returns the demo's plan: ward "4 East" with 24 beds, twelve homes,
// and the ward's medicine fridge. All people are invented and named after
// birds. Bed 07 gets worse from 15 seconds after the start, bed 14's monitor
// falls silent after 40, bed 03 has atrial fibrillation, the patient of bed 09
// gets up, bed 16's electrode comes off now and then, bed 19 is free and the
// patient of bed 22 is away.
func Hospital(c HospitalConfig) (*Plan, error) {
	all, problems := Stories(c.Stories)
	if len(problems) > 0 {
		p := problems[0]
		return nil, &vigil.Error{Kind: vigil.Invalid, Op: "read stories", Path: p.File + ": " + p.Pos, Msg: p.Msg}
	}
	h := &builder{plan: &Plan{Seed: c.Seed, Zone: c.Zone}, stories: all, recording: c.Recording}
	for _, b := range bedPlans() {
		h.bed(b)
	}
	h.fridge()
	for _, b := range homePlans() {
		h.home(b)
	}
	if h.missing != "" {
		return nil, vigil.Errorf(vigil.Internal, "there is no story %q", h.missing)
	}
	return h.plan, nil
}

type builder struct {
	plan      *Plan
	stories   []*Story
	recording string
	missing   string // a story that was not found
}

func (h *builder) story(name string) *Story {
	if name == "" {
		return nil
	}
	s := story(h.stories, name)
	if s == nil {
		h.missing = name
	}
	return s
}

// A bedPlan is a row of the ward: who lies there, at rest, and what happens.
type bedPlan struct {
	name                     string // "Family, Given"; empty for a free bed
	age                      int
	sex                      string
	hr, spo2, resp, sys, dia float64
	temp                     float64
	conditions               []body.Condition
	parts, devices           string // apart by spaces
	story                    string
	pace                     float64
	begin                    time.Duration
	away                     bool
	rhythm                   body.Rhythm
	ectopics                 float64
}

// bedPlans lists the ward's beds in order.
func bedPlans() []bedPlan {
	copd := []body.Condition{body.COPD}
	return []bedPlan{
		{name: "Avocet, Ines", age: 54, sex: "female", hr: 72, spo2: 97, resp: 14, sys: 128, dia: 74, temp: 36.8, parts: "temp"},
		{name: "Bunting, Oskar", age: 71, sex: "male", hr: 88, spo2: 95, resp: 18, sys: 141, dia: 82, temp: 37.1, parts: "temp", ectopics: 3},
		{name: "Curlew, Mara", age: 78, sex: "female", hr: 84, spo2: 94, resp: 20, sys: 122, dia: 74, temp: 37.6, parts: "temp", rhythm: body.AtrialFibrillation},
		{name: "Dunlin, Sven", age: 47, sex: "male", hr: 64, spo2: 98, resp: 12, sys: 119, dia: 68, temp: 36.5},
		{name: "Egret, Paula", age: 66, sex: "female", hr: 92, spo2: 95, resp: 19, sys: 104, dia: 58, temp: 37.4, parts: "abp temp"},
		{name: "Fulmar, Tom", age: 59, sex: "male", hr: 77, spo2: 96, resp: 16, sys: 133, dia: 77, temp: 36.9},
		{name: "Godwit, Ada", age: 71, sex: "female", hr: 84, spo2: 93, resp: 18, sys: 136, dia: 80, temp: 37.0, parts: "temp", story: "deterioration", pace: 8},
		{name: "Heron, Jan", age: 52, sex: "male", hr: 69, spo2: 97, resp: 15, sys: 126, dia: 71, temp: 36.7, parts: "temp"},
		{name: "Ibis, Rosa", age: 81, sex: "female", hr: 79, spo2: 94, resp: 18, sys: 138, dia: 80, temp: 36.9, devices: "smart-bed", story: "bed-exit", pace: 8, begin: 5 * time.Second},
		{name: "Jacana, Femi", age: 33, sex: "male", hr: 58, spo2: 99, resp: 11, sys: 117, dia: 64, temp: 36.4},
		{name: "Knot, Elsa", age: 74, sex: "female", hr: 92, spo2: 92, resp: 22, sys: 129, dia: 75, temp: 37.3, conditions: copd, parts: "etco2 temp"},
		{name: "Lapwing, Dev", age: 61, sex: "male", hr: 74, spo2: 96, resp: 17, sys: 131, dia: 79, temp: 36.6},
		{name: "Merlin, Kofi", age: 68, sex: "male", hr: 83, spo2: 94, resp: 19, sys: 122, dia: 70, temp: 37.0, ectopics: 6},
		{name: "Nuthatch, Bea", age: 64, sex: "female", hr: 76, spo2: 96, resp: 15, sys: 125, dia: 74, temp: 36.8, parts: "temp", story: "silent-device", pace: 7.5},
		{name: "Oriole, Vera", age: 49, sex: "female", hr: 71, spo2: 97, resp: 14, sys: 124, dia: 72, temp: 36.7},
		{name: "Petrel, Carl", age: 57, sex: "male", hr: 79, spo2: 96, resp: 16, sys: 127, dia: 73, temp: 36.8, story: "loose-electrode", pace: 1},
		{name: "Quail, Hana", age: 38, sex: "female", hr: 66, spo2: 98, resp: 13, sys: 115, dia: 66, temp: 36.5},
		{name: "Redstart, Luis", age: 63, sex: "male", hr: 95, spo2: 94, resp: 21, sys: 130, dia: 80, temp: 38.0, parts: "abp temp"},
		{}, // free
		{name: "Siskin, Greta", age: 70, sex: "female", hr: 76, spo2: 96, resp: 16, sys: 130, dia: 78, temp: 36.9, devices: "smart-bed"},
		{name: "Treepie, Wen", age: 77, sex: "male", hr: 84, spo2: 95, resp: 18, sys: 139, dia: 81, temp: 37.0, parts: "temp"},
		{name: "Umbrette, Nils", age: 55, sex: "male", hr: 82, spo2: 95, resp: 17, sys: 134, dia: 79, temp: 36.9, away: true},
		{name: "Vireo, Yuki", age: 42, sex: "female", hr: 62, spo2: 97, resp: 13, sys: 118, dia: 69, temp: 36.6},
		{name: "Wryneck, Zoe", age: 73, sex: "female", hr: 88, spo2: 94, resp: 19, sys: 134, dia: 76, temp: 37.2, parts: "temp", devices: "smart-bed"},
	}
}

// person makes the patient of a row; born in the year that fits the age.
func person(id, name string, age int, sex, mrn string) *vigil.Patient {
	family, given, _ := strings.Cut(name, ", ")
	return &vigil.Patient{
		ID: vigil.PatientID(id), Family: family, Given: given, Sex: sex, MRN: mrn,
		Born: fmt.Sprintf("%04d-%02d-%02d", 2026-age, 1+age%12, 1+age*7%28),
	}
}

// baselineOf leaves out what a row does not say.
func baselineOf(values map[body.Vital]float64) map[body.Vital]float64 {
	for v, x := range values {
		if x == 0 {
			delete(values, v)
		}
	}
	return values
}

func (h *builder) bed(b bedPlan) {
	n := len(h.plan.Scenes) + 1
	no := fmt.Sprintf("%02d", n)
	s := Scene{
		Location: vigil.Location{ID: "4-east-" + no, Name: no, Unit: "4 East", Kind: "bed", Rank: n},
		Story:    h.story(b.story), Pace: b.pace, Begin: b.begin, Away: b.away,
		Body: body.Config{
			Age: b.age, Sex: b.sex, Conditions: b.conditions, Rhythm: b.rhythm, Ectopics: b.ectopics,
			Baseline: baselineOf(map[body.Vital]float64{
				body.HeartRate: b.hr, body.Saturation: b.spo2, body.Breathing: b.resp,
				body.Systolic: b.sys, body.Diastolic: b.dia, body.Temperature: b.temp,
			}),
		},
	}
	if b.name != "" {
		family, _, _ := strings.Cut(b.name, ",")
		s.Patient = person("demo-"+strings.ToLower(family), b.name, b.age, b.sex, fmt.Sprintf("4E-%04d", 1000+n))
	}
	monitor := h.device("monitor-"+no, "Monitor M-02"+no, "bedside-monitor")
	monitor.Parts = strings.Fields(b.parts)
	s.Devices = append(s.Devices, monitor)
	for _, p := range strings.Fields(b.devices) {
		s.Devices = append(s.Devices, h.device(p+"-"+no, strings.ReplaceAll(p, "-", " ")+" "+no, p))
	}
	if n == 5 && h.recording != "" {
		h.replay(&s)
	}
	h.plan.Scenes = append(h.plan.Scenes, s)
}

func (h *builder) device(id, name, profile string) Device {
	return Device{Device: vigil.Device{
		ID: vigil.DeviceID(id), Name: name, Profile: profile, Maker: "Simulated", Model: profile,
		Serial: fmt.Sprintf("SIM-%08X", uint32(seedOf(h.plan.Seed, id))), // #nosec G115 -- any digits will do
	}}
}

func (h *builder) fridge() {
	d := h.device("fridge-4-east", "Fridge logger", "fridge-logger")
	d.OfPlace = true
	h.plan.Scenes = append(h.plan.Scenes, Scene{
		Location: vigil.Location{ID: "4-east-fridge", Name: "Fridge", Unit: "4 East", Kind: "fridge", Rank: 25},
		Devices:  []Device{d},
	})
}
