package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/bench"
)

// TestKilledServerLosesNothing kills the whole server with SIGKILL again and
// again while devices send over MQTT and HTTP: every acknowledged reading and
// wave is there afterwards, and once. VIGIL_CRASH_RUNS says how often; the seed
// of a failure goes into VIGIL_CRASH_SEED.
//
// Seen to fail when stream answers before the frame is written: in write, the
// parcels handed to acks before p.publish.
func TestKilledServerLosesNothing(t *testing.T) { crash(t, "") }

// TestKilledServerLosesNothingOnPostgres does so while the server keeps
// everything but its journal in a PostgreSQL, which goes on.
func TestKilledServerLosesNothingOnPostgres(t *testing.T) {
	dsn := os.Getenv("VIGIL_TEST_POSTGRES")
	if dsn == "" {
		t.Skip("VIGIL_TEST_POSTGRES is not set: there is no PostgreSQL to try")
	}
	crash(t, dsn)
}

// crash kills a server over and over.
func crash(t *testing.T, dsn string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts many processes")
	}
	c := bench.Crash{Command: server(t), DB: dsn, Runs: number(t, "VIGIL_CRASH_RUNS", 5)}
	c.Seed = uint64(number(t, "VIGIL_CRASH_SEED", int(time.Now().UnixNano()&0xffffff))) // #nosec G115 -- small
	c.Tell = func(says string) { t.Log(says) }
	t.Logf("VIGIL_CRASH_SEED=%d", c.Seed)
	r, err := c.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	judge(t, &r)
}

// judge fails the test for every fault of a report.
func judge(t *testing.T, r *bench.CrashReport) {
	t.Helper()
	t.Logf("%d messages acknowledged, %d sent and not acknowledged, %d readings and %d wave blocks read back",
		r.Acked, r.Unknown, r.Readings, r.Blocks)
	if r.Acked == 0 {
		t.Error("nothing was acknowledged; this proves nothing")
	}
	for _, list := range [][]string{r.Missing, r.Doubled, r.Wrong} {
		for _, fault := range list {
			t.Error(fault)
		}
	}
	if r.Faults > 0 {
		t.Errorf("%d faults", r.Faults)
	}
}

// server says how to start this test binary as vigil serve, in a folder of the
// test.
func server(t *testing.T) bench.Command {
	t.Helper()
	exe, err := exec.LookPath("vigil") // TestMain put it there
	if err != nil {
		t.Fatal(err)
	}
	dir, err := bench.Scratch() // t.TempDir is too long for the path of a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the data folder is kept: %s", dir)
			return
		}
		_ = os.RemoveAll(dir)
	})
	var log strings.Builder
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the server says:\n%s", log.String())
		}
	})
	return bench.Command{Exe: exe, Data: dir, Log: &log}
}

// number reads a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text, ok := os.LookupEnv(name)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
