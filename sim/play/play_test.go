package play_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/table"
	"github.com/vigil-iomt/vigil/codec/wfdb"
	"github.com/vigil-iomt/vigil/devices"
	"github.com/vigil-iomt/vigil/sim/play"
)

// data opens a folder of ../shared/data, or skips the test.
func data(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		p := filepath.Join(dir, "..", "shared", "data", name)
		if s, err := os.Stat(p); err == nil && s.IsDir() {
			return p
		}
		dir = filepath.Dir(dir)
	}
	t.Skipf("recordings %s are not there", name)
	return ""
}

// A collector keeps the messages that it is sent.
type collector struct{ list []vigil.Message }

func (c *collector) Send(_ context.Context, m vigil.Message) error {
	c.list = append(c.list, m)
	return nil
}

type sender func(context.Context, vigil.Message) error

func (f sender) Send(ctx context.Context, m vigil.Message) error { return f(ctx, m) }

func profile(t testing.TB, name string) *devices.Profile {
	t.Helper()
	c, _ := devices.Load("")
	p, ok := c.Profile(name)
	if !ok {
		t.Fatalf("no profile %q", name)
	}
	return p
}

// decode reads lines with a profile and fails on any refusal.
func decode(t testing.TB, name string, lines []vigil.Message, see func(l vigil.Message, d *devices.Decoded)) {
	t.Helper()
	p := profile(t, name)
	var d devices.Decoded
	for _, l := range lines {
		p.Decode(&d, l.Channel, l.Payload)
		if len(d.Refusals) > 0 {
			t.Fatalf("%v in %.200s", &d.Refusals[0], l.Payload)
		}
		see(l, &d)
	}
}

func TestARecordComesBackSampleBySample(t *testing.T) {
	fsys := os.DirFS(data(t, "mitdb"))
	var out collector
	sum, err := play.WFDB(context.Background(), play.WFDBConfig{FS: fsys, Record: "203", Device: "rec", Most: time.Minute}, &out)
	if err != nil || sum.Messages != 120 || sum.First != play.Undated {
		t.Fatalf("%+v, %v", sum, err)
	}
	r, err := wfdb.Open(fsys, "203")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := r.Next(60 * 360)
	if err != nil {
		t.Fatal(err)
	}
	notes, err := wfdb.ReadAnnotations(fsys, "203", "atr")
	if err != nil {
		t.Fatal(err)
	}
	beats, i := 0, 0
	decode(t, "ecg-recorder", out.list, func(l vigil.Message, d *devices.Decoded) {
		if !l.Historical || len(d.Waves) != 2 {
			t.Fatalf("historical %v, %d waves", l.Historical, len(d.Waves))
		}
		w := &d.Waves[0]
		if w.Metric.Name != "ecg-mlii" || w.Metric.RateNum != 360*w.Metric.RateDen {
			t.Fatalf("wave %s at %d/%d", w.Metric.Name, w.Metric.RateNum, w.Metric.RateDen)
		}
		if want := play.Undated + vigil.Instant(math.Round(float64(i)/360*1e6)); w.Stated != want {
			t.Fatalf("block begins at %v, want %v", w.Stated, want)
		}
		for _, s := range w.Samples {
			got := w.Offset + w.Gain*float64(s)
			if want := r.Layout[0].Physical(b.Samples[0][i]); math.Abs(got-want) > 1e-9 {
				t.Fatalf("sample %d is %g mV, want %g", i, got, want)
			}
			i++
		}
		for _, e := range d.Events {
			if e.Type == "beat" {
				beats++
			}
		}
	})
	want := 0
	for _, a := range notes.Annotations {
		if a.Sample < 60*360 && a.Code.IsBeat() {
			want++
		}
	}
	if i != 60*360 || beats != want {
		t.Errorf("%d samples and %d beats, want %d and %d", i, beats, 60*360, want)
	}
}

func TestEveryRecordIsUnderstood(t *testing.T) {
	fsys := os.DirFS(data(t, "wfdb-formats/sample-data"))
	for _, name := range []string{"100_3chan", "03700181", "a103l", "multi-segment/041s/041s", "multi-segment/s25047/s25047-2704-05-04-10-44"} {
		var out collector
		sum, err := play.WFDB(context.Background(), play.WFDBConfig{FS: fsys, Record: name, Device: "rec", Most: 5 * time.Minute}, &out)
		if err != nil || sum.Messages == 0 {
			t.Errorf("%s: %+v, %v", name, sum, err)
		}
		waves := 0
		decode(t, "ecg-recorder", out.list, func(_ vigil.Message, d *devices.Decoded) { waves += len(d.Waves) })
		if waves == 0 {
			t.Errorf("%s: no waves", name)
		}
	}
}

func TestASecondImportHasTheSameIDs(t *testing.T) {
	fsys := os.DirFS(data(t, "mitdb"))
	run := func(start vigil.Instant) map[string]string {
		var out collector
		c := play.WFDBConfig{FS: fsys, Record: "101.hea", Device: "rec", Most: 20 * time.Second, Start: start}
		if _, err := play.WFDB(context.Background(), c, &out); err != nil {
			t.Fatal(err)
		}
		ids := map[string]string{}
		for _, l := range out.list {
			ids[l.ID] = string(l.Payload)
		}
		return ids
	}
	a, b, other := run(0), run(0), run(1e15)
	if len(a) != 40 {
		t.Fatalf("%d ids, want 40", len(a))
	}
	for id, payload := range a {
		if b[id] != payload {
			t.Fatalf("message %s differs", id)
		}
		if _, ok := other[id]; ok {
			t.Fatalf("message %s at another time has the same id", id)
		}
	}
}

func TestShiftToNow(t *testing.T) {
	fsys := os.DirFS(data(t, "mitdb"))
	now := vigil.InstantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	c := play.WFDBConfig{FS: fsys, Record: "101", Device: "rec", Most: 10 * time.Second}
	c.ShiftTo = now
	var out collector
	sum, err := play.WFDB(context.Background(), c, &out)
	if err != nil || sum.First != now-10e6 || out.list[0].Historical {
		t.Errorf("as fast as it goes: %+v, %v", sum, err)
	}
	// Paced, the first sample is now; at 200 times the speed ten seconds take
	// 50 ms, by the clock that it is given.
	c.Speed = 200
	var paced collector
	began := time.Now()
	sum, err = play.WFDB(context.Background(), c, &paced)
	if err != nil || sum.First != now {
		t.Errorf("paced: %+v, %v", sum, err)
	}
	if d := time.Since(began); d < 40*time.Millisecond {
		t.Errorf("ten seconds at 200 times the speed took %v", d)
	}
}

func file(path string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return os.Open(path) }
}

func text(s string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(s)), nil }
}

func preset(t testing.TB, name string) play.Table {
	t.Helper()
	p, ok := play.Preset(name)
	if !ok {
		t.Fatalf("no preset %q", name)
	}
	return p
}

func TestTablesOfTheDataSets(t *testing.T) {
	root := data(t, ".")
	for _, c := range []struct {
		preset, file string
		where        map[string]string
		rows         int64
		metric       string
		first        float64
	}{
		{"iglu", "cgm-iglu/subjects_1_2.csv", map[string]string{"id": "Subject 1"}, 2915, "glucose", 153},
		{"t1d-uom-glucose", "t1d-uom/Glucose Data/UoMGlucose2301.csv", nil, 0, "glucose", 135},
		{"t1d-uom-bolus", "t1d-uom/Insulin Data/UoMBolus2301.csv", nil, 0, "insulin", 2.36},
		{"t1d-uom-basal", "t1d-uom/Insulin Data/UoMBasal2301.csv", nil, 0, "insulin", 1.725},
		{"t1d-uom-nutrition", "t1d-uom/Nutrition Data/UoMNutrition2301.csv", nil, 0, "carbs", 0},
		{"hypnos", "bp-hypnos/hypnos.csv", map[string]string{"ID": "70417"}, 0, "nibp-sys", 123},
		{"bidmc-numerics", "bidmc/bidmc_01_Numerics.csv.gz", nil, 481, "hr", 94},
	} {
		t.Run(c.preset, func(t *testing.T) {
			var out collector
			cfg := play.CSVConfig{Open: file(filepath.Join(root, c.file)), Device: "d", Table: preset(t, c.preset), Where: c.where}
			sum, err := play.CSV(context.Background(), cfg, &out)
			if err != nil {
				t.Fatal(err)
			}
			if c.rows > 0 && sum.Messages != c.rows || sum.Messages < 10 {
				t.Errorf("%d messages, want %d", sum.Messages, c.rows)
			}
			var first *float64
			decode(t, cfg.Profile, out.list, func(_ vigil.Message, d *devices.Decoded) {
				for i := range d.Readings {
					if r := &d.Readings[i]; first == nil && r.Metric.Name == c.metric {
						first = new(r.Value)
					}
				}
			})
			if first == nil || math.Abs(*first-c.first) > 0.5 && c.first > 50 || c.first < 50 && math.Abs(*first-c.first) > 1e-9 {
				t.Errorf("first %s is %v, want %g", c.metric, first, c.first)
			}
		})
	}
}

func TestEveryTableOfTheDataSetsPlays(t *testing.T) {
	root := data(t, ".")
	var files []string
	for _, p := range []string{"t1d-uom/*/*.csv", "bidmc/*_Numerics.csv.gz"} {
		f, _ := filepath.Glob(filepath.Join(root, p))
		files = append(files, f...)
	}
	if len(files) < 40 {
		t.Fatalf("only %d files", len(files))
	}
	for _, f := range files {
		open, err := os.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		tab, err := table.New(open)
		if err != nil {
			t.Fatal(err)
		}
		p, ok := play.Recognise(tab.Columns())
		_ = open.Close()
		if !ok {
			t.Errorf("%s: no preset for %q", filepath.Base(f), tab.Columns())
			continue
		}
		var out collector
		if _, err := play.CSV(context.Background(), play.CSVConfig{Open: file(f), Device: "d", Table: p}, &out); err != nil {
			t.Errorf("%s as %s: %v", filepath.Base(f), p.Name, err)
		}
		decode(t, p.Profile, out.list, func(vigil.Message, *devices.Decoded) {})
	}
}

func TestWaveTables(t *testing.T) {
	root := data(t, "bidmc")
	var out collector
	cfg := play.CSVConfig{Open: file(filepath.Join(root, "bidmc_01_Signals.csv.gz")), Device: "d", Table: preset(t, "bidmc-signals")}
	sum, err := play.CSV(context.Background(), cfg, &out)
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]int{}
	var first float64
	decode(t, "ecg-recorder", out.list, func(_ vigil.Message, d *devices.Decoded) {
		for i := range d.Waves {
			w := &d.Waves[i]
			if w.Metric.Name == "ecg-ii" && samples["ecg-ii"] == 0 {
				first = w.Offset + w.Gain*float64(w.Samples[0])
			}
			samples[w.Metric.Name] += len(w.Samples)
		}
	})
	for _, m := range []string{"ecg-ii", "ecg-v", "ecg-avr", "pleth", "resp"} {
		if samples[m] != 60001 {
			t.Errorf("%d samples of %s, want 60001", samples[m], m)
		}
	}
	if math.Abs(first-0.72549) > 1e-6 || sum.Messages < 900 || sum.Messages > 1000 {
		t.Errorf("first sample %g, %d messages", first, sum.Messages)
	}
}

func TestAnyTableCanBeMapped(t *testing.T) {
	cfg := play.CSVConfig{
		Open:   text("when;puls;spo2;note\n01.03.2026 12:00;+72;97,x;a\n01.03.2026 12:01;;;b\n01.03.2026 12:02;.5;NA;c\n"),
		Device: "d", Table: play.Table{
			Profile: "vitals-table", Time: play.TimeColumn{Column: "when", Format: "02.01.2006 15:04", Zone: time.FixedZone("", 3600)},
			Map: []play.Column{{From: "puls", To: "hr"}, {From: "spo2", To: "spo2"}}, Fixed: map[string]string{"unit": "x"},
		},
	}
	var out collector
	sum, err := play.CSV(context.Background(), cfg, &out)
	if err != nil || sum.Messages != 2 || sum.Skipped != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	want := []string{
		`{"time":"2026-03-01T11:00:00Z","hr":72,"spo2":"97,x","unit":"x"}`,
		`{"time":"2026-03-01T11:02:00Z","hr":0.5,"unit":"x"}`,
	}
	for i, l := range out.list {
		if string(l.Payload) != want[i] || !json.Valid(l.Payload) {
			t.Errorf("row %d is %s, want %s", i, l.Payload, want[i])
		}
	}
}

func TestTablesThatAreRefused(t *testing.T) {
	good := play.Table{Time: play.TimeColumn{Column: "t", Format: "unix-s"}, Map: []play.Column{{From: "x", To: "x"}}}
	several := good
	several.Who = "who"
	waves := good
	waves.Waves = true
	for name, c := range map[string]struct {
		text  string
		table play.Table
		want  string
	}{
		"no such column":     {"t,y\n1,2\n", good, "line 1: no column \"x\"; the table has t, y"},
		"no time":            {"t,x\n1,2\nlater,3\n", good, "line 3: column \"t\": not a number: \"later\""},
		"several people":     {"t,x,who\n1,2,a\n2,3,b\n", several, "line 3: the table holds several people"},
		"waves with no rate": {"t,x\n1,2\n", waves, "waves need a rate"},
		"empty":              {"", good, "no header"},
	} {
		var out collector
		_, err := play.CSV(context.Background(), play.CSVConfig{Open: text(c.text), Device: "d", Table: c.table}, &out)
		if err == nil || !strings.Contains(err.Error(), c.want) || vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestTablesShiftAndRepeat(t *testing.T) {
	run := func(s string, shift vigil.Instant) (lines []vigil.Message) {
		var out collector
		c := play.CSVConfig{Open: text(s), Device: "d", Table: play.Table{
			Time: play.TimeColumn{Column: "t", Format: "unix-s"}, Map: []play.Column{{From: "x", To: "hr"}},
		}}
		c.ShiftTo = shift
		if _, err := play.CSV(context.Background(), c, &out); err != nil {
			t.Fatal(err)
		}
		return out.list
	}
	now := vigil.InstantOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	shifted := run("t,x\n1000,70\n1060,71\n", now)
	if want := `{"time":"2026-03-01T11:59:00Z","hr":70}`; string(shifted[0].Payload) != want || shifted[0].Historical {
		t.Errorf("got %s (historical %v), want %s", shifted[0].Payload, shifted[0].Historical, want)
	}
	a, longer := run("t,x\n1000,70\n1060,71\n", 0), run("t,x\n940,69\n1000,70\n1060,71\n", 0)
	if !a[0].Historical || a[0].ID != longer[1].ID || a[1].ID != longer[2].ID || a[0].ID == a[1].ID {
		t.Error("a row's id depends on more than the row")
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("t,x\n1000,70\n1060,HI\n"), "unix-s", false)
	f.Add([]byte("t;x\n01/02/2023 10:00;-1e5\n"), "02/01/2006 15:04", true)
	f.Fuzz(func(t *testing.T, b []byte, format string, waves bool) {
		c := play.CSVConfig{
			Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }, Device: "d",
			Table: play.Table{Time: play.TimeColumn{Column: "t", Format: format}, Map: []play.Column{{From: "x", To: "x"}}, Waves: waves, Rate: 10},
		}
		_, _ = play.CSV(context.Background(), c, sender(func(_ context.Context, l vigil.Message) error {
			if !json.Valid(l.Payload) {
				t.Fatalf("not JSON: %s", l.Payload)
			}
			return nil
		}))
	})
}
