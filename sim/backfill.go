package sim

import (
	"context"
	"io/fs"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/wire"
)

// A BackfillConfig says which past to invent.
type BackfillConfig struct {
	Plan *Plan
	// Until is where the past ends, and Days how many days of it there are,
	// 14 if 0.
	Until vigil.Instant
	Days  int
	// Scenes limits it to places of these kinds; none means homes and
	// fridges. Beds have no past that is worth telling without waves.
	Kinds []string
}

// Backfill sends the plan's past as historical lines, as fast as the sender
// takes them: glucose every five minutes, daily weights and doses, pressures
// morning and evening, the watch's quarter hours. Stories do not play in the
// past, and waves have none. The same plan and end give the same lines, so that
// a second backfill lands nothing twice.
func Backfill(ctx context.Context, c BackfillConfig, s wire.Sender) error {
	if c.Days == 0 {
		c.Days = 14
	}
	if len(c.Kinds) == 0 {
		c.Kinds = []string{"home", "fridge"}
	}
	past := &Plan{Seed: c.Plan.Seed, Zone: c.Plan.Zone}
	for _, scene := range c.Plan.Scenes {
		if slices.Contains(c.Kinds, scene.Location.Kind) {
			past.Scenes = append(past.Scenes, pastOf(scene))
		}
	}
	from := c.Until.Add(-time.Duration(c.Days) * 24 * time.Hour)
	err := Generate(ctx, past, nil, from, c.Until, historical{s})
	if err != nil {
		return err
	}
	return wire.Flush(ctx, s)
}

// pastOf is a scene without story and waves, in which spot devices are used at
// their usual times.
func pastOf(s Scene) Scene {
	s = WithoutWaves(s)
	s.Story = nil
	for i := range s.Devices {
		s.Devices[i].Every, s.Devices[i].First = 0, 0
	}
	return s
}

// WithoutWaves returns the scene without the devices that send waves, whose
// every second has to be made.
func WithoutWaves(s Scene) Scene {
	waves := []string{"bedside-monitor", "ecg-patch", "ecg-recorder", "pulse-oximeter", "smart-bed"}
	s.Devices = slices.DeleteFunc(slices.Clone(s.Devices), func(d Device) bool { return slices.Contains(waves, d.Profile) })
	return s
}

// historical is an Output that marks lines as a recording.
type historical struct{ s wire.Sender }

// Line marks the line and sends it.
func (h historical) Line(ctx context.Context, _ vigil.Instant, l wire.Line) error {
	l.Historical = true
	return h.s.Send(ctx, l)
}

// HasRecordings is a convenience for callers that look for a folder of WFDB
// records: it returns the first of the names that is there, or "".
func HasRecordings(fsys fs.FS, names ...string) string {
	for _, n := range names {
		if HasRecording(fsys, n) {
			return n
		}
	}
	return ""
}
