package app

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vigil-iomt/vigil/api"
	"github.com/vigil-iomt/vigil/devices"
)

// Check is what health and Diagnose report.
type Check = api.Check

// good and bad make checks.
func good(name, format string, args ...any) Check {
	return Check{Name: name, OK: true, Detail: fmt.Sprintf(format, args...)}
}

func bad(name, advice, format string, args ...any) Check {
	return Check{Name: name, Detail: fmt.Sprintf(format, args...), Advice: advice}
}

// health checks the running server.
func (s *server) health(ctx context.Context) []Check {
	now := s.look(time.Now())
	return []Check{
		s.checkConsumers(now), s.poison.check(now.at), s.checkJournal(), s.checkCluster(ctx), s.checkFlow(now), s.checkDamage(), s.checkRetention(), s.checkStore(ctx),
		checkFolder(s.c.Data), checkDisk(s.c.Data, s.c.MinFree), s.watch.check(), s.checkClocks(now.at), s.checkLate(now.at),
		s.checkProfiles(), s.checkQuarantine(now), s.checkTurned(), s.checkRefused(now), checkVersion(),
	}
}

// checkJournal tells how the journal is.
func (s *server) checkJournal() Check {
	st := s.journal.Stats()
	switch err := s.journalError(); {
	case st.Full:
		return bad("journal", "make room: messages are refused until there is", "the disk is nearly full, %s free", bytesText(st.Free))
	case err != nil:
		return bad("journal", "nothing can be acknowledged until this is mended; look at "+s.journalPlace(), "last write failed: %v", err)
	case !st.SyncVerified:
		return bad("journal", "name the monitoring addresses of the cluster, so that this can be checked", "nobody knows whether the cluster syncs every write")
	}
	frames := uint64(0)
	for _, p := range st.Partitions {
		frames += p.Head - min(p.Head, p.First-min(p.First, 1))
	}
	return good("journal", "%d frames, %s, %d partitions, every write synced", frames, bytesText(s.journal.Bytes()), len(st.Partitions))
}

// journalPlace names where the journal is, for people who have to mend it.
func (s *server) journalPlace() string {
	if s.c.NATS != "" {
		return "the NATS servers"
	}
	return "the disk"
}

// maxLost is how many losses are spelled out.
const maxLost = 20

// checkDamage names what was synced to the journal and no longer reads: whose it
// was, and from when to when. The rest of the server goes on.
func (s *server) checkDamage() Check {
	damage := s.journal.Stats().Damage
	if len(damage) == 0 {
		return good("journal damage", "none")
	}
	var lost []string
	for _, d := range damage {
		for _, l := range d.Lost {
			whose := l.Subject.String()
			if whose == "" {
				whose = "nobody in particular"
			}
			lost = append(lost, fmt.Sprintf("%d record(s) of %s from %s to %s", l.Records, whose, l.During.From, l.During.To))
		}
	}
	if len(lost) > maxLost {
		lost = append(lost[:maxLost], fmt.Sprintf("and %d more", len(lost)-maxLost))
	}
	return bad("journal damage", "send these intervals again from the devices, or restore a backup",
		"%d stretch(es) no longer read, first: %v. %s", len(damage), damage[0], strings.Join(lost, "; "))
}

// journalError returns why some partition cannot be written now.
func (s *server) journalError() error {
	for _, p := range s.journal.Stats().Partitions {
		if p.Err != nil {
			return p.Err
		}
	}
	return nil
}

// storeLimit is how long the store may take for something small.
const storeLimit = 5 * time.Second

// checkStore asks the store for something small.
func (s *server) checkStore(ctx context.Context) Check {
	ctx, cancel := context.WithTimeout(ctx, storeLimit)
	defer cancel()
	if _, err := s.db.Documents(ctx, "token"); err != nil {
		return bad("store", "look at the database and its disk", "cannot be read: %v", err)
	}
	if err := s.db.LastError(); err != nil {
		return bad("store", "the journal keeps everything meanwhile; look at the database and its disk", "last checkpoint failed: %v", err)
	}
	return good("store", "%s", s.db.Describe())
}

// checkDisk tells how much room there is.
func checkDisk(path string, minFree int64) Check {
	free, size, err := freeBytes(path)
	if err != nil {
		return bad("disk", "check that the data folder exists and can be read", "%v", err)
	}
	if free < uint64(max(minFree, 0)) {
		return bad("disk", "make room: messages are refused until there is more than "+bytesText(uint64(max(minFree, 0))),
			"%s of %s free", bytesText(free), bytesText(size))
	}
	if free < size/20 {
		return bad("disk", "make room soon", "%s of %s free, under 5 %%", bytesText(free), bytesText(size))
	}
	return good("disk", "%s of %s free", bytesText(free), bytesText(size))
}

// checkProfiles tells whether every profile is in order and known.
func (s *server) checkProfiles() Check {
	c := s.profiles.Load()
	if n := len(c.problems); n > 0 {
		return profileProblem(c.problems[0], n)
	}
	for _, name := range s.registry.ProfilesInUse() {
		if _, ok := c.Profile(name); !ok {
			return bad("profiles", "put the file back into "+s.c.Profiles()+", then `vigil quarantine replay`",
				"profile %s is not there; all that its devices say goes to the quarantine: %s", name, s.devicesWith(name))
		}
	}
	return good("profiles", "%d profiles", len(c.Profiles()))
}

// checkVersion names the versions.
func checkVersion() Check {
	v := Version()
	return good("version", "vigil %s, commit %s, %s", v.Vigil, v.Commit, v.Go)
}

// bytesText writes a size for people.
func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	if n < 1<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// tenths rounds a duration to what people can tell apart: 0.1 ms.
func tenths(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// ready answers /readyz: 200 once the consumers have caught up and while
// messages can be kept.
func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	var failed []Check
	for _, c := range []Check{s.checkCaughtUp(), s.checkJournal(), checkDisk(s.c.Data, s.c.MinFree)} {
		if !c.OK && !(c.Name == "disk" && c.Advice == "make room soon") {
			failed = append(failed, c)
		}
	}
	if err := s.db.LastError(); err != nil {
		failed = append(failed, bad("store", "", "last checkpoint failed: %v", err))
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(failed) == 0 {
		fmt.Fprintln(w, "ready")
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	for _, c := range failed {
		fmt.Fprintf(w, "%s: %s. %s\n", c.Name, c.Detail, c.Advice)
	}
}

// Diagnose checks a data folder whose server is not running.
func Diagnose(c Config) []Check {
	return []Check{
		checkFolder(c.Data), checkLock(c.Data), checkDisk(c.Data, c.MinFree), checkSync(c.Data), checkClock(),
		checkFiles(c.Profiles()), checkPort("http", c.HTTP), checkPort("mqtt", c.MQTT), checkVersion(),
	}
}

// checkLock tells whether a server holds the folder though nobody answers on
// its socket.
func checkLock(path string) Check {
	f, err := os.OpenFile(filepath.Join(path, "vigil.lock"), os.O_RDWR, 0) // #nosec G304 -- the installation's own folder
	if err != nil {
		return good("lock", "nobody holds the folder")
	}
	defer func() { _ = f.Close() }()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { // #nosec G115 -- a file descriptor
		return bad("lock", "it starts, stops, or hangs: look at its log; end it before you start another",
			"a server holds %s and does not answer on its socket", path)
	}
	return good("lock", "nobody holds the folder")
}

// checkFiles tells whether the profiles in a folder load.
func checkFiles(path string) Check {
	c, problems := LoadProfiles(path)
	for _, p := range problems {
		if !p.Warning {
			return profileProblem(p, len(problems))
		}
	}
	return good("profiles", "%d profiles", len(c.Profiles()))
}

// profileProblem names the first of n problems.
func profileProblem(p devices.Problem, n int) Check {
	return bad("profiles", "`vigil profile check` lists everything that is wrong in a file",
		"%d problem(s), first: %s %s: %s", n, p.File, p.Pos, p.Msg)
}

// checkFolder tells whether the data folder can be used.
func checkFolder(path string) Check {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return bad("data folder", "`vigil serve --data "+path+"` makes it", "%s is not there", path)
	case !info.IsDir():
		return bad("data folder", "name a folder", "%s is a file", path)
	case info.Mode().Perm()&0o077 != 0:
		return bad("data folder", "chmod 700 "+path, "others on this machine may read %s", path)
	}
	return good("data folder", "%s", path)
}

// checkSync measures how long the disk takes to make a write safe.
func checkSync(path string) Check {
	f, err := os.CreateTemp(path, ".doctor-*")
	if err != nil {
		return bad("disk sync", "check the rights of the folder", "cannot write: %v", err)
	}
	defer func() {
		_ = f.Close()
		_ = os.Remove(filepath.Clean(f.Name()))
	}()
	const rounds = 20
	start := time.Now()
	for range rounds {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			return bad("disk sync", "look at the disk", "%v", err)
		}
		if err := f.Sync(); err != nil {
			return bad("disk sync", "look at the disk", "%v", err)
		}
	}
	each := time.Since(start) / rounds
	if each > 50*time.Millisecond {
		return bad("disk sync", "use a disk with power-loss protection", "%s for each synced write", tenths(each))
	}
	return good("disk sync", "%s for each synced write", tenths(each))
}

// checkClock tells whether the clock of this machine can be right.
func checkClock() Check {
	now := time.Now()
	if now.Year() < 2025 {
		return bad("clock", "set the clock, and keep it with NTP", "it says %s", now.UTC().Format(time.RFC3339))
	}
	return good("clock", "%s", now.UTC().Format(time.RFC3339))
}
