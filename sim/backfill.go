package sim

import (
	"context"
	"slices"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/sim/play"
)

// A BackfillConfig says which past to invent.
type BackfillConfig struct {
	Plan *Plan
	// Until is where the past ends, at the whole hour before it.
	Until vigil.Instant
	Days  int // 14 if 0
}

// Backfill sends the days before now as historical lines, as fast
// as the sender takes them: glucose every five minutes, daily weights and doses,
// pressures morning and evening, the watch's minutes. It is the past of homes
// and fridges: stories do not play in it, and beds, which live by waves, have
// none. The past ends at a whole hour, so that a second backfill in the same
// hour lands nothing twice.
func Backfill(ctx context.Context, c BackfillConfig, s play.Sender) error {
	if c.Days == 0 {
		c.Days = 14
	}
	past := &Plan{Seed: c.Plan.Seed, Zone: c.Plan.Zone}
	for _, scene := range c.Plan.Scenes {
		if scene.Location.Kind != "bed" {
			past.Scenes = append(past.Scenes, pastOf(scene))
		}
	}
	until := vigil.InstantOf(c.Until.Time().Truncate(time.Hour))
	from := until.Add(-time.Duration(c.Days) * 24 * time.Hour)
	if err := Generate(ctx, past, nil, from, until, historical{s}); err != nil {
		return err
	}
	return flush(ctx, s)
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
type historical struct{ s play.Sender }

// Line marks the line and sends it.
func (h historical) Line(ctx context.Context, _ vigil.Instant, l vigil.Message) error {
	l.Historical = true
	return h.s.Send(ctx, l)
}
