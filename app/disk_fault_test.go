//go:build linux

package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
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

// TestJournalFillsItsDisk lets what devices send fill a small disk down to the
// reserve: the server refuses and alarms, and when there is room again it
// recovers by itself, with all that it acknowledged.
//
// Seen to fail when stream's append does not ask whether the disk is full.
func TestJournalFillsItsDisk(t *testing.T) {
	dir := smallDisk(t, 96<<20)
	filler := filepath.Join(dir, "filler")
	fill(t, filler, 48<<20)
	r := run(t, dir, map[string]string{"min-free": "16MiB"})
	d := r.devices(1)[0]
	want, status := r.stuff(d)
	if status != http.StatusInsufficientStorage || len(want) == 0 {
		t.Fatalf("after %d messages: %d", len(want), status)
	}
	status, text := r.ready()
	if status != http.StatusServiceUnavailable || !strings.Contains(text, "make room") {
		t.Errorf("/readyz says %d %s", status, text)
	}
	says(t, r.doctor(), "journal", "nearly full", "make room")
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	until(t, "/readyz recovers", func() bool { status, _ := r.ready(); return status == http.StatusOK })
	if status, text := r.one(d, oximetry(time.Now(), 99)); status != http.StatusOK {
		t.Fatalf("with room again: %d %s", status, text)
	}
	until(t, "just what was acknowledged is there", func() bool { return slices.Equal(r.kept(d), append(want, 99)) })
}

// TestDiskWithoutRoom has no reserve, and another program takes all but a little
// of the room, so that a write of the journal fails in the middle: nothing more
// is acknowledged and the server ends with the reason; once there is room it
// starts with all that it acknowledged.
//
// Seen to fail when the embedded server's word that it writes no more is only
// logged: then it is asked again and again and never answers.
func TestDiskWithoutRoom(t *testing.T) {
	dir := smallDisk(t, 64<<20)
	c, _, err := Load(map[string]string{"data": dir, "http": "127.0.0.1:0", "mqtt": "", "min-free": "1", "partitions": "4"},
		func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	ended, addrs := make(chan error, 1), make(chan Addresses, 1)
	go func() {
		ended <- Run(context.WithoutCancel(t.Context()), c, Options{Log: slog.New(slog.DiscardHandler), Ready: func(a Addresses) { addrs <- a }})
	}()
	r := &running{t: t}
	select {
	case a := <-addrs:
		r.Server = bench.Attach(dir, a.HTTP, a.MQTT)
	case err := <-ended:
		t.Fatalf("the server does not start: %v", err)
	}
	d := r.devices(1)[0]
	noise, begun := noisy(512<<10), time.Now().Add(-time.Hour)
	say := func(i int) int {
		status, _ := r.one(d, fmt.Sprintf(`{"t":%d,"spo2":%d,"x":"%s"}`, begun.Add(time.Duration(i)*time.Second).UnixMilli(), 60+i, noise))
		return status
	}
	var want []float64
	for i := range 5 {
		if status := say(i); status != http.StatusOK {
			t.Fatalf("with room: %d", status)
		}
		want = append(want, float64(60+i))
	}
	free, _, err := freeBytes(dir)
	if err != nil {
		t.Fatal(err)
	}
	filler := filepath.Join(dir, "filler")
	fill(t, filler, int64(free)-256<<10)
	if status := say(5); status == http.StatusOK {
		t.Fatal("acknowledged without room")
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "no space left on device") {
			t.Errorf("the server ended: %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("a server that cannot write goes on")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	r = run(t, dir, map[string]string{"min-free": "1"})
	got := r.kept(d)
	if len(got) > len(want)+1 || len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("%d readings are there, %d were acknowledged", len(got), len(want))
	}
	r.alive(d)
}

// stuff sends large messages until one is not acknowledged, and returns the
// values of the others and the status of that one.
func (r *running) stuff(d bench.Device) (acknowledged []float64, status int) {
	r.t.Helper()
	noise, begun := noisy(512<<10), time.Now().Add(-time.Hour)
	for i := range 1000 {
		at, value := begun.Add(time.Duration(i)*time.Second), 50+i%50
		status, _ = r.one(d, fmt.Sprintf(`{"t":%d,"spo2":%d,"x":"%s"}`, at.UnixMilli(), value, noise))
		if status != http.StatusOK {
			return acknowledged, status
		}
		acknowledged = append(acknowledged, float64(value))
	}
	return acknowledged, status
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
