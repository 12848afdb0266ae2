package stream

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vigil-iomt/vigil"
)

// killedCopy is the folder of a journal as a kill would leave it, without the
// server's index, so that the server checks its files.
func killedCopy(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(filepath.Join(filepath.Dir(blocksDir(to, 0)), "msgs", "index.db"))
	return to
}

// flip changes a bit of the payload of a patient's record.
func flip(t *testing.T, dir string, patient int) {
	t.Helper()
	for _, file := range blocks(t, dir) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, fmt.Appendf(nil, `"patient":%d,`, patient))
		if at < 0 {
			continue
		}
		b[at+12] ^= 1
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("payload not found in the files")
}

// TestRecordsBehindARottenOneSurviveACrash: after a crash the server cuts its
// file at the first record that does not read. The frames behind it are there
// all the same, under their sequences, and the one damaged record is named by
// patient and time. Without the copies it was seen to lose all of them, without
// a patient's name.
func TestRecordsBehindARottenOneSurviveACrash(t *testing.T) {
	for name, c := range map[string]struct{ frames, patient, noise int }{
		"in the middle":   {20, 7, 0},
		"the first one":   {20, 0, 0},
		"the last one":    {20, 19, 0},
		"an earlier file": {60, 3, 200 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			j := open(t, dir, onePartition)
			for i := range c.frames {
				rec := vitals(testMetrics(), i, i)
				rec.Message.Payload = append(rec.Message.Payload, noise(c.noise)...)
				if err := put(j, rec); err != nil {
					t.Fatal(err)
				}
			}
			killed := killedCopy(t, dir)
			if n := len(blocks(t, killed)); n > 1 != (c.noise > 0) {
				t.Fatalf("%d files", n)
			}
			flip(t, killed, c.patient)
			j = open(t, killed, onePartition)
			want := vitals(testMetrics(), c.patient, c.patient)
			seq := uint64(c.patient) + 1
			check := func() {
				t.Helper()
				lost := 0
				frames := all(t, j, 0, 0)
				for i, f := range frames {
					if f.Seq != uint64(i)+1 {
						t.Errorf("frame %d in place %d", f.Seq, i+1)
					}
					for _, r := range f.Records {
						if r.Kind == 0 {
							lost++
						}
					}
					if len(f.Records) == 0 || f.Seq != seq && !slices.ContainsFunc(f.Records, func(r vigil.Record) bool { return r.Message.ID == fmt.Sprint("m", i) }) {
						t.Errorf("frame %d: %d records", f.Seq, len(f.Records))
					}
				}
				if len(frames) != c.frames || lost != 1 {
					t.Errorf("%d frames, %d records lost; want %d, 1", len(frames), lost, c.frames)
				}
				d := j.Stats().Damage
				if len(d) != 1 || d[0].Seq != seq || d[0].Whole || len(d[0].Lost) != 1 || d[0].Lost[0].Subject != want.Subject {
					t.Errorf("damage %+v, want frame %d and its patient", d, seq)
				}
			}
			check()
			shut(t, j)
			j = open(t, killed, onePartition)
			check()
			if err := put(j, want); err != nil || j.Head(0) != uint64(c.frames)+1 {
				t.Errorf("head %d, %v", j.Head(0), err)
			}
			if err := j.Trim(t.Context(), 0, j.Head(0)+1); err != nil {
				t.Fatal(err)
			}
			shut(t, j)
			j = open(t, killed, onePartition)
			if left := j.parts[0].asides(); len(left) > 0 {
				t.Errorf("copies of what was trimmed: %v", left)
			}
		})
	}
}

// TestTornEndIsNoDamage: what a crash leaves of a frame that was never
// acknowledged is cut off and not spoken of.
func TestTornEndIsNoDamage(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, onePartition)
	fillFrames(t, j, 5)
	killed := killedCopy(t, dir)
	file := blocks(t, killed)[0]
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(b, b[:100]...), 0o600); err != nil {
		t.Fatal(err)
	}
	j = open(t, killed)
	if d := j.Stats().Damage; len(d) > 0 || j.Head(0) != 5 || len(j.parts[0].asides()) > 0 {
		t.Errorf("head %d, damage %v, copies %v; want 5 and nothing", j.Head(0), d, j.parts[0].asides())
	}
}

// FuzzReadsTo: no content of a file stops the start.
func FuzzReadsTo(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0xff}, 64))
	f.Add(append([]byte{30, 0, 0, 0}, make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if last, sound := readsTo(b, 0, 1); sound && len(b) > 0 && last == 0 && len(b) < blockHead+blockChecksum {
			t.Errorf("%d bytes are no record", len(b))
		}
		frameIn(b, 1, frameSubject(0))
	})
}
