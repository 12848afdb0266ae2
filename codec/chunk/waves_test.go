package chunk

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
)

var ecg = &vigil.Metric{Name: "ecg-ii", Unit: "mV", RateNum: 360, RateDen: 1}

// blocksOf cuts samples into contiguous blocks of one second.
func blocksOf(samples []int32) []vigil.Wave {
	var blocks []vigil.Wave
	start := vigil.Instant(1_790_000_000 * second)
	for len(samples) > 0 {
		n := min(360, len(samples))
		w := vigil.Wave{
			Metric: ecg, Start: start, Stated: start, Key: uint64(start), KeyKind: vigil.KeyTime,
			Gain: 0.005, Offset: -5.12, Samples: samples[:n:n],
		}
		blocks, samples, start = append(blocks, w), samples[n:], w.End()
	}
	return blocks
}

func sameWave(a, b vigil.Wave) bool {
	return a.Start == b.Start && a.Stated == b.Stated && a.Key == b.Key && a.KeyKind == b.KeyKind && a.Quality == b.Quality &&
		math.Float64bits(a.Gain) == math.Float64bits(b.Gain) && math.Float64bits(a.Offset) == math.Float64bits(b.Offset) &&
		a.Metric == b.Metric && slices.Equal(a.Samples, b.Samples)
}

func checkWaves(t interface {
	Helper()
	Fatalf(string, ...any)
}, blocks []vigil.Wave,
) []byte {
	t.Helper()
	b := AppendWaves([]byte("x"), blocks)[1:]
	got, err := Waves([]vigil.Wave{{Key: 42}}, b, ecg)
	if err != nil {
		t.Fatalf("read %d blocks back: %v", len(blocks), err)
	}
	if got[0].Key != 42 || !slices.EqualFunc(got[1:], blocks, sameWave) {
		t.Fatalf("%d blocks come back different", len(blocks))
	}
	return b
}

// data finds the folder of shared recordings above the test.
func data(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil && dir != filepath.Dir(dir) {
		path := filepath.Join(dir, "shared", "data", name)
		if _, e := os.Stat(path); e == nil {
			return path
		}
		dir = filepath.Dir(dir)
	}
	t.Skipf("no recordings: shared/data/%s is not beside the repository", name)
	return ""
}

// leads212 reads both signals of a format 212 record: two 12-bit samples in
// three bytes.
func leads212(t testing.TB, record string) [2][]int32 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(data(t, "mitdb"), record+".dat"))
	if err != nil {
		t.Fatal(err)
	}
	var leads [2][]int32
	for ; len(b) >= 3; b = b[3:] {
		first := int32(b[0]) | int32(b[1]&0x0f)<<8
		other := int32(b[2]) | int32(b[1]>>4)<<8
		leads[0] = append(leads[0], first<<20>>20)
		leads[1] = append(leads[1], other<<20>>20)
	}
	return leads
}

func TestECGIsSmall(t *testing.T) {
	var size, samples int
	for _, record := range []string{"101", "106", "119", "203", "207", "208", "230"} {
		for lead, s := range leads212(t, record) {
			s = s[:min(len(s), 360*60*5)]
			lead0 := size
			for _, minute := range slices.Collect(slices.Chunk(s, 360*60)) {
				size += len(checkWaves(t, blocksOf(minute)))
			}
			samples += len(s)
			t.Logf("%s lead %d: %.3f bytes/sample", record, lead, float64(size-lead0)/float64(len(s)))
		}
	}
	if got := float64(size) / float64(samples); got > 0.9 {
		t.Errorf("got %.3f bytes/sample, want at most 0.9", got)
	} else {
		t.Logf("all: %.3f bytes/sample", got)
	}
}

// walk makes n samples of a 12-bit random walk with gaps and spikes.
func walk(seed uint64, n int) []int32 {
	r := rand.New(rand.NewPCG(seed, 1))
	s := make([]int32, n)
	x := int32(2048)
	for i := range s {
		x = min(max(x+r.Int32N(21)-10, 0), 4095)
		s[i] = x
		switch r.IntN(100) {
		case 0:
			s[i] = vigil.Missing
		case 1:
			s[i] = 4095
		}
	}
	return s
}

func TestWavesComeBackExactly(t *testing.T) {
	checkWaves(t, nil)
	checkWaves(t, blocksOf(walk(1, 5000)))
	checkWaves(t, []vigil.Wave{{Metric: ecg}})
	checkWaves(t, []vigil.Wave{
		{Metric: ecg, Samples: []int32{math.MaxInt32, math.MinInt32 + 1, math.MaxInt32, 0, vigil.Missing}, Gain: math.NaN(), Offset: math.Inf(-1)},
		{Metric: ecg, Start: math.MaxInt64, Stated: math.MinInt64, Key: math.MaxUint64, Quality: math.MaxUint32},
		{Metric: ecg, Samples: slices.Repeat([]int32{vigil.Missing}, 300), Gain: math.Copysign(0, -1)},
		{Metric: ecg, Samples: slices.Repeat([]int32{-1, 1}, 300)},
	})
}

func TestWavesRoundTripProperty(t *testing.T) {
	sample := rapid.OneOf(rapid.Int32Range(-2048, 2047), rapid.Int32Range(-2048, 2047), rapid.Just(int32(vigil.Missing)), rapid.Int32())
	block := rapid.Custom(func(t *rapid.T) vigil.Wave {
		return vigil.Wave{
			Metric: ecg, Start: vigil.Instant(rapid.Int64().Draw(t, "start")), Stated: vigil.Instant(rapid.Int64Range(0, 1<<52).Draw(t, "stated")),
			Gain: rapid.Float64().Draw(t, "gain"), Offset: rapid.Float64().Draw(t, "offset"),
			Key: rapid.Uint64().Draw(t, "key"), KeyKind: vigil.KeyKind(rapid.Uint8().Draw(t, "kind")),
			Quality: vigil.Quality(rapid.Uint32().Draw(t, "quality")), Samples: rapid.SliceOfN(sample, 0, 200).Draw(t, "samples"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		checkWaves(t, rapid.SliceOfN(block, 0, 12).Draw(t, "blocks"))
	})
}

func TestDamagedWavesAreRefused(t *testing.T) {
	whole := AppendWaves(nil, blocksOf(walk(2, 1000)))
	for n := range whole {
		if _, err := Waves(nil, whole[:n], ecg); !errors.Is(err, ErrFormat) {
			t.Fatalf("first %d of %d bytes: got %v, want ErrFormat", n, len(whole), err)
		}
	}
	if _, err := Waves(nil, AppendPoints(nil, nil), ecg); !errors.Is(err, ErrFormat) {
		t.Errorf("points read as waves: got %v, want ErrFormat", err)
	}
}

func FuzzWaves(f *testing.F) {
	f.Add(AppendWaves(nil, nil))
	f.Add(AppendWaves(nil, blocksOf(walk(3, 500))))
	f.Add(AppendWaves(nil, []vigil.Wave{{Samples: []int32{1, vigil.Missing, 3}, Gain: 1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		blocks, err := Waves(nil, b, ecg)
		if err != nil {
			if len(blocks) != 0 || !errors.Is(err, ErrFormat) {
				t.Fatalf("%d blocks beside %v", len(blocks), err)
			}
			return
		}
		checkWaves(t, blocks)
	})
}

func TestReadsWavesOfVersion1(t *testing.T) {
	want := blocksOf(walk(11, 1500))
	got, err := Waves(nil, fixture(t, "waves-v1.bin", AppendWaves(nil, want)), ecg)
	if err != nil || !slices.EqualFunc(got, want, sameWave) {
		t.Fatalf("the fixture reads differently now (%v)", err)
	}
}

func BenchmarkAppendWaves(b *testing.B) {
	blocks := blocksOf(leads212(b, "101")[0][:360*60])
	var dst []byte
	for b.Loop() {
		dst = AppendWaves(dst[:0], blocks)
	}
	report(b, 360*60, len(dst), "sample")
}

func BenchmarkWaves(b *testing.B) {
	chunk := AppendWaves(nil, blocksOf(leads212(b, "101")[0][:360*60]))
	var dst []vigil.Wave
	for b.Loop() {
		dst, _ = Waves(dst[:0], chunk, ecg)
	}
	report(b, 360*60, len(chunk), "sample")
}
