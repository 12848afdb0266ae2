package devices

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
)

// benchProfile is a monitor with six readings in a message of about 210 bytes.
const benchProfile = `
profile: bench
title: Bench
kind: monitor
source: this test
codec: json
time: {path: $.t, format: unix-ms, now: $.now, drift: correct}
number: $.seq
cadence: 1 s
readings:
  - {metric: hr, path: $.hr, unit: /min, code: {loinc: 8867-4}, decimals: 0, valid: [0, 350]}
  - {metric: spo2, path: $.spo2, unit: "%", code: {loinc: 59408-5}, decimals: 0, valid: [0, 100]}
  - {metric: resp, path: $.resp, unit: /min, code: {loinc: 9279-1}, decimals: 0, valid: [0, 150]}
  - {metric: temp, path: $.temp, unit: "[degF]", store: Cel, code: {loinc: 8310-5}, decimals: 1, valid: [0, 50]}
  - {metric: nibp-sys, path: $.nibp.sys, unit: "mm[Hg]", code: {loinc: 8480-6}, decimals: 0, valid: [0, 300]}
  - {metric: nibp-dia, path: $.nibp.dia, unit: "mm[Hg]", code: {loinc: 8462-4}, decimals: 0, valid: [0, 300]}
states:
  - {when: $.probe == "off", says: sensor-off, absent: [spo2]}
examples:
  - name: all
    payload: {"t": 1700000000000, "seq": 12345, "device": "bedside-monitor-0042", "firmware": "2.4.1", "hr": 72, "spo2": 97, "resp": 14, "temp": 98.6, "nibp": {"sys": 122, "dia": 78}, "probe": "ok", "battery": 88, "location": "4 East 07"}
    want: {hr: 72 /min, spo2: 97 %, resp: 14 /min, temp: 37.0 Cel, nibp-sys: "122 mm[Hg]", nibp-dia: "78 mm[Hg]"}
  - name: none
    payload: {"x": 1}
    refuse: none of this profile's fields found
`

// parse reads a profile that has no problems.
func parse(t testing.TB, text string) *Profile {
	t.Helper()
	p, problems := Parse("-.yaml", []byte(text))
	for _, problem := range problems {
		t.Error(problem)
	}
	if p == nil {
		t.FailNow()
	}
	return p
}

func BenchmarkDecode(b *testing.B) {
	p := parse(b, benchProfile)
	payload := p.Examples[0].Message()
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	var d Decoded
	for b.Loop() {
		p.Decode(&d, "", payload)
		if len(d.Readings) != 6 {
			b.Fatal(d.Refusals)
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	p := parse(t, benchProfile)
	payload := p.Examples[0].Message()
	var d Decoded
	if n := testing.AllocsPerRun(200, func() { p.Decode(&d, "", payload) }); n > 2 {
		t.Errorf("%v allocations for a message of six readings", n)
	}
	if d.Readings[0].KeyKind != vigil.KeyNumber || d.Readings[0].Key != 12345 {
		t.Errorf("identity %v %v", d.Readings[0].KeyKind, d.Readings[0].Key)
	}
}

// decode reads one message of a profile.
func decode(t *testing.T, p *Profile, payload string) Tried {
	t.Helper()
	return Try(p, "", []byte(payload))
}

// profileWith returns a profile with a body.
func profileWith(t *testing.T, body string) *Profile {
	t.Helper()
	return parse(t, "profile: x\ntitle: X\nkind: other\nsource: this test\ncodec: json\n"+body+
		"examples:\n  - {name: none, payload: {\"zzz\": 1}, refuse: none of this profile's fields found}\n")
}

// says puts what was read into one line.
func says(r Tried) string {
	var b strings.Builder
	for _, part := range r.Readings {
		b.WriteString(part.Name + " " + part.Text + "; ")
	}
	for _, part := range r.Waves {
		b.WriteString("wave " + part.Name + " " + part.Text + "; ")
	}
	for _, part := range r.Events {
		b.WriteString("event " + part.Name + " " + part.Text + "; ")
	}
	for _, refusal := range r.Refusals {
		b.WriteString("refused " + refusal.Error() + "; ")
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func TestValuesAreJudged(t *testing.T) {
	p := profileWith(t, `
readings:
  - {metric: glucose, path: $.g, unit: mg/dL, decimals: 0, valid: [10, 700], specials: {HI: above 600 mg/dL, LO: below 20 mg/dL, 0: not-measured, 999: nothing}}
  - {metric: temp, path: $.t, unit: "[degF]", store: Cel, valid: [20, 50]}
  - {metric: raw, path: $.r, unit: mV, scale: 0.1, offset: -5}
  - {metric: on, path: $.on, unit: "1", words: {"yes": 1, "true": 1, "false": 0}}
  - {metric: quoted, path: $.q, unit: kg, quoted: true}
  - {metric: must, path: $.m, unit: kg, required: true}
states:
  - {when: $.off, says: sensor-off, absent: [glucose, temp]}
`)
	for payload, want := range map[string]string{
		`{"m":1,"g":100}`:             "glucose 100 mg/dL; must 1 kg",
		`{"m":1,"g":99.7}`:            "glucose 100 mg/dL; must 1 kg",
		`{"m":1,"g":"HI"}`:            "glucose > 600 mg/dL; must 1 kg",
		`{"m":1,"g":"LO"}`:            "glucose < 20 mg/dL; must 1 kg",
		`{"m":1,"g":0}`:               "glucose absent not-measured; must 1 kg",
		`{"m":1,"g":999}`:             "must 1 kg",
		`{"m":1,"g":9}`:               "glucose implausible 9 mg/dL; must 1 kg",
		`{"m":1,"g":"HIGH"}`:          "must 1 kg; refused $.g: not a number",
		`{"m":1,"g":null}`:            "must 1 kg",
		`{"m":1,"g":1e400}`:           "must 1 kg; refused $.g: number out of range",
		`{"m":1,"g":{"v":1}}`:         "must 1 kg; refused $.g: not a number",
		`{"m":1,"t":98.6}`:            "temp 37.0 Cel; must 1 kg",
		`{"m":1,"t":986}`:             "temp implausible 530 Cel; must 1 kg",
		`{"m":1,"r":123}`:             "raw 7.3 mV; must 1 kg",
		`{"m":1,"on":true}`:           "on 1; must 1 kg",
		`{"m":1,"on":"yes"}`:          "on 1; must 1 kg",
		`{"m":1,"on":"no"}`:           "must 1 kg; refused $.on: not a number",
		`{"m":1,"q":"81.40"}`:         "quoted 81.40 kg; must 1 kg",
		`{"m":1,"q":"0x10"}`:          "must 1 kg; refused $.q: not a number",
		`{"m":1,"off":true,"g":100}`:  "glucose absent sensor-off; temp absent sensor-off; must 1 kg",
		`{"m":1,"off":1}`:             "glucose absent sensor-off; temp absent sensor-off; must 1 kg",
		`{"m":1,"off":false,"g":100}`: "glucose 100 mg/dL; must 1 kg",
		`{"g":100}`:                   "glucose 100 mg/dL; refused $.m: missing",
		`{"m":-0.0}`:                  "must 0.0 kg",
		`{"m":1,"g":NaN}`:             "refused line 1 column 12: not a JSON value",
		`{"m":1,`:                     "refused line 1 column 8: text ends inside an object",
		"{\n \"m\": 1,\n \"m\": 2}":   `refused line 3 column 2: the name "m" is there twice`,
		``:                            "refused line 1 column 1: text ends where a value should be",
		strings.Repeat("[", 100_000):  "refused line 1 column 33: more than 32 arrays and objects within each other",
		`[]`:                          "refused $.m: missing",
		`{"m":1,"g":` + strings.Repeat("1", 400) + `}`: "must 1 kg; refused $.g: number out of range",
	} {
		if got := says(decode(t, p, payload)); got != want {
			t.Errorf("%.60s gives\n  %s, want\n  %s", payload, got, want)
		}
	}
}

func TestTimeAndIdentity(t *testing.T) {
	p := profileWith(t, `
each: $.list[*]
time: {path: .t, format: unix-ms, now: $.now, drift: correct}
number: .n
correction: .fix
patient: $.who
readings:
  - {metric: hr, path: .hr, unit: /min}
  - {metric: battery, path: $.b, unit: "%"}
`)
	var d Decoded
	p.Decode(&d, "", []byte(`{"now": 1700000001000, "who": "P1", "b": 50, "list": [
		{"t": 1700000000123, "hr": 60}, {"t": 1700000000123, "n": 7, "hr": 61, "fix": true}, {"hr": 62}, {"t": 0.5, "n": "a-uuid", "hr": 63}]}`))
	if len(d.Readings) != 5 || len(d.Refusals) != 0 {
		t.Fatal(says(d.Tried()))
	}
	at := vigil.Instant(1700000000123000)
	for i, want := range []vigil.Reading{
		{KeyKind: vigil.KeyPosition}, {KeyKind: vigil.KeyTime, Key: uint64(at), Stated: at},
		{KeyKind: vigil.KeyNumber, Key: 7, Stated: at, Correction: true},
		{KeyKind: vigil.KeyPosition}, {KeyKind: vigil.KeyNumber, Key: hash([]byte("a-uuid")), Stated: 500},
	} {
		r := d.Readings[i]
		if r.KeyKind != want.KeyKind || r.Key != want.Key || r.Stated != want.Stated || r.Correction != want.Correction {
			t.Errorf("reading %d: %+v, want %+v", i, r, want)
		}
	}
	if d.Now != 1700000001000000 || d.Patient != "P1" || p.Clock() != ClockCorrect {
		t.Errorf("now %v, patient %q, clock %v", d.Now, d.Patient, p.Clock())
	}
	for payload, want := range map[string]string{
		`{"list": [{"t": "x", "hr": 1}, {"hr": 2}]}`:         "hr 2 /min; refused $.list[0].t: not a time in unix-ms",
		`{"list": [{"t": 1e30, "hr": 1}]}`:                   "refused $.list[0].t: not a time in unix-ms",
		`{"list": [{"n": true, "hr": 1}]}`:                   "refused $.list[0].n: not a record number",
		`{"list": [{"x": 1}, {"hr": 2}]}`:                    "hr 2 /min; refused $.list[0]: none of this profile's fields found",
		`{"list": []}`:                                       "",
		`{"who": {}, "list": [{"hr": 2}]}`:                   "refused $.who: not an identity",
		`{"now": "then", "list": [{"hr": 2}]}`:               "hr 2 /min; refused $.now: not a time in unix-ms",
		`{"list": [{"t": null, "hr": 2, "fix": "perhaps"}]}`: "refused $.list[0].fix: neither true nor false",
	} {
		if got := says(decode(t, p, payload)); got != want {
			t.Errorf("%s gives\n  %s, want\n  %s", payload, got, want)
		}
	}
}

func TestManyRefusalsAreCounted(t *testing.T) {
	p := profileWith(t, "each: $.list[*]\nreadings:\n  - {metric: hr, path: .hr, unit: /min}\n")
	got := decode(t, p, `{"list": [`+strings.Repeat(`{},`, 200_000)+`{"hr": 1}]}`)
	if n := len(got.Refusals); n != maxRefusals+1 || got.Refusals[n-1].Reason != "and 199968 more parts" || len(got.Readings) != 1 {
		t.Errorf("%d readings, %d refusals, the last %v", len(got.Readings), n, got.Refusals[n-1])
	}
}

// TestTheGuideIsRight checks the example of docs/guide/add-a-device.md.
func TestTheGuideIsRight(t *testing.T) {
	guide, err := os.ReadFile("../docs/guide/add-a-device.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(guide), "```yaml\n")
	text, _, end := strings.Cut(text, "```")
	if !ok || !end {
		t.Fatal("the guide has no profile")
	}
	for _, problem := range parse(t, text).Check() {
		t.Error(problem)
	}
}

func TestTimeFormats(t *testing.T) {
	for _, c := range []struct{ format, zone, text, want string }{
		{"unix-s", "", "1700000000.25", "2023-11-14T22:13:20.25Z"},
		{"unix-us", "", "1700000000123456", "2023-11-14T22:13:20.123456Z"},
		{"rfc3339", "", `"2023-11-14T23:13:20+01:00"`, "2023-11-14T22:13:20Z"},
		{"rfc3339", "Europe/Berlin", `"2023-11-14T23:13:20"`, "2023-11-14T22:13:20Z"},
		{"YYYY-MM-DD hh:mm:ss", "America/New_York", `"2023-11-14 17:13:20"`, "2023-11-14T22:13:20Z"},
		{"DD.MM.YYYY hh:mm", "", `"14.11.2023 22:13"`, "2023-11-14T22:13:00Z"},
		{"M/D/YYYY h12:mm:ss AM", "", `"11/14/2023 10:13:20 PM"`, "2023-11-14T22:13:20Z"},
		{"YYYYMMDDhhmmss", "", `"20231114221320"`, "2023-11-14T22:13:20Z"},
		{"unix-ms", "", `"1700000000000"`, ""},
		{"unix-ms", "", "-99999999999999999", ""},
		{"rfc3339", "", `"2023-13-14T23:13:20Z"`, ""},
	} {
		f, err := parseTimeFormat(c.format, c.zone)
		if err != nil {
			t.Fatal(err)
		}
		var d Decoded
		if err := d.doc.Parse([]byte(c.text)); err != nil {
			t.Fatal(err)
		}
		at, ok := f.read(&d.doc, 0)
		if ok != (c.want != "") || ok && at.String() != c.want {
			t.Errorf("%s in %s = %v, want %s", c.text, c.format, at, c.want)
		}
	}
}

func TestWaves(t *testing.T) {
	p := profileWith(t, `
waves:
  - {metric: pleth, path: $.p, rate: 1000/3 /s, gain: 0.5, offset: 1, unit: "1"}
  - {metric: ecg-i, path: $.e, rate: {path: $.rate}, gain: {path: $.gain}, unit: mV, code: {mdc: 131329}}
  - {metric: abp, path: $.a, rate: 10 /s, gain: 0.1, physical: true, unit: "mm[Hg]"}
states:
  - {when: $.off, says: leads-off, absent: [ecg-i]}
`)
	for payload, want := range map[string]string{
		`{"p": [0, -2, null]}`: "wave pleth [1 0 -] at 333.333333 /s",
		`{"p": []}`:            "",
		`{"p": "AQD//wCA"}`:    "wave pleth [1.5 0.5 -16383] at 333.333333 /s",
		`{"p": "AQD/"}`:        "refused $.p: neither a list of samples nor 16-bit samples in base64",
		`{"p": 7}`:             "refused $.p: not a list of samples",
		`{"p": [1.5]}`:         "refused $.p[0]: not a whole number",
		`{"p": [-2147483648]}`: "refused $.p[0]: number out of range",
		`{"e": [200], "rate": 62.5, "gain": 0.005}`: "wave ecg-i [1] mV at 62.5 /s",
		`{"e": [200], "rate": "1000/3"}`:            "wave ecg-i [200] mV at 333.333333 /s",
		`{"e": [200], "rate": 0}`:                   "refused $.rate: not a rate",
		`{"e": [200], "rate": 1, "gain": 0}`:        "refused $.gain: not a number",
		`{"e": [200]}`:                              "refused $.rate: missing",
		`{"e": [200], "rate": 250, "off": true}`:    "wave ecg-i absent leads-off [200] mV at 250 /s",
		`{"a": [80.04, 120, 79.96]}`:                "wave abp [80 120 80] mm[Hg] at 10 /s",
		`{"p": [1,1,1,1,1,1,1,1,1,1,1,1,1]}`:        "wave pleth 13 samples at 333.333333 /s",
	} {
		if got := says(decode(t, p, payload)); got != want {
			t.Errorf("%s gives\n  %s, want\n  %s", payload, got, want)
		}
	}
	var d Decoded
	p.Decode(&d, "", []byte(`{"e": [1], "rate": 360}`))
	first := d.Waves[0].Metric
	p.Decode(&d, "", []byte(`{"e": [1], "rate": 360.0}`))
	if d.Waves[0].Metric != first || !first.IsWave() {
		t.Error("the same rate made another metric")
	}
	for rate := range 200 {
		p.Decode(&d, "", fmt.Appendf(nil, `{"e": [1], "rate": %d}`, rate+1))
	}
	if len(d.Refusals) != 1 {
		t.Error("a device can make metrics without end")
	}
}

func TestDecodedBelongsToWhoTakesIt(t *testing.T) {
	p := profileWith(t, `
patient: $.who
waves:
  - {metric: pleth, path: $.p, rate: 75 /s, unit: "1"}
events:
  - {event: fall, path: $.fall, title: Fall, data: {at: $.fall}}
`)
	var d Decoded
	p.Decode(&d, "", []byte(`{"who": "A", "p": [1, 2], "fall": "kitchen"}`))
	samples, data, who := d.Waves[0].Samples, d.Events[0].Data, d.Patient
	p.Decode(&d, "", []byte(`{"who": "B", "p": [8, 9], "fall": "cellar"}`))
	if samples[0] != 1 || string(data) != `{"at":"kitchen"}` || who != "A" {
		t.Errorf("the next message changed %v %s %s", samples, data, who)
	}
}

func TestAPanicIsARefusal(t *testing.T) {
	p := profileWith(t, "readings:\n  - {metric: hr, path: $.hr, unit: /min}\n")
	p.groups[0].readings[0].metric = nil
	p.groups[0].readings[0].path = nil
	if got := says(decode(t, p, `{"hr": 1}`)); got != "refused this message made the decoder fail" {
		t.Error(got)
	}
}

// FuzzDecode gives every built-in profile any bytes. What comes out must be
// whole: something, or a refusal.
func FuzzDecode(f *testing.F) {
	c, problems := Load("")
	if len(problems) > 0 {
		f.Fatal(problems)
	}
	profiles := c.Profiles()
	for i, p := range profiles {
		for _, e := range p.Examples {
			f.Add(i, e.Channel, e.Message())
		}
	}
	f.Fuzz(func(t *testing.T, which int, channel string, payload []byte) {
		p := profiles[uint(which)%uint(len(profiles))]
		var d Decoded
		p.Decode(&d, channel, payload)
		for i := range d.Readings {
			r := &d.Readings[i]
			if r.Metric == nil || math.IsNaN(r.Value) || math.IsInf(r.Value, 0) || r.Decimals < 0 || r.Taken != 0 {
				t.Fatalf("%s: %+v", p.Name, r)
			}
			if r.Quality.State() != vigil.NoState && r.Value != 0 {
				t.Fatalf("%s: a state with a value: %+v", p.Name, r)
			}
		}
		for i := range d.Waves {
			if w := &d.Waves[i]; !w.Metric.IsWave() || len(w.Samples) == 0 || w.Gain == 0 {
				t.Fatalf("%s: %+v", p.Name, w)
			}
		}
		for i := range d.Events {
			if e := &d.Events[i]; e.Data != nil && !json.Valid(e.Data) {
				t.Fatalf("%s: %s", p.Name, e.Data)
			}
		}
		for i := range d.Refusals {
			if d.Refusals[i].Reason == "this message made the decoder fail" {
				t.Fatalf("%s panics on %q", p.Name, payload)
			}
		}
	})
}

func TestConversionsKeepWhatWasMeant(t *testing.T) {
	p := profileWith(t, "readings:\n  - {metric: temp, path: $.t, unit: \"[degF]\", store: Cel}\n")
	rapid.Check(t, func(rt *rapid.T) {
		tenths := rapid.IntRange(700, 1130).Draw(rt, "tenths")
		var d Decoded
		p.Decode(&d, "", fmt.Appendf(nil, `{"t": %d.%d}`, tenths/10, tenths%10))
		want := (float64(tenths)/10 - 32) / 1.8
		if r := d.Readings[0]; r.Decimals != 1 || math.Abs(r.Value-want) > 0.0500001 || round(r.Value, 1) != r.Value {
			rt.Fatalf("%d tenths of a degree became %v with %d decimals", tenths, r.Value, r.Decimals)
		}
	})
}
