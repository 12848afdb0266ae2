package live

import (
	"slices"
	"testing"
	"time"
)

func FuzzCursor(f *testing.F) {
	good := cursor{at: time.Unix(1_700_000_000, 0), positions: []uint64{1, 1<<63 + 5, 0}}
	f.Add(good.text(7))
	f.Add("")
	f.Add("AQcAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text, 7, 3)
		if err != nil {
			return
		}
		again, err := parseCursor(c.text(7), 7, 3)
		if err != nil || !again.at.Equal(c.at) || !slices.Equal(again.positions, c.positions) {
			t.Errorf("%q: %v read back as %v (%v)", text, c, again, err)
		}
	})
}

func TestCursorsOfOthersAreRefused(t *testing.T) {
	text := cursor{at: time.Unix(1_700_000_000, 0), positions: []uint64{1, 2, 3}}.text(epochOf("a", 3))
	if _, err := parseCursor(text, epochOf("a", 3), 3); err != nil {
		t.Error(err)
	}
	if _, err := parseCursor(text, epochOf("b", 3), 3); err == nil {
		t.Error("another installation took it")
	}
	if _, err := parseCursor(text, epochOf("a", 3), 4); err == nil {
		t.Error("another number of partitions took it")
	}
}
