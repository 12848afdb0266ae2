package bench

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// hexed writes a string as strace -xx does.
func hexed(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString(`\x`)
		const digits = "0123456789abcdef"
		b.WriteByte(digits[s[i]>>4])
		b.WriteByte(digits[s[i]&15])
	}
	return b.String()
}

// traceOf writes a trace with the paths and strings in quotes and angles hexed.
func traceOf(t *testing.T, lines ...string) []call {
	t.Helper()
	var text strings.Builder
	for i, l := range lines {
		text.WriteString("7 1700000000.00000" + string(rune('0'+i%10)) + " ")
		for {
			from := strings.IndexAny(l, `"{`)
			if from < 0 {
				break
			}
			to := from + 1 + strings.IndexAny(l[from+1:], `"}`)
			open, end := `"`, `"`
			if l[from] == '{' {
				open, end = "<", ">"
			}
			text.WriteString(l[:from] + open + hexed(l[from+1:to]) + end)
			l = l[to+1:]
		}
		text.WriteString(l + "\n")
	}
	path := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	calls, err := readTrace(path)
	if err != nil {
		t.Fatal(err)
	}
	return calls
}

// after replays calls and rebuilds the folder many times; it returns which
// contents a file was seen with, "-" when it was not there.
func after(t *testing.T, calls []call, name string) []string {
	t.Helper()
	d := newDisk("/d")
	for i := range calls {
		if err := d.apply(&calls[i]); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	r := rand.New(rand.NewPCG(1, 1)) // #nosec G404 -- a test
	root := t.TempDir()
	for i := range 100 {
		dir := filepath.Join(root, strconv.Itoa(i))
		if _, err := d.rebuild(dir, r); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			text = []byte("-")
		}
		seen[string(text)] = true
	}
	var out []string
	for s := range seen {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func TestPowerLossOfOneFile(t *testing.T) {
	for _, c := range []struct {
		says  string
		lines []string
		want  []string
	}{
		{"synced with its folder: there", []string{
			`openat(AT_FDCWD{/w}, "/d/f", O_RDWR|O_CREAT, 0600) = 3{/d/f}`,
			`write(3{/d/f}, "abc", 3) = 3`,
			`fsync(3{/d/f}) = 0`,
			`openat(AT_FDCWD{/w}, "/d", O_RDONLY) = 4{/d}`,
			`fsync(4{/d}) = 0`,
		}, []string{"abc"}},
		{"its folder is not synced: perhaps not", []string{
			`openat(AT_FDCWD{/w}, "/d/f", O_RDWR|O_CREAT, 0600) = 3{/d/f}`,
			`pwrite64(3{/d/f}, "abc", 3, 0) = 3`,
			`fsync(3{/d/f}) = 0`,
		}, []string{"-", "abc"}},
		{"what is not synced is there, torn or not", []string{
			`openat(AT_FDCWD{/w}, "/d/f", O_RDWR|O_CREAT, 0600) = 3{/d/f}`,
			`openat(AT_FDCWD{/w}, "/d", O_RDONLY) = 4{/d}`,
			`fsync(4{/d}) = 0`,
			`write(3{/d/f}, "a", 1) = 1`,
			`fdatasync(3{/d/f}) = 0`,
			`write(3{/d/f}, "bc", 2) = 2`,
		}, []string{"a", "ab", "abc"}},
		{"a write that ends after the sync began is not covered", []string{
			`openat(AT_FDCWD{/w}, "/d/f", O_RDWR|O_CREAT|O_APPEND, 0600) = 3{/d/f}`,
			`openat(AT_FDCWD{/w}, "/d", O_RDONLY) = 4{/d}`,
			`fsync(4{/d}) = 0`,
			`fsync(3{/d/f} <unfinished ...>`,
			`write(3{/d/f}, "b", 1) = 1`,
			`<... fsync resumed>) = 0`,
		}, []string{"", "b"}},
		{"a synchronous file needs no sync", []string{
			`openat(AT_FDCWD{/w}, "/d/f", O_RDWR|O_CREAT|O_SYNC, 0600) = 3{/d/f}`,
			`openat(AT_FDCWD{/w}, "/d", O_RDONLY) = 4{/d}`,
			`fsync(4{/d}) = 0`,
			`write(3{/d/f}, "b", 1) = 1`,
		}, []string{"b"}},
		{"a rename is there or not", []string{
			`openat(AT_FDCWD{/w}, "/d/f", O_RDWR|O_CREAT|O_SYNC, 0600) = 3{/d/f}`,
			`write(3{/d/f}, "old", 3) = 3`,
			`openat(AT_FDCWD{/w}, "/d/n", O_RDWR|O_CREAT|O_SYNC, 0600) = 4{/d/n}`,
			`write(4{/d/n}, "new", 3) = 3`,
			`openat(AT_FDCWD{/w}, "/d", O_RDONLY) = 5{/d}`,
			`fsync(5{/d}) = 0`,
			`renameat(AT_FDCWD{/w}, "/d/n", AT_FDCWD{/w}, "/d/f") = 0`,
		}, []string{"new", "old"}},
		{"what failed did not happen", []string{
			`openat(AT_FDCWD{/w}, "/d/f", O_RDONLY) = -1 ENOENT (No such file or directory)`,
		}, []string{"-"}},
	} {
		t.Run(c.says, func(t *testing.T) {
			if got := after(t, traceOf(t, c.lines...), "f"); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTraceThatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace")
	if err := os.WriteFile(path, []byte("hello, world\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readTrace(path); err == nil {
		t.Error("it was read")
	}
}

func FuzzTrace(f *testing.F) {
	f.Add(`7 1700000000.000001 write(3<\x2f\x64\x2f\x66>, "\x61", 1) = 1`)
	f.Add(`7 1700000000.000001 <... fsync resumed>) = 0`)
	f.Add(`7 1700000000.000001 openat(AT_FDCWD<\x2f>, "\x2f\x64\x2f\x66", O_RDWR|O_CREAT, 0600) = 3<\x2f\x64\x2f\x66>`)
	f.Fuzz(func(t *testing.T, line string) {
		tr := tracer{begun: map[string]begun{}}
		if tr.line([]byte(line)) != nil {
			return
		}
		d := newDisk("/d")
		for i := range tr.calls {
			_ = d.apply(&tr.calls[i])
		}
	})
}

// TestLedger proves that what a witness expects is what it sends.
func TestLedger(t *testing.T) {
	for _, kind := range []string{"ecg-patch", "pulse-oximeter"} {
		l := &ledger{kind: kind, base: 1_700_000_000_000, seed: 3}
		for _, n := range l.take(3, nil) {
			var got map[string]any
			if err := json.Unmarshal(l.payload(nil, n), &got); err != nil {
				t.Fatal(err)
			}
			for metric, want := range l.values(n) {
				if got[metric] != want {
					t.Errorf("%s: %s of message %d: got %v, want %v", kind, metric, n, got[metric], want)
				}
			}
			if at := int64(got["t"].(float64)); at != l.at(n) {
				t.Errorf("message %d is of %d, want %d", n, at, l.at(n))
			}
		}
		l.safe(1)
		if got := l.take(3, l.pending()); !slices.Equal(got, []int{0, 2, 3}) {
			t.Errorf("what was not acknowledged comes again: got %v", got)
		}
	}
}

// TestCheckFindsFaults proves that the comparison can fail.
func TestCheckFindsFaults(t *testing.T) {
	l := &ledger{kind: "pulse-oximeter"}
	l.take(4, nil)
	for _, n := range []int{0, 1, 2} {
		l.safe(n)
	}
	r := CrashReport{until: ever}
	l.compare(&r, "hr", []uint8{1, 0, 2, 0}) // good, missing, doubled, not acknowledged
	if r.Faults != 2 || len(r.Missing) != 1 || len(r.Doubled) != 1 {
		t.Errorf("got %+v", r)
	}
}

func TestVitals(t *testing.T) {
	var got map[string]float64
	if err := json.Unmarshal(vitals(nil, 1_700_000_000_000, 5, 12345), &got); err != nil || len(got) != 1+readingsPerMessage {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestTargetsOnPostgres proves that half as good is good enough there.
func TestTargetsOnPostgres(t *testing.T) {
	rows := func() []Row {
		return []Row{atLeast("readings", 60, "/s", 100), atMost("start", 1.5, "s", 1), atMost("size", 9, "B", 0)}
	}
	for _, c := range []struct {
		b    Bench
		want []bool
	}{{Bench{}, []bool{false, false, true}}, {Bench{DB: "postgres://x"}, []bool{true, true, true}}} {
		for i, r := range c.b.placed(rows()) {
			if r.Met != c.want[i] {
				t.Errorf("%s of %s: met %v, want %v", r.Name, r.Store, r.Met, c.want[i])
			}
		}
	}
}

func TestTimes(t *testing.T) {
	h := newTimes()
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	h.add(time.Hour) // out of range, and not lost
	if p := h.millis(50); p < 495 || p > 505 {
		t.Errorf("median %v", p)
	}
	if h.count() != 1001 {
		t.Errorf("%d counted", h.count())
	}
}

func TestFileArgument(t *testing.T) {
	for _, c := range []struct {
		says, arg, path string
		fd              int64
	}{
		{"an open file", `7<` + hexed("/t/a") + `>`, "/t/a", 7},
		{"a socket", `8<socket:[1]>`, "", 8},
		{"a file without a name keeps nothing", `28<` + hexed("/t/#4") + `>(deleted)`, "", 28},
		{"the present folder", `AT_FDCWD<` + hexed("/t") + `>`, "/t", -1},
	} {
		fd, path, err := file(c.arg)
		if err != nil || fd != c.fd || path != c.path {
			t.Errorf("%s: got %d %q %v, want %d %q", c.says, fd, path, err, c.fd, c.path)
		}
	}
}
