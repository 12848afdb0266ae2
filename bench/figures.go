package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// A Row is one figure. Targets are those that this project has set itself for
// two cores; a Target of 0 means that there is none.
type Row struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target float64 `json:"target"`
	Met    bool    `json:"met"`
}

// atLeast makes a row whose value must reach the target.
func atLeast(name string, value float64, unit string, target float64) Row {
	return Row{name, value, unit, target, value >= target}
}

// atMost makes a row whose value must not pass the target.
func atMost(name string, value float64, unit string, target float64) Row {
	return Row{name, value, unit, target, target == 0 || value <= target}
}

// A Machine is where figures were measured.
type Machine struct {
	Vigil   string    `json:"vigil"`
	Go      string    `json:"go"`
	Time    time.Time `json:"time"`
	CPU     string    `json:"cpu"`
	Cores   int       `json:"cores"`
	Memory  uint64    `json:"memory"` // bytes
	Kernel  string    `json:"kernel"`
	SyncP50 float64   `json:"syncMillis"` // of 4 KiB written and synced to the data disk
}

// A Report is a table of figures.
type Report struct {
	Machine Machine `json:"machine"`
	Rows    []Row   `json:"rows"`
}

// A Bench measures a server that it starts itself.
type Bench struct {
	Exe     string // the vigil binary
	Vigil   string // its version
	Dir     string // where data folders are made; "" is the folder for temporary files
	Devices int    // how many send at a time; 0 means 1,000
	// Warm is how long a load runs before it is measured, For how long it is
	// measured.
	Warm, For time.Duration
	// Kept is how many million readings are kept for the start with much data.
	Kept int
	// Profiles is a folder that takes a CPU profile of the server for each
	// load; "" takes none.
	Profiles string
	Now      func() time.Time
	Tell     func(string)
}

// tell tells what is done now.
func (b *Bench) tell(format string, args ...any) {
	if b.Tell != nil {
		b.Tell(fmt.Sprintf(format, args...))
	}
}

// Machine describes this machine.
func (b *Bench) Machine() Machine {
	m := Machine{Vigil: b.Vigil, Go: runtime.Version(), Time: b.Now().UTC(), Cores: runtime.NumCPU()}
	m.CPU = field("/proc/cpuinfo", "model name")
	if text := field("/proc/meminfo", "MemTotal"); text != "" {
		_, _ = fmt.Sscanf(text, "%d kB", &m.Memory)
		m.Memory <<= 10
	}
	var u syscall.Utsname
	if syscall.Uname(&u) == nil {
		for _, c := range u.Release {
			if c == 0 {
				break
			}
			m.Kernel += string(rune(c))
		}
	}
	m.SyncP50 = b.syncTime()
	return m
}

// field returns a field of a file of "name : value" lines.
func field(path, name string) string {
	text, err := os.ReadFile(path) // #nosec G304 -- of the kernel
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// syncTime measures what one synced write of 4 KiB takes, in ms; 0 when it
// cannot be measured.
func (b *Bench) syncTime() float64 {
	dir, err := b.folder()
	if err != nil {
		return 0
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0
	}
	defer f.Close()
	h := newTimes()
	for range 200 {
		begun := time.Now()
		if _, err := f.Write(make([]byte, 4096)); err != nil || f.Sync() != nil {
			return 0
		}
		h.add(time.Since(begun))
	}
	return h.millis(50)
}

// folder makes a folder for the data of one server.
func (b *Bench) folder() (string, error) {
	dir, err := os.MkdirTemp(b.Dir, "vigil-bench-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	return dir, nil
}

// with starts a server in a new folder, lets f measure it, and stops it.
func (b *Bench) with(ctx context.Context, f func(*Server) error, args ...string) error {
	dir, err := b.folder()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	s, err := Start(ctx, Command{Exe: b.Exe, Data: dir, Args: args, Log: os.Stderr})
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Stop())
}

// pause waits for a time, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	rest(ctx, d)
	return ctx.Err()
}
