package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/bench"
)

// TestPowerLossLosesNothing takes the power away at many moments of one run:
// what is left on the disk, torn where it was not synced, holds every reading
// and wave that had been acknowledged by then.
//
// Seen to fail when stream/server.go leaves out SyncAlways, and when
// stream/blocks.go does not sync the folders of new files.
func TestPowerLossLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many processes")
	}
	if !bench.HaveStrace(t.Context()) {
		t.Skip("strace is not here or may not trace; scripts/setup installs it")
	}
	p := bench.Power{Command: server(t), Cuts: number(t, "VIGIL_POWER_CUTS", 12), For: 2 * time.Second}
	p.Data = filepath.Join(p.Data, "data")
	p.Seed = uint64(number(t, "VIGIL_CRASH_SEED", int(time.Now().UnixNano()&0xffffff))) // #nosec G115 -- small
	p.Tell = func(says string) { t.Log(says) }
	t.Logf("VIGIL_CRASH_SEED=%d", p.Seed)
	r, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	judge(t, &r)
}
