package stream

import (
	"testing"

	"github.com/vigil-iomt/vigil"
)

// TestFrameThatLandsLateCountsOnce: an attempt of unknown outcome lands after
// its repetition and after other frames. Its records are handed on once, to the
// process that wrote them, to another, and to one that starts behind the first.
// Seen to fail when frames are not compared with what was heard before.
func TestFrameThatLandsLateCountsOnce(t *testing.T) {
	s := outside(t, t.TempDir(), -1, true)
	node := func(c *Config) { c.URL, c.Partitions = s.ClientURL(), 1 }
	writer, other := open(t, "", node), open(t, "", node)
	ms := testMetrics()
	for i := range 3 {
		if err := put(writer, vitals(ms, 1, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(other, vitals(ms, 2, 0)); err != nil {
		t.Fatal(err)
	}
	raws, err := writer.fetch(t.Context(), 0, 1, 2)
	if err != nil || len(raws) != 2 {
		t.Fatalf("got %d frames, %v", len(raws), err)
	}
	for _, r := range raws {
		if _, err := writer.js.Publish(t.Context(), frameSubject(0), r.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(writer, vitals(ms, 1, 3)); err != nil {
		t.Fatal(err)
	}
	const frames = 3 + 1 + 2 + 1
	for name, j := range map[string]*Journal{"writer": writer, "other": other, "started later": open(t, "", node)} {
		until(t, "all frames are there", func() bool {
			return vigil.KindOf(j.parts[0].reaches(t.Context(), 1<<40)) == vigil.Conflicting && j.Head(0) == frames
		})
		for after, want := range map[uint64]int{0: 5, 2: 3, 4: 1, 6: 1} {
			got := 0
			for _, f := range all(t, j, 0, after) {
				got += len(f.Records)
			}
			if got != want {
				t.Errorf("%s reads %d records behind frame %d, want %d", name, got, after, want)
			}
		}
	}
}
