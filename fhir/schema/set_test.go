package schema

import (
	"testing"
	"time"
)

func TestR4(t *testing.T) {
	start := time.Now()
	s, err := load(r4pack)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("loaded in %v", time.Since(start))
	if got := len(s.Resources()); got != 146 {
		t.Errorf("%d resources", got)
	}
	if got := len(s.AllParams()); got != 1378 {
		t.Errorf("%d parameters", got)
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := load(r4pack); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkField(b *testing.B) {
	t := R4().Type("Observation")
	for b.Loop() {
		t.Field("valueQuantity")
	}
}
