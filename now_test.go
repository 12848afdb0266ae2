package vigil

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

func TestPointText(t *testing.T) {
	tests := []struct {
		name     string
		value    float64
		metric   int8
		decimals int8
		quality  Quality
		want     string
	}{
		{"rounds to the metric's digits", 36.65, 1, 2, 0, "36.6"},
		{"keeps trailing zeros that the device meant", 5, 2, 0, 0, "5.00"},
		{"asks the reading when the metric leaves it open", 1.5, -1, 3, 0, "1.500"},
		{"writes as many digits as needed when nobody said", 0.1, -1, -1, 0, "0.1"},
		{"has no minus zero", -0.04, 1, 0, 0, "0.0"},
		{"keeps the minus of a value", -0.06, 1, 0, 0, "-0.1"},
		{"says above", 600, 0, 0, Above, "> 600"},
		{"says below", 20, 0, 0, Below | Implausible, "< 20"},
		{"is empty for a state", 0, 0, 0, Quality(0).With(SensorOff), ""},
		{"writes no exponent", 1e21, 0, 0, 0, "1000000000000000000000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Point{Value: tt.value, Decimals: tt.decimals, Quality: tt.quality}
			if got := p.Text(&Metric{Decimals: tt.metric}); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDecimalsAreThoseOfStrconv writes decimals as devices send them, their
// neighbours among floating-point numbers, and any number at all.
func TestDecimalsAreThoseOfStrconv(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	check := func(v float64) {
		t.Helper()
		for d := int8(-1); d <= 9; d++ {
			want := strconv.FormatFloat(v, 'f', int(d), 64)
			if f := strings.TrimLeft(want, "-0."); f == "" {
				want = strings.TrimPrefix(want, "-")
			}
			if got := string(AppendDecimal(nil, v, d)); got != want {
				t.Fatalf("%x with %d digits: %q, want %q", v, d, got, want)
			}
			if got, ok := AppendExact(nil, v, d); ok {
				if back, err := strconv.ParseFloat(string(got), 64); err != nil || back != v {
					t.Fatalf("%q does not say %x exactly", got, v)
				}
			}
		}
	}
	for _, v := range []float64{0, math.Copysign(0, -1), 1e15, 1e15 - 1, 1e21, 1e-7, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1)} {
		check(v)
	}
	for range 10_000 {
		decimal := float64(rng.Int64N(2e7)-1e7) / []float64{1, 10, 100, 1000, 1e6}[rng.IntN(5)]
		check(decimal)
		check(math.Nextafter(decimal, math.Inf(1)))
		check(math.Float64frombits(rng.Uint64()))
	}
}

func TestReadingNowJSON(t *testing.T) {
	s := Series{
		ID: 12, Subject: PatientSubject("p1"), Device: "d-1", Channel: "left \"1\"",
		Metric: &Metric{Name: "spo2", Unit: "%", Silence: 10_000_000},
	}
	p := Point{Taken: 1_700_000_000_000_000, Arrived: 1_700_000_000_500_000, Value: 97, Version: 2, Quality: ClockCorrected | BestEffort}
	got, err := json.Marshal(s.Now(p))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"series":12,"subject":"patient/p1","device":"d-1","channel":"left \"1\"","metric":"spo2","value":97,"text":"97",` +
		`"unit":"%","decimals":0,"time":"2023-11-14T22:13:20Z","arrived":"2023-11-14T22:13:20.5Z",` +
		`"quality":["clock-corrected","best-effort"],"silenceMs":10000,"version":2}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p.Quality, p.Value = Quality(0).With(LeadsOff), math.NaN()
	r := s.Now(p)
	if r.Value != nil {
		t.Error("a state must not carry a value")
	}
	var back ReadingNow
	if err := json.Unmarshal(r.AppendJSON(nil), &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, r) {
		t.Errorf("read back %+v, want %+v", back, r)
	}
}
