package stream

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// onePartition opens with a single partition, so that frames are easy to count.
func onePartition(c *Config) { c.Partitions = 1 }

// fillFrames writes n frames of one record each.
func fillFrames(t *testing.T, j *Journal, n int) {
	t.Helper()
	ms := testMetrics()
	for i := range n {
		if err := put(j, vitals(ms, i, i)); err != nil {
			t.Fatal(err)
		}
	}
}

// blocks are the message files of the only partition.
func blocks(t *testing.T, dir string) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(blocksDir(dir, 0), "*.blk"))
	if err != nil || len(m) == 0 {
		t.Fatalf("no message files: %v", err)
	}
	slices.Sort(m)
	return m
}

// TestRottenFrameIsNamedAndTheRestGoesOn flips a byte in the middle of a synced
// file.
func TestRottenFrameIsNamedAndTheRestGoesOn(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, onePartition)
	fillFrames(t, j, 20)
	shut(t, j)
	file := blocks(t, dir)[0]
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(`"patient":7,`))
	if at < 0 {
		t.Fatal("payload not found in the file")
	}
	b[at+12] ^= 1
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []*DamagedError
	j = open(t, dir, onePartition, func(c *Config) {
		c.Damaged = func(d *DamagedError) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, d)
		}
	})
	intact := 0
	for _, f := range all(t, j, 0, 0) {
		for _, r := range f.Records {
			if r.Kind != 0 {
				intact++
			}
		}
	}
	if intact != 19 {
		t.Errorf("%d records intact, want 19", intact)
	}
	mu.Lock()
	defer mu.Unlock()
	want := vitals(testMetrics(), 7, 7)
	if len(got) != 1 || got[0].Seq != 8 || got[0].Whole || len(got[0].Lost) != 1 || got[0].Lost[0].Subject != want.Subject ||
		got[0].Lost[0].During != (vigil.Interval{From: want.Readings[0].Taken, To: want.Readings[0].Taken}) {
		t.Fatalf("damage %+v, want frame 8, its patient and time", got)
	}
	var d *DamagedError
	if f, err := j.Read(t.Context(), 0, 8); !errors.As(err, &d) || len(f.Records) != 1 || f.Records[0].Kind != 0 {
		t.Errorf("read frame 8: %+v, %v", f, err)
	}
	if !slices.ContainsFunc(j.Stats().Damage, func(d *DamagedError) bool { return d.Seq == 8 }) {
		t.Error("the damage is not in Stats")
	}
	fillFrames(t, j, 1)
	if j.Head(0) != 21 {
		t.Errorf("head %d, want 21", j.Head(0))
	}
}

// TestTornSyncedTailIsMissed cuts synced frames off: the mark kept apart tells,
// and their sequences are not given again.
func TestTornSyncedTailIsMissed(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"cut": func(t *testing.T, dir string) {
			file := blocks(t, dir)[0]
			st, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(file, st.Size()/2); err != nil {
				t.Fatal(err)
			}
		},
		"all messages gone": func(t *testing.T, dir string) {
			for _, f := range blocks(t, dir) {
				if err := os.Remove(f); err != nil {
					t.Fatal(err)
				}
			}
		},
		"whole store gone": func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir, onePartition)
			fillFrames(t, j, 20)
			shut(t, j)
			spoil(t, dir)
			j = open(t, dir)
			d := j.Stats().Damage
			if len(d) == 0 || d[len(d)-1].Last != 20 || !d[len(d)-1].Whole {
				t.Fatalf("damage %v, want it up to frame 20", d)
			}
			if name == "cut" && d[0].Seq < 9 {
				t.Errorf("half of the frames were left, but %v is reported", d)
			}
			fillFrames(t, j, 1)
			if j.Head(0) != 21 {
				t.Errorf("head %d, want 21: a sequence was given twice", j.Head(0))
			}
			var p *PurgedError
			first := uint64(0)
			if err := j.Consume(t.Context(), 0, 0, stopAtOnce); errors.As(err, &p) {
				first = p.First - 1
			}
			frames := all(t, j, 0, first)
			if last := frames[len(frames)-1]; last.Seq != 21 || len(last.Records) != 1 {
				t.Errorf("last frame %+v", last)
			}
		})
	}
}

// TestFrameOfTheLastSecondIsMissedAfterAKill: the process ends without a word
// before the high-water mark is saved, and synced frames are damaged. Seen to
// report nothing without the slots.
func TestFrameOfTheLastSecondIsMissedAfterAKill(t *testing.T) {
	dir, killed := t.TempDir(), t.TempDir()
	j := open(t, dir, onePartition)
	fillFrames(t, j, 20)
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil { // what a kill would leave
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(killed, highWaterFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	file := blocks(t, killed)[0]
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, st.Size()-10); err != nil {
		t.Fatal(err)
	}
	j = open(t, killed)
	if d := j.Stats().Damage; len(d) != 1 || d[0].Seq != 20 || d[0].Last != 20 {
		t.Fatalf("damage %v, want frame 20", d)
	}
	fillFrames(t, j, 1)
	if j.Head(0) != 21 {
		t.Errorf("head %d, want 21", j.Head(0))
	}
}

func TestSlotThatDoesNotReadSaysNothing(t *testing.T) {
	dir := t.TempDir()
	hw := &highWater{marks: []mark{{first: 3, last: 7}, {last: 9}}}
	s, err := openSlots(dir, hw, 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, seq := range []uint64{12, 13} {
		if err := s.put(i, seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, acknowledgedFile)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		bad := slices.Clone(sound)
		bad[slotLen+i] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		got := &highWater{marks: []mark{{first: 3, last: 7}, {last: 9}}}
		if err := got.raise(dir); err != nil {
			t.Fatal(err)
		}
		if got.of(0) != (mark{3, 12}) || got.of(1) != (mark{0, 9}) {
			t.Errorf("byte %d flipped: %+v, want 12 and 9", i, got.marks)
		}
	}
}

// noise is what no packing makes smaller.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

var errStop = errors.New("stop")

func stopAtOnce(context.Context, vigil.Frame) error { return errStop }

func TestHighWaterMarkThatDoesNotReadIsNotBelieved(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, onePartition)
	fillFrames(t, j, 3)
	shut(t, j)
	h, err := loadHighWater(dir)
	if err != nil || h.of(0).last != 3 {
		t.Fatalf("mark %+v, %v; want 3", h, err)
	}
	b := h.encode()
	for i := range b {
		bad := slices.Clone(b)
		bad[i] ^= 4
		if err := new(highWater).decode(bad); err == nil {
			t.Errorf("a flipped bit in byte %d was not found", i)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, highWaterFile), b[:5], 0o600); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir)
	if n := len(all(t, j, 0, 0)); n != 3 {
		t.Errorf("%d frames, want 3", n)
	}
}

// TestNamesOfNewFilesAreSynced: the server syncs what it writes into a new
// message file, and this room the folder that lists it.
func TestNamesOfNewFilesAreSynced(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, onePartition)
	rec := vitals(testMetrics(), 1, 1)
	rec.Message.Payload = noise(1 << 20)
	for n := 0; len(blocks(t, dir)) < 2; n++ {
		if n > 100 {
			t.Fatal("the server begins no second file")
		}
		if err := put(j, rec); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(blocksDir(dir, 0))
		if err != nil {
			t.Fatal(err)
		}
		if !j.parts[0].blocks.changed.Equal(st.ModTime()) {
			t.Fatalf("acknowledged before the folder was synced, %v", st.ModTime())
		}
	}
}
