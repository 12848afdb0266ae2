package api

import "testing"

func FuzzPlace(f *testing.F) {
	f.Add(place{series: 3}.text(objectPlace))
	f.Add("AQ")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePlace(text, objectPlace)
		if err != nil || p == nil {
			return
		}
		again, err := parsePlace(p.text(objectPlace), objectPlace)
		if err != nil || *again != *p {
			t.Errorf("%q: %+v read back as %+v (%v)", text, p, again, err)
		}
	})
}
