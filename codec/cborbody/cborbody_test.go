package cborbody

import (
	"encoding/hex"
	"encoding/json"
	"testing"
)

// The items are those of RFC 8949, appendix A.
func TestAppendJSON(t *testing.T) {
	for in, want := range map[string]string{
		"00": "0", "1864": "100", "1bffffffffffffffff": "18446744073709551615", "3903e7": "-1000",
		"c249010000000000000000": "18446744073709551616",
		"f93e00":                 "1.5", "fb3ff199999999999a": "1.1", "fa47c35000": "100000", "f97e00": `"NaN"`, "f97c00": `"Infinity"`, "f9fc00": `"-Infinity"`,
		"f4": "false", "f6": "null", "c074323031332d30332d32315432303a30343a30305a": `"2013-03-21T20:04:00Z"`,
		"4401020304": `"AQIDBA=="`, "62c3bc": `"ü"`,
		"8301820203820405": "[1,[2,3],[4,5]]", "a26161016162820203": `{"a":1,"b":[2,3]}`, "a201020304": `{"1":2,"3":4}`,
		"9f018202039f0405ffff": "[1,[2,3],[4,5]]", "80": "[]", "a0": "{}",
	} {
		payload, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := AppendJSON(nil, payload)
		if err != nil || string(got) != want {
			t.Errorf("%s gives %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestAppendJSONRefuses(t *testing.T) {
	for _, in := range []string{"", "ff", "82", "a2616101616102", "a1820102f6", "0000", "62ff", "9f"} {
		payload, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := AppendJSON(nil, payload); err == nil {
			t.Errorf("%s gives %s", in, got)
		}
	}
}

func FuzzAppendJSON(f *testing.F) {
	f.Add([]byte{0xa1, 0x61, 0x61, 0xf9, 0x7e, 0x00})
	f.Add([]byte{0x83, 0x01, 0x82, 0x02, 0x03, 0x40})
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := AppendJSON(nil, payload)
		if err == nil && !json.Valid(got) {
			t.Fatalf("%x gives %q", payload, got)
		}
	})
}
