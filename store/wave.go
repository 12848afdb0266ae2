package store

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/chunk"
)

// wave takes one block of a wave in.
func (t *taking) wave(ctx context.Context, src *source, key *sourceKey, r *vigil.Record, v *vigil.Wave, item uint64, again bool) error {
	switch {
	case again && v.KeyKind == vigil.KeyMessage:
		t.counts.repeats++
		return nil
	case v.Metric == nil || !v.Metric.IsWave() || v.Metric.RateDen <= 0 || len(v.Samples) == 0 || len(v.Samples) > chunk.MaxSamples:
		t.counts.refused++
		return nil
	}
	s, err := t.seriesOf(ctx, src, key, v.Metric)
	if err != nil {
		return err
	}
	w := *v
	w.Quality = w.Quality&^inner | attributed(r.Attribution)
	if !ownKey(w.KeyKind) {
		w.Key = t.position(item)
	}
	return t.block(ctx, s, w)
}

// block takes a block in that may have been here before. One with the key of
// another and other samples is kept beside it, and both say so.
func (t *taking) block(ctx context.Context, s *series, w vigil.Wave) error {
	if ownKey(w.KeyKind) && w.Key <= s.kmax {
		known, err := t.db.knownWaves(ctx, t.sh, s, w.KeyKind, w.Key)
		if err != nil {
			return err
		}
		for i := range known {
			if sameSamples(&known[i], &w) && !known[i].Quality.Has(vigil.EnteredInError) {
				t.counts.repeats++
				return nil
			}
		}
		for _, k := range known {
			if k.Quality.Has(vigil.EnteredInError) {
				continue
			}
			if w.Quality |= vigil.Conflict; k.Quality.Has(vigil.Conflict) {
				continue
			}
			k.Quality |= vigil.Conflict
			if err := t.sh.putWave(s, k, t.epoch); err != nil {
				return err
			}
		}
		if w.Quality.Has(vigil.Conflict) {
			t.counts.conflicts++
		}
	}
	t.counts.waves++
	return t.sh.putWave(s, w, t.epoch)
}

// sameSamples tells whether two blocks say the same.
func sameSamples(a, b *vigil.Wave) bool {
	return a.Gain == b.Gain && a.Offset == b.Offset && slices.Equal(a.Samples, b.Samples)
}

// putWave adds a block that was found new.
func (sh *shard) putWave(s *series, w vigil.Wave, epoch uint32) error {
	if ownKey(w.KeyKind) {
		s.kmax = max(s.kmax, w.Key)
	}
	h := &s.open
	if w.Start < s.sealed {
		h, s.lateAt = &s.late, epoch
	}
	sh.mark(s, epoch)
	end := w.End()
	if h.n > 0 && (h.breaksWave(w.Start, end) || h.n+len(w.Samples) > chunk.MaxSamples) {
		if err := sh.seal(s, h); err != nil {
			return err
		}
	}
	b := encodeWaves([]vigil.Wave{w})
	h.span(b.t0, b.t1, b.n)
	h.runs = append(h.runs, b)
	s.tmax = max(s.tmax, w.Start)
	sh.bytes += len(b.data)
	if h.n >= waveSamples || len(h.runs) >= waveRuns || h.t1-h.t0 >= vigil.Instant(waveSpan.Microseconds()) {
		return sh.seal(s, h)
	}
	return nil
}

// breaksWave tells whether a chunk should end before a block that lies far from
// what it holds.
func (h *head) breaksWave(start, end vigil.Instant) bool {
	return max(end, h.t1)-min(start, h.t0) > 4*vigil.Instant(waveSpan.Microseconds())
}

// encodeWaves makes a block of tidy wave blocks. Its times reach from the first
// start to the last end.
func encodeWaves(ws []vigil.Wave) block {
	b := block{t0: ws[0].Start, t1: ws[0].Start, kmin: math.MaxUint64}
	for i := range ws {
		w := &ws[i]
		b.t1 = max(b.t1, w.End())
		b.kmin, b.kmax = min(b.kmin, w.Key), max(b.kmax, w.Key)
		b.n += len(w.Samples)
	}
	b.data = slices.Clip(chunk.AppendWaves(nil, ws))
	return b
}

// tidyWaves sorts blocks and makes copies of one block one, with the flags of
// all.
func tidyWaves(ws []vigil.Wave) []vigil.Wave {
	slices.SortStableFunc(ws, func(a, b vigil.Wave) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Key, b.Key), cmp.Compare(a.KeyKind, b.KeyKind))
	})
	out := ws[:0]
next:
	for _, w := range ws {
		for i := len(out) - 1; i >= 0 && out[i].Start == w.Start && out[i].Key == w.Key && out[i].KeyKind == w.KeyKind; i-- {
			if sameSamples(&out[i], &w) && attributionOf(&out[i]) == attributionOf(&w) {
				out[i].Quality |= w.Quality
				continue next
			}
		}
		out = append(out, w)
	}
	return out
}

// wholeWave encodes the runs of a head as one block.
func (sh *shard) wholeWave(s *series, h *head) (block, error) {
	ws := sh.blocks[:0]
	var err error
	for _, r := range h.runs {
		if ws, err = chunk.Waves(ws, r.data, s.metric.Load()); err != nil {
			return block{}, damaged("head of a wave", err)
		}
	}
	b := encodeWaves(tidyWaves(ws))
	clear(ws)
	sh.blocks = ws[:0]
	return b, nil
}

// knownWaves returns every block of a series with a key. The caller holds the
// shard's lock.
func (db *DB) knownWaves(ctx context.Context, sh *shard, s *series, kind vigil.KeyKind, key uint64) ([]vigil.Wave, error) {
	var out, ws []vigil.Wave
	pick := func(data []byte) error {
		var err error
		if ws, err = chunk.Waves(ws[:0], data, s.metric.Load()); err != nil {
			return damaged("wave", err)
		}
		for i := range ws {
			if ws[i].Key == key && ws[i].KeyKind == kind {
				out = append(out, ws[i])
			}
		}
		return nil
	}
	for _, blocks := range [][]block{s.open.runs, s.late.runs, s.pending} {
		for i := range blocks {
			if b := &blocks[i]; b.kmin <= key && key <= b.kmax {
				if err := pick(b.data); err != nil {
					return nil, err
				}
			}
		}
	}
	if s.chunks == int64(len(s.pending)) {
		return tidyWaves(out), nil
	}
	here := len(out)
	err := errGone
	for range 3 {
		out = out[:here]
		if err = db.storedWaves(ctx, sh, s, kind, key, pick); err != errGone { //nolint:errorlint // it is never wrapped
			return tidyWaves(out), err
		}
		sh.forget(s)
	}
	return nil, fault("read chunk", err)
}

// storedWaves calls pick with the written chunks of a series that span a key.
func (db *DB) storedWaves(ctx context.Context, sh *shard, s *series, kind vigil.KeyKind, key uint64, pick func([]byte) error) error {
	w, err := db.window(ctx, sh, s, kind, key)
	if err != nil {
		return err
	}
	for _, r := range w.near(key) {
		data, err := db.chunkData(ctx, s, r)
		if err != nil {
			return err
		}
		if err := pick(data); err != nil {
			return err
		}
	}
	return nil
}

// inner are the bits of a quality that the store uses for itself. They are on
// disk: superseded for points, and for waves, which have no field for it, how
// often a block was given to another subject.
const (
	inner           = superseded | 0x7f<<attributionBits
	attributionBits = 16
)

// attributed returns the bits of an attribution number.
func attributed(n uint8) vigil.Quality { return vigil.Quality(n&0x7f) << attributionBits }

// attributionOf returns the attribution number of a block.
func attributionOf(w *vigil.Wave) uint8 { return uint8(w.Quality >> attributionBits & 0x7f) } // #nosec G115 -- masked

// Waves returns the blocks of a wave series that overlap an interval, by start,
// as the device sent them; 0 as limit means all. Blocks that were given to
// another subject are left out.
func (db *DB) Waves(ctx context.Context, id vigil.SeriesID, during vigil.Interval, limit int) ([]vigil.Wave, error) {
	s := db.dict.get(id)
	if s == nil || !s.wave {
		return nil, vigil.Errorf(vigil.NotFound, "there is no such wave")
	}
	v, err := db.look(ctx, s)
	if err != nil {
		return nil, err
	}
	in := bounds(during)
	out, err := db.waves(ctx, v, in, limit, func(w *vigil.Wave) bool {
		return w.Start < in.To && w.End() > in.From && !w.Quality.Has(vigil.EnteredInError)
	})
	for i := range out {
		out[i].Quality &^= inner
	}
	return out, err
}

// waves returns the tidy blocks of a series in an interval that keep accepts, at
// most limit.
func (db *DB) waves(ctx context.Context, v *look, in vigil.Interval, limit int, keep func(*vigil.Wave) bool) ([]vigil.Wave, error) {
	var open, out []vigil.Wave
	// settle moves blocks that start before t, which no later piece can
	// change, from open to out.
	settle := func(t vigil.Instant) {
		open = tidyWaves(open)
		n := 0
		for ; n < len(open) && open[n].Start < t; n++ {
			if keep(&open[n]) {
				out = append(out, open[n])
			}
		}
		open = append([]vigil.Wave(nil), open[n:]...)
	}
	err := db.pieces(ctx, v, in, false, func(p *piece) (bool, error) {
		if len(open) > 0 && open[0].Start < p.t0 {
			if settle(p.t0); limit > 0 && len(out) >= limit {
				return false, nil
			}
		}
		var err error
		if open, err = chunk.Waves(open, p.data, v.s.metric.Load()); err != nil {
			return false, damaged("wave", err)
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	settle(math.MaxInt64)
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, nil
}
