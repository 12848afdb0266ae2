package devices

import (
	"testing"

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
