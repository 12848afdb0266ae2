package body_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/body"
)

// noon is a time at which nobody sleeps.
var noon = vigil.InstantOf(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC))

// mean lives for a stretch and returns the mean of a vital over it.
func mean(p *body.Person, v body.Vital, over time.Duration) float64 {
	sum, n := 0.0, 0
	for end := p.Now().Add(over); p.Now() < end; n++ {
		p.Live(p.Now().Add(time.Second))
		sum += p.Value(v)
	}
	return sum / float64(n)
}

func TestSameSeedSamePerson(t *testing.T) {
	c := body.Config{Age: 70, Sex: "male", Conditions: []body.Condition{body.COPD}}
	run := func(seed uint64) (x []float64) {
		p := body.New(c, seed, noon)
		wave := make([]float64, 100)
		for range 50 {
			p.Live(p.Now().Add(time.Second))
			p.Waves.ECG(wave, body.LeadII, p.Now(), 250)
			x = append(append(x, wave...), p.Value(body.HeartRate), p.Value(body.Glucose))
		}
		return x
	}
	a, b, other := run(7), run(7), run(8)
	same := true
	for i := range a {
		if a[i] != b[i] {
			t.Fatalf("value %d differs between two runs of one seed: %g and %g", i, a[i], b[i])
		}
		same = same && a[i] == other[i]
	}
	if same {
		t.Error("another seed gives the same person")
	}
}

func TestRestingAdultsAreNormal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := body.Config{
			Age: rapid.IntRange(18, 95).Draw(t, "age"),
			Sex: rapid.SampledFrom([]string{"male", "female"}).Draw(t, "sex"),
		}
		start := noon.Add(time.Duration(rapid.IntRange(0, 86400).Draw(t, "second")) * time.Second)
		p := body.New(c, rapid.Uint64().Draw(t, "seed"), start)
		for range 300 {
			p.Live(p.Now().Add(time.Second))
			for v, limit := range map[body.Vital][2]float64{
				body.HeartRate: {45, 100}, body.Saturation: {92, 100}, body.Breathing: {8, 21},
				body.Systolic: {90, 160}, body.Diastolic: {50, 95}, body.Temperature: {35.8, 37.6},
				body.Glucose: {65, 150}, body.EtCO2: {30, 50},
			} {
				if x := p.Value(v); x < limit[0] || x > limit[1] || math.IsNaN(x) {
					t.Fatalf("%s is %g at rest, want %v", v, x, limit)
				}
			}
			if p.Value(body.Diastolic) >= p.Value(body.Systolic) {
				t.Fatal("diastolic is not under systolic")
			}
		}
	})
}

func TestVitalsAnswerToEachOther(t *testing.T) {
	for name, c := range map[string]struct {
		cause    func(*body.Person)
		vital    body.Vital
		low, top float64 // change that must follow
	}{
		"fever drives the heart":               {func(p *body.Person) { p.Towards(body.Temperature, 39.5, time.Minute) }, body.HeartRate, 12, 35},
		"fever drives breathing":               {func(p *body.Person) { p.Towards(body.Temperature, 39.5, time.Minute) }, body.Breathing, 2, 12},
		"lack of oxygen drives the heart":      {func(p *body.Person) { p.Towards(body.Saturation, 84, time.Minute) }, body.HeartRate, 5, 40},
		"lack of oxygen drives breathing":      {func(p *body.Person) { p.Towards(body.Saturation, 84, time.Minute) }, body.Breathing, 4, 15},
		"low pressure drives the heart":        {func(p *body.Person) { p.Towards(body.Systolic, 80, time.Minute) }, body.HeartRate, 8, 45},
		"slow breathing lowers oxygen":         {func(p *body.Person) { p.Towards(body.Breathing, 5, time.Minute) }, body.Saturation, -20, -3},
		"slow breathing keeps carbon dioxide":  {func(p *body.Person) { p.Towards(body.Breathing, 6, time.Minute) }, body.EtCO2, 8, 50},
		"low glucose drives the heart":         {func(p *body.Person) { p.Towards(body.Glucose, 42, time.Minute) }, body.HeartRate, 5, 20},
		"effort drives the heart":              {func(p *body.Person) { p.SetEffort(0.6) }, body.HeartRate, 25, 80},
		"effort raises the pressure":           {func(p *body.Person) { p.SetEffort(0.6) }, body.Systolic, 15, 60},
		"sleep slows the heart":                {func(p *body.Person) { p.SetAsleep(true) }, body.HeartRate, -15, -3},
		"fibrillation drives the heart":        {func(p *body.Person) { p.SetRhythm(body.AtrialFibrillation) }, body.HeartRate, 20, 60},
		"fibrillation takes pressure":          {func(p *body.Person) { p.SetRhythm(body.AtrialFibrillation) }, body.Systolic, -20, -2},
		"a led vital does not lead its fellow": {func(p *body.Person) { p.Towards(body.Glucose, 120, time.Minute) }, body.Saturation, -1.2, 1.2},
	} {
		t.Run(name, func(t *testing.T) {
			quiet := body.New(body.Config{Age: 50}, 5, noon)
			moved := body.New(body.Config{Age: 50}, 5, noon)
			c.cause(moved)
			mean(quiet, c.vital, 25*time.Minute)
			mean(moved, c.vital, 25*time.Minute)
			if d := mean(moved, c.vital, 5*time.Minute) - mean(quiet, c.vital, 5*time.Minute); d < c.low || d > c.top {
				t.Errorf("%s changed by %.1f %s, want %g to %g", c.vital, d, c.vital.Unit(), c.low, c.top)
			}
		})
	}
}

func TestStoryLeadsAndReleases(t *testing.T) {
	p := body.New(body.Config{Age: 60}, 3, noon)
	before := mean(p, body.Saturation, 2*time.Minute)
	p.Towards(body.Saturation, 85, 3*time.Minute)
	p.Live(p.Now().Add(4 * time.Minute))
	if got := mean(p, body.Saturation, time.Minute); math.Abs(got-85) > 1 {
		t.Errorf("led to 85 %%, is at %.1f", got)
	}
	p.Release(2 * time.Minute)
	p.Live(p.Now().Add(5 * time.Minute))
	if got := mean(p, body.Saturation, 2*time.Minute); math.Abs(got-before) > 1.5 {
		t.Errorf("released to %.1f, want %.1f again", got, before)
	}
}

func TestMealAndInsulin(t *testing.T) {
	peak := func(p *body.Person) (high float64) {
		for range 4 * 3600 {
			p.Live(p.Now().Add(time.Second))
			high = max(high, p.Value(body.Glucose))
		}
		return high
	}
	ill := body.Config{Age: 30, Conditions: []body.Condition{body.Diabetes}}
	bare, covered, healthy := body.New(ill, 1, noon), body.New(ill, 1, noon), body.New(body.Config{Age: 30}, 1, noon)
	for _, p := range []*body.Person{bare, covered, healthy} {
		p.Eat(60)
	}
	covered.Inject(6)
	b, c, h := peak(bare), peak(covered), peak(healthy)
	if b < 220 || b > 420 {
		t.Errorf("60 g without insulin peak at %.0f mg/dL, want 220 to 420", b)
	}
	if c > b-30 || covered.Value(body.Glucose) > 200 {
		t.Errorf("6 units change the peak from %.0f to %.0f and end at %.0f", b, c, covered.Value(body.Glucose))
	}
	if h > 165 {
		t.Errorf("a healthy person peaks at %.0f mg/dL", h)
	}
}

// peaks counts the samples above a level that are local maxima.
func peaks(x []float64, level float64, apart int) (at []int) {
	for i := 1; i+1 < len(x); i++ {
		if x[i] > level && x[i] >= x[i-1] && x[i] > x[i+1] && (len(at) == 0 || i-at[len(at)-1] > apart) {
			at = append(at, i)
		}
	}
	return at
}

func TestElectrocardiogramShowsTheBeats(t *testing.T) {
	p := body.New(body.Config{Age: 40}, 11, noon)
	start := p.Now()
	var wave []float64
	block := make([]float64, 100)
	for range 150 { // a minute
		p.Waves.ECG(block, body.LeadII, start.Add(time.Duration(len(wave))*4*time.Millisecond), 250)
		wave = append(wave, block...)
		p.Live(start.Add(time.Duration(len(wave)) * 4 * time.Millisecond))
	}
	got := peaks(wave, 0.55, 60)
	if rate := p.Value(body.HeartRate); math.Abs(float64(len(got))-rate) > 6 {
		t.Errorf("%d R peaks in a minute at %.0f /min", len(got), rate)
	}
	for _, x := range wave {
		if math.Abs(x) > 3 {
			t.Fatalf("%g mV", x)
		}
	}
}

// spread returns the coefficient of variation of the intervals of a minute.
func spread(p *body.Person) float64 {
	p.Live(p.Now().Add(2 * time.Minute))
	from := p.Now()
	var at []vigil.Instant
	for range 60 {
		at = append(at, p.Waves.Beats(vigil.Interval{From: p.Now(), To: p.Now().Add(time.Second)})...)
		p.Live(p.Now().Add(time.Second))
	}
	if len(at) < 30 {
		return math.NaN()
	}
	sum, sq := 0.0, 0.0
	for i := 1; i < len(at); i++ {
		d := at[i].Sub(at[i-1]).Seconds()
		sum += d
		sq += d * d
	}
	n := float64(len(at) - 1)
	m := sum / n
	_ = from
	return math.Sqrt(sq/n-m*m) / m
}

func TestFibrillationIsIrregular(t *testing.T) {
	sinus := spread(body.New(body.Config{Age: 70}, 2, noon))
	af := spread(body.New(body.Config{Age: 70, Rhythm: body.AtrialFibrillation}, 2, noon))
	if !(sinus < 0.06) || !(af > 0.13) {
		t.Errorf("intervals vary by %.3f in sinus rhythm, %.3f in fibrillation", sinus, af)
	}
}

func TestArterialWaveReachesTheStatedPressures(t *testing.T) {
	for _, rate := range []float64{55, 75, 110} {
		p := body.New(body.Config{Age: 60, Baseline: map[body.Vital]float64{body.HeartRate: rate}}, 4, noon)
		p.Live(noon.Add(time.Minute))
		wave := make([]float64, 125*10)
		p.Waves.Pressure(wave, p.Now(), 125)
		low, high := math.Inf(1), math.Inf(-1)
		for _, x := range wave {
			low, high = min(low, x), max(high, x)
		}
		if math.Abs(high-p.Value(body.Systolic)) > 14 || math.Abs(low-p.Value(body.Diastolic)) > 10 {
			t.Errorf("at %g /min the wave runs from %.0f to %.0f, the numbers say %.0f/%.0f",
				rate, low, high, p.Value(body.Systolic), p.Value(body.Diastolic))
		}
	}
}

func TestAsystoleIsZeroAndFlat(t *testing.T) {
	p := body.New(body.Config{}, 9, noon)
	p.Waves.Rate(p.Now())
	p.SetRhythm(body.Asystole)
	for range 20 {
		p.Live(p.Now().Add(time.Second))
		p.Waves.Rate(p.Now())
	}
	if p.Value(body.HeartRate) != 0 || p.Waves.Rate(p.Now()) != 0 {
		t.Errorf("heart rate %g, counted %g", p.Value(body.HeartRate), p.Waves.Rate(p.Now()))
	}
	wave := make([]float64, 250)
	p.Waves.ECG(wave, body.LeadII, p.Now(), 250)
	for _, x := range wave {
		if math.Abs(x) > 0.2 {
			t.Fatalf("%g mV without a beat", x)
		}
	}
}

func BenchmarkBedSecond(b *testing.B) {
	p := body.New(body.Config{}, 1, noon)
	ecg, pleth, resp := make([]float64, 100), make([]float64, 50), make([]float64, 10)
	b.ReportAllocs()
	for b.Loop() {
		p.Live(p.Now().Add(time.Second))
		for i := range 5 {
			at := p.Now().Add(time.Duration(i) * 200 * time.Millisecond)
			p.Waves.ECG(ecg, body.LeadII, at, 250)
			p.Waves.Pleth(pleth, at, 125)
			p.Waves.Breath(resp, at, 25)
		}
	}
}
