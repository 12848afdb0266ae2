package iomt

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil/devices"
)

// TestWatch asks that a pair in the folder of profiles is served, that a broken
// one keeps the last good, and that a mended one takes effect.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "ward")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	content := func(members string) string {
		return `{"templateType":"CollectionContent","template":[{"templateType":"JsonPathContent","template":{"typeName":"a",` + members + `}}]}`
	}
	write(DeviceFile, content(plainHR))
	write(FHIRFile, noFHIR)
	c, problems := devices.Load(dir, ReadFolder)
	p, ok := c.Profile("ward")
	if !ok || len(p.Metrics()) != 2 {
		t.Fatalf("%v %v", ok, problems)
	}
	if _, ok := c.Profile("scale"); !ok {
		t.Error("the built-in profiles are gone")
	}
	if c, _ := devices.Load(dir); len(c.Profiles()) == 0 {
		t.Error("a folder that nobody reads stops the rest")
	}

	type change struct {
		c        *devices.Catalog
		problems []devices.Problem
	}
	changes := make(chan change)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		devices.Watch(ctx, dir, time.Millisecond, func(c *devices.Catalog, problems []devices.Problem) {
			select {
			case changes <- change{c, problems}:
			case <-ctx.Done():
			}
		}, ReadFolder)
	}()
	// until returns the first catalogue that is as wanted; what was written
	// before the watch began needs no change.
	until := func(says string, ok func(change) bool) {
		t.Helper()
		for i := 0; ; i++ {
			select {
			case x := <-changes:
				if ok(x) {
					return
				}
			case <-time.After(10 * time.Second):
				t.Fatal(says)
			}
		}
	}
	stirred := make(chan struct{})
	go func() { // a change may fall before the first look: stir until one is seen
		defer close(stirred)
		for ctx.Err() == nil {
			select {
			case <-time.After(20 * time.Millisecond):
				_ = os.WriteFile(filepath.Join(folder, "note.json"), []byte(time.Now().String()), 0o600)
			case <-ctx.Done():
			}
		}
	}()
	defer func() { stop(); <-done; <-stirred }()
	until("the watch never began", func(change) bool { return true })
	write(DeviceFile, "{")
	until("a broken pair is not reported or the last good one is gone", func(x change) bool {
		p, ok := x.c.Profile("ward")
		wrong := false
		for _, pr := range x.problems {
			wrong = wrong || !pr.Warning && pr.File == "ward/"+DeviceFile
		}
		return ok && wrong && len(p.Metrics()) == 2
	})
	write(DeviceFile, content(`"typeMatchExpression":"$..[?(@hr)]","deviceIdExpression":"$.d","timestampExpression":"$.t","values":[{"valueName":"hr","valueExpression":"$.hr"}]`))
	until("the mended pair is not there", func(x change) bool {
		p, ok := x.c.Profile("ward")
		return ok && len(p.Metrics()) == 1
	})
}
