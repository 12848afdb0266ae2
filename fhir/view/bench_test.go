package view_test

import (
	"io"
	"testing"
	"time"
)

// BenchmarkRows measures one resource from its bytes to NDJSON.
func BenchmarkRows(b *testing.B) {
	v := compile(b, sample)
	in := parse(b, observations()[0])
	w := v.NDJSON(io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		for r, err := range v.Rows(in, time.Time{}) {
			if err != nil {
				b.Fatal(err)
			}
			if err := w.Write(r); err != nil {
				b.Fatal(err)
			}
		}
	}
}
