package vigil

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestInstantText compares the text of instants with what package time writes.
func TestInstantText(t *testing.T) {
	same := func(t interface{ Errorf(string, ...any) }, i Instant) {
		if want := i.Time().Format(time.RFC3339Nano); i.String() != want {
			t.Errorf("%d is %s, want %s", i, i, want)
		}
	}
	for _, text := range []string{"2026-11-21T16:50:00Z", "2026-01-02T03:04:05.1Z", "1969-12-31T23:59:59.999999Z", "0000-01-01T00:00:00.5Z", "9999-12-31T23:59:59.999999Z"} {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		same(t, InstantOf(at))
	}
	rapid.Check(t, func(t *rapid.T) {
		i := Instant(rapid.Int64Range(-3e17, 3e17).Draw(t, "instant"))
		if i != 0 {
			same(t, i)
		}
	})
}
