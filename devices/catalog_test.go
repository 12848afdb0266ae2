package devices

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/ucum"
)

func TestEveryBuiltinProfileIsGood(t *testing.T) {
	c, problems := Load("")
	for _, p := range problems {
		t.Error(p)
	}
	for _, p := range c.Profiles() {
		if p.file != "catalog/"+p.Name+".yaml" {
			t.Errorf("profile %s is in %s", p.Name, p.file)
		}
		for _, problem := range p.Check() {
			t.Error(problem)
		}
	}
	if n := len(c.Profiles()); n < 18 {
		t.Errorf("%d profiles, want at least 18", n)
	}
}

// overlay writes a profile into a folder.
func overlay(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOverlay(t *testing.T) {
	dir := t.TempDir()
	overlay(t, dir, "cgm.yaml", strings.NewReplacer("profile: bench", "profile: cgm\naliases: [old-sensor]").Replace(benchProfile))
	overlay(t, dir, "mine.yml", strings.Replace(benchProfile, "profile: bench", "profile: mine", 1))
	overlay(t, dir, "twin.yaml", strings.Replace(benchProfile, "profile: bench", "profile: mine", 1))
	overlay(t, dir, "broken.yaml", "profile: broken\n  titel: [")
	overlay(t, dir, "liar.yaml", strings.NewReplacer("profile: bench", "profile: liar", "hr: 72 /min", "hr: 73 /min").Replace(benchProfile))
	overlay(t, dir, "notes.txt", "not a profile")
	overlay(t, dir, "scale.yaml", "profile: scale\nnonsense: true\n")
	c, problems := Load(dir)
	if p, ok := c.Profile("old-sensor"); !ok || p.Title != "Bench" {
		t.Error("the overlay does not replace a built-in profile, or its alias is lost")
	}
	if _, ok := c.Profile("mine"); !ok {
		t.Error("a new profile is missing")
	}
	if _, ok := c.Profile("liar"); ok {
		t.Error("a profile whose example fails is in use")
	}
	if p, ok := c.Profile("scale"); !ok || p.Title != "Body scale" {
		t.Error("a broken overlay took the built-in profile away")
	}
	var files []string
	for _, p := range problems {
		files = append(files, p.File)
	}
	slices.Sort(files)
	if got := strings.Join(slices.Compact(files), " "); got != "broken.yaml liar.yaml scale.yaml twin.yaml" {
		t.Errorf("problems in %s: %v", got, problems)
	}
	if c, problems := Load(filepath.Join(dir, "nothing-here")); len(problems) > 0 || len(c.Profiles()) == 0 {
		t.Error("a folder that is not there is a problem", problems)
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		overlay(t, dir, "a.yaml", strings.Replace(benchProfile, "profile: bench", "profile: a", 1))
		type change struct {
			catalog  *Catalog
			problems []Problem
		}
		changes := make(chan change, 1)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			Watch(ctx, dir, time.Second, func(c *Catalog, p []Problem) { changes <- change{c, p} })
		}()
		time.Sleep(10 * time.Second) // of the bubble
		if len(changes) > 0 {
			t.Error("a change without a change")
		}
		overlay(t, dir, "a.yaml", strings.NewReplacer("profile: bench", "profile: a", "title: Bench", "title: Better").Replace(benchProfile))
		if c := <-changes; len(c.problems) > 0 || c.catalog.byName["a"].Title != "Better" {
			t.Error("the change was not taken", c.problems)
		}
		overlay(t, dir, "a.yaml", "profile: a\ntitel: worse")
		if c := <-changes; len(c.problems) == 0 || c.catalog.byName["a"].Title != "Better" {
			t.Error("a broken file does not keep its last good profile", c.problems)
		}
		if err := os.Remove(filepath.Join(dir, "a.yaml")); err != nil {
			t.Fatal(err)
		}
		if c := <-changes; len(c.problems) > 0 || c.catalog.byName["a"] != nil {
			t.Error("a removed profile is still there", c.problems)
		}
		cancel()
		<-done
	})
}

// TestOpenMHealthData reads the heart rates, temperatures and sugars that the
// schemas' own project calls good.
func TestOpenMHealthData(t *testing.T) {
	root := dataFolder(t, "openmhealth/test-data/omh")
	c, _ := Load("")
	p, ok := c.Profile("open-mhealth")
	if !ok {
		t.Fatal("no profile open-mhealth")
	}
	read := 0
	for _, dir := range []string{
		"heart-rate/2.0", "blood-glucose/4.0", "body-temperature/4.0", "body-weight/3.0", "oxygen-saturation/2.0",
		"respiratory-rate/2.0", "step-count/3.0", "blood-pressure/4.0",
	} {
		files, err := filepath.Glob(filepath.Join(root, dir, "shouldPass", "*.json"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := Try(p, "", fmt.Appendf(nil, `{"header": {"id": "x"}, "body": %s}`, body))
			if len(got.Readings) == 0 || len(got.Refusals) > 0 {
				t.Errorf("%s: %s", file, says(got))
			}
			read++
		}
	}
	if read < 10 {
		t.Errorf("%d data points, want more", read)
	}
}

// dataFolder finds a folder of the shared data beside the project, or skips.
func dataFolder(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		path := filepath.Join(dir, "..", "shared", "data", filepath.FromSlash(name))
		if _, err := os.Stat(path); err == nil {
			return path
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skipf("no ../shared/data/%s beside the project", name)
		}
		dir = parent
	}
}

// TestCodesAreThoseOfOthers compares the displays of the code table with those
// that published FHIR examples give.
func TestCodesAreThoseOfOthers(t *testing.T) {
	var text strings.Builder
	for _, name := range []string{"fhir-r4-examples", "phd/input/examples", "us-core"} {
		err := filepath.WalkDir(dataFolder(t, name), func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || filepath.Ext(path) != ".json" {
				return err
			}
			b, err := os.ReadFile(path)
			text.Write(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	find := regexp.MustCompile(`"code"\s*:\s*"([0-9-]+)",\s*"display"\s*:\s*"([^"]+)"`)
	for _, m := range find.FindAllStringSubmatch(text.String(), -1) {
		seen[m[1]] = true
	}
	n := 0
	for _, k := range knownCodes() {
		if reason := malformed(vigil.Code{System: k.system, Value: k.code}); reason != "" {
			t.Error(reason)
		}
		if k.unit != "" {
			if err := ucum.Check(k.unit); err != nil {
				t.Error(err)
			}
		}
		if seen[k.code] {
			n++
		}
	}
	t.Logf("%d of %d codes are used in published examples", n, len(knownCodes()))
	if n < 15 {
		t.Errorf("only %d of the codes are used by others", n)
	}
}
