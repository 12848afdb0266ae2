package stream

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// crashDir names the folder in which a copy of the test binary appends until it
// is killed.
const crashDir = "VIGIL_STREAM_CRASH_DIR"

// TestChildAppends is no test but the process that TestKilledProcess kills.
func TestChildAppends(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("runs only as the child of TestKilledProcessLosesNothing")
	}
	from, err := strconv.Atoi(os.Getenv(crashDir + "_FROM"))
	if err != nil {
		t.Fatal(err)
	}
	j, err := Open(t.Context(), Config{Dir: dir, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	ms := testMetrics()
	var out sync.Mutex
	var wg sync.WaitGroup
	for a := range 50 {
		wg.Go(func() {
			for n := from; ; n++ {
				if err := put(j, vitals(ms, a, n)); err != nil {
					t.Errorf("append: %v", err)
					return
				}
				out.Lock()
				fmt.Printf("kept %d %d\n", a, n)
				out.Unlock()
			}
		})
	}
	wg.Wait()
}

// TestKilledProcessLosesNothing kills a process with SIGKILL while it appends,
// three times on one folder: everything that it had acknowledged is there, and
// nothing twice.
func TestKilledProcessLosesNothing(t *testing.T) {
	dir := t.TempDir()
	kept := map[string]bool{}
	for run := range 3 {
		killAfter(t, dir, run*1_000_000, 1500, kept)
	}
	j := open(t, dir)
	if d := j.Stats().Damage; len(d) > 0 {
		t.Errorf("damage after a mere kill: %v", d)
	}
	seen := map[string]bool{}
	for p := range j.Partitions() {
		last := map[vigil.Subject]int{}
		for _, f := range all(t, j, p, 0) {
			for _, r := range f.Records {
				n, err := strconv.Atoi(r.Message.ID[1:])
				if err != nil {
					t.Fatal(err)
				}
				if before, ok := last[r.Subject]; ok && n <= before {
					t.Errorf("subject %v: %d after %d", r.Subject.ID, n, before)
				}
				last[r.Subject] = n
				id := key(r.Subject.ID, n)
				if seen[id] {
					t.Errorf("%s is there twice", id)
				}
				seen[id] = true
			}
		}
	}
	for id := range kept {
		if !seen[id] {
			t.Errorf("%s was acknowledged and is gone", id)
		}
	}
	t.Logf("%d acknowledged, %d found", len(kept), len(seen))
}

func key(subject string, n int) string {
	return strings.TrimLeft(subject[len(subject)-12:], "0") + "/" + strconv.Itoa(n)
}

// killAfter runs the child, notes what it says it has kept, and kills it.
func killAfter(t *testing.T, dir string, from, acks int, kept map[string]bool) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestChildAppends$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashDir+"_FROM="+strconv.Itoa(from))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var a, m int
		if _, err := fmt.Sscanf(lines.Text(), "kept %d %d", &a, &m); err != nil {
			continue
		}
		id := strconv.Itoa(a) + "/" + strconv.Itoa(m)
		if a == 0 {
			id = "/" + strconv.Itoa(m) // as key trims it
		}
		kept[id] = true
		if n++; n == acks {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if n < acks {
		t.Fatalf("the child ended by itself after %d acknowledgements", n)
	}
}
