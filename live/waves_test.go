package live

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
)

// decoded is a block as the browser reads it.
type decoded struct {
	kind, channel int
	seq           uint32
	t0            float64
	mhz           uint32
	gain, offset  float32
	samples       []int16
}

// decode reads a frame by the written layout.
func decode(t testing.TB, b []byte) []decoded {
	t.Helper()
	var out []decoded
	le := binary.LittleEndian
	for len(b) > 0 {
		if len(b) < 32 || b[0] != 1 {
			t.Fatalf("not a block: % x", b)
		}
		d := decoded{
			kind: int(b[1]), channel: int(le.Uint16(b[2:])), seq: le.Uint32(b[4:]),
			t0: math.Float64frombits(le.Uint64(b[8:])), mhz: le.Uint32(b[16:]),
			gain: math.Float32frombits(le.Uint32(b[24:])), offset: math.Float32frombits(le.Uint32(b[28:])),
		}
		n := int(le.Uint16(b[20:]))
		for i := range n {
			d.samples = append(d.samples, int16(le.Uint16(b[32+2*i:])))
		}
		size := (32 + 2*n + 7) / 8 * 8
		if len(b) < size {
			t.Fatalf("block of %d bytes in %d", size, len(b))
		}
		b = b[size:]
		out = append(out, d)
	}
	return out
}

// ecg makes a record with a block of n samples at 250 Hz.
func ecg(m *vigil.Metric, id string, start vigil.Instant, samples ...int32) vigil.Record {
	return vigil.Record{
		Kind: vigil.Understood, Subject: patient(id),
		Message: vigil.Message{Device: "monitor-" + vigil.DeviceID(id), Arrived: start},
		Waves:   []vigil.Wave{{Metric: m, Start: start, Gain: 0.5, Offset: 1, Samples: samples, KeyKind: vigil.KeyTime, Key: uint64(start)}},
	}
}

func lead() *vigil.Metric {
	return &vigil.Metric{Name: "ecg-ii", Title: "II", Unit: "mV", RateNum: 250, RateDen: 1}
}

// blocks reads frames until there are n blocks, and the channels before them.
func (v *viewer) blocks(n int) (chs []channel, out []decoded) {
	v.t.Helper()
	for len(out) < n {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		kind, b, err := v.conn.Read(ctx)
		cancel()
		if err != nil {
			v.t.Fatal(err)
		}
		if kind == websocket.MessageBinary {
			out = append(out, decode(v.t, b)...)
			continue
		}
		var f struct{ Channels []channel }
		if err := json.Unmarshal(b, &f); err != nil {
			v.t.Fatal(err)
		}
		if len(f.Channels) > 0 {
			chs = f.Channels
		}
	}
	return chs, out
}

func TestWaves(t *testing.T) {
	b := start(t, nil)
	m, at := lead(), now()
	pleth := &vigil.Metric{Name: "pleth", RateNum: 125, RateDen: 1}
	v := b.dial(t, "/ws/waves", `{"subscribe":{"patients":["a"],"metrics":["ecg-ii"]}}`)
	if f := v.mustRead(); f.Channels == nil || len(f.Channels) != 0 {
		t.Fatalf("want an empty list of channels first, got %+v", f)
	}
	second := vigil.Instant(1_000_000)
	samples := make([]int32, 250)
	b.put(t, 0, ecg(m, "a", at, samples...), ecg(pleth, "a", at, 7), ecg(m, "b", at, 8))
	b.put(t, 0, ecg(m, "a", at+second, 1, vigil.Missing, -3))
	b.put(t, 0, ecg(m, "a", at, samples...))         // a repeat
	b.put(t, 0, ecg(m, "a", at+10*second, 5))        // after a gap
	b.put(t, 0, ecg(m, "a", at+9*second, 6))         // late
	b.put(t, 0, ecg(m, "a", at+10*second+4000, 100)) // goes on
	chs, got := v.blocks(5)
	if len(chs) != 1 || chs[0].Channel != 1 || chs[0].Metric != "ecg-ii" || chs[0].RateNum != 250 || chs[0].Subject != patient("a") {
		t.Fatalf("channels %+v", chs)
	}
	for i, d := range got {
		if d.channel != 1 || d.seq != uint32(i) || d.mhz != 250_000 || d.gain != 0.5 || d.offset != 1 {
			t.Errorf("block %d: %+v", i, d)
		}
	}
	if len(got[0].samples) != 250 || got[0].t0 != float64(at)/1000 {
		t.Errorf("first block %+v", got[0])
	}
	if s := got[1].samples; len(s) != 3 || s[0] != 1 || s[1] != -32768 || s[2] != -3 {
		t.Errorf("samples %v", s)
	}
	if d := got[2]; d.kind != kindGap || len(d.samples) != 0 || d.t0 != float64(at+second+12_000)/1000 {
		t.Errorf("the gap is %+v", d)
	}
	if got[3].samples[0] != 5 || got[4].samples[0] != 100 {
		t.Errorf("behind the gap came %+v", got[3:])
	}
}

func TestWavesAreSubscribedBySeriesAndDropped(t *testing.T) {
	b := start(t, func(c *Config) { c.WaveQueue, c.WaveTick = 8, time.Hour })
	m, at := lead(), now()
	b.put(t, 0, ecg(m, "a", at, 1))
	v := b.dial(t, "/ws/waves", `{"subscribe":{"series":[1],"patients":["a"]}}`)
	v.mustRead() // no channels yet: the subscription stands
	const count = 50
	for i := range count {
		b.put(t, 0, ecg(m, "a", at+vigil.Instant((i+1)*4000), int32(i)))
	}
	b.waves.wakeAll()
	_, got := v.blocks(1)
	last := got[len(got)-1]
	if last.seq != count-1 || last.samples[0] != count-1 {
		t.Errorf("the newest block is %+v", last)
	}
	if len(got) > 8 || b.Stats().WaveDropped != uint64(count-len(got)) {
		t.Errorf("%d blocks came, %d were dropped, of %d", len(got), b.Stats().WaveDropped, count)
	}
	v.ask(`{"subscribe":{"patients":["a"],"metrics":["pleth"]}}`)
	if f := v.mustRead(); len(f.Channels) != 0 {
		t.Errorf("channels that nobody wants any more: %+v", f.Channels)
	}
	v.ask(`{"subscribe":5}`)
	if f := v.mustRead(); f.Type != "error" {
		t.Errorf("got %+v", f)
	}
}

// TestBlocksKeepTheValues scales samples of any size into 16 bits and back.
func TestBlocksKeepTheValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := vigil.Wave{
			Metric: lead(), Start: 1_700_000_000_000_000,
			Gain: rapid.Float64Range(-10, 10).Draw(t, "gain"), Offset: rapid.Float64Range(-100, 100).Draw(t, "offset"),
			Samples: rapid.SliceOfN(rapid.Int32(), 1, 300).Draw(t, "samples"),
		}
		if rapid.Bool().Draw(t, "long") {
			w.Samples = append(w.Samples, make([]int32, maxSamples)...)
		}
		gain, offset, mid, div := scale(&w)
		i := 0
		for _, b := range blocks(&w, 0) {
			for _, d := range decodeAny(b.bytes) {
				for _, got := range d {
					s := w.Samples[i]
					i++
					if (s == vigil.Missing) != (got == missingSample) {
						t.Fatalf("sample %d: %d became %d", i, s, got)
					}
					if s == vigil.Missing {
						continue
					}
					want, is := w.Offset+w.Gain*float64(s), offset+gain*float64(got)
					if diff := math.Abs(want - is); diff > math.Abs(w.Gain)*(float64(div)/2+1e-6*math.Abs(float64(s)))+1e-6 {
						t.Fatalf("sample %d: %v became %v (mid %d, div %d)", i, want, is, mid, div)
					}
				}
			}
		}
		if i != len(w.Samples) {
			t.Fatalf("%d of %d samples came", i, len(w.Samples))
		}
	})
}

// decodeAny returns the samples of each block.
func decodeAny(b []byte) [][]int16 {
	n := int(binary.LittleEndian.Uint16(b[20:]))
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(binary.LittleEndian.Uint16(b[32+2*i:]))
	}
	return [][]int16{out}
}
