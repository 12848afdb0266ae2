//go:build linux

package app

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

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
