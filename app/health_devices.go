package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
)

// maxNamed is how many devices a check names.
const maxNamed = 10

// A named is a device with what is to be said of it.
type named struct {
	id   vigil.DeviceID
	n    int // how bad
	says string
}

// list writes the worst first, and how many more there are.
func list(all []named) string {
	slices.SortFunc(all, func(a, b named) int { return cmp.Or(b.n-a.n, strings.Compare(string(a.id), string(b.id))) })
	var out []string
	for _, d := range all[:min(len(all), maxNamed)] {
		out = append(out, strings.TrimSpace(string(d.id)+" "+d.says))
	}
	if more := len(all) - maxNamed; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, "; ")
}

// devicesWith names the devices of a profile.
func (s *server) devicesWith(profile string) string {
	var all []named
	for _, d := range s.registry.Devices() {
		if d.Profile == profile && d.Revoked == 0 {
			all = append(all, named{id: d.ID})
		}
	}
	return list(all)
}

// checkClocks names the devices whose clocks were wrong in the last hour.
func (s *server) checkClocks(now time.Time) Check {
	var all []named
	for id, d := range s.watch.sightings.recent(vigil.InstantOf(now)) {
		switch behind := d.behind(); {
		case d.suspect > 0:
			all = append(all, named{id, d.suspect, fmt.Sprintf("%s; not believed, the time of arrival stands in (%d messages)", offBy(d.off), d.suspect)})
		case d.moved > 0:
			all = append(all, named{id, d.moved, fmt.Sprintf("%s; corrected by its own now (%d messages)", offBy(d.off), d.moved)})
		case behind > 0:
			all = append(all, named{id, d.run.n, offBy(-behind) + ", it seems: all it says is late by the same time"})
		}
	}
	if len(all) == 0 {
		return good("device clocks", "none is known to be wrong")
	}
	return bad("device clocks", "set the clocks of these devices or of the gateway that stamps their messages; let them use NTP",
		"%d device(s) in the last hour: %s", len(all), list(all))
}

// offBy says how far a clock is off.
func offBy(d time.Duration) string {
	word := "ahead"
	if d < 0 {
		d, word = -d, "behind"
	}
	const day, year = 24 * time.Hour, 365 * 24 * time.Hour
	switch {
	case d >= 2*year:
		return fmt.Sprintf("%d years %s", d/year, word)
	case d >= 2*day:
		return fmt.Sprintf("%d days %s", d/day, word)
	}
	return fmt.Sprintf("%s %s", d.Round(time.Second), word)
}

// checkLate names the devices that brought much old data in the last hour.
func (s *server) checkLate(now time.Time) Check {
	var all []named
	for id, d := range s.watch.sightings.recent(vigil.InstantOf(now)) {
		if d.late >= manyLate && d.behind() == 0 {
			all = append(all, named{id, d.late, fmt.Sprintf("(%d messages, up to %s old)", d.late, d.oldest.Round(time.Minute))})
		}
	}
	if len(all) == 0 {
		return good("late data", "no flood in the last hour")
	}
	return bad("late data", "expected after a device or its gateway was offline: they are stored where they belong; otherwise look at its clock",
		"%d device(s) brought old data in the last hour: %s", len(all), list(all))
}

// checkQuarantine names the devices whose messages wait for a repair.
func (s *server) checkQuarantine(now look) Check {
	then := s.watch.recent.oldest(now)
	grown := now.quarantined - min(now.quarantined, then.quarantined)
	total, full := 0, 0
	var all []named
	for _, d := range s.registry.Devices() {
		n := s.db.QuarantineOpen(d.ID)
		switch {
		case n >= s.c.QuarantineMax:
			full++
			all = append(all, named{d.ID, n, fmt.Sprintf("is full with %d: it is REFUSED until some are repaired or closed", n)})
		case n > 0:
			all = append(all, named{d.ID, n, fmt.Sprint(n)})
		}
		total += n
	}
	if total == 0 {
		return good("quarantine", "empty")
	}
	says := fmt.Sprintf("%d messages were not understood", total)
	if full > 0 {
		says += fmt.Sprintf(", %d device(s) refused", full)
	}
	if grown > 0 {
		says += fmt.Sprintf(", growing by %d in the last minute", grown)
	}
	return bad("quarantine", "`vigil quarantine list` shows why; mend the profile, then `vigil quarantine replay`",
		"%s; by device: %s", says, list(all))
}

// checkTurned names who was turned away in the last hour or two.
func (s *server) checkTurned() Check {
	var all []named
	strangers := 0
	for who, n := range s.watch.turned.recent() {
		if who.reason == wrongID {
			strangers = n
			continue
		}
		all = append(all, named{who.device, n, fmt.Sprintf("%s, %d times", who.reason, n)})
	}
	if len(all)+strangers == 0 {
		return good("refused devices", "none in the last hour")
	}
	says := list(all)
	if strangers > 0 {
		says = strings.TrimPrefix(says+fmt.Sprintf("; ids that nobody registered, %d times", strangers), "; ")
	}
	return bad("refused devices", "`vigil device renew ID` makes a new secret; `vigil device show ID` tells whom a gateway may speak for",
		"in the last hour or two: %s", says)
}

// checkRefused tells how many messages were not kept in the last minute.
func (s *server) checkRefused(now look) Check {
	then := s.watch.recent.oldest(now)
	n := now.refused - min(now.refused, then.refused)
	if n == 0 {
		return good("refused messages", "none in the last minute")
	}
	return bad("refused messages", "none of them was acknowledged; the checks of disk, journal, quarantine and refused devices say why",
		"%d messages were not kept in the last minute", n)
}
