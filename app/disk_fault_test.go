//go:build linux

package app

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/bench"
)

// TestFullDisk fills the disk below the reserve: messages are refused with a
// clear answer, /readyz says so, and both recover by themselves.
//
// Seen to fail when stream's append does not ask whether the disk is full.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	const file = 1 << 30
	free, _, err := freeBytes(dir)
	if err != nil || free < 4*file {
		t.Skipf("too little room here to play with: %d bytes, %v", free, err)
	}
	r := run(t, dir, map[string]string{"min-free": strconv.FormatUint(free-file/2, 10)})
	d := r.devices(1)[0]
	now := time.Now()
	if status, says := r.one(d, oximetry(now, 97)); status != http.StatusOK {
		t.Fatalf("with room: %d %s", status, says)
	}
	fill(t, filepath.Join(dir, "filler"), file)
	until(t, "/readyz tells of the full disk", func() bool {
		status, says := r.ready()
		return status == http.StatusServiceUnavailable && strings.Contains(says, "disk")
	})
	want := []float64{97}
	until(t, "HTTP refuses with 507", func() bool { // the journal looks at the disk now and then
		now = now.Add(time.Millisecond)
		status, _ := r.one(d, oximetry(now, 98))
		if status == http.StatusOK {
			want = append(want, 98)
		}
		return status == http.StatusInsufficientStorage
	})
	if err := bench.Publish(t.Context(), r.MQTT, d, []byte(oximetry(now.Add(time.Second), 51))); err == nil {
		t.Error("MQTT acknowledged what there was no room for")
	}
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
	until(t, "/readyz recovers", func() bool { status, _ := r.ready(); return status == http.StatusOK })
	until(t, "HTTP takes messages again", func() bool {
		now = now.Add(time.Millisecond)
		status, _ := r.one(d, oximetry(now, 96))
		return status == http.StatusOK
	})
	if err := bench.Publish(t.Context(), r.MQTT, d, []byte(oximetry(now.Add(time.Second), 95))); err != nil {
		t.Errorf("MQTT does not recover: %v", err)
	}
	until(t, "what was taken is there and what was refused is not", func() bool {
		return slices.Equal(r.kept(d), append(want, 96, 95))
	})
}

// fill takes room on the disk.
func fill(t *testing.T, path string, size int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		t.Skipf("this file system does not reserve room: %v", err)
	}
}

// TestDoctorNamesRawMessagesCutShort lets the journal take more than its share
// of a small disk: the oldest messages go before their time, their readings
// stay, and the doctor says so.
//
// Seen to fail when trim does not look at the share.
func TestDoctorNamesRawMessagesCutShort(t *testing.T) {
	dir := smallDisk(t, 64<<20)
	s := newSpine(t, dir)
	ida := s.patient("Ida")
	s.device("d", ida, vigil.Interval{})
	const n = 60
	noise := noisy(256 << 10)
	var want []string
	for i := range n {
		s.say(`{"t":%d,"o":%d,"x":"%s"}`, ms(taken)+int64(i), i, noise)
		want = append(want, fmt.Sprintf("%d good v1", i))
	}
	well(t, s.health(s.ctx), "raw retention")
	if err := s.db.Checkpoint(s.ctx); err != nil {
		t.Fatal(err)
	}
	s.trim(s.ctx)
	if s.journal.Stats().Partitions[s.journal.PartitionOf(ida)].First <= 1 {
		t.Fatalf("nothing was trimmed of %d bytes", s.journal.Bytes())
	}
	says(t, s.health(s.ctx), "raw retention", "a fifth of the disk", "readings are safe", "--raw-retention")
	s.expect("the readings stay", ida, "spo2", want...)
	s.close()
}

// smallDisk mounts a file system of its own in memory, and skips the test where
// that is not allowed.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		t.Skipf("a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// noisy is text that no compression makes smaller than three quarters.
func noisy(n int) string {
	b := make([]byte, n*3/4)
	_, _ = rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}
