package ingest

import (
	"fmt"
	"testing"
)

// TestSlabRunsAreApart fails when a run is cut without its capacity: what its
// owner appends would then write over the next one.
func TestSlabRunsAreApart(t *testing.T) {
	var s slab[string]
	var runs [][]string
	for i := range 3 * slabSize {
		n := i % 7
		run := s.take(n)
		if len(run) != 0 || cap(run) != n {
			t.Fatalf("run %d has %d items and room for %d, want none and room for %d", i, len(run), cap(run), n)
		}
		for k := range n + 1 { // one more than was asked for
			run = append(run, fmt.Sprint(i, k))
		}
		runs = append(runs, run)
	}
	for i, run := range runs {
		for k, got := range run {
			if want := fmt.Sprint(i, k); got != want {
				t.Fatalf("item %d of run %d is %q, want %q", k, i, got, want)
			}
		}
	}
	if run := s.take(10 * slabSize); cap(run) != 10*slabSize {
		t.Errorf("a run of %d items has room for %d", 10*slabSize, cap(run))
	}
}
