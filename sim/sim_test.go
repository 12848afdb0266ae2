package sim_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/sim"
	"github.com/vigil-iomt/vigil/sim/wire"
)

var day = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

func catalog(t testing.TB) *devices.Catalog {
	t.Helper()
	c, problems := devices.Load("")
	for _, p := range problems {
		t.Errorf("catalogue: %v", p)
	}
	return c
}

// recordings opens the MIT-BIH records, or returns nil.
func recordings(t testing.TB) fs.FS {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		p := filepath.Join(dir, "..", "shared", "data", "mitdb")
		if s, err := os.Stat(p); err == nil && s.IsDir() {
			return os.DirFS(p)
		}
		dir = filepath.Dir(dir)
	}
	return nil
}

// hospital builds the demo with a real ECG where there is one.
func hospital(t testing.TB, seed uint64) (*sim.Plan, fs.FS) {
	t.Helper()
	rec, name := recordings(t), ""
	if rec != nil {
		name = "203"
	}
	p, err := sim.Hospital(sim.HospitalConfig{Seed: seed, Recording: name})
	if err != nil {
		t.Fatal(err)
	}
	return p, rec
}

// text runs a plan and returns all lines as NDJSON.
func text(t testing.TB, p *sim.Plan, rec fs.FS, length time.Duration) []byte {
	t.Helper()
	var b bytes.Buffer
	out := output(func(at vigil.Instant, l vigil.Message) {
		line, err := json.Marshal(wire.LineOf(l))
		if err != nil {
			t.Fatalf("%s: %v", l.Payload, err)
		}
		b.WriteString(at.String())
		b.Write(line)
	})
	from := vigil.InstantOf(day)
	if err := sim.Generate(context.Background(), p, rec, from, from.Add(length), out); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type output func(at vigil.Instant, l vigil.Message)

func (o output) Line(_ context.Context, at vigil.Instant, l vigil.Message) error {
	o(at, l)
	return nil
}

func TestSameSeedSameBytes(t *testing.T) {
	run := func(seed uint64) []byte {
		p, rec := hospital(t, seed)
		return text(t, p, rec, 30*time.Second)
	}
	a, b, c := run(1), run(1), run(2)
	if !bytes.Equal(a, b) {
		t.Error("two runs of one seed differ")
	}
	if bytes.Equal(a, c) {
		t.Error("two seeds give the same bytes")
	}
	if len(a) < 100_000 {
		t.Errorf("only %d bytes in 30 s", len(a))
	}
}

func TestEveryPayloadIsUnderstood(t *testing.T) {
	c := catalog(t)
	p, rec := hospital(t, 4)
	if problems := p.Problems(); len(problems) > 0 {
		t.Fatal(strings.Join(problems, "\n"))
	}
	profile := map[vigil.DeviceID]*devices.Profile{}
	for _, s := range p.Scenes {
		for _, d := range s.Devices {
			x, ok := c.Profile(d.Profile)
			if !ok {
				t.Fatalf("no profile %q", d.Profile)
			}
			profile[d.ID] = x
		}
	}
	ids, spoke := map[string]bool{}, map[string]bool{}
	var got devices.Decoded
	from := vigil.InstantOf(day)
	check := func(at vigil.Instant, l vigil.Message) {
		x := profile[l.Device]
		x.Decode(&got, l.Channel, l.Payload)
		for _, r := range got.Refusals {
			t.Fatalf("%s: %v in %.300s", l.Device, &r, l.Payload)
		}
		for i := range got.Readings {
			r := &got.Readings[i]
			if r.Quality.Has(vigil.Implausible) {
				t.Fatalf("%s: implausible %s %g in %.300s", l.Device, r.Metric.Name, r.Value, l.Payload)
			}
			if r.Stated == 0 && l.Stated != at || r.Stated != 0 && (r.Stated > at || at.Sub(r.Stated) > time.Minute) {
				t.Fatalf("%s: %s was taken %v before it was sent", l.Device, r.Metric.Name, at.Sub(r.Stated))
			}
		}
		if ids[l.ID] || !vigil.ValidID(string(l.Device)) {
			t.Fatalf("id %q came twice", l.ID)
		}
		ids[l.ID] = true
		spoke[x.Name] = true
	}
	// Ten minutes of everything, then a day of the homes.
	if err := sim.Generate(context.Background(), p, rec, from, from.Add(10*time.Minute), output(check)); err != nil {
		t.Fatal(err)
	}
	clear(ids)
	homes := &sim.Plan{Seed: 4}
	for _, s := range p.Scenes {
		if s.Location.Kind != "bed" && s.Story == nil {
			homes.Scenes = append(homes.Scenes, sim.WithoutWaves(s))
		}
	}
	if err := sim.Generate(context.Background(), homes, nil, from, from.Add(26*time.Hour), output(check)); err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Scenes {
		for _, d := range s.Devices {
			if !spoke[d.Profile] && d.Profile != "asset-tag" {
				t.Errorf("no %s said anything", d.Profile)
			}
		}
	}
}

func TestStoriesProveThemselves(t *testing.T) {
	stories, problems := sim.Stories("")
	for _, p := range problems {
		t.Error(p)
	}
	want := []string{
		"atrial-fibrillation", "bed-exit", "deterioration", "fridge-door-open", "gateway-cut-off", "hypoglycaemia",
		"missed-evening-dose", "quiet", "silent-device",
	}
	names := map[string]bool{}
	c := catalog(t)
	for _, s := range stories {
		names[s.Name] = true
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 3; seed++ {
				problems, err := sim.Prove(context.Background(), s, c, nil, seed, day)
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range problems {
					t.Errorf("seed %d: %v", seed, p)
				}
			}
		})
	}
	for _, n := range want {
		if !names[n] {
			t.Errorf("there is no story %q", n)
		}
	}
}

func TestProofsCanFail(t *testing.T) {
	text := `story: wrong
person: {age: 40}
devices: [bedside-monitor]
course: [{at: 0 min, like: stable}]
expect:
  - {by: 1 min, vital: {spo2: "<50"}}
  - {until: 1 min, vital: {hr: ">200"}}
  - {by: 1 min, event: fall}
  - {from: 10 s, by: 1 min, silent: bedside-monitor}
`
	s, problems := sim.ParseStory("wrong.yaml", []byte(text))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	bad, err := sim.Prove(context.Background(), s, catalog(t), nil, 1, day)
	if err != nil || len(bad) != 4 {
		t.Errorf("got %v, %v; want four problems", bad, err)
	}
}

func TestStoryFilesSayWhereTheyAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                             "line 1 column 1: the file is empty",
		"story: a\n  b: [":             "line 2",
		"storey: a\n":                  "line 1 column 1: unknown key \"storey\"",
		"story: a\nstory: b\n":         "line 2 column 1: key \"story\" is there twice",
		"devices: [toaster]\n":         "line 1 column 11: no simulation of profile \"toaster\"",
		"person: {age: old}\n":         "line 1 column 15: want a whole number",
		"person: {conditions: [gout]}": "line 1 column 23: no condition is called \"gout\"",
		"course: [{at: 5}]":            "line 1 column 15: want a time such as",
		"course: [{at: 5 min, towards: {spo2: 86}}]":                    "line 1 column 38: want a number and its unit, \"%\"",
		"course: [{at: 5 min, towards: {temp: 101 degF}}]":              "want a number and its unit, \"Cel\"",
		"course: [{at: 5 min, towards: {mood: 3 %}}]":                   "no vital is called \"mood\"",
		"course: [{at: 1 s, device: smart-bed, does: fly}]":             "a smart-bed cannot do \"fly\"",
		"course: [{like: stable}]":                                      "the act has no time",
		"expect: [{alarm: x}]":                                          "want \"by\"",
		"expect: [{by: 1 min}]":                                         "want exactly one of",
		"expect: [{by: 1 min, vital: {hr: 90}}]":                        "want a comparison",
		"story: a\ndevices: [cgm]\ncourse: [{at: 1 s, like: stable}]\n": "the story has none",
		"story: a\ndevices: [cgm]\n":                                    "the story proves nothing",
		"clock: noon":                                                   "want a time of day",
		"story: a\nagain: 1 min\ndevices: [cgm]\nperson: {age: 3}\ncourse: [{at: 2 min, like: stable}]": "comes after the course starts over",
	} {
		s, problems := sim.ParseStory("x.yaml", []byte(text))
		all := ""
		for _, p := range problems {
			all += p.String() + "\n"
		}
		if s != nil || !strings.Contains(all, want) {
			t.Errorf("%q: got %q, want %q", text, all, want)
		}
	}
}

func FuzzStory(f *testing.F) {
	f.Add([]byte("story: a\nperson: {age: 5}\ndevices: [cgm]\ncourse: [{at: 1 min, towards: {spo2: 86 %}, over: 1 h}]\nexpect: [{by: 1 min, event: fall}]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, problems := sim.ParseStory("f.yaml", b)
		if (s == nil) == (len(problems) == 0) {
			t.Fatalf("story %v with problems %v", s, problems)
		}
	})
}

func TestADamagedFileInTheOverlayDoesNotTakeTheOthers(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("bad.yaml", "story: [")
	write("mine.yaml", "story: quiet\ntitle: mine\ndevices: [fridge-logger]\nexpect: [{by: 2 min, vital: {room-temp: \"<8\"}}]\n")
	stories, problems := sim.Stories(dir)
	if len(problems) != 1 || problems[0].File != "bad.yaml" {
		t.Errorf("problems: %v", problems)
	}
	for _, s := range stories {
		if s.Name == "quiet" && s.Title != "mine" {
			t.Errorf("the built-in story was not replaced: %q", s.Title)
		}
	}
	if len(stories) < 9 {
		t.Errorf("only %d stories", len(stories))
	}
}

func BenchmarkHospitalMinute(b *testing.B) {
	p, rec := hospital(b, 1)
	from := vigil.InstantOf(day)
	lines, size := 0, 0
	for b.Loop() {
		err := sim.Generate(context.Background(), p, rec, from, from.Add(time.Minute), output(func(_ vigil.Instant, l vigil.Message) {
			lines++
			size += len(l.Payload)
		}))
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(lines)/float64(b.N)/60, "lines/simulated-s")
	b.ReportMetric(float64(size)/float64(b.N)/60, "B/simulated-s")
}

// A sender is a function that takes messages.
type sender func(context.Context, vigil.Message) error

func (f sender) Send(ctx context.Context, m vigil.Message) error { return f(ctx, m) }
