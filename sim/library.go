package sim

import (
	"embed"
	"errors"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/vigil-iomt/vigil"
)

//go:embed stories/*.yaml
var builtin embed.FS

// Stories reads the built-in stories, and those in a folder, which replace
// built-in ones of the same name; "" is no folder. Files that cannot be read
// are listed, and the rest is there. The result is sorted by name.
func Stories(overlay string) ([]*Story, []Problem) {
	byName := map[string]*Story{}
	problems := readStories(byName, builtin, "stories")
	if overlay != "" {
		problems = append(problems, readStories(byName, os.DirFS(overlay), ".")...)
	}
	out := make([]*Story, 0, len(byName))
	for _, name := range sortedKeys(byName) {
		out = append(out, byName[name])
	}
	return out, problems
}

func readStories(into map[string]*Story, fsys fs.FS, dir string) (problems []Problem) {
	files, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // an absent overlay is an empty one
	}
	if err != nil {
		return []Problem{{dir, "line 1", err.Error()}}
	}
	for _, f := range files {
		if f.IsDir() || !strings.HasSuffix(f.Name(), ".yaml") {
			continue
		}
		text, err := fs.ReadFile(fsys, path.Join(dir, f.Name()))
		if err != nil {
			problems = append(problems, Problem{f.Name(), "line 1", err.Error()})
			continue
		}
		s, bad := ParseStory(f.Name(), text)
		problems = append(problems, bad...)
		if s != nil {
			into[s.Name] = s
		}
	}
	return problems
}

// story finds a built-in story, nil if there is none.
func story(all []*Story, name string) *Story {
	i := slices.IndexFunc(all, func(s *Story) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return all[i]
}

// Plan makes a plan with nothing but the story: one place, its person and its
// devices, named after the profiles.
func (s *Story) Plan(seed uint64) *Plan {
	scene := Scene{Location: vigil.Location{ID: "story-" + s.Name, Name: s.Name, Unit: "Stories", Kind: "bed"}, Story: s}
	if s.Person != nil {
		scene.Body = *s.Person
		scene.Patient = &vigil.Patient{ID: vigil.PatientID("patient-" + s.Name), Family: "Story", Given: s.Name, Sex: s.Person.Sex}
	}
	for _, p := range s.Devices {
		d := Device{Device: vigil.Device{ID: vigil.DeviceID(s.Name + "-" + p), Name: p, Profile: p}}
		d.OfPlace = s.Person == nil
		if p == "bedside-monitor" {
			d.Parts = []string{"temp"}
		}
		scene.Devices = append(scene.Devices, d)
	}
	return &Plan{Seed: seed, Scenes: []Scene{scene}}
}

// BeginsAt returns a start on the day of t at which the story's clock is right.
func (s *Story) BeginsAt(t time.Time) time.Time {
	if s.Clock < 0 {
		return t
	}
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, t.Location()).Add(s.Clock)
}
