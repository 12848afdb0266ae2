package body

import "math"

// natural is what the body itself wants a vital to be, given the others. These
// are the couplings: fever drives heart and breathing, lack of oxygen drives
// both, low pressure drives the heart, slow breathing lowers oxygen, low
// glucose drives the heart, sleep and effort move everything.
func (p *Person) natural(v Vital) float64 {
	switch v {
	case HeartRate:
		return p.naturalHeartRate()
	case Saturation:
		return p.naturalSaturation()
	case Breathing:
		return p.naturalBreathing()
	case Systolic:
		return p.base[v]*(1-0.10*p.asleep) + 55*p.effort + 4*p.circadian() - 10*p.failing()
	case Diastolic:
		return p.base[v]*(1-0.10*p.asleep) + 6*p.effort + 2*p.circadian() - 6*p.failing()
	case Temperature:
		return p.base[v] + 0.25*p.circadian() + 0.8*p.effort
	case Glucose:
		return p.sugar.plasma
	case EtCO2:
		// What is breathed out falls as breathing outruns what is produced.
		need := p.base[Breathing] * (1 + 1.2*p.effort)
		return p.base[v] * math.Pow(need/max(p.value[Breathing], 3), 0.5)
	}
	return p.base[v]
}

func (p *Person) naturalHeartRate() float64 {
	most := 208 - 0.7*float64(p.config.Age) // Tanaka 2001
	h := p.base[HeartRate]
	h += 0.85 * p.effort * (most - h)
	h -= 9 * p.asleep
	h += 3 * p.circadian()
	h += 9 * max(p.value[Temperature]-37.2, 0)                                 // about 9 beats per degree of fever
	h += 1.6 * max(93-p.value[Saturation]-max(97-p.base[Saturation], 0), 0)    // lack of oxygen
	h += 0.9 * max(p.base[Systolic]-15-p.value[Systolic], 0)                   // baroreflex
	h += 0.45 * max(68-p.value[Glucose], 0)                                    // adrenaline at low glucose
	h += 0.8 * max(p.value[Breathing]-p.base[Breathing]-4, 0) * (1 - p.effort) // the strain of laboured breathing
	if p.rhythm == AtrialFibrillation {
		h += 38 * (1 - 0.4*p.asleep)
	}
	return min(h, most+8)
}

func (p *Person) naturalSaturation() float64 {
	s := p.base[Saturation] - 1.0*p.asleep - 1.5*p.effort
	s -= 2.4 * max(0.62*p.base[Breathing]-p.value[Breathing], 0) // too little breathing
	s -= 0.5 * max(p.value[Temperature]-38.6, 0)
	return min(s, 99.4)
}

func (p *Person) naturalBreathing() float64 {
	r := p.base[Breathing]*(1-0.10*p.asleep) + 20*p.effort
	r += 2.2 * max(p.value[Temperature]-37.2, 0)
	r += 0.9 * max(93-p.value[Saturation]-max(97-p.base[Saturation], 0), 0)
	return r
}

// failing is 0 for a person in rhythm and grows when the heart loses the help
// of its atria.
func (p *Person) failing() float64 {
	if p.rhythm == AtrialFibrillation {
		return 0.8
	}
	return 0
}

// hour returns the person's own time of day in hours.
func (p *Person) hour() float64 {
	t := p.now.Time().In(p.config.Zone)
	return float64(t.Hour()) + float64(t.Minute())/60 + float64(t.Second())/3600
}

// circadian is 1 in the late afternoon and -1 before dawn.
func (p *Person) circadian() float64 {
	return math.Cos(2 * math.Pi * (p.hour() - 16.5) / 24)
}

// sleepiness is 1 while the person wants to sleep: from 23 to 6:30, unless a
// story says otherwise.
func (p *Person) sleepiness() float64 {
	if p.awake != nil {
		if *p.awake {
			return 0
		}
		return 1
	}
	if h := p.hour(); h >= 23 || h < 6.5 {
		return 1
	}
	return 0
}
