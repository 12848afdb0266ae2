package wfdb_test

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/vigil-iomt/vigil/codec/wfdb"
)

// data opens a folder of ../shared/data, or skips the test.
func data(t testing.TB, name string) fs.FS {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir != filepath.Dir(dir) {
		p := filepath.Join(dir, "..", "shared", "data", name)
		if s, err := os.Stat(p); err == nil && s.IsDir() {
			return os.DirFS(p)
		}
		dir = filepath.Dir(dir)
	}
	t.Skipf("recordings %s are not there", name)
	return nil
}

// readAll reads a record to its end and returns the samples per signal.
func readAll(t testing.TB, fsys fs.FS, name string, step int) (*wfdb.Record, [][]int32) {
	t.Helper()
	r, err := wfdb.Open(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := make([][]int32, len(r.Layout))
	var next int64
	for {
		b, err := r.Next(step)
		if errors.Is(err, io.EOF) {
			return r, all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if b.Start != next {
			t.Fatalf("%s: block begins at %d, want %d", name, b.Start, next)
		}
		next += int64(b.Frames)
		for i, s := range b.Samples {
			if s == nil {
				s = make([]int32, b.Frames*b.Signals[i].PerFrame)
				for k := range s {
					s[k] = wfdb.Missing
				}
			}
			all[i] = append(all[i], s...)
		}
	}
}

func TestArrhythmiaDatabaseAddsUp(t *testing.T) {
	fsys := data(t, "mitdb")
	headers, _ := fs.Glob(fsys, "*.hea")
	if len(headers) != 22 {
		t.Fatalf("%d records, want 22", len(headers))
	}
	for _, name := range headers {
		r, all := readAll(t, fsys, name, 5000)
		for i, s := range r.Layout {
			if len(all[i]) != 650000 || int(all[i][0]) != s.Initial {
				t.Errorf("%s signal %d: %d samples from %d, want 650000 from %d", name, i, len(all[i]), all[i][0], s.Initial)
			}
			if !s.Checked {
				t.Errorf("%s signal %d: no checksum was compared", name, i)
			}
		}
	}
}

func TestEveryFormat(t *testing.T) {
	fsys := data(t, "wfdb-formats/sample-data")
	// Record.Next fails when a checksum does not match.
	for name, signals := range map[string]int{
		"binformats": 10, "100_3chan": 3, "03700181": 3, "s0010_re": 15, "test01_00s": 4,
		"a103l": 3, "a103l-no-len": 3, "v102s": 4,
	} {
		r, all := readAll(t, fsys, name, 333)
		if len(all) != signals {
			t.Errorf("%s: %d signals, want %d", name, len(all), signals)
		}
		for i, s := range r.Layout {
			first := all[i][0]
			if first != wfdb.Missing && int(first) != s.Initial && s.Format != 8 && s.Skew == 0 {
				t.Errorf("%s signal %d begins with %d, want %d", name, i, first, s.Initial)
			}
			if want := r.Header.Frames * int64(s.PerFrame); want > 0 && int64(len(all[i])) != want {
				t.Errorf("%s signal %d: %d samples, want %d", name, i, len(all[i]), want)
			}
		}
	}
}

func TestSeveralSamplesPerFrameAndSkew(t *testing.T) {
	fsys := data(t, "wfdb-formats/sample-data")
	_, plain := readAll(t, fsys, "test01_00s", 100)
	_, frame := readAll(t, fsys, "test01_00s_frame", 100)
	_, skew := readAll(t, fsys, "test01_00s_skew", 7)
	if len(frame[1]) != 2*len(frame[0]) {
		t.Errorf("signal with 2 samples per frame has %d beside %d", len(frame[1]), len(frame[0]))
	}
	if frame[1][0] != plain[1][0] || frame[1][1] != plain[2][0] || frame[2][5] != plain[3][5] {
		t.Error("samples of a frame are in the wrong places")
	}
	for i, v := range skew[1] {
		want := int32(wfdb.Missing)
		if i+3 < len(plain[1]) {
			want = plain[1][i+3]
		}
		if v != want {
			t.Fatalf("skewed sample %d is %d, want %d", i, v, want)
		}
	}
	if skew[0][10] != plain[0][10] || len(skew[0]) != len(plain[0]) {
		t.Error("skew of one signal moved another")
	}
}

func TestSegments(t *testing.T) {
	fsys := data(t, "wfdb-formats/sample-data/multi-segment")
	r, all := readAll(t, fsys, "041s/041s", 300)
	if len(all[0]) != 4*2000 || len(all[3]) != 2000 || r.Header.Frames != 2000 {
		t.Errorf("fixed layout: %d and %d samples, want 8000 and 2000", len(all[0]), len(all[3]))
	}
	r, all = readAll(t, fsys, "s25047/s25047-2704-05-04-10-44", 10000)
	if int64(len(all[0])) != r.Header.Frames {
		t.Errorf("variable layout: %d samples, want %d", len(all[0]), r.Header.Frames)
	}
	missing := 0
	for _, v := range all[0] {
		if v == wfdb.Missing {
			missing++
		}
	}
	if missing == 0 || missing == len(all[0]) {
		t.Errorf("variable layout: %d of %d samples missing, want some", missing, len(all[0]))
	}
}

func TestGainsOfAVariableLayoutGoWithTheirBlocks(t *testing.T) {
	fsys := data(t, "wfdb-formats/sample-data/multi-segment")
	r, err := wfdb.Open(fsys, "s25047/s25047-2704-05-04-10-44")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	gains := map[float64]bool{}
	for {
		b, err := r.Next(1000)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if b.Samples[0] != nil {
			gains[b.Signals[0].Gain] = true
		}
	}
	if !gains[86] || !gains[67] || !gains[11] {
		t.Errorf("gains of lead II are %v, want 86, 67 and 11 among them", gains)
	}
}

func TestCompressedSignalsAreRefusedByName(t *testing.T) {
	_, err := wfdb.Open(data(t, "wfdb-formats/sample-data"), "flacformats")
	if err == nil || !strings.Contains(err.Error(), "508 (FLAC) is not supported") {
		t.Errorf("got %v", err)
	}
}

func TestAnnotations(t *testing.T) {
	fsys := data(t, "mitdb")
	a, err := wfdb.ReadAnnotations(fsys, "203", "atr")
	if err != nil {
		t.Fatal(err)
	}
	beats, rhythms := map[string]int{}, map[string]int{}
	for _, x := range a.Annotations {
		if x.Code.IsBeat() {
			beats[x.Code.Symbol()]++
		}
		if x.Code == wfdb.Rhythm {
			rhythms[wfdb.RhythmWord(x.Text)]++
		}
	}
	// The database's directory: record 203 has 2529 N, 2 a, 444 V, 1 F, 4 Q.
	for symbol, want := range map[string]int{"N": 2529, "a": 2, "V": 444, "F": 1, "Q": 4} {
		if beats[symbol] != want {
			t.Errorf("record 203: %d beats %s, want %d", beats[symbol], symbol, want)
		}
	}
	if rhythms["atrial-fibrillation"] == 0 || rhythms["ventricular-tachycardia"] == 0 {
		t.Errorf("rhythms of record 203: %v", rhythms)
	}
	names, _ := fs.Glob(fsys, "*.atr")
	for _, n := range names {
		a, err := wfdb.ReadAnnotations(fsys, strings.TrimSuffix(n, ".atr"), "atr")
		if err != nil {
			t.Fatal(err)
		}
		last := a.Annotations[len(a.Annotations)-1].Sample
		if last <= 600000 || last >= 650000 {
			t.Errorf("%s: the last annotation is at %d, want it near the end of 650000", n, last)
		}
	}
}

func TestHeaderSaysWhereItIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "line 1: no record line",
		"# only a comment\n":                     "no record line",
		"a 1 360 10\n":                           "1 signals announced, 0 described",
		"a x\n":                                  "line 1: number of signals: not a number",
		"a 1 -3\n":                               "line 1: sampling frequency",
		"a 1 360 9\na.dat foo\n":                 "line 2: format: not a number",
		"a 1 360 9\n../a.dat 16\n":               "line 2: file name \"../a.dat\" holds a path",
		"a 1 360 9\na.dat 16 nan\n":              "line 2: gain",
		"a 1 360 9\na.dat 16x0\n":                "line 2: samples per frame",
		"a 1 360 9\na.dat 16\nb.dat 16\n":        "line 3: more lines",
		"a/2 1 360 9\na1 5\n":                    "2 segments announced, 1 listed",
		"a 99999 360 9\n":                        "not between",
		"a 1 360 9\na.dat 16 200 12 0 0 zz\n":    "line 2: checksum",
		"a/1 1 360 9\n../../etc/passwd 5\n":      "holds a path",
		"a 1 360 99999999999999999999\na.dat 16": "number of samples",
	} {
		_, err := wfdb.ParseHeader([]byte(text))
		var syntax *wfdb.SyntaxError
		if !errors.As(err, &syntax) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestHeaderDefaults(t *testing.T) {
	h, err := wfdb.ParseHeader([]byte("x/1\t2\n"))
	if err == nil {
		t.Errorf("segments missing: got %v", h)
	}
	h, err = wfdb.ParseHeader([]byte("# first\n rec 2 125/0.5(3) 10 17:27:45 15/08/1994\r\na.dat 212\na.dat 212x2:4+7 12.84(-1605)/mmHg 12 3 -943 65535 0 ABP right arm\n#note\n"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := h.Signals[0], h.Signals[1]
	if a.Gain != 200 || a.Calibrated || a.Units != "mV" || a.PerFrame != 1 || a.Checked {
		t.Errorf("defaults: %+v", a)
	}
	if b.Gain != 12.84 || !b.Calibrated || b.Baseline != -1605 || b.Units != "mmHg" || b.Skew != 4 || b.Offset != 7 ||
		b.PerFrame != 2 || b.Checksum != -1 || b.Title != "ABP right arm" || b.ADCZero != 3 || b.Initial != -943 {
		t.Errorf("full line: %+v", b)
	}
	if got := b.Physical(-1605 + 1284); math.Abs(got-100) > 1e-9 {
		t.Errorf("physical value %g, want 100", got)
	}
	if h.Start.Format("2006-01-02 15:04:05") != "1994-08-15 17:27:45" || len(h.Comments) != 2 {
		t.Errorf("start %v, comments %q", h.Start, h.Comments)
	}
}

func TestDamagedFilesAreFound(t *testing.T) {
	head := "r 1 100 4\nr.dat 16 200/mV 16 0 1 10 0 II\n"
	good := []byte{1, 0, 2, 0, 3, 0, 4, 0}
	for name, c := range map[string]struct {
		dat  []byte
		want string
	}{
		"whole":       {good, ""},
		"short":       {good[:6], "end after 3 of 4 frames"},
		"other bytes": {[]byte{1, 0, 2, 0, 3, 0, 5, 0}, "add up to 11, the header says 10"},
	} {
		fsys := fstest.MapFS{"r.hea": {Data: []byte(head)}, "r.dat": {Data: c.dat}}
		r, err := wfdb.Open(fsys, "r")
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = r.Next(3)
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte("101 2 360 650000\n101.dat 212 200 11 1024 955 29832 0 MLII\n101.dat 212x2:3+4 200(1)/mV 11 1024 992 19589 0 V1\n# 75 F\n"))
	f.Add([]byte("041s/2 7 125 2000 8:26:04 26/10/1994\n041s01 1000\n~ 1000\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := wfdb.ParseHeader(b)
		if (h == nil) == (err == nil) {
			t.Fatalf("header %v with error %v", h, err)
		}
	})
}

func FuzzAnnotations(f *testing.F) {
	f.Add([]byte{0x12, 0x70, 0x05, 0xfc, '(', 'N', 0, 0, 0, 0, 5, 4, 0, 0})
	f.Add([]byte{0, 0xec, 1, 0, 2, 0, 5, 4, 1, 0xf0, 2, 0xf4, 3, 0xf8, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := wfdb.ParseAnnotations(b)
		if (a == nil) == (err == nil) {
			t.Fatal("neither or both of annotations and error")
		}
	})
}

func FuzzSignals(f *testing.F) {
	f.Add("r 2 100 4\nr.dat 212x2:1 200/mV 16 0 1 10 0 II\nr.dat 212 200/mV 16 0 1 10 0 V\n", []byte("0123456789abcdef"))
	for _, format := range []string{"8", "16", "24", "32", "61", "80", "160", "310", "311", "508"} {
		f.Add("r 1\nr.dat "+format+"\n", []byte("0123456789abcdef"))
	}
	f.Fuzz(func(t *testing.T, header string, dat []byte) {
		r, err := wfdb.Open(fstest.MapFS{"r.hea": {Data: []byte(header)}, "r.dat": {Data: dat}}, "r")
		if err != nil {
			return
		}
		defer r.Close()
		for range 1000 {
			b, err := r.Next(16)
			if err != nil {
				return
			}
			for i, s := range b.Samples {
				if s != nil && len(s) != b.Frames*b.Signals[i].PerFrame {
					t.Fatalf("signal %d has %d samples in %d frames of %d", i, len(s), b.Frames, b.Signals[i].PerFrame)
				}
			}
		}
	})
}
