package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
)

// TestClockJumps lets the clock of a device, or of the gateway that stamps its
// messages, jump a day either way while it reports each second, and jump back.
// Every reading stays, with both times; what is shown as the present value is
// never a day old; and once the clock is right all is as before.
//
// Seen to fail when ingest.settle believes a day ahead, and when a device's own
// now moves nothing.
func TestClockJumps(t *testing.T) {
	const day = 24 * time.Hour
	type kind struct {
		says string
		send func(at, says vigil.Instant, value int) vigil.Message
	}
	own := kind{"the device's time", func(at, says vigil.Instant, value int) vigil.Message {
		return vigil.Message{Device: "d", Arrived: at, Payload: fmt.Appendf(nil, `{"t":%d,"o":%d}`, ms(says), value)}
	}}
	withNow := kind{"the device's time and now", func(at, says vigil.Instant, value int) vigil.Message {
		return vigil.Message{Device: "d", Arrived: at, Payload: fmt.Appendf(nil, `{"t":%d,"now":%d,"o":%d}`, ms(says), ms(says), value)}
	}}
	stamped := kind{"the gateway's stamp", func(at, says vigil.Instant, value int) vigil.Message {
		return vigil.Message{Device: "d", Gateway: "g", Arrived: at, Stated: says, Payload: fmt.Appendf(nil, `{"o":%d}`, value)}
	}}
	for _, c := range []struct {
		kind
		jump    time.Duration
		quality vigil.Quality
		taken   time.Duration // after arrival
		current bool          // what is sent meanwhile is the present value
	}{
		{own, day, vigil.ClockSuspect, 0, true},
		{own, -day, 0, -day, false},
		{withNow, day, vigil.ClockCorrected, 0, true},
		{withNow, -day, vigil.ClockCorrected, 0, true},
		{stamped, day, vigil.ClockSuspect, 0, true},
		{stamped, -day, 0, -day, false},
	} {
		t.Run(fmt.Sprintf("%s by %s", c.says, c.jump), func(t *testing.T) {
			s := newSpine(t, t.TempDir())
			ida := s.patient("Ida")
			s.device("d", ida, vigil.Interval{})
			want := map[int]vigil.Point{}
			at := arrived
			say := func(value int, jump time.Duration, q vigil.Quality, taken time.Duration) {
				at = at.Add(time.Second)
				if err := s.put(c.send(at, at.Add(jump), value)); err != nil {
					t.Fatal(err)
				}
				want[value] = vigil.Point{Taken: at.Add(taken), Arrived: at, Stated: at.Add(jump), Quality: q}
			}
			for i := range 3 {
				say(60+i, 0, 0, 0)
			}
			for i := range 3 {
				say(70+i, c.jump, c.quality, c.taken)
			}
			present := 62
			if c.current {
				present = 72
			}
			s.shows("while the clock is wrong", ida, present)
			for i := range 3 {
				say(80+i, 0, 0, 0)
			}
			s.shows("when it is right again", ida, 82)
			got := s.points(ida, "spo2")
			if len(got) != len(want) {
				t.Errorf("%d readings are kept, want %d", len(got), len(want))
			}
			for _, p := range got {
				w := want[int(p.Value)]
				if p.Taken != w.Taken || p.Arrived != w.Arrived || p.Stated != w.Stated || p.Quality != w.Quality {
					t.Errorf("%g: taken %s arrived %s stated %s %s, want %s %s %s %s", p.Value,
						p.Taken, p.Arrived, p.Stated, p.Quality, w.Taken, w.Arrived, w.Stated, w.Quality)
				}
			}
			s.close()
		})
	}
}

// shows fails unless the present saturation of a subject is a value.
func (s *spine) shows(says string, of vigil.Subject, want int) {
	s.t.Helper()
	list, err := s.db.Series(s.ctx, vigil.SeriesQuery{Subjects: []vigil.Subject{of}, Metrics: []string{"spo2"}})
	if err != nil || len(list) != 1 {
		s.t.Fatalf("%d series, %v", len(list), err)
	}
	latest, err := s.db.Latest(s.ctx, []vigil.SeriesID{list[0].ID})
	if err != nil {
		s.t.Fatal(err)
	}
	if p := latest[list[0].ID]; int(p.Value) != want {
		s.t.Errorf("%s: the present value is %g, want %d", says, p.Value, want)
	}
}

// TestTimesThatComeAgain lets a clock that is set back say times that it said
// before, with other values: nothing is taken for a repeat, both are kept and
// flagged.
//
// Seen to fail when the store takes the same key for a repeat whatever the value.
func TestTimesThatComeAgain(t *testing.T) {
	s := newSpine(t, t.TempDir())
	ida := s.patient("Ida")
	s.device("d", ida, vigil.Interval{})
	for i := range 3 {
		s.say(`{"t":%d,"o":%d}`, ms(taken)+int64(i), 90+i)
	}
	for i := range 3 { // the clock was set back by three
		s.say(`{"t":%d,"o":%d}`, ms(taken)+int64(i), 95+i)
	}
	s.expect("both hours are kept", ida, "spo2",
		"90 conflict v1", "95 conflict v1", "91 conflict v1", "96 conflict v1", "92 conflict v1", "97 conflict v1")
	s.close()
}

// TestDatesThatCannotBe sends the dates that broken clocks say, in the ways in
// which a time can be said: the reading counts from its arrival, says so, and
// keeps what was stated.
//
// Seen to fail when ingest has no earliest time, and when it believes ten
// minutes ahead.
func TestDatesThatCannotBe(t *testing.T) {
	for says, at := range map[string]time.Time{
		"1970":                  time.Unix(12, 0),
		"the end of 1999":       time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC),
		"2038":                  time.Unix(1<<31, 0),
		"2106":                  time.Unix(1<<32-1, 0),
		"ten minutes from now":  arrived.Time().Add(10 * time.Minute),
		"the year 9999":         time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"GPS weeks rolled over": arrived.Time().Add(1024 * 7 * 24 * time.Hour),
	} {
		stated := vigil.InstantOf(at)
		for way, m := range map[string]vigil.Message{
			"in the payload": {Payload: fmt.Appendf(nil, `{"t":%d,"o":97}`, ms(stated))},
			"beside it":      {Payload: []byte(`{"o":97}`), Stated: stated},
		} {
			t.Run(says+" "+way, func(t *testing.T) {
				s := newSpine(t, t.TempDir())
				ida := s.patient("Ida")
				s.device("d", ida, vigil.Interval{})
				m.Device = "d"
				if err := s.put(m); err != nil {
					t.Fatal(err)
				}
				p := s.points(ida, "spo2")
				if len(p) != 1 || p[0].Taken != arrived || p[0].Quality != vigil.ClockSuspect || p[0].Stated != stated {
					t.Errorf("got %+v", p)
				}
				s.close()
			})
		}
	}
}
