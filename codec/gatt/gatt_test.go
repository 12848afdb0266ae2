package gatt

import (
	"encoding/binary"
	"encoding/json"
	"testing"
)

// The numbers are the test vectors of the HL7 Personal Health Device guide,
// page "FLOATs".
func TestNumbers(t *testing.T) {
	for raw, want := range map[uint16]string{
		0x0002: "2", 0xF014: "2.0", 0xE0C8: "2.00", 0x1002: "2e1", 0x2002: "2e2", 0x04D2: "1234", 0x0B2E: "-1234",
		0x07FF: `"NaN"`, 0x0800: `"NRes"`, 0x07FE: `"+INF"`, 0x0802: `"-INF"`, 0x0801: `"reserved"`, 0xF005: "0.5", 0xEFFB: "-0.05",
	} {
		r := reader{rest: binary.LittleEndian.AppendUint16(nil, raw)}
		if got := string(r.sfloat().append(nil)); got != want {
			t.Errorf("SFLOAT %04X = %s, want %s", raw, got, want)
		}
	}
	for raw, want := range map[uint32]string{
		0xFF000014: "2.0", 0xFE0000C8: "2.00", 0x01000002: "2e1", 0x00FFFB2E: "-1234",
		0x007FFFFF: `"NaN"`, 0x00800000: `"NRes"`, 0x007FFFFE: `"+INF"`, 0x00800002: `"-INF"`, 0x00800001: `"reserved"`,
	} {
		r := reader{rest: binary.LittleEndian.AppendUint32(nil, raw)}
		if got := string(r.float().append(nil)); got != want {
			t.Errorf("FLOAT %08X = %s, want %s", raw, got, want)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	for _, c := range []struct {
		characteristic string
		value          []byte
		want           string
	}{
		{"2A37", []byte{0x00, 72}, `{"characteristic":"2a37","heart-rate":72}`},
		{
			"00002a37-0000-1000-8000-00805f9b34fb", []byte{0x1F, 0x2C, 0x01, 0x05, 0x00, 0x00, 0x04, 0x00, 0x02},
			`{"characteristic":"2a37","heart-rate":300,"contact":true,"energy":5,"rr":[1024,512]}`,
		},
		{
			"2a1c", []byte{0x06, 0x6C, 0x01, 0x00, 0xFF, 0xEA, 0x07, 3, 1, 7, 12, 30, 2},
			`{"characteristic":"2a1c","temperature":36.4,"unit":"Cel","time":"2026-03-01 07:12:30","site":2}`,
		},
		{
			"0x2a35", []byte{0x1D, 0x0A, 0x00, 0x07, 0x00, 0x08, 0x00, 0x48, 0x00, 0xFF, 0x06, 0x00},
			`{"characteristic":"2a35","systolic":10,"diastolic":7,"mean":8,"unit":"kPa","pulse":72,"status":6,"moved":false,"cuff-loose":true,"irregular-pulse":true}`,
		},
		{
			"2a18", []byte{0x07, 0x2A, 0x00, 0xEA, 0x07, 3, 1, 0, 5, 0, 0xF6, 0xFF, 0x37, 0xC0, 0x11},
			`{"characteristic":"2a18","number":42,"time":"2026-02-28 23:55:00","glucose":5.5,"unit":"mmol/L","fluid":1,"location":1}`,
		},
		{
			"2a18", []byte{0x08, 0x2A, 0x00, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x00},
			`{"characteristic":"2a18","number":42,"status":32,"too-high":true,"too-low":false}`,
		},
		{
			"2a5f", []byte{0x17, 97, 0, 72, 0, 96, 0, 71, 0, 98, 0, 73, 0, 1, 0, 0x2A, 0xF0},
			`{"characteristic":"2a5f","spo2":97,"pulse":72,"spo2-fast":96,"pulse-fast":71,"spo2-slow":98,"pulse-slow":73,"status":1,"perfusion":4.2}`,
		},
		{
			"2a9d", []byte{0x0D, 0x50, 0x46, 1, 0xFA, 0x00, 0xBC, 0x02},
			`{"characteristic":"2a9d","weight":180.00,"unit":"[lb_av]","user":1,"bmi":25.0,"height":70.0}`,
		},
		{"2a9d", []byte{0x00, 0xFF, 0xFF}, `{"characteristic":"2a9d","weight":"failed","unit":"kg"}`},
	} {
		got, err := AppendJSON(nil, c.characteristic, c.value)
		if err != nil || string(got) != c.want {
			t.Errorf("%s %X gives\n  %s, %v, want\n  %s", c.characteristic, c.value, got, err, c.want)
		}
	}
	for characteristic, value := range map[string][]byte{"2a37": {0x01, 72}, "2a5e": {0, 1, 0, 2, 0, 9}, "2a00": {1}, "": nil} {
		if got, err := AppendJSON(nil, characteristic, value); err == nil {
			t.Errorf("%s %X gives %s", characteristic, value, got)
		}
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add("2a37", []byte{0x1F, 0x2C, 0x01, 0x05, 0x00, 0x00, 0x04})
	f.Add("2a18", []byte{0x07, 0x2A, 0x00, 0xEA, 0x07, 3, 1, 0, 5, 0, 0xF6, 0xFF, 0x37, 0xC0, 0x11})
	f.Add("2a5f", []byte{0xff, 1, 2, 3, 4, 5, 6})
	f.Fuzz(func(t *testing.T, characteristic string, value []byte) {
		got, err := AppendJSON(nil, characteristic, value)
		if err == nil && !json.Valid(got) {
			t.Fatalf("%s %x gives %q", characteristic, value, got)
		}
	})
}
