package play

import (
	"context"
	"math"
	"slices"
	"strconv"

	"github.com/vigil-iomt/vigil"
	"github.com/vigil-iomt/vigil/codec/table"
)

// tableGain is the step in which wave values of a table are sent: tables give
// five decimals at most.
const tableGain = 0.00001

// A waveBlock gathers the rows of a wave table until there is half a second of
// them.
type waveBlock struct {
	start   vigil.Instant
	n       int
	next    vigil.Instant // when the sample after the last block is due; 0 at first
	samples [][]byte      // per column, as JSON numbers with commas
}

func (p *tablePlayer) waveRow(ctx context.Context, at vigil.Instant, row table.Row) error {
	w := &p.wave
	period := 1e6 / p.c.Rate
	// Times in tables are rounded (BIDMC writes 100.008 s as 100.01), so a row
	// counts as the next sample unless it is further off than rounding goes.
	due := w.start + vigil.Instant(float64(w.n)*period)
	if w.n == 0 {
		due = w.next
	}
	hole := math.Abs(float64(at-due)) > max(1.5*period, 6000)
	if w.n > 0 && hole {
		if err := p.flushWaves(ctx); err != nil {
			return err
		}
	}
	if w.n == 0 {
		if w.start = at; w.next != 0 && !hole {
			w.start = due
		}
		w.samples = make([][]byte, len(p.c.Map))
	}
	for i, m := range p.c.Map {
		if w.n > 0 {
			w.samples[i] = append(w.samples[i], ',')
		}
		v, err := strconv.ParseFloat(row.Get(m.From), 64)
		if s := math.Round(v / tableGain); err == nil && math.Abs(s) < math.MaxInt32 {
			w.samples[i] = strconv.AppendInt(w.samples[i], int64(s), 10)
		} else {
			w.samples[i] = append(w.samples[i], "null"...)
		}
	}
	w.n++
	if float64(w.n) < p.c.Rate/2 {
		return nil
	}
	return p.flushWaves(ctx)
}

// flushWaves sends the block that was gathered.
func (p *tablePlayer) flushWaves(ctx context.Context) error {
	w := &p.wave
	if w.n == 0 {
		return nil
	}
	b := append([]byte(`{"time":"`), w.start.String()...)
	b = append(b, `","waves":[`...)
	for i, m := range p.c.Map {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"lead":`...), m.To)
		b = appendNumber(append(b, `,"rate":`...), p.c.Rate)
		b = appendNumber(append(b, `,"gain":`...), tableGain)
		b = append(append(b, `,"offset":0,"samples":[`...), w.samples[i]...)
		b = append(b, "]}"...)
	}
	due := w.start + vigil.Instant(float64(w.n)*1e6/p.c.Rate)
	w.n, w.next = 0, due
	return p.send(ctx, w.start, due, append(b, "]}"...))
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
