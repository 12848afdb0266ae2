package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// A Row is one figure. Targets are those that this project has set itself for
// two cores, and half as good on PostgreSQL; a Target of 0 means that there is
// none.
type Row struct {
	Store  string  `json:"store"` // sqlite or postgres; "" for a server that runs already
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Target float64 `json:"target"`
	Met    bool    `json:"met"`

	least bool // the target must be reached; otherwise it must not be passed
}

// The stores that are measured.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// atLeast makes a row whose value must reach the target.
func atLeast(name string, value float64, unit string, target float64) Row {
	return Row{Name: name, Value: value, Unit: unit, Target: target, least: true}.judged()
}

// atMost makes a row whose value must not pass the target.
func atMost(name string, value float64, unit string, target float64) Row {
	return Row{Name: name, Value: value, Unit: unit, Target: target}.judged()
}

// judged notes whether the target is met.
func (r Row) judged() Row {
	r.Met = r.Target == 0 || r.least && r.Value >= r.Target || !r.least && r.Value <= r.Target
	return r
}

// placed notes in rows which store they are of.
func (b *Bench) placed(rows []Row) []Row {
	for i, r := range rows {
		switch {
		case b.Running != nil:
			continue // what it keeps things in is not known
		case b.DB == "":
			r.Store = SQLite
		default:
			r.Store = Postgres
			if r.least {
				r.Target /= 2
			} else {
				r.Target *= 2
			}
		}
		rows[i] = r.judged()
	}
	return rows
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
	// Postgres is its version and the settings that decide what a commit means.
	Postgres string `json:"postgres,omitempty"`
}

// A Report is a table of figures.
type Report struct {
	Machine Machine `json:"machine"`
	Rows    []Row   `json:"rows"`
}

// A Bench measures a server that it starts itself, or one that runs already.
type Bench struct {
	// Running is a server that runs already; nil starts one for each
	// measurement.
	Running *Server
	// DB is a PostgreSQL on which a database is made for each measurement; ""
	// measures with SQLite.
	DB      string
	Exe     string // the vigil binary
	Vigil   string // its version
	Dir     string // where data folders are made; "" is the folder for temporary files
	Devices int    // how many send at a time; 0 means 1,000
	// Warm is how long a load runs before it is measured, For how long it is
	// measured.
	Warm, For time.Duration
	// Kept is how many million readings are kept for the start with much data.
	Kept int
	// Observations is how many are kept to be searched by FHIR, Bundles a folder
	// of transactions that are loaded; "" loads none.
	Observations int
	Bundles      string
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

// Machine describes this machine, and the PostgreSQL that is measured.
func (b *Bench) Machine(ctx context.Context) (m Machine, err error) {
	m = Machine{Vigil: b.Vigil, Go: runtime.Version(), Time: b.Now().UTC(), Cores: runtime.NumCPU()}
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
	if b.DB != "" {
		m.Postgres, err = describePostgres(ctx, b.DB)
	}
	return m, err
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

// pause waits for a time, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	rest(ctx, d)
	return ctx.Err()
}
