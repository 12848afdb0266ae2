package ingest

import (
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
)

// arrival is when the message of these tests arrives.
var arrival = vigil.InstantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))

func TestSettle(t *testing.T) {
	ago := func(d time.Duration) vigil.Instant { return arrival.Add(-d) }
	for _, c := range []struct {
		says       string
		policy     devices.Clock
		now        vigil.Instant
		stated     vigil.Instant
		historical bool
		want       vigil.Instant
		quality    vigil.Quality
	}{
		{"no time is arrival", devices.ClockTrust, 0, 0, false, arrival, 0},
		{"a clock that does not count", devices.ClockIgnore, 0, ago(time.Hour), false, arrival, 0},
		{"late is not wrong", devices.ClockCorrect, 0, ago(48 * time.Hour), false, ago(48 * time.Hour), 0},
		{"its own now shows that it is an hour behind", devices.ClockCorrect, ago(time.Hour), ago(61 * time.Minute), false, ago(time.Minute), vigil.ClockCorrected},
		{"and a day ahead", devices.ClockCorrect, ago(-24 * time.Hour), ago(-24*time.Hour + time.Minute), false, ago(time.Minute), vigil.ClockCorrected},
		{"without leave to correct, ahead is suspect", devices.ClockTrust, ago(-24 * time.Hour), ago(-24 * time.Hour), false, arrival, vigil.ClockSuspect},
		{"two seconds are the network", devices.ClockCorrect, ago(2 * time.Second), ago(3 * time.Second), false, ago(3 * time.Second), 0},
		{"five minutes ahead is the edge", devices.ClockTrust, 0, ago(-5 * time.Minute), false, ago(-5 * time.Minute), 0},
		{"beyond it is suspect", devices.ClockTrust, 0, ago(-5*time.Minute - time.Microsecond), false, arrival, vigil.ClockSuspect},
		{"before 2000 is suspect", devices.ClockTrust, 0, earliest - 1, false, arrival, vigil.ClockSuspect},
		{"2000 itself is not", devices.ClockTrust, 0, earliest, false, earliest, 0},
		{"a recording may be older", devices.ClockTrust, 0, earliest - 1, true, earliest - 1, 0},
		{"a recording is not corrected", devices.ClockCorrect, ago(time.Hour), ago(2 * time.Hour), true, ago(2 * time.Hour), 0},
	} {
		clk := clock{message: &vigil.Message{Arrived: arrival, Historical: c.historical}, policy: c.policy, now: c.now}
		got, q := clk.settle(c.stated)
		if got != c.want || q != c.quality {
			t.Errorf("%s: got %s %s, want %s %s", c.says, got, q, c.want, c.quality)
		}
	}
}

func TestIdentity(t *testing.T) {
	at := arrival.Add(-time.Minute)
	for _, c := range []struct {
		says    string
		message vigil.Message
		partial bool
		kind    vigil.KeyKind
		key     uint64
		stated  vigil.Instant
		want    vigil.KeyKind
		wantKey uint64
	}{
		{"the device's number is best", vigil.Message{ID: "m"}, false, vigil.KeyNumber, 7, at, vigil.KeyNumber, 7},
		{"then its time", vigil.Message{ID: "m"}, false, vigil.KeyTime, uint64(at), at, vigil.KeyTime, uint64(at)},
		{"then the time beside the payload", vigil.Message{ID: "m"}, false, vigil.KeyPosition, 0, at, vigil.KeyTime, uint64(at)},
		{"then the message id", vigil.Message{ID: "m"}, false, vigil.KeyPosition, 0, 0, vigil.KeyMessage, 0},
		{"without any, each is its own", vigil.Message{}, false, vigil.KeyPosition, 0, 0, vigil.KeyPosition, 0},
		{"what will be replayed keeps its arrival", vigil.Message{ID: "m"}, true, vigil.KeyPosition, 0, 0, vigil.KeyTime, uint64(arrival)},
		{"and finds it again", vigil.Message{Replay: "q"}, false, vigil.KeyPosition, 0, 0, vigil.KeyTime, uint64(arrival)},
	} {
		c.message.Arrived = arrival
		clk := clock{message: &c.message, partial: c.partial}
		kind, key := clk.identity(c.kind, c.key, c.stated)
		if kind != c.want || key != c.wantKey {
			t.Errorf("%s: got kind %d key %d, want %d %d", c.says, kind, key, c.want, c.wantKey)
		}
	}
}
