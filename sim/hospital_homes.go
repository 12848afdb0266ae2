package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/body"
)

// A homePlan is a row of the homes.
type homePlan struct {
	name       string
	age        int
	sex        string
	weight     float64
	conditions []body.Condition
	devices    string // apart by spaces
	rhythm     body.Rhythm
	story      string
	pace       float64
	begin      time.Duration
}

// homePlans lists the homes in order. The programmes are those that remote
// monitoring serves most: diabetes, heart failure, COPD, pressure, frailty.
func homePlans() []homePlan {
	diabetes := []body.Condition{body.Diabetes}
	heart := []body.Condition{body.HeartFailure}
	copd := []body.Condition{body.COPD}
	pressure := []body.Condition{body.Hypertension}
	return []homePlan{
		{name: "Auklet, Lena", age: 29, sex: "female", weight: 62, conditions: diabetes, devices: "cgm insulin-pen smartwatch"},
		{name: "Bittern, Karl", age: 74, sex: "male", weight: 88, conditions: heart, devices: "scale bp-cuff pill-bottle smartwatch"},
		{name: "Crake, Amina", age: 41, sex: "female", weight: 71, conditions: diabetes, devices: "cgm insulin-pen glucose-meter", story: "hypoglycaemia"},
		{name: "Dotterel, Ivo", age: 69, sex: "male", weight: 79, conditions: copd, devices: "pulse-oximeter thermometer pill-bottle"},
		{name: "Eider, Rut", age: 82, sex: "female", weight: 58, devices: "fall-pendant pill-bottle bp-cuff smart-bed"},
		{name: "Finch, Noel", age: 57, sex: "male", weight: 93, conditions: pressure, devices: "bp-cuff scale smartwatch"},
		{name: "Gannet, Sofia", age: 35, sex: "female", weight: 66, conditions: diabetes, devices: "cgm insulin-pen", story: "gateway-cut-off", pace: 4},
		{name: "Harrier, Otto", age: 77, sex: "male", weight: 84, devices: "ecg-patch bp-cuff smartwatch", rhythm: body.AtrialFibrillation},
		{name: "Jackdaw, Mila", age: 86, sex: "female", weight: 55, conditions: pressure, devices: "fall-pendant bp-cuff pill-bottle scale"},
		{name: "Kestrel, Ben", age: 48, sex: "male", weight: 97, conditions: diabetes, devices: "cgm insulin-pen bp-cuff scale"},
		{name: "Linnet, Hanna", age: 71, sex: "female", weight: 69, conditions: heart, devices: "scale bp-cuff pill-bottle pulse-oximeter"},
		{name: "Martin, Juri", age: 63, sex: "male", weight: 81, conditions: pressure, devices: "bp-cuff smartwatch thermometer"},
	}
}

func (h *builder) home(b homePlan) {
	n := len(h.plan.Scenes) - 24 // after 24 beds and the fridge
	family, _, _ := strings.Cut(b.name, ",")
	id := strings.ToLower(family)
	s := Scene{
		Location: vigil.Location{ID: "home-" + id, Name: "Home " + family, Unit: "Homes", Kind: "home", Rank: n},
		Patient:  person("demo-"+id, b.name, b.age, b.sex, fmt.Sprintf("HO-%04d", 2000+n)),
		Body:     body.Config{Age: b.age, Sex: b.sex, Weight: b.weight, Conditions: b.conditions, Rhythm: b.rhythm},
		Story:    h.story(b.story), Pace: b.pace, Begin: b.begin,
	}
	for i, p := range strings.Fields(b.devices) {
		d := h.device(p+"-"+id, strings.ReplaceAll(p, "-", " "), p)
		switch p {
		case "bp-cuff", "scale", "thermometer", "glucose-meter":
			// Somebody measures soon after the demo starts, and now and then
			// while it is watched.
			d.First = time.Duration(12+9*n+4*i) * time.Second
			d.Every = time.Duration(20+n) * time.Minute
		}
		s.Devices = append(s.Devices, d)
	}
	h.plan.Scenes = append(h.plan.Scenes, s)
}
