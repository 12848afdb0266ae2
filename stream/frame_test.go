package stream

import (
	"encoding/binary"
	"flag"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/internal/seal"
)

// A failer is a test, or a property of rapid.
type failer interface {
	Helper()
	Fatalf(string, ...any)
}

// frameOf packs records as Append and the committer do.
func frameOf(t failer, table *symbols, h frameHead, recs []vigil.Record) []byte {
	t.Helper()
	e := encoder{symbols: table}
	p := newPacker(table, seal.Plain{})
	p.begin()
	var pieces []piece
	for i := range recs {
		system := recs[i].Subject.Kind == vigil.NoSubject || sharedPayload(&recs[i], recs[i+1:])
		pc, err := e.record(&recs[i], system)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		pieces = append(pieces, pc)
	}
	p.use(e.used)
	from := 0
	for i, pc := range pieces {
		p.add(recs[i].Subject, e.buf[from:pc.body], pc)
		from = pc.body
	}
	return append([]byte(nil), p.finish(h)...)
}

func instants() *rapid.Generator[vigil.Instant] {
	return rapid.Custom(func(t *rapid.T) vigil.Instant {
		return vigil.Instant(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64(), rapid.Int64Range(1.6e15, 1.9e15)).Draw(t, "instant"))
	})
}

func texts() *rapid.Generator[string] {
	return rapid.OneOf(rapid.Just(""), rapid.String(), rapid.SampledFrom([]string{
		"018f0000-0000-7000-8000-00000000000a", "018F0000-0000-7000-8000-00000000000A", "018f0000-0000-7000-8000_00000000000a",
		"018f0000-0000-7000-8000-00000000000g", "a", "mqtt",
	}))
}

func codes() *rapid.Generator[[]vigil.Code] {
	return nonEmpty(rapid.Custom(func(t *rapid.T) vigil.Code {
		return vigil.Code{
			System: rapid.OneOf(rapid.SampledFrom([]string{vigil.LOINC, vigil.MDC, vigil.SNOMED, vigil.UCUM}), texts()).Draw(t, "system"),
			Value:  texts().Draw(t, "value"), Display: texts().Draw(t, "display"),
		}
	}), 3)
}

// nonEmpty draws nil or a slice: that is how nothing comes back.
func nonEmpty[T any](g *rapid.Generator[T], most int) *rapid.Generator[[]T] {
	return rapid.Custom(func(t *rapid.T) []T {
		if s := rapid.SliceOfN(g, 0, most).Draw(t, "items"); len(s) > 0 {
			return s
		}
		return nil
	})
}

func metrics() *rapid.Generator[*vigil.Metric] {
	return rapid.Custom(func(t *rapid.T) *vigil.Metric {
		m := &vigil.Metric{
			Name: texts().Draw(t, "name"), Title: texts().Draw(t, "title"), Unit: texts().Draw(t, "unit"), Category: texts().Draw(t, "category"),
			Codes: codes().Draw(t, "codes"), Decimals: rapid.Int8().Draw(t, "decimals"), Cadence: rapid.Int64().Draw(t, "cadence"),
			Silence: rapid.Int64().Draw(t, "silence"), RateNum: rapid.Int64Range(0, 1000).Draw(t, "num"), RateDen: rapid.Int64Range(0, 3).Draw(t, "den"),
		}
		if rapid.Bool().Draw(t, "panel") {
			m.Panel = &vigil.Panel{Name: texts().Draw(t, "panel name"), Codes: codes().Draw(t, "panel codes")}
		}
		return m
	})
}

func samples() *rapid.Generator[[]int32] {
	near := rapid.Int32Range(-2048, 2047)
	return nonEmpty(rapid.OneOf(near, near, near, rapid.Int32(), rapid.Just(int32(vigil.Missing))), 300)
}

func records() *rapid.Generator[vigil.Record] {
	quality := rapid.Custom(func(t *rapid.T) vigil.Quality { return vigil.Quality(rapid.Uint32().Draw(t, "quality")) })
	kind := rapid.Custom(func(t *rapid.T) vigil.KeyKind { return vigil.KeyKind(rapid.IntRange(0, 3).Draw(t, "kind")) })
	values := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 72.5, 36.6, 0.1, 1e15, math.Inf(1)}))
	reading := rapid.Custom(func(t *rapid.T) vigil.Reading {
		return vigil.Reading{
			Metric: metrics().Draw(t, "metric"), Taken: instants().Draw(t, "taken"), Stated: instants().Draw(t, "stated"),
			Value: values.Draw(t, "value"), Decimals: rapid.Int8().Draw(t, "decimals"), KeyKind: kind.Draw(t, "kind"),
			Correction: rapid.Bool().Draw(t, "correction"), Key: rapid.Uint64().Draw(t, "key"), Quality: quality.Draw(t, "q"),
		}
	})
	wave := rapid.Custom(func(t *rapid.T) vigil.Wave {
		return vigil.Wave{
			Metric: metrics().Draw(t, "metric"), Start: instants().Draw(t, "start"), Stated: instants().Draw(t, "stated"),
			Gain: values.Draw(t, "gain"), Offset: values.Draw(t, "offset"), Samples: samples().Draw(t, "samples"),
			KeyKind: kind.Draw(t, "kind"), Key: rapid.Uint64().Draw(t, "key"), Quality: quality.Draw(t, "q"),
		}
	})
	event := rapid.Custom(func(t *rapid.T) vigil.Event {
		return vigil.Event{
			Type: texts().Draw(t, "type"), Title: texts().Draw(t, "title"), Codes: codes().Draw(t, "codes"),
			Taken: instants().Draw(t, "taken"), Stated: instants().Draw(t, "stated"), Data: nonEmpty(rapid.Byte(), 50).Draw(t, "data"),
			KeyKind: kind.Draw(t, "kind"), Key: rapid.Uint64().Draw(t, "key"), Quality: quality.Draw(t, "q"),
		}
	})
	return rapid.Custom(func(t *rapid.T) vigil.Record {
		r := vigil.Record{
			Kind: vigil.RecordKind(rapid.IntRange(1, 3).Draw(t, "kind")), Subject: subjects().Draw(t, "subject"),
			Profile: texts().Draw(t, "profile"), Attribution: rapid.Uint8().Draw(t, "attribution"),
			Known:    vigil.Instant(rapid.Int64Range(0, 1<<60).Draw(t, "known")),
			Readings: nonEmpty(reading, 4).Draw(t, "readings"), Waves: nonEmpty(wave, 2).Draw(t, "waves"), Events: nonEmpty(event, 2).Draw(t, "events"),
			Message: vigil.Message{
				Device: vigil.DeviceID(texts().Draw(t, "device")), Gateway: vigil.DeviceID(texts().Draw(t, "gateway")),
				Channel: texts().Draw(t, "channel"), ID: texts().Draw(t, "id"), Arrived: instants().Draw(t, "arrived"),
				Stated: instants().Draw(t, "stated"), Protocol: texts().Draw(t, "protocol"), Payload: nonEmpty(rapid.Byte(), 300).Draw(t, "payload"),
				BestEffort: rapid.Bool().Draw(t, "best effort"), Historical: rapid.Bool().Draw(t, "historical"), Replay: texts().Draw(t, "replay"),
			},
		}
		if rapid.Bool().Draw(t, "refused") {
			r.Refusal = &vigil.Refusal{Pos: texts().Draw(t, "pos"), Reason: texts().Draw(t, "reason"), Entry: texts().Draw(t, "entry")}
		}
		if rapid.Bool().Draw(t, "changed") {
			r.Change = &vigil.Reattribution{
				ID: texts().Draw(t, "id"), Device: vigil.DeviceID(texts().Draw(t, "device")), To: subjects().Draw(t, "to"), Reason: texts().Draw(t, "reason"),
				During: vigil.Interval{From: instants().Draw(t, "from"), To: instants().Draw(t, "to")},
				Actor:  vigil.Actor{Kind: vigil.ActorKind(texts().Draw(t, "actor")), ID: texts().Draw(t, "actor id"), Roles: nonEmpty(texts(), 2).Draw(t, "roles")},
			}
		}
		return r
	})
}

func subjects() *rapid.Generator[vigil.Subject] {
	return rapid.SampledFrom([]vigil.Subject{
		{}, vigil.PatientSubject("018f0000-0000-7000-8000-00000000000a"), vigil.PatientSubject("p2"),
		{Kind: vigil.OfLocation, ID: "bed-7"}, vigil.Unattributed("d1"),
	})
}

// same compares what reflect.DeepEqual cannot: a value that is not a number.
func same(a, b []vigil.Record) bool {
	bits := func(recs []vigil.Record) []vigil.Record {
		out := append([]vigil.Record(nil), recs...)
		for i := range out {
			out[i].Readings = append([]vigil.Reading(nil), out[i].Readings...)
			for k := range out[i].Readings {
				r := &out[i].Readings[k]
				r.Key ^= math.Float64bits(r.Value)
				r.Value = 0
			}
		}
		return out
	}
	return reflect.DeepEqual(bits(a), bits(b))
}

func TestFramesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		recs := rapid.SliceOfN(records(), 0, 8).Draw(t, "records")
		h := frameHead{partition: rapid.IntRange(0, 100).Draw(t, "partition"), producer: 7, first: rapid.Uint64().Draw(t, "first"), at: 1_790_000_000_000_000}
		f := frameOf(t, newSymbols(), h, recs)
		got, back, dam := newDecoder(newSymbols()).frame(f, seal.Plain{})
		if dam != nil {
			t.Fatalf("damaged: %v", dam.err)
		}
		h.count = len(recs)
		if got != h {
			t.Fatalf("head %+v, want %+v", got, h)
		}
		if len(recs) > 0 && !same(recs, back) {
			t.Fatalf("got %+v\nwant %+v", back, recs)
		}
	})
}

func TestEqualMetricsAreOnePointer(t *testing.T) {
	table := newSymbols()
	read := func() *vigil.Metric {
		f := frameOf(t, newSymbols(), frameHead{}, []vigil.Record{vitals(testMetrics(), 1, 1)})
		_, recs, dam := newDecoder(table).frame(f, seal.Plain{})
		if dam != nil {
			t.Fatal(dam.err)
		}
		return recs[0].Readings[0].Metric
	}
	if a, b := read(), read(); a != b {
		t.Errorf("two pointers for one metric: %p %p", a, b)
	}
}

func TestSharedPayloadIsSealedForTheSystem(t *testing.T) {
	var seen []string
	ms := testMetrics()
	a, b := vitals(ms, 1, 1), vitals(ms, 2, 1)
	b.Message = a.Message
	b.Message.Payload = nil
	table := newSymbols()
	e, p := encoder{symbols: table}, newPacker(table, keyed{&seen})
	p.begin()
	for i, recs := 0, []vigil.Record{a, b}; i < 2; i++ {
		e.buf = nil
		pc, err := e.record(&recs[i], sharedPayload(&recs[i], recs[i+1:]))
		if err != nil {
			t.Fatal(err)
		}
		p.add(recs[i].Subject, e.buf, pc)
	}
	p.use(e.used)
	f := p.finish(frameHead{at: 1_790_000_000_000_000})
	want := []string{"system/2026-09-21", "system/2026-09-21", b.Subject.String()}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("sealed under %v, want %v", seen, want)
	}
	if _, back, dam := newDecoder(table).frame(f, seal.Plain{}); dam != nil || !same(back, []vigil.Record{a, b}) {
		t.Errorf("does not come back: %+v", dam)
	}
}

// keyed notes under which subject it seals.
type keyed struct{ seen *[]string }

func (k keyed) Seal(dst []byte, subject string, plain []byte) []byte {
	*k.seen = append(*k.seen, subject)
	return seal.Plain{}.Seal(dst, subject, plain)
}

func (k keyed) Open(dst, sealed []byte) ([]byte, error) { return seal.Plain{}.Open(dst, sealed) }

func TestAnyFlippedBitIsFoundAndNamed(t *testing.T) {
	ms := testMetrics()
	recs := []vigil.Record{vitals(ms, 1, 1), vitals(ms, 2, 2), vitals(ms, 1, 3)}
	good := frameOf(t, newSymbols(), frameHead{producer: 5, first: 10, at: 1_790_000_000_000_000}, recs)
	named := 0
	for at := range good {
		bad := append([]byte(nil), good...)
		bad[at] ^= 1 << (at % 8)
		_, got, dam := newDecoder(newSymbols()).frame(bad, seal.Plain{})
		if dam == nil {
			t.Fatalf("flipped bit in byte %d was not found", at)
		}
		lost := 0
		for i := range got {
			if got[i].Kind == 0 {
				lost++
			} else if !same(got[i:i+1], recs[i:i+1]) {
				t.Fatalf("flipped bit in byte %d: record %d reads as %+v", at, i, got[i])
			}
		}
		said := 0
		for _, l := range dam.lost {
			said += l.Records
			if l.Subject.Kind == vigil.OfPatient && l.During.From >= recs[0].Readings[0].Taken-5e6 && l.During.To <= recs[2].Message.Arrived+5e6 {
				named++
			}
		}
		if !dam.whole && dam.err == nil {
			t.Fatalf("byte %d: no cause", at)
		}
		if !dam.whole && said < lost && at >= offDirectory+4 && dam.lost != nil {
			t.Errorf("byte %d: %d records lost, %d named", at, lost, said)
		}
	}
	if named < len(good)/3 {
		t.Errorf("only %d of %d damages named a patient and a time", named, len(good))
	}
}

func TestUnwritableRecordsAreRefused(t *testing.T) {
	for name, rec := range map[string]vigil.Record{
		"no kind":       {},
		"no metric":     {Kind: vigil.Understood, Readings: make([]vigil.Reading, 1)},
		"key kind":      {Kind: vigil.Understood, Readings: []vigil.Reading{{Metric: &vigil.Metric{}, KeyKind: 9}}},
		"no wave":       {Kind: vigil.Understood, Waves: make([]vigil.Wave, 1)},
		"many samples":  {Kind: vigil.Understood, Waves: []vigil.Wave{{Metric: &vigil.Metric{}, Samples: make([]int32, samplesMax+1)}}},
		"many in parts": {Kind: vigil.Understood, Waves: []vigil.Wave{{Metric: &vigil.Metric{}, Samples: make([]int32, samplesMax)}, {Metric: &vigil.Metric{}, Samples: make([]int32, 1)}}},
	} {
		e := encoder{symbols: newSymbols()}
		if _, err := e.record(&rec, false); vigil.KindOf(err) != vigil.Invalid && vigil.KindOf(err) != vigil.TooLarge {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	ms := testMetrics()
	good := frameOf(f, newSymbols(), frameHead{at: 1_790_000_000_000_000}, []vigil.Record{vitals(ms, 1, 1), vitals(ms, 2, 2)})
	f.Add(good)
	f.Add(good[:headerLen])
	f.Add([]byte{frameVersion})
	if golden, err := os.ReadFile(goldenFile()); err == nil {
		f.Add(golden)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		table := newSymbols()
		_, recs, dam := newDecoder(table).frame(b, seal.Plain{})
		if len(b) >= headerLen && dam != nil { // once more with the checksums mended, to get behind them
			mended := mend(b)
			_, recs, dam = newDecoder(table).frame(mended, seal.Plain{})
		}
		if dam != nil {
			return
		}
		h, err := readHead(b)
		if err != nil {
			t.Fatalf("sound frame without a head: %v", err)
		}
		again := frameOf(t, table, h, recs)
		if _, back, dam := newDecoder(table).frame(again, seal.Plain{}); dam != nil || len(recs) > 0 && !same(recs, back) {
			t.Fatalf("does not come back a second time: %+v", dam)
		}
	})
}

// mend sets the checksum of a frame and of its dictionary.
func mend(b []byte) []byte {
	out := append([]byte(nil), b...)
	crc, le := crcTable(), binary.LittleEndian
	if n := uint64(le.Uint32(out[offDict:])); n <= uint64(len(out)-headerLen) {
		le.PutUint32(out[offDictCRC:], crc32.Checksum(out[headerLen:headerLen+n], crc))
	}
	le.PutUint32(out[offCRC:], frameCRC(crc, out))
	return out
}

func FuzzDecodeRecord(f *testing.F) {
	table, ms := newSymbols(), testMetrics()
	e := encoder{symbols: table}
	rec := vitals(ms, 1, 1)
	rec.Waves = []vigil.Wave{{Metric: ms[0], Samples: []int32{1, 2, vigil.Missing, 4}}}
	rec.Events = []vigil.Event{{Type: "fall", Data: []byte(`{}`)}}
	if _, err := e.record(&rec, true); err != nil {
		f.Fatal(err)
	}
	f.Add(e.buf)
	f.Fuzz(func(_ *testing.T, b []byte) {
		d := newDecoder(table)
		d.known, d.samples = table.list, frameSamplesMax
		var r vigil.Record
		_ = d.record(&r, b, vigil.Subject{})
	})
}

func goldenFile() string { return filepath.Join("testdata", "frame-v1.bin") }

// goldenRecords are what testdata/frame-v1.bin holds. Neither changes, ever:
// journals on disk are in this format.
func goldenRecords() []vigil.Record {
	ms := testMetrics()
	ecg := &vigil.Metric{Name: "ecg-ii", Title: "ECG II", Unit: "mV", Decimals: -1, RateNum: 250, RateDen: 1}
	ms[4].Panel = &vigil.Panel{Name: "blood-pressure", Codes: []vigil.Code{{System: vigil.LOINC, Value: "85354-9"}}}
	a, b, c := vitals(ms, 1, 1), vitals(ms, 2, 2), vitals(ms, 1, 3)
	a.Readings[1].Quality = vigil.Quality(0).With(vigil.SensorOff) | vigil.ClockSuspect
	a.Readings[2].Value, a.Readings[2].Correction = math.Pi, true
	a.Readings[3].KeyKind, a.Readings[3].Key = vigil.KeyNumber, 77
	b.Message.Gateway, b.Message.Channel, b.Message.Stated, b.Message.BestEffort = "gate-1", "left arm", 1_790_000_000_500_000, true
	for i := range int32(130) {
		s := 40*(i%7) - 3*i
		if i%50 == 9 {
			s = vigil.Missing
		}
		if i == 0 {
			c.Waves = []vigil.Wave{{Metric: ecg, Start: 1_790_000_003_000_000, Gain: 0.005, Offset: -1, KeyKind: vigil.KeyTime, Key: 5}}
		}
		c.Waves[0].Samples = append(c.Waves[0].Samples, s)
	}
	c.Events = []vigil.Event{{
		Type: "bed-exit", Title: "Bed exit", Codes: []vigil.Code{{System: vigil.SNOMED, Value: "1", Display: "one"}},
		Taken: 1_790_000_003_100_000, Stated: 1_790_000_003_100_001, Data: []byte(`{"side":"left"}`),
	}}
	q := vigil.Record{
		Kind: vigil.Quarantined, Message: a.Message, Profile: "bedside-monitor",
		Refusal: &vigil.Refusal{Pos: "line 1 column 2", Reason: "not a number", Entry: "018f0000-0000-7000-8000-0000000000ff"},
	}
	r := vigil.Record{
		Kind: vigil.Reattributed, Subject: b.Subject, Attribution: 1,
		Change: &vigil.Reattribution{
			ID: "r1", Device: "d1", During: vigil.Interval{From: 1, To: 2}, To: a.Subject, Reason: "wrong bed",
			Actor: vigil.Actor{Kind: vigil.Person, ID: "nurse", Roles: []string{"nurse", "admin"}},
			At:    1_790_000_004_000_000,
		},
	}
	return []vigil.Record{a, q, b, r, c}
}

func TestGoldenFrameOpensForEver(t *testing.T) {
	update := flag.Lookup("test.run").Value.String() == "^TestGoldenFrameOpensForEver$" && os.Getenv("VIGIL_WRITE_GOLDEN") == "1"
	head := frameHead{partition: 3, producer: 0x1122334455667788, first: 42, at: 1_790_000_004_000_000}
	if update {
		if err := os.WriteFile(goldenFile(), frameOf(t, newSymbols(), head, goldenRecords()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(goldenFile())
	if err != nil {
		t.Fatal(err)
	}
	h, recs, dam := newDecoder(newSymbols()).frame(b, seal.Plain{})
	if dam != nil {
		t.Fatalf("damaged: %v", dam.err)
	}
	head.count = 5
	if h != head {
		t.Errorf("head %+v, want %+v", h, head)
	}
	if !same(recs, goldenRecords()) {
		t.Errorf("got %+v\nwant %+v", recs, goldenRecords())
	}
}
