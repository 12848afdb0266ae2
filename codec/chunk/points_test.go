package chunk

import (
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
)

var update = flag.Bool("update", false, "write testdata anew; only for a new version of the format")

const second = 1_000_000

// vitals makes n points of a 1 Hz series: a random walk with the given
// decimals, 0 to 3 ms of jitter in both times, both clocks counting in steps
// of tick microseconds.
func vitals(seed uint64, n int, decimals int8, tick int64) []vigil.Point {
	r := rand.New(rand.NewPCG(seed, 7))
	pts := make([]vigil.Point, n)
	p := power(int(decimals))
	v := 72.0 * p
	jitter := func() int64 { return r.Int64N(3001) / tick * tick }
	for i := range pts {
		v += float64(r.IntN(3) - 1)
		taken := 1_790_000_000*second + int64(i)*second + jitter()
		q := vigil.Quality(0)
		if r.IntN(200) == 0 {
			q = vigil.Implausible
		}
		pts[i] = vigil.Point{
			Taken: vigil.Instant(taken), Stated: vigil.Instant(taken), Arrived: vigil.Instant(taken + 4000/tick*tick + jitter()),
			Value: v / p, Decimals: decimals, Key: uint64(taken), KeyKind: vigil.KeyTime, Version: 1, Quality: q,
		}
	}
	return pts
}

func same(a, b vigil.Point) bool {
	va, vb := math.Float64bits(a.Value), math.Float64bits(b.Value)
	a.Value, b.Value = 0, 0
	return a == b && va == vb
}

func checkPoints(t interface {
	Helper()
	Fatalf(string, ...any)
}, pts []vigil.Point,
) []byte {
	t.Helper()
	b := AppendPoints([]byte("x"), pts)[1:]
	got, err := Points([]vigil.Point{{Key: 42}}, b)
	if err != nil {
		t.Fatalf("read %d points back: %v", len(pts), err)
	}
	if got[0].Key != 42 || !slices.EqualFunc(got[1:], pts, same) {
		for i := range pts {
			if i+1 >= len(got) || !same(got[i+1], pts[i]) {
				t.Fatalf("point %d of %d differs:\n got %+v\nwant %+v", i, len(pts), got[i+1:min(i+2, len(got))], pts[i])
			}
		}
		t.Fatalf("got %d points, want %d", len(got)-1, len(pts))
	}
	return b
}

func TestPointsAreSmall(t *testing.T) {
	tests := []struct {
		name string
		pts  []vigil.Point
		most float64
	}{
		{"microsecond clocks", vitals(1, 512, 0, 1), 3.22},
		{"microsecond clocks, one decimal", vitals(2, 1024, 1, 1), 3.21},
		{"microsecond clocks, half a chunk", vitals(3, 256, 0, 1), 3.4},
		{"millisecond clocks", vitals(4, 512, 1, 1000), 1},
		{"with pauses", pauses(vitals(5, 600, 1, 1)), 3.4},
		{"with the sensor off now and then", states(vitals(6, 512, 1, 1)), 3.5},
		{"record numbers", numbered(vitals(7, 512, 0, 1)), 3.28},
		{"journal positions", positioned(vitals(8, 512, 0, 1)), 4.9},
		{"drifting clock", drifting(vitals(9, 512, 0, 1)), 3.3},
		{"regular", regular(512), 0.4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := checkPoints(t, tt.pts)
			got := float64(len(b)) / float64(len(tt.pts))
			t.Logf("%.3f bytes/point", got)
			if got > tt.most {
				t.Errorf("got %.3f bytes/point, want at most %.2f", got, tt.most)
			}
		})
	}
}

func pauses(pts []vigil.Point) []vigil.Point {
	pts = slices.Delete(pts, 100, 130)
	return slices.Delete(pts, 300, 302)
}

func states(pts []vigil.Point) []vigil.Point {
	for i := range pts {
		if i%100 > 90 {
			pts[i].Value, pts[i].Quality = 0, vigil.Quality(0).With(vigil.SensorOff)
		}
	}
	return pts
}

func numbered(pts []vigil.Point) []vigil.Point {
	for i := range pts {
		pts[i].Key, pts[i].KeyKind = uint64(1000+i), vigil.KeyNumber
	}
	return pts
}

func positioned(pts []vigil.Point) []vigil.Point {
	r := rand.New(rand.NewPCG(3, 3))
	seq := uint64(10_000)
	for i := range pts {
		seq += 390 + r.Uint64N(20)
		pts[i].Key, pts[i].KeyKind = seq<<20|r.Uint64N(256), vigil.KeyPosition
		pts[i].Stated = 0
	}
	return pts
}

func drifting(pts []vigil.Point) []vigil.Point {
	for i := range pts {
		d := vigil.Instant(float64(i) * 37.31)
		pts[i].Taken += d
		pts[i].Arrived += d
		pts[i].Stated = pts[i].Taken
		pts[i].Key = uint64(pts[i].Taken)
	}
	return pts
}

func regular(n int) []vigil.Point {
	pts := make([]vigil.Point, n)
	for i := range pts {
		at := vigil.Instant(1_790_000_000*second + i*second)
		pts[i] = vigil.Point{
			Taken: at, Stated: at, Arrived: at + 5000, Key: uint64(at), KeyKind: vigil.KeyTime,
			Version: 1, Value: float64(70+i%3) / 10, Decimals: 1,
		}
	}
	return pts
}

func TestPointsComeBackExactly(t *testing.T) {
	checkPoints(t, nil)
	negative := math.Copysign(0, -1)
	odd := []float64{
		0, negative, math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(),
		math.Float64frombits(0x7ff8dead00000001), 36.6, 0.1, 1.0 / 3, 1e15, -1e15, 1 << 53, 98.6 - 32,
	}
	for n := 1; n <= len(odd); n++ {
		pts := make([]vigil.Point, n)
		for i := range pts {
			pts[i] = vigil.Point{Value: odd[i], Decimals: int8(i - 2)}
		}
		checkPoints(t, pts)
	}
	far := vitals(1, 300, 1, 1)
	far[7].Value, far[250].Value, far[299].Value = negative, math.Inf(1), math.Pi
	checkPoints(t, far)
	edges := []vigil.Point{
		{Taken: math.MinInt64, Arrived: math.MaxInt64, Stated: -1, Key: math.MaxUint64, Quality: math.MaxUint32, Version: math.MaxUint16},
		{Taken: math.MaxInt64, Arrived: math.MinInt64, Key: 1 << 63, Conflict: 255, Attribution: 255, Decimals: -128, KeyKind: 255},
		{Taken: 0, Decimals: 127},
	}
	checkPoints(t, edges)
	checkPoints(t, slices.Repeat(edges, 200))
}

func genPoint(at *int64) *rapid.Generator[vigil.Point] {
	return rapid.Custom(func(t *rapid.T) vigil.Point {
		if rapid.IntRange(0, 9).Draw(t, "leap") == 0 {
			*at += rapid.Int64().Draw(t, "far")
		} else {
			*at += rapid.Int64Range(0, 2*second).Draw(t, "step")
		}
		p := vigil.Point{
			Taken:    vigil.Instant(*at),
			Arrived:  vigil.Instant(*at + rapid.Int64Range(-second, second).Draw(t, "late")),
			Stated:   vigil.Instant(*at),
			Key:      uint64(*at),
			KeyKind:  vigil.KeyTime,
			Version:  1,
			Decimals: int8(rapid.IntRange(-1, 4).Draw(t, "decimals")),
			Value:    float64(rapid.IntRange(-4000, 4000).Draw(t, "value")) / 10,
		}
		switch rapid.IntRange(0, 12).Draw(t, "oddity") {
		case 0:
			p.Value = rapid.Float64().Draw(t, "number")
		case 1:
			p.Quality = vigil.Quality(rapid.Uint32().Draw(t, "quality"))
		case 2:
			p.Key, p.KeyKind = rapid.Uint64().Draw(t, "key"), vigil.KeyNumber
		case 3:
			p.Stated = vigil.Instant(rapid.Int64().Draw(t, "stated"))
		case 4:
			p.Version, p.Conflict, p.Attribution = rapid.Uint16().Draw(t, "version"), rapid.Uint8().Draw(t, "c"), rapid.Uint8().Draw(t, "a")
		case 5:
			p.Value, p.Quality = 0, vigil.Quality(0).With(vigil.LeadsOff)
		}
		return p
	})
}

func TestPointsRoundTripProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.Int64Range(0, 1<<52).Draw(t, "start")
		checkPoints(t, rapid.SliceOfN(genPoint(&at), 0, 600).Draw(t, "points"))
	})
}

func TestDamagedPointsAreRefused(t *testing.T) {
	whole := AppendPoints(nil, states(pauses(vitals(1, 400, 1, 1))))
	for n := range whole {
		if _, err := Points(nil, whole[:n]); !errors.Is(err, ErrFormat) {
			t.Fatalf("first %d of %d bytes: got %v, want ErrFormat", n, len(whole), err)
		}
	}
	if _, err := Points(nil, append(slices.Clone(whole), 0)); !errors.Is(err, ErrFormat) {
		t.Errorf("a byte too many: got %v, want ErrFormat", err)
	}
	if _, err := Points(nil, AppendWaves(nil, nil)); !errors.Is(err, ErrFormat) {
		t.Errorf("waves read as points: got %v, want ErrFormat", err)
	}
}

func FuzzPoints(f *testing.F) {
	f.Add(AppendPoints(nil, nil))
	f.Add(AppendPoints(nil, vitals(1, 3, 1, 1)))
	f.Add(AppendPoints(nil, states(pauses(vitals(2, 340, 1, 1000)))))
	f.Add(AppendPoints(nil, positioned(vitals(2, 20, 1, 1000))))
	f.Fuzz(func(t *testing.T, b []byte) {
		pts, err := Points(nil, b)
		if err != nil {
			if len(pts) != 0 || !errors.Is(err, ErrFormat) {
				t.Fatalf("%d points beside %v", len(pts), err)
			}
			return
		}
		checkPoints(t, pts)
	})
}

// fixture opens a chunk written by the first release of a format, for ever.
func fixture(t *testing.T, name string, now []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, now, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadsPointsOfVersion1(t *testing.T) {
	want := states(pauses(vitals(11, 400, 1, 1)))
	want = append(want, positioned(vitals(12, 40, 2, 1000))...)
	want[17].Value, want[18].Version, want[19].Conflict = math.Pi, 3, 1
	got, err := Points(nil, fixture(t, "points-v1.bin", AppendPoints(nil, want)))
	if err != nil || !slices.EqualFunc(got, want, same) {
		t.Fatalf("the fixture reads differently now (%v)", err)
	}
}

// TestAppendPointsTakesMemoryOnce holds what makes heads of series cheap: the run
// that is encoded again and again takes its own bytes and nothing for the work.
func TestAppendPointsTakesMemoryOnce(t *testing.T) {
	for _, tick := range []int64{1, 1000} {
		for _, n := range []int{1, 32, fewPoints} {
			pts := vitals(2, n, 1, tick)
			var out []byte
			got := testing.AllocsPerRun(100, func() { out = AppendPoints(nil, pts) })
			if got != 1 {
				t.Errorf("%d points in ticks of %d us: %.0f allocations, want 1", n, tick, got)
			}
			if len(out) > 64 && cap(out) > len(out)+len(out)/4 {
				t.Errorf("%d points in ticks of %d us: %d bytes hold %d", n, tick, cap(out), len(out))
			}
		}
	}
}

func BenchmarkAppendPoints(b *testing.B) {
	for name, pts := range map[string][]vigil.Point{"us": vitals(1, 512, 1, 1), "ms": vitals(2, 512, 1, 1000)} {
		b.Run(name, func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendPoints(dst[:0], pts)
			}
			report(b, len(pts), len(dst), "point")
		})
	}
}

func BenchmarkPoints(b *testing.B) {
	for name, pts := range map[string][]vigil.Point{"us": vitals(1, 512, 1, 1), "ms": vitals(2, 512, 1, 1000)} {
		b.Run(name, func(b *testing.B) {
			chunk := AppendPoints(nil, pts)
			var d Decoder
			var dst []vigil.Point
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = d.Points(dst[:0], chunk)
			}
			report(b, len(pts), len(chunk), "point")
		})
	}
}

func report(b *testing.B, n, size int, what string) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "M"+what+"s/s")
	b.ReportMetric(float64(size)/float64(n), "B/"+what)
}
